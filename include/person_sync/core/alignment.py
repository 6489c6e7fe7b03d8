"""Bringing three unordered columns of the same people into one order, without sorting or copying any text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from include.errors import SyncError

__all__ = ["LINK_ID", "Alignment", "ColumnReader", "align", "read_column"]

LINK_ID = "link_id"

ColumnReader = Callable[[str], pa.Array | pa.ChunkedArray]
"""Gives the column of that name, in the same row order at every call. It may be called from several threads."""


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


def align(base: ColumnReader, marketo: ColumnReader, dynamics: ColumnReader) -> Alignment:
    """Return how the inputs line up. Raises SyncError when a link occurs twice or is not in all three inputs."""
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


def _read_ids(reader: ColumnReader, what: str) -> np.ndarray:
    column = reader(LINK_ID)
    if column.null_count or not pa.types.is_integer(column.type):
        raise SyncError(f"The link ids of {what} must be whole numbers, none of them absent.")
    return np.asarray(column.to_numpy(), dtype=np.int64)


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


def read_column(reader: ColumnReader, name: str, rows: pa.Array | None) -> pa.Array:
    """
    Return the column `name` in the order of `rows`, as one array of text.

    Text of any width is left as it is; a dictionary-encoded column stays one, as it is moved and compared much faster.
    """
    column = reader(name)
    if isinstance(column, pa.ChunkedArray):
        column = _in_one_piece(column)
    return column if rows is None else column.take(rows)


def _in_one_piece(column: pa.ChunkedArray) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return column.unify_dictionaries().combine_chunks()
    if pa.types.is_string(column.type) and column.nbytes > _MOST_BYTES:
        column = column.cast(pa.large_string())
    return column.combine_chunks()


_MOST_BYTES = 2**31 - 1
"""What the narrow text type can address in one array."""
