"""
Refusals of the Web API: status, code and text.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/reference/web-service-error-codes and the pages
named at each refusal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.gaps import Gap

__all__ = [
    "NotBuilt",
    "Refusal",
    "forbidden",
    "invalid_argument",
    "missing_row",
    "payload_error",
    "query_error",
    "unknown_segment",
]

_PAYLOAD_FRAME = (
    "Error identified in Payload provided by the user for Entity :'{entity_set}', For more information on this error "
    "please follow this help link https://go.microsoft.com/fwlink/?linkid=2195293  ---->  "
    "InnerException : Microsoft.OData.ODataException: {text}"
)


class Refusal(Exception):
    """The service says no. `headers` are added to the answer."""

    def __init__(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers: Mapping[str, str] = headers or {}


class NotBuilt(Refusal):
    """The caller asked for something that exists at the vendor but not here. Answered with 501."""

    def __init__(self, gap: Gap, detail: str = "") -> None:
        about = f" ({detail})" if detail else ""
        super().__init__(501, "0x80040203", f"Not built in the sandbox: {gap}{about}. See GAPS.md.")
        self.gap = gap


def payload_error(entity_set: str, text: str) -> Refusal:
    """Return the refusal of a body that does not fit the table."""
    return Refusal(400, "0x80048d19", _PAYLOAD_FRAME.format(entity_set=entity_set, text=text))


def query_error(text: str) -> Refusal:
    """Return the refusal of a URL or a query option."""
    return Refusal(400, "0x80060888", text)


def invalid_argument(text: str) -> Refusal:
    """Return the refusal of a value for which the vendor documents no code of its own."""
    return Refusal(400, "0x80040203", text)


def missing_row(table: str, row_id: str) -> Refusal:
    """Return the refusal of an id that no row has."""
    return Refusal(404, "0x80040217", f"{table} With Id = {row_id} Does Not Exist")


def unknown_segment(segment: str) -> Refusal:
    """Return the refusal of an address that names no resource."""
    return Refusal(404, "0x8006088a", f"Resource not found for the segment '{segment}'.")


def forbidden(code: str, text: str) -> Refusal:
    """Return a refusal for want of a right."""
    return Refusal(403, code, text)
