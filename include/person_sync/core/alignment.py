"""Bringing three frames of the same people into one order, without sorting or copying any text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from include.errors import SyncError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LINK_ID", "Alignment", "align"]

LINK_ID = "link_id"


@dataclass(frozen=True, slots=True)
class Alignment:
    """
    Where each link stands in the three inputs.

    `link_ids` (int64) is the order of `base`. `marketo[i]` and `dynamics[i]` are the rows of those inputs that belong
    to `link_ids[i]`; None when the input is in that order already.
    """

    link_ids: np.ndarray
    marketo: pa.Array | None
    dynamics: pa.Array | None


def align(base: pd.Index, marketo: pd.Index, dynamics: pd.Index) -> Alignment:
    """
    Return how three indexes of link ids line up.

    Raises SyncError when a link occurs twice or is not in all three inputs.
    """
    link_ids = _read_ids(base, "base")
    order = np.argsort(link_ids, kind="stable")
    ordered = link_ids[order]
    if len(ordered) > 1 and bool((ordered[1:] == ordered[:-1]).any()):
        raise SyncError("A link occurs twice in the base snapshot.")
    return Alignment(
        link_ids,
        _rows_of(link_ids, order, _read_ids(marketo, "marketo"), "marketo"),
        _rows_of(link_ids, order, _read_ids(dynamics, "dynamics"), "dynamics"),
    )


def _read_ids(index: pd.Index, what: str) -> np.ndarray:
    if len(index) and (index.hasnans or index.dtype.kind != "i"):
        raise SyncError(f"The link ids of {what} must be whole numbers, none of them absent.")
    return np.asarray(index, dtype=np.int64)


def _rows_of(link_ids: np.ndarray, order: np.ndarray, other_ids: np.ndarray, what: str) -> pa.Array | None:
    """Return, per link of `link_ids`, its row among `other_ids`; `order` sorts `link_ids`."""
    if np.array_equal(link_ids, other_ids):
        return None
    other_order = np.argsort(other_ids, kind="stable")
    if len(other_ids) != len(link_ids) or not np.array_equal(other_ids[other_order], link_ids[order]):
        raise SyncError(f"The base snapshot and {what} do not hold the same links, each of them once.")
    rows = np.empty(len(link_ids), dtype=np.int64)
    rows[order] = other_order
    return pa.array(rows)
