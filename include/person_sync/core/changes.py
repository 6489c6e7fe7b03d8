"""
From decisions to a plan: which person is written to which system, and with what.

A plan is immutable and has two frames. `changes` has one row per person and direction:

| column | dtype | |
|---|---|---|
| change_no | int64 | 0 … n-1, by link id, then direction |
| link_id | int64 | |
| direction | str | `to_dynamics`, `to_marketo`, or `none` (nothing is written, only agreements are noted) |
| action | str | `create`, `update`, `link` (writes ids into Marketo, with or without values), `adopt`, `delete` |
| marketo_id | Int64 | null: not created yet |
| dynamics_table, dynamics_id | str | id empty: not created yet |
| generation | int64 | |
| if_match | str | for updates in Dynamics: the row version the plan is based on |
| note, status | str | note empty; status `planned` |

`values` has one row per field of a change: `change_no` and the columns of a decision (see `merge`). Agreements
(`adopt`) and what was withheld stand with the creating change of a new person, else with the person's change of
direction `none`, so that they do not depend on a write that may be refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.errors import SyncError
from include.person_sync.core.alignment import LINK_ID
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.relations import CHANGES, PLAN_VALUES
from include.person_sync.core.values import TEXT_DTYPE, holds_mark
from include.person_sync.core.vocabulary import Action, ChangeStatus, Direction, Outcome, PairOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.person_sync.core.schema import EffectiveField

__all__ = ["WRITTEN", "ChangeSet", "build_changes", "direction_from", "writes_to"]


def direction_from(side: Side) -> Direction:
    """Return the direction in which a value of one side travels."""
    return Direction.TO_DYNAMICS if side is Side.MARKETO else Direction.TO_MARKETO


WRITTEN = frozenset({Outcome.TO_DYNAMICS, Outcome.TO_MARKETO, Outcome.COLLISION})


@dataclass(frozen=True)
class ChangeSet:
    """The frames `changes` (CHANGES) and `values` (PLAN_VALUES) of the module's docstring."""

    changes: pd.DataFrame
    values: pd.DataFrame


def build_changes(
    decisions: pd.DataFrame | Sequence[pd.DataFrame],
    pairs: pd.DataFrame,
    fields: Mapping[Table, Sequence[EffectiveField]],
) -> ChangeSet:
    """
    Return the changes that carry out `decisions` (one frame of `merge`, or one per Dynamics table).

    `pairs` has one row per pair that was merged (PAIRS; `version` and `origin` may be absent). A new pair's missing
    half is merged as empty cells on a MISSING base, so that `merge` itself says which values it gets. New pairs who
    exist in Marketo, or are about to, get a change to Marketo even without values: their
    ids are written there. Columns that Dynamics takes on update only are left out of a create, without a base: the next
    run deals with them. Raises SyncError for a decision without a link, or a plan that would write an unknown value.
    """
    rows = pd.concat([decisions] if isinstance(decisions, pd.DataFrame) else [*decisions], ignore_index=True)
    known = _prepared(pairs)
    rows = rows.merge(known[[LINK_ID, "dynamics_table", "origin"]], on=LINK_ID, how="left", validate="many_to_one")
    if rows["dynamics_table"].isna().any():
        raise SyncError("A decision is about a link that the plan was not told of.")
    rows["direction"] = _directions(rows)
    rows = rows[~_not_creatable(rows, fields)]
    _refuse_marks(rows)
    changes = _number(pd.concat([rows[[LINK_ID, "direction"]], _identity_writes(known)]), known)
    values = rows.merge(changes[["change_no", LINK_ID, "direction"]], on=[LINK_ID, "direction"], validate="many_to_one")
    values = values.sort_values("change_no", kind="stable", ignore_index=True)
    return ChangeSet(changes, values[PLAN_VALUES.columns])


def _prepared(pairs: pd.DataFrame) -> pd.DataFrame:
    known = pairs.reindex(columns=[*pairs.columns.union(["origin", "version"])])
    return known.astype(dict.fromkeys(("origin", "version", "dynamics_table"), TEXT_DTYPE))


def writes_to(decisions: pd.DataFrame) -> pd.Series:
    """
    Return, per decision or planned value, the direction it is written in (Direction): a collision's winner is written
    to the other side; what is adopted or withheld is not written.
    """
    collides = decisions["outcome"] == Outcome.COLLISION
    ways = {
        Direction.TO_DYNAMICS: (decisions["outcome"] == Outcome.TO_DYNAMICS)
        | (collides & (decisions["winner"] == Side.MARKETO)),
        Direction.TO_MARKETO: (decisions["outcome"] == Outcome.TO_MARKETO)
        | (collides & (decisions["winner"] == Side.DYNAMICS)),
    }
    chosen = np.select(list(ways.values()), [way.value for way in ways], default=Direction.NONE.value)
    return pd.Series(chosen, index=decisions.index, dtype=TEXT_DTYPE)


def _directions(rows: pd.DataFrame) -> pd.Series:
    """
    Return the direction of the change that each decision belongs to: where it is written, else beside a creation.
    """
    creates = {
        PairOrigin.CREATE_IN_DYNAMICS.value: Direction.TO_DYNAMICS.value,
        PairOrigin.CREATE_IN_MARKETO.value: Direction.TO_MARKETO.value,
    }
    beside = rows["origin"].map(creates).fillna(Direction.NONE.value).astype(TEXT_DTYPE)
    written = writes_to(rows)
    return written.mask(written == Direction.NONE, beside)


def _not_creatable(rows: pd.DataFrame, fields: Mapping[Table, Sequence[EffectiveField]]) -> pd.Series:
    update_only = [
        f"{table} {field.name}" for table, own in fields.items() for field in own if not field.dynamics.creatable
    ]
    creating = rows["origin"] == PairOrigin.CREATE_IN_DYNAMICS
    return creating & (rows["dynamics_table"] + " " + rows["field"]).isin(update_only)


def _refuse_marks(rows: pd.DataFrame) -> None:
    if holds_mark(rows["planned"]).any():
        raise SyncError("A missing or unreadable value was about to be planned.")


def _identity_writes(known: pd.DataFrame) -> pd.DataFrame:
    """Return the changes that new pairs get whether or not they have values."""
    new_pairs = known[known["origin"].notna()]
    creates = new_pairs[new_pairs["origin"] == PairOrigin.CREATE_IN_DYNAMICS]
    parts = [
        new_pairs[[LINK_ID]].assign(direction=str(Direction.TO_MARKETO)),
        creates[[LINK_ID]].assign(direction=str(Direction.TO_DYNAMICS)),
    ]
    return pd.concat(parts)


def _number(pairs: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of changes for the distinct pairs of link and direction."""
    changes = pairs.drop_duplicates().sort_values([LINK_ID, "direction"], ignore_index=True).merge(known, on=LINK_ID)
    changes["change_no"] = np.arange(len(changes))
    changes["action"] = _actions(changes)
    is_update = (changes["direction"] == Direction.TO_DYNAMICS) & (changes["action"] == Action.UPDATE)
    changes["if_match"] = changes["version"].where(is_update)
    return CHANGES.of(changes, note=None, status=ChangeStatus.PLANNED.value)


def _actions(changes: pd.DataFrame) -> np.ndarray:
    to_dynamics, to_marketo = (changes["direction"] == way for way in (Direction.TO_DYNAMICS, Direction.TO_MARKETO))
    origin = changes["origin"]
    is_create = (to_dynamics & (origin == PairOrigin.CREATE_IN_DYNAMICS)) | (
        to_marketo & (origin == PairOrigin.CREATE_IN_MARKETO)
    )
    is_link = to_marketo & origin.notna() & ~is_create
    cases = [is_create, is_link, to_dynamics | to_marketo]
    return np.select(cases, [str(Action.CREATE), str(Action.LINK), str(Action.UPDATE)], str(Action.ADOPT))
