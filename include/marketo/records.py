"""Records on their way out: encoded one by one, so that one that cannot be encoded is named and the others go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import RecordRejected
from include.marketo.api import encode_json

if TYPE_CHECKING:
    from collections.abc import Mapping

INVALID_VALUE = "INVALID_VALUE"
RECORD_TOO_LARGE = "RECORD_TOO_LARGE"
# The documented maximum is 1 MB; which of the two megabytes is meant is not said.
LARGEST_BODY_BYTES = 1_000_000
LARGEST_BATCH = 300


def encode_record(index: int, record: Mapping[str, Any], *, largest_bytes: int) -> bytes:
    """
    Return the record as JSON.

    Raises RecordRejected naming the record's index and the field when a value is not valid JSON: NaN and infinity above
    all, which Marketo would answer with 609 for the whole batch; or when the record alone exceeds the largest body.
    """
    try:
        encoded = encode_json(record)
    except (TypeError, ValueError) as error:
        raise RecordRejected(
            f"record {index}: the value of '{_first_invalid(record)}' cannot be sent ({type(error).__name__}: it is "
            "not a finite number, text, boolean, list or null).",
            code=INVALID_VALUE,
            remedy="Send None for an empty value.",
        ) from None
    if len(encoded) > largest_bytes:
        raise RecordRejected(
            f"record {index}: {len(encoded)} bytes, more than the {largest_bytes} that fit into one request.",
            code=RECORD_TOO_LARGE,
        )
    return encoded


def _first_invalid(record: Mapping[str, Any]) -> str:
    for name, value in record.items():
        try:
            encode_json(value)
        except (TypeError, ValueError):
            return str(name)
    return "a field name"
