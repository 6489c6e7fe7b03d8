"""Answers: the headers and bodies that every operation shares."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.server import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.errors import Refusal

__all__ = ["answer", "no_content", "refusal_reply"]

_JSON: Final = "application/json; odata.metadata=minimal"
_ERROR_DETAILS: Final = "@Microsoft.PowerApps.CDS.ErrorDetails"
_HELP: Final = "@Microsoft.PowerApps.CDS.HelpLink"
_TRACE: Final = "@Microsoft.PowerApps.CDS.TraceText"
_HELP_ROOT: Final = "http://go.microsoft.com/fwlink/?LinkID=398563&error=Microsoft.Crm.CrmException"


def answer(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a JSON answer."""
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status, {"Content-Type": _JSON, "OData-Version": "4.0", **(headers or {})}, content)


def no_content(headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer without a body."""
    return Reply(204, {"OData-Version": "4.0", **(headers or {})})


def refusal_reply(refusal: Refusal, *, annotated: bool, older_codes: bool) -> Reply:
    """
    Return a refusal in the vendor's envelope. `annotated`: with the details that `include-annotations="*"` brings.

    Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors
    """
    code = "0x0" if older_codes and refusal.code in {"0x80048d19", "0x80060888"} else refusal.code
    error: dict[str, Any] = {"code": code, "message": refusal.message}
    if annotated:
        error |= {
            f"{_ERROR_DETAILS}.OperationStatus": "0",
            f"{_ERROR_DETAILS}.SubErrorCode": "-2146233088",
            _HELP: f"{_HELP_ROOT}:{refusal.code.removeprefix('0x')}",
            _TRACE: "",
        }
    return answer(refusal.status, {"error": error}, refusal.headers)
