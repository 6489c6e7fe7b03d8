"""
One REST call taken apart: parameters, body, author.

Strict: a parameter or member that an endpoint does not know is refused, so that a client's mistake is never silently
ignored. [ND] the code for it; 1003 ("invalid data") is taken.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from include.sandbox.marketo.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from include.sandbox.faults import Fault
    from include.sandbox.marketo.tokens import CustomService

__all__ = ["BATCH_MAX", "ApiCall", "Parameters", "form_of", "is_form", "json_of", "records_in"]

BATCH_MAX: Final = 300


class Parameters:
    """The query (or form) parameters of a call. Lists may be comma-separated, repeated, or both."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def allow(self, *names: str) -> Parameters:
        """Return itself when no other parameter was sent, else raise ApiError 1003."""
        unknown = sorted(set(self._values) - set(names))
        if unknown:
            raise ApiError("1003", f"Unknown parameter '{unknown[0]}'")
        return self

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str) -> str | None:
        """Return the single value, None when absent or empty. ApiError 1003 when sent twice."""
        values = self._values.get(name, [])
        if len(values) > 1:
            raise ApiError("1003", f"Parameter '{name}' was sent more than once")
        return values[0] if values and values[0] else None

    def required(self, name: str) -> str:
        """Return the single value. ApiError 1002 when absent."""
        value = self.text(name)
        if value is None:
            raise ApiError("1002", f"Missing value for required parameter '{name}'")
        return value

    def items(self, name: str) -> list[str]:
        """Return the list's members in order, without empty ones."""
        return [part.strip() for value in self._values.get(name, []) for part in value.split(",") if part.strip()]

    def numbers(self, name: str) -> list[int]:
        """Return the list's members as integers. ApiError 1001 when one is none."""
        return [_integer(name, part) for part in self.items(name)]

    def batch_size(self) -> int:
        """`batchSize`: 300 when absent, at most 300. ApiError 1003 outside of 1 to 300."""
        text = self.text("batchSize")
        size = BATCH_MAX if text is None else _integer("batchSize", text)
        if not 1 <= size <= BATCH_MAX:
            raise ApiError("1003", f"batchSize must be between 1 and {BATCH_MAX}")
        return size

    def flag(self, name: str) -> bool:
        """Return the boolean parameter, False when absent. ApiError 1001 when it is none."""
        text = (self.text(name) or "false").lower()
        if text not in {"true", "false"}:
            raise ApiError("1001", f"Invalid value '{text}', required of type 'Boolean' for parameter '{name}'")
        return text == "true"


@dataclass(frozen=True, slots=True)
class ApiCall:
    """An authenticated call on its way to an endpoint. `path` holds the variable parts of the address."""

    service: CustomService
    request_id: str
    parameters: Parameters
    body: bytes = b""
    content_type: str = ""
    path: dict[str, str] = field(default_factory=dict)
    range: str | None = None
    take_fault: Callable[[str], Fault | None] = lambda _kind: None

    def json(self, *members: str) -> dict[str, Any]:
        """
        Return the JSON object in the body.

        Raises ApiError 612 without the content type, 609 when it is no JSON object, and 1003 for a member other than
        those named. Source: rest-api.md, error-codes.md.
        """
        if self.content_type != "application/json":
            raise ApiError("612")
        parsed = json_of(self.body)
        unknown = sorted(set(parsed) - set(members))
        if unknown:
            raise ApiError("1003", f"Unknown member '{unknown[0]}'")
        return parsed

    def nothing(self) -> None:
        """Refuse a body where none belongs. Source: seen with Merge Leads, whose ids do not go into the body."""
        if self.body.strip() not in {b"", b"{}", b"null"}:
            raise ApiError("1003", "This call takes no body")


def records_in(body: dict[str, Any], member: str = "input", limit: int = BATCH_MAX) -> list[dict[str, Any]]:
    """
    Return the list of objects under `member`.

    Raises ApiError 1002 when it is absent, 1003 when it is empty, too long, or of something else.
    """
    if member not in body:
        raise ApiError("1002", f"Missing value for required parameter '{member}'")
    records = body[member]
    if not isinstance(records, list) or not all(isinstance(one, dict) for one in records):
        raise ApiError("1003", f"'{member}' must be an array of objects")
    if not 1 <= len(records) <= limit:
        raise ApiError("1003", f"'{member}' must hold between 1 and {limit} records")
    return records


def is_form(content_type: str) -> bool:
    """Whether the body is a web form."""
    return content_type == "application/x-www-form-urlencoded"


def form_of(body: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a form body, decoded as UTF-8. ApiError 1003 when it is no form."""
    try:
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=bool(body), max_num_fields=1_000)
    except (UnicodeDecodeError, ValueError) as broken:
        raise ApiError("1003", "The form could not be read") from broken


def json_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. ApiError 609 for anything else, NaN and doubled names included."""
    try:
        parsed = json.loads(body.decode(), parse_constant=_no_constant, object_pairs_hook=_unique)
    except (UnicodeDecodeError, ValueError) as broken:
        raise ApiError("609") from broken
    if not isinstance(parsed, dict):
        raise ApiError("609")
    return parsed


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Source: lead-database.md: keys are unique within a record.
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a name occurs twice in one object")
    return members


def _integer(name: str, text: str) -> int:
    if not text.removeprefix("-").isascii() or not text.removeprefix("-").isdigit():
        raise ApiError("1001", f"Invalid value '{text}', required of type 'Integer' for parameter '{name}'")
    return int(text)
