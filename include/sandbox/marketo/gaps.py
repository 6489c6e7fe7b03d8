"""
What Marketo has and the sandbox does not build: such a call answers HTTP 501 naming the gap.

`GAPS.md` lists the same entries; a test keeps the two in step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

__all__ = ["ADDRESS_GAPS", "FEATURE_GAPS", "AddressGap", "find_gap"]


@dataclass(frozen=True, slots=True)
class AddressGap:
    """A family of addresses: its name in GAPS.md and the pattern of `METHOD /path`."""

    name: str
    pattern: str


ADDRESS_GAPS: Final = (
    AddressGap("bulk activity extract", r"\w+ /bulk/v1/activities/export.*"),
    AddressGap("bulk lead import", r"\w+ /bulk/v1/leads(\.json|/batch/.*)"),
    AddressGap("bulk custom objects", r"\w+ /bulk/v1/customobjects/.*"),
    AddressGap("bulk program members", r"\w+ /bulk/v1/program/.*"),
    AddressGap("push lead", r"POST /rest/v1/leads/push\.json"),
    AddressGap("submit form", r"POST /rest/v1/leads/submitForm\.json"),
    AddressGap("associate lead", r"POST /rest/v1/leads/\d+/associate\.json"),
    AddressGap("lead memberships", r"GET /rest/v1/leads/\d+/\w+Membership\.json"),
    AddressGap("leads by program", r"\w+ /rest/v1/leads/programs/.*"),
    AddressGap("static lists", r"\w+ /rest/v1/lists?(/.*|\.json)"),
    AddressGap("campaigns", r"\w+ /rest/v1/campaigns(/.*|\.json)"),
    AddressGap("programs", r"\w+ /rest/v1/programs?(/.*|\.json)"),
    AddressGap("companies", r"\w+ /rest/v1/companies(/.*|\.json)"),
    AddressGap("named accounts", r"\w+ /rest/v1/named\w+(/.*|\.json)"),
    AddressGap("opportunities", r"\w+ /rest/v1/opportunities(/.*|\.json)"),
    AddressGap("sales persons", r"\w+ /rest/v1/salespersons(/.*|\.json)"),
    AddressGap("custom objects", r"\w+ /rest/v1/customobjects(/.*|\.json)"),
    AddressGap("assets", r"\w+ /rest/asset/v1/.*"),
    AddressGap("user management", r"\w+ /userservice/.*"),
)

# Raised by endpoints for a parameter or member they know and do not carry out.
FEATURE_GAPS: Final = (
    "sync leads: asyncProcessing",
    "merge leads: mergeInCRM",
    "activities: listId",
    "activities: assetIds",
    "bulk lead extract: filters other than createdAt",
    "bulk lead extract: SSV",
)


def find_gap(method: str, path: str) -> str | None:
    """Return the name of the gap behind this address, or None."""
    address = f"{method} {path}"
    return next((gap.name for gap in ADDRESS_GAPS if re.fullmatch(gap.pattern, address)), None)
