"""Recognising what an earlier run wrote before it died, so that our own write is never taken for a person's edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.person_sync.core.values import differs

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

__all__ = ["recovered_link_ids", "settle"]

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
    if known.empty:
        return base
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
        now = side[field].reindex(chosen["link_id"]).set_axis(chosen.index)
        held[rows] = seen & ~differs(now, chosen["planned"].astype("str")).to_numpy()
    return held


def _moved(column: pd.Series, moves: pd.DataFrame) -> pd.Series:
    own = moves[moves["field"] == column.name]
    if own.empty:
        return column
    moved = column.copy()
    moved.loc[own["link_id"]] = own["planned"].to_numpy(dtype=object)
    return moved


def recovered_link_ids(new: pd.DataFrame, unsettled: pd.DataFrame, known: Collection[int]) -> pd.Series:
    """
    Return the link id that an unsettled plan had given each new pair; absent (Int64) for pairs no run met before.

    `new`: marketo_id (absent for a person yet to be created), dynamics_table, dynamics_id. `unsettled` as the store
    returns it. `known`: link ids that are links by now and belong to somebody. A plan that was to create the person may
    not have lived to learn the id Marketo gave; then the row alone tells.
    """
    row = ["dynamics_table", "dynamics_id"]
    if new.empty or unsettled.empty:
        return pd.Series(pd.NA, index=new.index, dtype="Int64")
    plans = unsettled.dropna(subset=["dynamics_id"])
    plans = plans[~plans["link_id"].isin(list(known))].drop_duplicates(row, keep="last")
    plans = plans[[*row, "link_id", "marketo_id"]].astype(dict.fromkeys(row, "str"))
    pairs = new[[*row, "marketo_id"]].astype({**dict.fromkeys(row, "str"), "marketo_id": "Int64"})
    met = pairs.merge(plans, on=row, how="left", suffixes=("", "_then"))
    differs = met["marketo_id"].notna() & met["marketo_id_then"].notna() & (met["marketo_id"] != met["marketo_id_then"])
    return pd.Series(met["link_id"].astype("Int64").mask(differs.fillna(value=False)).array, index=new.index)
