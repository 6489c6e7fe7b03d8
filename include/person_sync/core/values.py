"""
What a canonical cell can hold: a text, nothing, or one of two marks that are never data.

A canonical column is a pandas `str` column. Its cells are

* a text in the canonical form of the field's type (see `canonical`),
* *empty* (NaN): the system holds no value; null, absent and `""` are all this,
* `MISSING`: only in a base snapshot; the two sides have never agreed on this field yet,
* `UNREADABLE`: the system would not say, or said something that can't be understood. It is never an edit and never
  empty: whoever took it for empty would clear the other side.

The two marks are noncharacters of Unicode, which no text meant for interchange contains. They are never planned and
never sent.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MARKS",
    "MISSING",
    "TEXT_DTYPE",
    "UNREADABLE",
    "differs",
    "empty_frame",
    "holds_mark",
    "text_series",
    "uniform_frame",
]

Cells = TypeVar("Cells", pd.Series, pd.DataFrame)

MISSING = "\ufdd0missing"
UNREADABLE = "\ufdd0unreadable"
MARKS = (MISSING, UNREADABLE)

TEXT_DTYPE = pd.StringDtype(na_value=np.nan)
"""The dtype of every canonical column; the same as `str` in pandas 3."""


def text_series(values: Iterable[object], *, index: pd.Index | None = None, name: str | None = None) -> pd.Series:
    """Return `values` as a canonical column; None and NaN become empty."""
    return pd.Series(list(values), index=index, name=name, dtype=TEXT_DTYPE)


def uniform_frame(index: pd.Index, fields: Iterable[str], value: str | None) -> pd.DataFrame:
    """Return a canonical frame in which every cell is `value` (None: empty): a new link's base, a side with no row."""
    column = pd.Series(value, index=index, dtype=TEXT_DTYPE)
    return pd.DataFrame(dict.fromkeys(fields, column), index=index)


def empty_frame(index: pd.Index, fields: Iterable[str]) -> pd.DataFrame:
    """Return a canonical frame of empty cells: the side of a person who does not exist there yet."""
    return uniform_frame(index, fields, None)


def differs(one: Cells, other: Cells) -> Cells:
    """
    Return True per cell in which two aligned columns or frames hold different values.

    Empty equals empty and nothing else, whether the cell is None, NaN or NA.
    """
    return (one != other).fillna(value=True).astype(bool) & ~(one.isna() & other.isna())


def holds_mark(values: pd.Series) -> pd.Series:
    """Return a boolean column: True where a cell is `MISSING` or `UNREADABLE`, which must never be planned or sent."""
    return values.isin(MARKS)
