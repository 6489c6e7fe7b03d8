"""
Everybody a run looks at as one frame: known pairs after their events, and new ones, each with a link id.

A pair no run has met before gets a provisional id, in an order that depends on who it is and on nothing else; the store
gives it a lasting one together with the plan (see `numbered`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.person_sync.core.relations import PAIRS
from include.person_sync.core.settle import recovered_link_ids

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.person_sync.core.identity import Identities
    from include.person_sync.core.pairing import Pairing
    from include.person_sync.core.snapshot import Snapshot

__all__ = ["PROVISIONAL", "all_pairs", "flagged_pairs", "numbered", "provisional_ids"]

PROVISIONAL = 1 << 60
"""Link ids from here on are provisional; so many links no database holds."""


def all_pairs(snapshot: Snapshot, identities: Identities, pairing: Pairing) -> pd.DataFrame:
    """Return known and new pairs (PAIRS), known ones first, each with the row version to write against."""
    new = _with_link_ids(pairing.pairs, snapshot)
    known = identities.links.assign(version=identities.links["dynamics_version"])
    pairs = PAIRS.joined(known.assign(origin=None, owner_email=None), new.assign(is_filtered=False, version=None))
    read = pd.concat([rows["version"] for rows in snapshot.rows.values() if "version" in rows] or [_no_versions()])
    versions = read[~read.index.duplicated()]
    return pairs.assign(version=pairs["dynamics_id"].map(versions).astype("str").fillna(pairs["version"]))


def flagged_pairs(identities: Identities) -> pd.DataFrame:
    """Return the links whose person must be told that the row is gone (PAIRS)."""
    return PAIRS.of(identities.flagged)


def _no_versions() -> pd.Series:
    return pd.Series([], index=pd.Index([], dtype="str"), dtype="str")


def _with_link_ids(new: pd.DataFrame, snapshot: Snapshot) -> pd.DataFrame:
    """Return new pairs in a fixed order, with the id an earlier run gave them, else with a provisional one."""
    new = new.sort_values(["dynamics_table", "dynamics_id", "marketo_id"], ignore_index=True)
    known = new["link_id"].fillna(recovered_link_ids(new, snapshot.unsettled, snapshot.settled_links))
    unknown = known.isna()
    numbers = pd.Series(PROVISIONAL + np.arange(int(unknown.sum())), index=known.index[unknown], dtype="Int64")
    return new.assign(link_id=known.fillna(numbers).astype("int64"))


def provisional_ids(link_ids: pd.Series) -> list[int]:
    """Return the provisional ones among link ids, each once, ascending."""
    return sorted({int(link_id) for link_id in link_ids[link_ids >= PROVISIONAL]})


def numbered(frame: pd.DataFrame, given: Mapping[int, int]) -> pd.DataFrame:
    """Return a frame with lasting link ids in place of provisional ones. `given`: provisional → lasting."""
    if not given or frame.empty:
        return frame
    return frame.assign(link_id=frame["link_id"].map(lambda link_id: given.get(link_id, link_id)).astype("int64"))
