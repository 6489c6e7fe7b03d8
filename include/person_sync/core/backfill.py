"""
Filling in a field for people who were linked before it took part: its first merge, and nothing but it.

The other fields agree with their base and are left alone. A one-way field carries empty values too, as the field's only
master says so; of a two-way field the filled side counts. Source: Adobe, "Quick sync of newly added fields".
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.fields import Blank, Rule
from include.person_sync.core.schema import MODIFIED
from include.person_sync.core.values import MISSING, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import EffectiveField
    from include.person_sync.core.sides import Sides


def carry_empty_values(
    base: pd.DataFrame, sides: Sides, fields: Sequence[EffectiveField], table: Table, known: pd.Index
) -> pd.DataFrame:
    """
    Return the base with which an empty value of the master empties the other side, for one-way fields of known links.

    Without a base a filled value would count as the edit; so the side that is only written is taken for the base where
    the master holds nothing. `fields`: those being filled in. `known`: links that are no newcomers. Pure.
    """
    columns = {}
    for one in fields:
        rule = one.field.rule_for(table)
        if one.field.blank is Blank.KEEP or rule not in {Rule.DYNAMICS_TO_MARKETO, Rule.MARKETO_TO_DYNAMICS}:
            continue
        ours, theirs = sides.marketo[one.name], sides.dynamics[one.name]
        master, other = (theirs, ours) if rule is Rule.DYNAMICS_TO_MARKETO else (ours, theirs)
        emptied = (base[one.name] == MISSING) & master.isna() & other.notna() & (other != UNREADABLE)
        columns[one.name] = base[one.name].mask(emptied & base.index.isin(known), other)
    return base.assign(**columns)


def out_of_range(rows: pd.DataFrame, fields: Sequence[EffectiveField], names: Collection[str]) -> pd.DataFrame:
    """
    Return, per row (index as `rows`) and field of `names` with `backfill_since`, whether the row was changed before it.

    A row that does not tell is not out of range.
    """
    limited = {one.name: one.field.backfill_since for one in fields if one.name in names and one.field.backfill_since}
    told = rows[MODIFIED] if MODIFIED in rows else pd.Series(None, index=rows.index, dtype="str")
    moments = pd.to_datetime(told, format="ISO8601", utc=True, errors="coerce")
    return pd.DataFrame(
        {name: moments < since.astimezone(UTC) for name, since in limited.items()}, index=rows.index, dtype=bool
    )
