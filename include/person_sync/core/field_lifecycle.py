"""
Fields over time: which of them took part before and are isolated now, and which are being filled in.

A field that begins to take part is filled in for everybody who was linked before: its first merge, and nothing but it,
since the other fields agree with their base. A one-way field carries empty values too, as the field's only master says
so; of a two-way field the filled side counts. Source: Adobe, "Quick sync of newly added fields".

The states are kept as a watermark, so that they move with the commit of the run that acted on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.core.fields import Blank, Rule, Table
from include.person_sync.core.schema import MODIFIED
from include.person_sync.core.values import MISSING, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from include.person_sync.core.fields import FieldMap
    from include.person_sync.core.schema import EffectiveField, ResolvedSchema

__all__ = [
    "FieldStates",
    "after_backfills",
    "backfill_notes",
    "carry_empty_values",
    "isolated_notes",
    "newly",
    "next_states",
    "out_of_range",
]

Names = dict[str, list[str]]
"""Field names per table name."""


@dataclass(frozen=True)
class FieldStates:
    """
    What is remembered of the fields of each table.

    `effective` took part in the last run; `isolated` did once, and are still in the map; `backfill` are being filled in
    for people who were linked before the field took part.
    """

    effective: Names = field(default_factory=dict)
    isolated: Names = field(default_factory=dict)
    backfill: Names = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> FieldStates:
        """Return the states a watermark holds."""
        return cls(**{name: dict(names) for name, names in (value or {}).items()})

    def as_json(self) -> dict[str, Names]:
        """Return the states as JSON, to be stored as a watermark."""
        return {"effective": self.effective, "isolated": self.isolated, "backfill": self.backfill}

    def pending(self, table: Table) -> list[str]:
        """Return the fields of a table that are being filled in."""
        return self.backfill.get(table.value, [])


def next_states(
    before: FieldStates, schema: ResolvedSchema, field_map: FieldMap, added: Mapping[str, Collection[str]]
) -> FieldStates:
    """
    Return the states after a look at the schemas.

    `added`: per table name, fields that take part from this run on, while others did before.
    """
    effective = schema.names()
    isolated, backfill = {}, {}
    for table in Table:
        name, now = table.value, set(effective[table.value])
        mapped = {entry.name for entry in field_map.for_table(table) if entry.rule_for(table) is not Rule.OFF}
        known = {*before.effective.get(name, []), *before.isolated.get(name, [])}
        isolated[name] = sorted(known & mapped - now)
        backfill[name] = sorted({*before.pending(table), *added.get(name, ())} & now)
    return FieldStates(effective, isolated, backfill)


def newly(before: Names, after: Names) -> list[tuple[str, str]]:
    """Return (table name, field name) of what is in `after` and was not in `before`."""
    return [(table, name) for table, names in after.items() for name in sorted(set(names) - set(before.get(table, [])))]


def isolated_notes(states: FieldStates, schema: ResolvedSchema) -> list[dict[str, str]]:
    """Return what to tell of the isolated fields: name, table, reason and remedy."""
    return [
        {"field": dropped.name, "table": table.value, "reason": dropped.reason, "remedy": dropped.remedy}
        for table in Table
        for dropped in schema.dropped[table]
        if dropped.name in states.isolated.get(table.value, [])
    ]


def backfill_notes(states: FieldStates, busy: Collection[str]) -> dict[str, list[dict[str, str]]]:
    """
    Return which backfills end with this run (`fields_backfilled`) and which go on (`fields_backfilling`).

    `busy`: names of tables of which people still wait for their turn.
    """
    notes: dict[str, list[dict[str, str]]] = {}
    for table, names in states.backfill.items():
        key = "fields_backfilling" if table in busy else "fields_backfilled"
        for name in names:
            notes.setdefault(key, []).append({"field": name, "table": table})
    return notes


def after_backfills(states: FieldStates, busy: Collection[str]) -> FieldStates:
    """Return the states once this run is committed: backfills end where nobody waits for their turn any more."""
    return replace(states, backfill={table: names if table in busy else [] for table, names in states.backfill.items()})


def carry_empty_values(
    base: pd.DataFrame,
    marketo: pd.DataFrame,
    dynamics: pd.DataFrame,
    fields: Sequence[EffectiveField],
    known: pd.Index,
) -> pd.DataFrame:
    """
    Return the base with which an empty value of the master empties the other side, for one-way fields of known links.

    Without a base a filled value would count as the edit; so the side that is only written is taken for the base where
    the master holds nothing. Frames as for `merge`, aligned. `fields`: those being filled in. `known`: links that are
    not new.
    """
    columns = {}
    for pending in fields:
        name, rule = pending.name, pending.field.rule_for(pending.table)
        if pending.field.blank is Blank.KEEP or rule not in {Rule.DYNAMICS_TO_MARKETO, Rule.MARKETO_TO_DYNAMICS}:
            continue
        ours, theirs = marketo[name], dynamics[name]
        master, other = (theirs, ours) if rule is Rule.DYNAMICS_TO_MARKETO else (ours, theirs)
        emptied = (base[name] == MISSING) & master.isna() & other.notna() & (other != UNREADABLE)
        columns[name] = base[name].mask(emptied & base.index.isin(known), other)
    return base.assign(**columns)


def out_of_range(rows: pd.DataFrame, fields: Sequence[EffectiveField], names: Collection[str]) -> pd.DataFrame:
    """
    Return, per row (index as `rows`) and field of `names` with `backfill_since`, whether the row was changed before it.

    A row that does not tell is not out of range.
    """
    days = {field.name: field.field.backfill_since for field in fields if field.name in names}
    limited = {name: since for name, since in days.items() if since}
    if not limited:
        return pd.DataFrame(index=rows.index, dtype=bool)
    told = rows[MODIFIED] if MODIFIED in rows else pd.Series(None, index=rows.index, dtype="str")
    moments = pd.to_datetime(told, format="ISO8601", utc=True, errors="coerce")
    return pd.DataFrame(
        {name: moments < since.astimezone(UTC) for name, since in limited.items()}, index=rows.index, dtype=bool
    )
