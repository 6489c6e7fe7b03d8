"""
Vendor rows as frames of text.

Text is the only cell type in frames of people (plus int64 ids), since a column of a vendor's JSON may mix types that
Parquet can't; an empty cell is null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.core.values import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping


def text_frame(rows: list[dict[str, Any]], columns: Mapping[str, str]) -> pd.DataFrame:
    """
    Return vendor rows as a frame of text cells; null stays null, whatever the JSON type was.

    `columns` maps the vendor's name to the column's name in the frame; a name absent from every row gives an empty
    column.
    """
    frame = pd.DataFrame(rows, columns=list(columns), dtype=object).rename(columns=dict(columns))
    try:
        return frame.astype("str")
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry and no text can hold
        return frame.map(as_encodable).astype("str")


def as_encodable(value: object) -> object:
    """Return the value, or the mark for an unreadable one when it is a text that can't be encoded."""
    try:
        str(value).encode()
    except UnicodeEncodeError:
        return UNREADABLE
    return value


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as JSON values; an empty cell is None."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
