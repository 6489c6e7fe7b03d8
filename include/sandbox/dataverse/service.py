"""The HTTP face of the Web API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.sandbox.server import Reply

if TYPE_CHECKING:
    from include.sandbox.clock import Clock
    from include.sandbox.dataverse.world import DynamicsWorld
    from include.sandbox.entra import EntraDirectory
    from include.sandbox.faults import Faults
    from include.sandbox.server import Call


class DataverseService:
    """Answers below `/api/data/v9.2/`."""

    name = "dynamics"

    def __init__(self, world: DynamicsWorld, *, directory: EntraDirectory, faults: Faults, clock: Clock) -> None:
        self._world = world
        self._directory = directory
        self._faults = faults
        self._clock = clock

    def handle(self, call: Call) -> Reply:
        """Answer one request."""
        return Reply.json(501, {"error": {"code": "0x80040203", "message": f"Not built: {call.path}"}})
