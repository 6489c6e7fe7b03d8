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
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from include.errors import SyncError
from include.person_sync.core.alignment import LINK_ID
from include.person_sync.core.decision import Outcome
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.values import TEXT_DTYPE, holds_mark
from include.person_sync.core.wire import check_values, wire_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.person_sync.core.schema import EffectiveField

__all__ = [
    "CHANGE_COLUMNS",
    "VALUE_COLUMNS",
    "Action",
    "Direction",
    "Newcomer",
    "Payloads",
    "Plan",
    "build_changes",
    "payloads",
]


class Direction(StrEnum):
    """Where a change is written."""

    NONE = "none"
    TO_DYNAMICS = "to_dynamics"
    TO_MARKETO = "to_marketo"


class Action(StrEnum):
    """What a change does."""

    CREATE = "create"
    UPDATE = "update"
    LINK = "link"
    ADOPT = "adopt"
    DELETE = "delete"


class Newcomer(StrEnum):
    """Why a link is new: a match was found, or one of its halves has to be created."""

    LINK = "link"
    CREATE_IN_DYNAMICS = "create_in_dynamics"
    CREATE_IN_MARKETO = "create_in_marketo"


CHANGE_COLUMNS = (
    "change_no",
    LINK_ID,
    "direction",
    "action",
    "marketo_id",
    "dynamics_table",
    "dynamics_id",
    "generation",
    "if_match",
    "note",
    "status",
)
VALUE_COLUMNS = ("change_no", "field", "outcome", "winner", "base", "marketo", "dynamics", "planned", "rule")
_CHANGE_DTYPES: dict[str, Any] = {
    "change_no": "int64",
    LINK_ID: "int64",
    "marketo_id": "Int64",
    "generation": "int64",
}
_WRITTEN = frozenset({Outcome.TO_DYNAMICS, Outcome.TO_MARKETO, Outcome.COLLISION})


@dataclass(frozen=True)
class Plan:
    """The frames `changes` and `values` of the module's docstring."""

    changes: pd.DataFrame
    values: pd.DataFrame


def build_changes(
    decisions: pd.DataFrame | Sequence[pd.DataFrame],
    links: pd.DataFrame,
    fields: Mapping[Table, Sequence[EffectiveField]],
) -> Plan:
    """
    Return the plan that carries out `decisions` (one frame of `merge`, or one per Dynamics table).

    `links` has one row per link that was merged: `link_id`, `marketo_id`, `dynamics_table`, `dynamics_id`,
    `generation`, `dynamics_version` (may be absent or empty), and `newcomer` (a `Newcomer`; empty or absent for known
    links). A newcomer's missing half is merged as empty cells on a MISSING base, so that `merge` itself says which
    values it gets. Newcomers who exist in Marketo, or are about to, get a change to Marketo even without values: their
    ids are written there. Columns that Dynamics takes on update only are left out of a create, without a base: the next
    run deals with them. Raises SyncError for a decision without a link, or a plan that would write an unknown value.
    """
    rows = pd.concat([decisions] if isinstance(decisions, pd.DataFrame) else [*decisions], ignore_index=True)
    known = _prepared(links)
    rows = rows.merge(known[[LINK_ID, "dynamics_table", "newcomer"]], on=LINK_ID, how="left", validate="many_to_one")
    if rows["dynamics_table"].isna().any():
        raise SyncError("A decision is about a link that the plan was not told of.")
    rows["direction"] = _directions(rows)
    rows = rows[~_not_creatable(rows, fields)]
    _refuse_marks(rows)
    changes = _number(pd.concat([rows[[LINK_ID, "direction"]], _identity_writes(known)]), known)
    values = rows.merge(changes[["change_no", LINK_ID, "direction"]], on=[LINK_ID, "direction"], validate="many_to_one")
    values = values.sort_values("change_no", kind="stable", ignore_index=True)
    return Plan(changes, values[list(VALUE_COLUMNS)])


def _prepared(links: pd.DataFrame) -> pd.DataFrame:
    known = links.reindex(columns=[*links.columns.union(["newcomer", "dynamics_version"])])
    return known.astype({"newcomer": TEXT_DTYPE, "dynamics_version": TEXT_DTYPE, "dynamics_table": TEXT_DTYPE})


def _directions(rows: pd.DataFrame) -> pd.Series:
    """Return the direction of the change that each decision belongs to."""
    to_dynamics = (rows["outcome"] == Outcome.TO_DYNAMICS) | (rows["winner"] == Side.MARKETO)
    writes = rows["outcome"].isin(_WRITTEN)
    creates = {Newcomer.CREATE_IN_DYNAMICS: Direction.TO_DYNAMICS, Newcomer.CREATE_IN_MARKETO: Direction.TO_MARKETO}
    beside = rows["newcomer"].map({str(key): str(value) for key, value in creates.items()}).fillna(Direction.NONE)
    written = np.where(to_dynamics, str(Direction.TO_DYNAMICS), str(Direction.TO_MARKETO))
    return pd.Series(np.where(writes, written, beside), index=rows.index, dtype=TEXT_DTYPE)


def _not_creatable(rows: pd.DataFrame, fields: Mapping[Table, Sequence[EffectiveField]]) -> pd.Series:
    update_only = [
        f"{table} {field.name}" for table, own in fields.items() for field in own if not field.dynamics.creatable
    ]
    creating = rows["newcomer"] == Newcomer.CREATE_IN_DYNAMICS
    return creating & (rows["dynamics_table"] + " " + rows["field"]).isin(update_only)


def _refuse_marks(rows: pd.DataFrame) -> None:
    if holds_mark(rows["planned"]).any():
        raise SyncError("A missing or unreadable value was about to be planned.")


def _identity_writes(known: pd.DataFrame) -> pd.DataFrame:
    """Return the changes that newcomers get whether or not they have values."""
    newcomers = known[known["newcomer"].notna()]
    creates = newcomers[newcomers["newcomer"] == Newcomer.CREATE_IN_DYNAMICS]
    parts = [
        newcomers[[LINK_ID]].assign(direction=str(Direction.TO_MARKETO)),
        creates[[LINK_ID]].assign(direction=str(Direction.TO_DYNAMICS)),
    ]
    return pd.concat(parts)


def _number(pairs: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Return the frame of changes for the distinct pairs of link and direction."""
    changes = pairs.drop_duplicates().sort_values([LINK_ID, "direction"], ignore_index=True).merge(known, on=LINK_ID)
    changes["change_no"] = np.arange(len(changes))
    changes["action"] = _actions(changes)
    is_update = (changes["direction"] == Direction.TO_DYNAMICS) & (changes["action"] == Action.UPDATE)
    changes["if_match"] = changes["dynamics_version"].where(is_update)
    changes = changes.assign(note=None, status="planned")[list(CHANGE_COLUMNS)]
    return changes.astype({name: _CHANGE_DTYPES.get(name, TEXT_DTYPE) for name in CHANGE_COLUMNS})


def _actions(changes: pd.DataFrame) -> np.ndarray:
    to_dynamics, to_marketo = (changes["direction"] == way for way in (Direction.TO_DYNAMICS, Direction.TO_MARKETO))
    newcomer = changes["newcomer"]
    is_create = (to_dynamics & (newcomer == Newcomer.CREATE_IN_DYNAMICS)) | (
        to_marketo & (newcomer == Newcomer.CREATE_IN_MARKETO)
    )
    is_link = to_marketo & newcomer.notna() & ~is_create
    cases = [is_create, is_link, to_dynamics | to_marketo]
    return np.select(cases, [str(Action.CREATE), str(Action.LINK), str(Action.UPDATE)], str(Action.ADOPT))


@dataclass(frozen=True)
class Payloads:
    """
    What can be sent of a plan's changes to one side.

    `bodies`: a Series of dicts (wire name → JSON-ready value), indexed by change_no in ascending order. `problems`: one
    row per cell that the target would refuse, with `change_no`, `field`, `code`, `message`. `refused`: the change_nos
    that are not sent at all because of them. A field with a problem is not sent and its base must not move.
    """

    bodies: pd.Series
    problems: pd.DataFrame
    refused: frozenset[int]


def payloads(plan: Plan, fields: Mapping[Table, Sequence[EffectiveField]], side: Side) -> Payloads:
    """
    Return what to send to `side` for the plan's changes in that direction.

    One cell that `side` would refuse holds back a whole `create`; of an update or link only that field is left out,
    and an update of which nothing remains is refused as well. Changes that carry ids only have an empty body.
    """
    direction = Direction.TO_DYNAMICS if side is Side.DYNAMICS else Direction.TO_MARKETO
    changes = plan.changes[plan.changes["direction"] == direction].set_index("change_no").sort_index()
    values = plan.values
    cells = values[values["outcome"].isin(_WRITTEN) & values["change_no"].isin(changes.index)]
    cells = cells.assign(dynamics_table=cells["change_no"].map(changes["dynamics_table"]))
    present = set(zip(cells["dynamics_table"], cells["field"], strict=True))
    written = [(table, field) for table, own in fields.items() for field in own if (table.value, field.name) in present]
    wired = [_wired(cells, field, table, side) for table, field in written]
    ready = pd.concat([frame for frame in wired if len(frame)] or [_no_cells()], ignore_index=True)
    if len(ready) != len(cells):
        raise SyncError("The plan writes a field that takes no part any more.", remedy="Run the cycle again.")
    failed = ready["problem"].notna()
    refused = _refused(changes, ready, failed)
    bodies = _bodies(ready[~failed], changes.index.difference(pd.Index(sorted(refused), dtype="int64")))
    return Payloads(bodies, _problems(ready[failed]), frozenset(refused))


def _no_cells() -> pd.DataFrame:
    return pd.DataFrame({"change_no": [], "field": [], "target": [], "wire": [], "problem": []}, dtype=object)


def _wired(cells: pd.DataFrame, field: EffectiveField, table: Table, side: Side) -> pd.DataFrame:
    """Return the cells of one field with the target's name for it, the wire value, and why it would be refused."""
    own = cells[(cells["field"] == field.name) & (cells["dynamics_table"] == table)]
    if own.empty:
        return own
    target = field.marketo.name if side is Side.MARKETO else field.dynamics.name
    return pd.DataFrame(
        {
            "change_no": own["change_no"],
            "field": field.name,
            "target": target,
            "wire": wire_values(own["planned"], field, side),
            "problem": check_values(own["planned"], field, side),
        }
    )


def _refused(changes: pd.DataFrame, ready: pd.DataFrame, failed: pd.Series) -> set[int]:
    """Return the changes with a problem that are creates, or updates of which nothing remains."""
    troubled = set(ready.loc[failed, "change_no"])
    left = set(ready.loc[~failed, "change_no"])
    actions = changes["action"]
    whole = set(actions.index[actions == Action.CREATE])
    emptied = set(actions.index[actions == Action.UPDATE]) - left
    return {int(number) for number in troubled & (whole | emptied)}


def _bodies(ready: pd.DataFrame, change_nos: pd.Index) -> pd.Series:
    bodies: dict[int, dict[str, object]] = {int(number): {} for number in change_nos}
    for number, target, value in zip(ready["change_no"], ready["target"], ready["wire"], strict=True):
        if number in bodies:
            bodies[number][target] = value
    return pd.Series(list(bodies.values()), index=pd.Index(list(bodies), dtype="int64", name="change_no"), dtype=object)


def _problems(failed: pd.DataFrame) -> pd.DataFrame:
    parts = failed["problem"].astype(TEXT_DTYPE).str.split(": ", n=1, expand=True).reindex(columns=[0, 1])
    return pd.DataFrame(
        {
            "change_no": failed["change_no"].astype("int64"),
            "field": failed["field"].astype(TEXT_DTYPE),
            "code": parts[0].astype(TEXT_DTYPE),
            "message": parts[1].astype(TEXT_DTYPE),
        }
    ).sort_values("change_no", kind="stable", ignore_index=True)
