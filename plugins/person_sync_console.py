"""
The Airflow plugin: mounts the app of the sync at `/person-sync` in the API server.

Airflow loads this file in each of its processes, so the app is made when the API server asks for it and not before.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin


class PersonSyncConsole(AirflowPlugin):
    """Registers the app; who may call its routes is decided in `include.person_sync.console`."""

    name = "person_sync_console"

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]  # Airflow reads it from an instance
        """The one app."""
        from person_sync_airflow.api_server import console_app

        return [{"app": console_app(), "url_prefix": "/person-sync", "name": "Person sync"}]
