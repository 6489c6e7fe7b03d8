"""
The envelope of every REST answer, and what its error codes mean for the call as a whole.

Marketo answers HTTP 200 to almost everything; `success` is the only truth about a call. Whether an error concerns the
call or one record is decided by where it sits, never by its number. Source: error-codes, rest-api.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError, ContractViolation, SyncError
from include.http import Response, excerpt, redact
from include.marketo.reading import as_bool, as_int, as_list, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping

# Codes that say something about the request, the account or the parameters, so that sending fewer records is no cure.
_NOT_ABOUT_RECORDS = frozenset(
    {"414", "605", "610", "612", "613", "616", "703", "1008", "1009", "1011", "1013", "1016", "1018", "1026"}
)
TIMED_OUT = "604"
SYSTEM_ERROR = "611"
NO_DATA = "702"
INVALID_DATA = "1003"
FIELD_NOT_FOUND = "1006"
TOO_LARGE = "413"
LOOKUP_NOT_SUPPORTED = "1011"


@dataclass(frozen=True, slots=True)
class ApiError:
    """One entry of an `errors` or `reasons` array."""

    code: str
    message: str


class CallRefused(SyncError):
    """Marketo refused a whole call, executing nothing. `code` is its code, `detail` its own words, redacted."""

    def __init__(self, label: str, code: str, detail: str, *, request_id: str = "", remedy: str = "") -> None:
        super().__init__(f"{label}: refused with {code}: {detail}", request_id=request_id or None, remedy=remedy)
        self.code = code
        self.detail = detail

    @property
    def concerns_records(self) -> bool:
        """True when one of several records may be the cause, so that the others should be tried without it."""
        return self.code not in _NOT_ABOUT_RECORDS


class FieldNotFound(ConfigError):
    """Marketo does not know a field that was asked for: read the fields again, leave this one out, go on."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """
    One answer, with the optional members filled in.

    `result` is empty when absent. `more_result` is None when absent: the feeds and the record lists read that
    differently.
    """

    request_id: str
    success: bool
    result: list[Any]
    errors: tuple[ApiError, ...]
    warnings: tuple[str, ...]
    next_page_token: str | None
    more_result: bool | None


def parse_errors(value: Any) -> tuple[ApiError, ...]:
    """Return the errors of an array, of a single object, or of plain strings; codes are text whatever they came as."""
    return tuple(_parse_error(item) for item in as_list(value))


def _parse_error(item: Any) -> ApiError:
    if not isinstance(item, dict):
        return ApiError("", redact(as_text(item)))
    code = item.get("code", item.get("errorCode"))
    number = as_int(code)
    return ApiError(as_text(code if number is None else number), redact(as_text(item.get("message"))))


def is_envelope(document: Any) -> bool:
    """Return whether a JSON document is an object that says if the call succeeded, or why it did not."""
    return isinstance(document, dict) and ("success" in document or bool(document.get("errors")))


def parse_envelope(response: Response, label: str) -> Envelope:
    """Return the envelope of an answer; ContractViolation with a redacted excerpt when the answer has none."""
    document = response.json()
    if not is_envelope(document):
        raise ContractViolation(
            f"{label}: the answer (HTTP {response.status}) is not a Marketo envelope.",
            excerpt=excerpt(response.text()),
            remedy="Check that the setting 'host' is the address of the instance's REST API.",
        )
    return _envelope(document)


def _envelope(document: Mapping[str, Any]) -> Envelope:
    errors = parse_errors(document.get("errors"))
    more = document.get("moreResult")
    return Envelope(
        request_id=as_text(document.get("requestId")),
        success=as_bool(document.get("success"), default=not errors),
        result=as_list(document.get("result")),
        errors=errors,
        warnings=tuple(_parse_warning(item) for item in as_list(document.get("warnings"))),
        next_page_token=as_text(document.get("nextPageToken")) or None,
        more_result=None if more is None else as_bool(more),
    )


def empty_envelope(request_id: str) -> Envelope:
    """Return the envelope of a query that found nothing."""
    return Envelope(
        request_id, success=True, result=[], errors=(), warnings=(), next_page_token=None, more_result=False
    )


def _parse_warning(item: Any) -> str:
    if isinstance(item, dict):
        return redact(f"{as_text(item.get('code'))} {as_text(item.get('message'))}".strip())
    return redact(as_text(item))
