"""The Dataverse Web API v9.2 of one Dynamics 365 organisation."""

from __future__ import annotations

from include.sandbox.dataverse.service import DataverseService
from include.sandbox.dataverse.world import DynamicsWorld

__all__ = ["DataverseService", "DynamicsWorld"]
