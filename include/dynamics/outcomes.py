"""One operation: the request it becomes, and what its answer means. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from include.dynamics.errors import ApiError, Kind, find_request_id, read_error, to_exception
from include.dynamics.literals import find_guids, parse_guid, row_path
from include.dynamics.multipart import Part
from include.dynamics.values import Operation, OperationKind, OperationResult, Outcome, Table

if TYPE_CHECKING:
    from include.dynamics.batching import PartOutcome
    from include.errors import SyncError

# Code of a result for a value that has no JSON form, such as NaN: it was never sent.
UNSENDABLE = "UNSENDABLE_VALUE"

# Obstacles that lie in rights, settings or load, and would meet every other row as well.
_COMMON_OBSTACLES = frozenset(
    {
        Kind.TOKEN,
        Kind.NOT_A_MEMBER,
        Kind.USER_DISABLED,
        Kind.APP_BLOCKED,
        Kind.FIREWALL,
        Kind.PRIVILEGE,
        Kind.STORAGE,
        Kind.TABLE_UNKNOWN,
        Kind.NO_VERSIONS,
        Kind.NOT_BUILT,
        Kind.THROTTLED,
    }
)


def build_part(operation: Operation, table: Table, *, path: str, duplicate_detection: bool) -> Part:
    """
    Return the request for an operation. Raises ValueError or TypeError for a body that has no JSON form.

    Without a condition a PATCH creates the row when it is missing, so every PATCH carries one.
    Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/perform-conditional-operations-using-web-api
    """
    target = f"{path}{row_path(table.entity_set, operation.row_id)}"
    if operation.kind is OperationKind.DELETE:
        return Part("DELETE", target, {"If-Match": operation.if_match} if operation.if_match else {})
    headers = {"Content-Type": "application/json; type=entry"}
    if operation.kind is OperationKind.CREATE:
        headers["If-None-Match"] = "*"
    else:
        headers["If-Match"] = operation.if_match or "*"
    if duplicate_detection:
        headers["MSCRM.SuppressDuplicateDetection"] = "false"
    return Part("PATCH", target, headers, json.dumps(dict(operation.body), allow_nan=False).encode("ascii"))


def unsendable(operation: Operation) -> OperationResult:
    """Return the result for a body that has no JSON form."""
    columns = ", ".join(sorted(name for name, value in operation.body.items() if not _has_json_form(value)))
    message = f"No JSON form for the value of: {columns}."
    return OperationResult(Outcome.REFUSED, code=UNSENDABLE, message=message, about_values=True)


def read_result(operation: Operation, part: PartOutcome, *, doing: str) -> OperationResult | SyncError:
    """Return what became of the operation, or the exception for an obstacle that concerns more than this row."""
    if part.response is None:
        unknown = OperationResult(
            Outcome.UNKNOWN, message="The answer was lost; it may have been applied.", after_lost_answer=True
        )
        return unknown if part.error is None or part.uncertain else part.error
    if part.response.status < 300:
        return OperationResult(
            Outcome.DONE,
            part.response.status,
            request_id=find_request_id(part.response),
            etag=part.response.headers.get("ETag"),
            after_lost_answer=part.uncertain,
        )
    error = read_error(part.response)
    if error.kind in _COMMON_OBSTACLES:
        return to_exception(error, doing=doing)
    outcome = _outcome(operation, error)
    refused = outcome is Outcome.REFUSED
    return OperationResult(
        outcome,
        error.status,
        error.code,
        error.message,
        error.request_id,
        after_lost_answer=part.uncertain,
        about_values=refused and error.about_values,
        about_schema=refused and error.about_schema,
    )


def _outcome(operation: Operation, error: ApiError) -> Outcome:
    kind = error.kind
    if kind is Kind.TRANSIENT:
        return Outcome.UNKNOWN
    if operation.kind is OperationKind.CREATE:
        taken = kind in {Kind.KEY_TAKEN, Kind.PRECONDITION, Kind.STALE}
        return Outcome.EXISTS if taken else Outcome.REFUSED
    if kind in {Kind.STALE, Kind.PRECONDITION}:
        return Outcome.STALE
    # Within a batch the service has shown that it is there: a bare 404 means the row.
    if kind in {Kind.MISSING, Kind.NO_API} and error.status == 404 and _is_about(operation, error):
        return Outcome.MISSING
    return Outcome.REFUSED


def _is_about(operation: Operation, error: ApiError) -> bool:
    """Tell whether a "does not exist" means the row itself and not one that a lookup in the body points to."""
    named = find_guids(error.message)
    return not named or parse_guid(operation.row_id) in named


def _has_json_form(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
