"""The Dynamics organisation as a person at work sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.sandbox.clock import Clock
    from include.sandbox.identifiers import Identifiers


class DynamicsWorld:
    """One organisation."""

    def __init__(self, *, clock: Clock, identifiers: Identifiers) -> None:
        self.clock = clock
        self.identifiers = identifiers
        self.url = ""
        self.authorization_url = ""

    def add_application_user(self, name: str, client_id: str) -> str:
        """Bind an application to a user and return the user's id."""
        return self.identifiers.guid() if name and client_id else ""
