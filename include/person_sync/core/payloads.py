"""What is sent of a plan: the bodies of requests, and the cells that their target would refuse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.errors import SyncError
from include.person_sync.core.changes import WRITTEN, direction_from
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.values import TEXT_DTYPE
from include.person_sync.core.vocabulary import Action
from include.person_sync.core.wire import check_values, wire_values

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.person_sync.core.schema import EffectiveField

__all__ = ["Payloads", "payloads"]


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


def payloads(
    changes: pd.DataFrame, values: pd.DataFrame, fields: Mapping[Table, Sequence[EffectiveField]], side: Side
) -> Payloads:
    """
    Return what to send to `side` for the changes in that direction. `changes`, `values`: of mapped fields only.

    One cell that `side` would refuse holds back a whole `create`; of an update or link only that field is left out,
    and an update of which nothing remains is refused as well. Changes that carry ids only have an empty body.
    """
    changes = changes[changes["direction"] == direction_from(side.other)].set_index("change_no").sort_index()
    cells = values[values["outcome"].isin(WRITTEN) & values["change_no"].isin(changes.index)]
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
