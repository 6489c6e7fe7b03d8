"""
Deciding again, for single cells, when a side turned out to have moved between reading and writing.

The plan's own rows carry everything a merge needs (base, marketo, dynamics); one side is replaced by what was just
read. What the merge still wants to write is written, what already agrees is taken over, and anything else is left to
the next run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.person_sync.core.changes import direction_from, writes_to
from include.person_sync.core.merge import merge
from include.person_sync.core.vocabulary import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from include.person_sync.core.fields import Side, Table
    from include.person_sync.core.schema import EffectiveField


@dataclass(frozen=True)
class Remerged:
    """
    The verdicts on planned cells, by change_no and field.

    `write`: still to be written; `adopted`: the target already holds the planned value; `deferred`: left to the next
    run. Columns of each: change_no, field, and for `write` also base, marketo, dynamics, planned, outcome, winner,
    rule.
    """

    write: pd.DataFrame
    adopted: pd.DataFrame
    deferred: pd.DataFrame


def remerge(
    values: pd.DataFrame, current: pd.DataFrame, fields: Sequence[EffectiveField], table: Table, side: Side
) -> Remerged:
    """
    Return verdicts on the planned cells of one table, `side` having been read again.

    `values`: plan values with change_no and link_id. `current`: index link_id, canonical columns; links not in it count
    as unread and are deferred. Pure.
    """
    names = [one.name for one in fields if one.name in set(values["field"])]
    subset = [one for one in fields if one.name in names]
    known = values[values["link_id"].isin(current.index) & values["field"].isin(names)]
    sides = {name: wide(known, name, names) for name in ("base", "marketo", "dynamics")}
    mask = wide(known.assign(planned="yes"), "planned", names).notna()
    sides[side.value] = current.reindex(index=mask.index, columns=names).where(mask)
    decisions = merge(sides["base"], sides["marketo"], sides["dynamics"], subset, table)
    decided = values[["change_no", "link_id", "field"]].merge(decisions, on=["link_id", "field"], how="left")
    goes_on = writes_to(decided) == direction_from(side.other)
    adopted = decided["outcome"] == Outcome.ADOPT
    return Remerged(
        write=decided[goes_on],
        adopted=decided.loc[adopted, ["change_no", "field"]],
        deferred=decided.loc[~goes_on & ~adopted, ["change_no", "field"]],
    )


def wide(values: pd.DataFrame, column: str, names: Sequence[str]) -> pd.DataFrame:
    """Return one of base, marketo, dynamics as a canonical frame: index link_id, one column per field."""
    frame = values.set_index(["link_id", "field"])[column].unstack("field")
    return frame.reindex(columns=list(names)).astype("str")
