"""
Request headers that matter: what they ask for, and which are refused.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors and
.../optional-parameters
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.errors import NotBuilt, query_error
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.organization import Requirements

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.server import Call

__all__ = ["check_headers", "requirements"]

_VERSION: Final = "4.0"
_SUPPRESS_DUPLICATES: Final = "mscrm.suppressduplicatedetection"
_IMPERSONATION: Final = ("mscrmcallerid", "callerobjectid")
_NULL: Final = "null"


def check_headers(call: Call) -> None:
    """Raise Refusal for a protocol version that is not spoken, NotBuilt for headers the sandbox does not know."""
    for name in ("odata-version", "odata-maxversion"):
        if call.headers.get(name, _VERSION) != _VERSION:
            raise query_error(f"The value '{call.headers[name]}' of the header {name} is not supported.")
    for name in call.headers:
        if name in _IMPERSONATION:
            raise NotBuilt(Gap.IMPERSONATION, name)
        if name.startswith("mscrm.") and name != _SUPPRESS_DUPLICATES:
            raise NotBuilt(Gap.SPECIAL_HEADER, name)
    accept = call.headers.get("accept", "*/*")
    if "json" not in accept and "*/*" not in accept and not accept.startswith("multipart/mixed"):
        raise NotBuilt(Gap.FORMAT, accept)


def requirements(call: Call, references: Mapping[str, str]) -> Requirements:
    """Return the conditions and wishes of a write. Raises Refusal for conditions that contradict each other."""
    if_match, if_none_match = call.headers.get("if-match"), call.headers.get("if-none-match")
    if if_none_match == _NULL:
        if_none_match = None
    if if_match is not None and if_none_match is not None:
        raise query_error("The headers If-Match and If-None-Match cannot be used together.")
    if call.method != "GET" and if_none_match not in {None, "*"}:
        raise query_error(
            f"The value '{if_none_match}' of the header If-None-Match is not supported for {call.method}."
        )
    detects = call.headers.get(_SUPPRESS_DUPLICATES, "true").lower() == "false"
    return Requirements(if_match, if_none_match, detects, references)
