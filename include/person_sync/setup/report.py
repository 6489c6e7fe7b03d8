"""What setup found: checks, things it made, fields that take part; as JSON and as text."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import DroppedField, EffectiveField

__all__ = ["Check", "SetupReport", "TableFields"]

_WORDS = {True: "ok", False: "FAILED", None: "not run"}
_DETAIL_WIDTH = 88


@dataclass(frozen=True, slots=True)
class Check:
    """
    One check. `passed` is None when it was not run; `detail` says what was seen, `remedy` what to do about it.

    `name` is stable: programs may look for it.
    """

    name: str
    passed: bool | None
    detail: str
    remedy: str = ""

    @property
    def title(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")

    @property
    def word(self) -> str:
        """The outcome in a word: ok, FAILED or not run."""
        return _WORDS[self.passed]


@dataclass(frozen=True, slots=True)
class TableFields:
    """The mapped fields of one table that take part, and those that do not with the reason."""

    effective: tuple[EffectiveField, ...]
    dropped: tuple[DroppedField, ...]

    @property
    def narrowed(self) -> tuple[EffectiveField, ...]:
        """Fields that flow in fewer directions than the map says, because a side can't be written."""
        return tuple(field for field in self.effective if field.rule != field.field.rule_for(field.table))

    def as_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "effective": [{"name": field.name, "rule": str(field.rule)} for field in self.effective],
            "narrowed": [field.name for field in self.narrowed],
            "dropped": [{"name": field.name, "reason": field.reason, "remedy": field.remedy} for field in self.dropped],
        }


@dataclass(frozen=True, slots=True)
class SetupReport:
    """
    The outcome of a setup.

    `provisioned` names what was made in Marketo this time, `warnings` what a person should know about it, `fields` the
    fields per table (empty when the schemas could not be read).
    """

    checks: tuple[Check, ...]
    provisioned: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    fields: Mapping[Table, TableFields] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """True when no check failed."""
        return not self.failed

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed, in order."""
        return tuple(check for check in self.checks if check.passed is False)

    def check(self, name: str) -> Check:
        """Return a check by name. Raises KeyError when it is not among them."""
        for check in self.checks:
            if check.name == name:
                return check
        raise KeyError(name)

    def as_json(self) -> dict[str, Any]:
        """Return the report for programs; no secret and no person's data in it."""
        return {
            "ok": self.ok,
            "checks": [
                {"name": check.name, "passed": check.passed, "detail": check.detail, "remedy": check.remedy}
                for check in self.checks
            ],
            "provisioned": list(self.provisioned),
            "warnings": list(self.warnings),
            "fields": {table.value: fields.as_json() for table, fields in self.fields.items()},
        }

    def as_text(self) -> str:
        """Return the report as a table for people: checks, what was made, fields, and a verdict at the end."""
        return "\n".join([*self._check_lines(), *self._made_lines(), *self._field_lines(), "", self.verdict])

    def _check_lines(self) -> Iterator[str]:
        width = max((len(check.title) for check in self.checks), default=0)
        for check in self.checks:
            lines = textwrap.wrap(check.detail, _DETAIL_WIDTH) or [""]
            if check.remedy and check.passed is not True:
                lines += [f"-> {line}" for line in textwrap.wrap(check.remedy, _DETAIL_WIDTH - 3)]
            yield f"{check.word:<8} {check.title:<{width}}  {lines[0]}".rstrip()
            yield from (f"{'':<8} {'':<{width}}  {line}" for line in lines[1:])

    def _made_lines(self) -> Iterator[str]:
        for made in self.provisioned:
            yield f"made in Marketo: {made}"
        for warning in self.warnings:
            yield f"please note: {warning}"

    def _field_lines(self) -> Iterator[str]:
        for table, fields in self.fields.items():
            yield ""
            yield f"{table.value}: {len(fields.effective)} fields synced, {len(fields.dropped)} not"
            yield from (
                f"  {field.name}: only {field.rule}, the other side can't be written" for field in fields.narrowed
            )
            for remedy in dict.fromkeys(out.remedy for out in fields.dropped):
                yield from (f"  {out.name}: {out.reason}" for out in fields.dropped if out.remedy == remedy)
                yield f"  -> {remedy}"

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        if self.ok:
            return "Everything is in place."
        count = len(self.failed)
        return f"{count} check{'s' if count > 1 else ''} failed: {', '.join(check.title for check in self.failed)}."
