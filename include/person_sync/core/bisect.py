"""
Which fields of a refused change are to blame, found by sending parts of it.

A system refuses a row as a whole and seldom names the field. So half of what is suspected is sent: when it is taken the
culprit is in the other half, when it is refused it is in this one, and what has not been tried yet waits until the
culprit stands alone. After the refusal, one culprit among n fields is found and everything else written with at most
⌈log2 n⌉ + 2 requests, and so is each further one. A field is called refused only after it was refused by itself, or in
a group that was not taken apart further because the tries had run out. No I/O, nothing changes in place.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil, log2
from typing import Self

__all__ = ["Search"]

CULPRITS_FOUND = 2
"""For so many refused fields of a person there are tries enough; what is left then is refused together."""


@dataclass(frozen=True)
class Search:
    """
    What is known of the fields of one change.

    `untried`: nothing is known of them. `suspects`: a refused one is among them. `refused`: the groups found to be
    refused, of a single field each unless the tries ran out. `tries`: how many parts may still be sent before that.
    """

    untried: tuple[str, ...]
    tries: int
    suspects: tuple[str, ...] = ()
    refused: tuple[tuple[str, ...], ...] = field(default=())

    @classmethod
    def of(cls, fields: tuple[str, ...]) -> Self:
        """Return the search through a change's fields, of which nothing is known: the first part is the whole."""
        return cls(fields, tries=CULPRITS_FOUND * (ceil(log2(max(1, len(fields)))) + 2))

    @property
    def part(self) -> tuple[str, ...]:
        """The fields to send next; none when the search is over."""
        if not self.suspects:
            return self.untried
        alone = len(self.suspects) == 1 or self.tries <= 0
        return self.suspects if alone else self.suspects[: len(self.suspects) // 2]

    def after_taken(self) -> Search:
        """Return what is known once the part was taken: the culprit, if there is one, is among the other suspects."""
        if not self.suspects:
            return replace(self, untried=(), tries=self.tries - 1)
        return replace(self, suspects=self._others(), tries=self.tries - 1)

    def after_refused(self) -> Search:
        """Return what is known once the part was refused: the culprit is in it, the other suspects are untried."""
        part, others = self.part, self._others()
        untried = (*others, *self.untried) if self.suspects else ()
        known = replace(self, untried=untried, tries=self.tries - 1)
        if len(part) == 1 or self.tries <= 0:
            return replace(known, suspects=(), refused=(*self.refused, part))
        return replace(known, suspects=part)

    def _others(self) -> tuple[str, ...]:
        sent = set(self.part)
        return tuple(name for name in self.suspects if name not in sent)
