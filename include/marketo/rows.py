"""Turns the result array of a write into one RowResult per record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast, get_args

from include.marketo.envelope import Envelope, parse_errors
from include.marketo.reading import as_int, as_text, require_objects
from include.marketo.values import RowError, RowResult, RowStatus

if TYPE_CHECKING:
    from include.marketo.operations import Operation

_STATUSES = frozenset(get_args(RowStatus))


def parse_rows(envelope: Envelope, operation: Operation) -> list[RowResult]:
    """Return one result per item, in order. ContractViolation when an item is not an object."""
    items = require_objects(envelope.result, operation.label, envelope.request_id)
    return [parse_row(item, envelope.request_id) for item in items]


def parse_row(item: dict[str, Any], request_id: str) -> RowResult:
    """
    Return the result of one record.

    The reasons of a skipped record are called `reasons` (an array), `reason` (one object) or, for custom activities,
    `errors`. A status that is not documented, or none at all, is skipped when there are reasons and unknown otherwise.
    """
    reasons = [reason for member in ("reasons", "reason", "errors") for reason in parse_errors(item.get(member))]
    status = as_text(item.get("status")).lower()
    if status not in _STATUSES:
        status = "skipped" if reasons else "unknown"
    errors = tuple(RowError(reason.code, reason.message) for reason in reasons)
    return RowResult(cast("RowStatus", status), as_int(item.get("id")), errors, request_id)


def skipped(code: str, message: str, request_id: str = "") -> RowResult:
    """Return the result of a record that was not written."""
    return RowResult("skipped", None, (RowError(code, message),), request_id)
