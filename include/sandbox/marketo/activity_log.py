"""
The activity log: what happened to whom, in the order of time, as the three change feeds read it.

Rows carry whole seconds, so several share one, and a reader that stops inside a second has to look at it again.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "CHANGE_SCORE",
    "CHANGE_VALUE",
    "DELETE_LEAD",
    "MERGE_LEADS",
    "NEW_LEAD",
    "Activity",
    "ActivityLog",
    "Change",
    "Page",
    "Position",
]

# Source: activities.md and the recorded type list of a live instance.
NEW_LEAD: Final = 12
CHANGE_VALUE: Final = 13
CHANGE_SCORE: Final = 22
MERGE_LEADS: Final = 32
DELETE_LEAD: Final = 37

_ROWS_PER_CALL: Final = 20_000

Attribute = tuple[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a lead moving from one text to another (None: empty)."""

    field_id: int
    name: str
    display_name: str
    old: str | None
    new: str | None


@dataclass(slots=True, eq=False)
class Activity:
    """
    One row of the log.

    `at` is the moment shown, in whole seconds since the epoch; `recorded_at` is when the row came into being, from
    which the visibility delay counts. `lead_id` changes when a merge moves the row to the winner.
    """

    number: int
    type_id: int
    lead_id: int
    at: int
    recorded_at: float
    attributes: tuple[Attribute, ...] = ()
    change: Change | None = None
    primary_id: int | None = None
    primary_value: str | None = None
    api_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, order=True)
class Position:
    """A place in the log: everything with a larger (`at`, `number`) comes after it."""

    at: int
    number: int


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows, the place after the last row looked at, and whether there are more."""

    rows: tuple[Activity, ...]
    position: Position
    more: bool


class ActivityLog:
    """All activities of an instance, sorted by moment, kept per type and per lead."""

    def __init__(self) -> None:
        self._by_type: dict[int, list[Activity]] = defaultdict(list)
        self._by_lead: dict[int, list[Activity]] = defaultdict(list)
        self._next_number = 50_001

    def add(
        self,
        type_id: int,
        lead_id: int,
        at: float,
        recorded_at: float,
        *,
        attributes: tuple[Attribute, ...] = (),
        change: Change | None = None,
        primary_id: int | None = None,
        primary_value: str | None = None,
        api_names: tuple[str, ...] = (),
    ) -> Activity:
        """Write a row and return it. `at` may lie in the past: the row then takes its place among the older ones."""
        row = Activity(
            self._next_number, type_id, lead_id, int(at), recorded_at,
            attributes, change, primary_id, primary_value, api_names,
        )  # fmt: skip
        self._next_number += 1
        rows = self._by_type[type_id]
        if rows and rows[-1].at > row.at:
            insort(rows, row, key=_place)
        else:
            rows.append(row)
        self._by_lead[lead_id].append(row)
        return row

    def of_lead(self, lead_id: int, type_id: int | None = None) -> list[Activity]:
        """Return a lead's rows, oldest first; of one type when that is given."""
        rows = [row for row in self._by_lead.get(lead_id, ()) if type_id in {None, row.type_id}]
        return sorted(rows, key=_place)

    def count(self, type_id: int) -> int:
        """How many rows of a type there are."""
        return len(self._by_type.get(type_id, ()))

    def move(self, loser: int, winner: int) -> None:
        """Hand a merged lead's rows to the winner."""
        rows = self._by_lead.pop(loser, [])
        for row in rows:
            row.lead_id = winner
        self._by_lead[winner].extend(rows)

    def read(
        self,
        type_ids: frozenset[int],
        after: Position,
        limit: int,
        *,
        visible: Callable[[Activity], bool],
        wanted: Callable[[Activity], bool],
    ) -> Page:
        """
        Up to `limit` rows of these types after a place.

        A call looks at a bounded number of rows: where few are wanted, the page is short and more are said to follow.
        Rows that are not visible yet are passed over; the reader that stores the place never meets them again.
        """
        rows: list[Activity] = []
        position = after
        for looked_at, row in enumerate(self._merged(type_ids, after)):
            if not visible(row):
                continue
            if len(rows) == limit or looked_at >= _ROWS_PER_CALL:
                return Page(tuple(rows), position, more=True)
            position = Position(row.at, row.number)
            if wanted(row):
                rows.append(row)
        return Page(tuple(rows), position, more=False)

    def _merged(self, type_ids: frozenset[int], after: Position) -> Iterator[Activity]:
        parts = [_tail(self._by_type[type_id], after) for type_id in sorted(type_ids) if type_id in self._by_type]
        return parts[0] if len(parts) == 1 else heapq.merge(*parts, key=_place)


def _place(row: Activity) -> tuple[int, int]:
    return row.at, row.number


def _tail(rows: list[Activity], after: Position) -> Iterator[Activity]:
    start = bisect_left(rows, (after.at, after.number + 1), key=_place)
    return (rows[number] for number in range(start, len(rows)))
