"""Pairs that a dead run was about to link, known again so that what it wrote for them is nobody's edit."""

from __future__ import annotations

import pandas as pd


def former_link_ids(new: pd.DataFrame, unsettled: pd.DataFrame, known: pd.Series) -> pd.Series:
    """
    Return the link id that an unsettled plan had given each new pair; absent (Int64) for pairs no run met before.

    `new`: marketo_id (absent for a person yet to be created), dynamics_table, dynamics_id. `unsettled` as the store
    returns it. `known`: link ids that are links by now and belong to somebody. A plan that was to create the person may
    not have lived to learn the id Marketo gave; then the row alone tells.
    """
    row = ["dynamics_table", "dynamics_id"]
    plans = unsettled.dropna(subset=["dynamics_id"])
    plans = plans[~plans["link_id"].isin(known)].drop_duplicates(row, keep="last")
    plans = plans[[*row, "link_id", "marketo_id"]].astype(dict.fromkeys(row, "str"))
    pairs = new[[*row, "marketo_id"]].astype({**dict.fromkeys(row, "str"), "marketo_id": "Int64"})
    met = pairs.merge(plans, on=row, how="left", suffixes=("", "_then"))
    differs = met["marketo_id"].notna() & met["marketo_id_then"].notna() & (met["marketo_id"] != met["marketo_id_then"])
    return pd.Series(met["link_id"].astype("Int64").mask(differs.fillna(value=False)).array, index=new.index)
