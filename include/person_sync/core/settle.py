"""Recognising what an earlier run wrote before it died, so that our own write is never taken for a person's edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["settle"]

APPLIED = "applied"


def settle(base: pd.DataFrame, planned: pd.DataFrame, marketo: pd.DataFrame, dynamics: pd.DataFrame) -> pd.DataFrame:
    """
    Return `base` moved to what an unfinished run is found to have written.

    `base`, `marketo`, `dynamics`: canonical frames indexed by link id (any order); a field or link that a frame lacks
    counts as not looked at. `planned`: the unsettled plan in long form, oldest attempt first, with the columns
    `link_id`, `field`, `direction` (`to_dynamics`, `to_marketo`, `none`), `planned`, `status`. A base cell moves to
    the planned value when the change is known to be `applied`, or when the side it was sent to holds that value now;
    for direction `none` (both sides had agreed already) when either side still holds it. The latest attempt that
    qualifies counts. Neither input is changed.
    """
    known = planned[planned["link_id"].isin(base.index) & planned["field"].isin(base.columns)]
    on_marketo = _holds(marketo, known) & (known["direction"] != "to_dynamics").to_numpy()
    on_dynamics = _holds(dynamics, known) & (known["direction"] != "to_marketo").to_numpy()
    proven = known[(known["status"] == APPLIED).to_numpy(dtype=bool, na_value=False) | on_marketo | on_dynamics]
    latest = proven.drop_duplicates(["link_id", "field"], keep="last")
    columns: Mapping[str, pd.Series] = {name: _moved(base[name], latest) for name in base.columns}
    return pd.DataFrame(columns, index=base.index)


def _holds(side: pd.DataFrame, planned: pd.DataFrame) -> np.ndarray:
    """Return, per planned row, whether `side` holds the planned value now; empty equals empty."""
    held = np.zeros(len(planned), dtype=bool)
    for field, rows in planned.groupby("field", sort=False).indices.items():
        if field not in side:
            continue
        chosen = planned.iloc[rows]
        seen = chosen["link_id"].isin(side.index).to_numpy()
        now = side[field].reindex(chosen["link_id"]).to_numpy(dtype=object)
        wanted = chosen["planned"].to_numpy(dtype=object)
        held[rows] = seen & ((now == wanted) | (pd.isna(now) & pd.isna(wanted)))
    return held


def _moved(column: pd.Series, moves: pd.DataFrame) -> pd.Series:
    own = moves[moves["field"] == column.name]
    if own.empty:
        return column
    moved = column.copy()
    moved.loc[own["link_id"]] = own["planned"].to_numpy(dtype=object)
    return moved
