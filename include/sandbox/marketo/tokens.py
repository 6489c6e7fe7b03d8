"""The identity service's memory: custom services (credentials) and their access tokens."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.sandbox.marketo.errors import ApiError

if TYPE_CHECKING:
    from include.sandbox.clock import Clock
    from include.sandbox.identifiers import Identifiers
    from include.sandbox.marketo.settings import MarketoSettings, Permission

__all__ = ["CustomService", "Token", "TokenDesk"]


@dataclass(frozen=True, slots=True)
class CustomService:
    """A LaunchPoint service: credentials owned by one API-only user. `permissions` None: the instance's default."""

    client_id: str
    client_secret: str
    user: str
    permissions: frozenset[Permission] | None = None


@dataclass(slots=True)
class Token:
    """An access token and when it ends (seconds since the epoch). `reported` once its end was answered with 602."""

    text: str
    service: CustomService
    expires_at: float
    reported: bool = False


class TokenDesk:
    """Issues and checks tokens. Source: authentication.md."""

    def __init__(self, clock: Clock, settings: MarketoSettings, identifiers: Identifiers) -> None:
        self._clock = clock
        self._settings = settings
        self._identifiers = identifiers
        self._services: dict[str, CustomService] = {}
        self._tokens: dict[str, Token] = {}
        self._current: dict[str, Token] = {}

    def register(self, service: CustomService) -> CustomService:
        """Take in a custom service, replacing the one with the same client id, and return it."""
        self._services[service.client_id] = service
        return service

    def issue(self, client_id: str, client_secret: str) -> tuple[Token, int] | None:
        """
        Return the service's token and its remaining life in whole seconds, None for wrong credentials.

        Before its end the same token is given again, with a smaller remaining life; it is never prolonged.
        """
        service = self._services.get(client_id)
        if service is None or not hmac.compare_digest(service.client_secret.encode(), client_secret.encode()):
            return None
        now = self._clock.timestamp()
        token = self._current.get(client_id)
        if token is None or token.expires_at - now < 1:
            text = f"{self._identifiers.guid()}:sj"
            token = Token(text, service, now + self._settings.token_lifetime_s)
            self._current[client_id] = self._tokens[text] = token
        return token, int(token.expires_at - now)

    def check(self, text: str) -> CustomService:
        """
        Return the service behind a token. Raises ApiError 601 for an unknown one, and 602 for an expired one, once.

        Source: the vendor's blog: an expired token answers 602 on its first use and 601 afterwards.
        """
        token = self._tokens.get(text)
        if token is None or token.reported:
            raise ApiError("601")
        if token.expires_at <= self._clock.timestamp():
            token.reported = True
            raise ApiError("602")
        return token.service

    def expire_all(self) -> None:
        """End every token now, so that the next use of each answers 602."""
        now = self._clock.timestamp()
        for token in self._tokens.values():
            token.expires_at = min(token.expires_at, now)
