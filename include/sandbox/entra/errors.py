"""
Refusals of the token endpoint.

Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes for the numbers; the statuses are the
ones seen in public issue threads.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["EntraGap", "NotBuilt", "TokenRefusal"]


class TokenRefusal(Exception):
    """The token endpoint says no: HTTP `status`, OAuth `error`, AADSTS `number` and its text."""

    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.error = error
        self.number = number
        self.text = text


class EntraGap(StrEnum):
    """What Entra ID offers and this sandbox does not. Each value has a line in GAPS.md."""

    INSTANCE_DISCOVERY = "entra: instance discovery"
    AUTHORIZE = "entra: authorize endpoint"
    OTHER_GRANTS = "entra: grants other than client_credentials"


class NotBuilt(Exception):
    """The caller asked for something that exists at the vendor but not here."""

    def __init__(self, gap: EntraGap) -> None:
        super().__init__(str(gap))
        self.gap = gap
