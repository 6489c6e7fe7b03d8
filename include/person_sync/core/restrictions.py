"""
What may not be written: values whose target is closed to the sync, rows that live on elsewhere, and filtered pairs.

Left alone without a word such a field would stop moving in both directions. Source: Adobe, "Block updates to a field"
(a block together with the conflict rule of contacts dead-locks the field).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.changes import writes_to
from include.person_sync.core.merge import merge
from include.person_sync.core.relations import PROBLEMS
from include.person_sync.core.rows import is_read_only, passes_filter
from include.person_sync.core.values import MISSING
from include.person_sync.core.vocabulary import Direction, Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import EffectiveField
    from include.person_sync.core.sides import Sides

__all__ = ["WRITE_BLOCKED", "Scope", "blocked_writes", "scope_of", "spare_read_only_rows", "withheld"]

WRITE_BLOCKED = "write_blocked"


@dataclass(frozen=True)
class Scope:
    """
    Whom the sync filter lets through: the pairs to be merged (PAIRS), and the links it keeps out now (`filtered`) and
    lets through again (`unfiltered`).
    """

    pairs: pd.DataFrame
    filtered: tuple[int, ...]
    unfiltered: tuple[int, ...]


def scope_of(pairs: pd.DataFrame, rows: Mapping[Table, pd.DataFrame], column: str | None) -> Scope:
    """
    Return whom the sync filter lets through.

    A pair that is kept out is left alone in both directions and grows stale; its row decides, or what was known of it.
    """
    verdicts = pd.concat([passes_filter(of_table, column) for of_table in rows.values()])
    passes = pairs["dynamics_id"].map(verdicts[~verdicts.index.duplicated()])
    kept_out = passes.eq(False) | (passes.isna() & pairs["is_filtered"])
    back = passes.eq(True) & pairs["is_filtered"]
    filtered, unfiltered = (tuple(map(int, pairs.loc[chosen, "link_id"])) for chosen in (kept_out, back))
    return Scope(pairs[~kept_out], filtered, unfiltered)


def blocked_writes(base: pd.DataFrame, sides: Sides, fields: Sequence[EffectiveField], table: Table) -> pd.DataFrame:
    """
    Return what the rules of the map would write to a side that can't be written, as problems (PROBLEMS).

    Only of fields whose rule was narrowed by the rights on either side, and of cells both sides agreed on before: on
    the first meeting nobody's edit is lost.
    """
    narrowed = {field.name: field for field in fields if field.rule is not field.field.rule_for(table)}
    if not narrowed or base.empty:
        return PROBLEMS.empty()
    names = list(narrowed)
    declared = [replace(field, rule=field.field.rule_for(table)) for field in narrowed.values()]
    meant = merge(base[names], sides.marketo[names], sides.dynamics[names], declared, table)
    meant = meant.assign(direction=writes_to(meant))
    meant = meant[(meant["direction"] != Direction.NONE) & (meant["base"] != MISSING)]
    allowed = {
        (name, way.value)
        for name, field in narrowed.items()
        for way, may in (
            (Direction.TO_DYNAMICS, field.rule.writes_dynamics),
            (Direction.TO_MARKETO, field.rule.writes_marketo),
        )
        if may
    }
    cells = list(zip(meant["field"], meant["direction"], strict=True))
    blocked = pd.Series([cell not in allowed for cell in cells], index=meant.index, dtype=bool)
    found = meant[blocked]
    messages = [_message(narrowed[name], way) for name, way in zip(found["field"], found["direction"], strict=True)]
    return PROBLEMS.of(found.assign(message=messages), code=WRITE_BLOCKED)


def _message(field: EffectiveField, direction: str) -> str:
    """Return what to tell a person of one cell."""
    inward = direction == Direction.TO_MARKETO
    target = f"Marketo field {field.marketo.name}" if inward else f"column {field.dynamics.name}"
    other = "Dynamics" if inward else "Marketo"
    return (
        f"{target} is closed to the sync, while the value in {other} is the one that counts; both stay as they are "
        "until the target may be written or the field's rule is changed"
    )


def withheld(decisions: pd.DataFrame, blocked: pd.DataFrame) -> pd.DataFrame:
    """Return the decisions with those on blocked cells withheld: neither side overwrites the other."""
    cells = pd.MultiIndex.from_frame(blocked[["link_id", "field"]])
    stopped = pd.MultiIndex.from_frame(decisions[["link_id", "field"]]).isin(cells)
    return decisions.assign(
        outcome=decisions["outcome"].mask(stopped, Outcome.WITHHELD.value), winner=decisions["winner"].mask(stopped)
    )


def spare_read_only_rows(
    decisions: pd.DataFrame, pairs: pd.DataFrame, rows: Mapping[Table, pd.DataFrame]
) -> tuple[pd.DataFrame, int]:
    """
    Return the decisions without writes to rows that live on elsewhere (qualified leads, merge losers), and the number
    of people concerned.
    """
    closed = {
        (table.value, row_id)
        for table, of_table in rows.items()
        for row_id in of_table.index[is_read_only(of_table, table)]
    }
    named = zip(pairs["dynamics_table"], pairs["dynamics_id"], strict=True)
    links = pairs.loc[[row in closed for row in named], "link_id"]
    spared = (writes_to(decisions) == Direction.TO_DYNAMICS) & decisions["link_id"].isin(links)
    decisions = decisions.assign(outcome=decisions["outcome"].mask(spared, Outcome.WITHHELD.value))
    return decisions, int(decisions.loc[spared, "link_id"].nunique())
