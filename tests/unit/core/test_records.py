"""Rows of a frame as plain values."""

from __future__ import annotations

import pandas as pd

from include.person_sync.core.records import records


def test_missing_cells_are_none_whatever_the_column_is_made_of() -> None:
    """Text, numbers that may be absent, times and objects: JSON knows one way of saying nothing."""
    frame = pd.DataFrame(
        {
            "text": pd.Series(["a", None], dtype="str"),
            "id": pd.array([1, None], dtype="Int64"),
            "number": [1.5, float("nan")],
            "at": pd.to_datetime(["2026-05-01T07:30:00Z", None], utc=True),
            "payload": [{"fields": {}}, None],
        }
    )

    assert records(frame)[1] == dict.fromkeys(["text", "id", "number", "at", "payload"])
    assert records(frame)[0]["id"] == 1
    assert records(frame)[0]["payload"] == {"fields": {}}


def test_no_rows_are_no_records() -> None:
    """An empty frame says nothing, whatever its columns."""
    assert records(pd.DataFrame({"text": []})) == []
