"""The refusals of the Marketo API at their three levels, with the vendor's codes and texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

__all__ = ["MESSAGES", "ApiError", "GapError", "HttpError", "Refusal", "RefusalError"]

# The texts of the table in error-codes.md.
MESSAGES: Final[dict[str, str]] = {
    "600": "Empty access token",
    "601": "Access token invalid",
    "602": "Access token expired",
    "603": "Access denied",
    "604": "Request timed out",
    "605": "HTTP Method not supported",
    "606": "Max rate limit '100' exceeded with in '20' secs",
    "607": "Daily quota reached",
    "608": "API Temporarily Unavailable",
    "609": "Invalid JSON",
    "610": "Requested resource not found",
    "611": "System error",
    "612": "Invalid Content Type",
    "614": "Invalid Subscription",
    "615": "Concurrent access limit reached",
    "713": "Transient Error",
    "1004": "Lead not found",
    "1005": "Lead already exists",
    "1007": "Multiple leads match the lookup criteria",
    "1008": "Access denied to partition",
    "1009": "Partition name must be specified",
    "1010": "Partition update not allowed",
    "1013": "Object not found",
    "1017": "Object already exists",
    "1021": "Company update not allowed in sync lead",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One `{code, message}` pair as it stands in `errors` and `reasons`."""

    code: str
    message: str

    @classmethod
    def of(cls, code: str, message: str = "") -> Refusal:
        """Return the refusal with this code, worded as the vendor does unless a message is given."""
        return cls(code, message or MESSAGES.get(code, "Invalid data"))

    def json(self) -> dict[str, Any]:
        """Return the pair as JSON members."""
        return {"code": self.code, "message": self.message}


class RefusalError(Exception):
    """One record is refused; the rest of the call goes on. Carries the `refusal`."""

    def __init__(self, code: str, message: str = "") -> None:
        self.refusal = Refusal.of(code, message)
        super().__init__(f"{self.refusal.code}: {self.refusal.message}")


class ApiError(Exception):
    """The whole call is refused: HTTP 200 with `success: false`. Carries the `refusal`."""

    def __init__(self, code: str, message: str = "") -> None:
        self.refusal = Refusal.of(code, message)
        super().__init__(f"{self.refusal.code}: {self.refusal.message}")


class HttpError(Exception):
    """The call is refused below the envelope, with an HTTP status and a plain text: 413, 414, and 404 of files."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text
        super().__init__(f"HTTP {status}: {text}")


class GapError(Exception):
    """The vendor has this, the sandbox does not: HTTP 501 naming the gap. `gap` is its name in GAPS.md."""

    def __init__(self, gap: str) -> None:
        self.gap = gap
        super().__init__(f"the sandbox does not build: {gap}")
