"""What the answer to a record means for whoever sent it."""

from __future__ import annotations

import pytest

from include.marketo import RowError, RowResult
from include.marketo.records import INVALID_VALUE, RECORD_TOO_LARGE


def skipped(code):
    """Return the result of a record that was skipped with this code."""
    return RowResult("skipped", None, (RowError(code, "told"),))


@pytest.mark.parametrize(
    ("code", "gone", "about_values", "about_schema"),
    [
        ("1001", False, True, False),
        ("1003", False, True, True),
        ("1004", True, False, False),
        ("1006", False, True, True),
        ("1007", False, False, False),
        ("1008", False, False, False),
        ("1021", False, True, False),
        ("1022", False, False, False),
        ("501", False, True, False),
        (INVALID_VALUE, False, True, False),
        (RECORD_TOO_LARGE, False, True, False),
    ],
)
def test_result_says_what_a_refusal_is_about(code, gone, about_values, about_schema):
    """A person who is gone, doubles, partitions and locks are nothing that other values would cure."""
    result = skipped(code)

    assert (result.is_gone, result.about_values, result.about_schema) == (gone, about_values, about_schema)


@pytest.mark.parametrize("status", ["created", "updated", "unknown"])
def test_what_was_not_refused_is_about_nothing(status):
    """Warnings beside a success are no reason to send the record again."""
    assert not RowResult(status, 1, (RowError("1001", "told"),)).about_values
