"""
Fields over time: which of them took part before and are isolated now, and which are being filled in.

Kept as a watermark, so that it moves with the commit of the run that acted on it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.person_sync.core.fields import Rule
from include.person_sync.core.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from include.person_sync.core.fields import FieldMap, Table
    from include.person_sync.core.schema import ResolvedSchema

log = logging.getLogger(__name__)

FIELDS = "fields"


@dataclass
class FieldStates:
    """
    What is remembered of the fields of each table.

    `effective` took part in the last run; `isolated` did once, and are still in the map; `backfill` are being filled in
    for people who were linked before the field took part.
    """

    effective: dict[str, list[str]] = field(default_factory=dict)
    isolated: dict[str, list[str]] = field(default_factory=dict)
    backfill: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any] | None) -> FieldStates:
        """Return the states a watermark holds."""
        return cls(**{name: dict(one) for name, one in (value or {}).items()})

    def pending(self, table: Table) -> list[str]:
        """Return the fields of a table that are being filled in."""
        return self.backfill.get(table.value, [])


def next_states(
    states: FieldStates, schema: ResolvedSchema, field_map: FieldMap, added: Mapping[str, Collection[str]]
) -> FieldStates:
    """
    Return the states after a look at the schemas; logs what is isolated from now on, and what is being filled in.

    `added`: per table, fields that take part from this run on, while others did before.
    """
    now = FieldStates(effective=schema.names())
    for table in TABLES:
        name = table.value
        mapped = {one.name for one in field_map.for_table(table) if one.rule_for(table) is not Rule.OFF}
        before = {*states.effective.get(name, []), *states.isolated.get(name, [])}
        now.isolated[name] = sorted(before & mapped - set(now.effective[name]))
        now.backfill[name] = sorted({*states.pending(table), *added.get(name, ())} & set(now.effective[name]))
        for one in sorted(set(now.backfill[name]) - set(states.pending(table))):
            log.info("field %s of %s takes part from now on: it is filled in for everybody linked already", one, name)
        for one in sorted(set(now.isolated[name]) - set(states.isolated.get(name, []))):
            log.warning("field %s of %s is isolated; everything else goes on", one, name)
    return now


def isolated_notes(states: FieldStates, schema: ResolvedSchema) -> list[dict[str, str]]:
    """Return what to tell of the isolated fields: name, table, reason and remedy."""
    return [
        {"field": one.name, "table": table.value, "reason": one.reason, "remedy": one.remedy}
        for table in TABLES
        for one in schema.dropped[table]
        if one.name in states.isolated.get(table.value, [])
    ]


def backfill_notes(states: FieldStates, busy: Collection[str]) -> dict[str, list[dict[str, str]]]:
    """
    Return which backfills end with this run (`fields_backfilled`) and which go on (`fields_backfilling`), and take the
    former out of `states`. `busy`: tables of which people still wait for their turn.
    """
    notes: dict[str, list[dict[str, str]]] = {}
    for table, names in states.backfill.items():
        key = "fields_backfilling" if table in busy else "fields_backfilled"
        for name in names:
            notes.setdefault(key, []).append({"field": name, "table": table})
        if table not in busy:
            states.backfill[table] = []
    return notes
