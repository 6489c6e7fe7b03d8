"""
A sync that is set up, without the wait.

What setup leaves on two untouched systems is the same every time, so a test process runs it once in full and copies the
outcome from then on. Setup itself has tests of its own, in tests/integration/setup.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from include.person_sync.run.context import context_from_environment
from include.person_sync.setup import run_setup
from include.person_sync.setup.provisioning import ensure_activity_type, ensure_fields, identity_fields
from include.sandbox import Sandbox

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

__all__ = ["install"]


def install(context: SyncContext) -> None:
    """
    Do on two untouched systems what setup does: provision Marketo, and store both schemas in the state database.

    The context's state database is an SQLite file that nobody has open. Whoever changed fields or columns before, or
    wants more fields than the four of the sync, runs setup instead.
    """
    state = Path(context.state_url.removeprefix("sqlite:///"))
    state.parent.mkdir(exist_ok=True)
    state.write_bytes(_state_after_setup())
    settings, client = context.settings, context.marketo
    fields = identity_fields(settings.custom_fields)
    ensure_fields(client, fields, schema={}, create=True, made=[], same_type=True)
    ensure_activity_type(client, settings.activity_type, create=True, made=[])


@cache
def _state_after_setup() -> bytes:
    """Return the SQLite file that a setup with the default settings leaves; starts and stops a sandbox for it."""
    with TemporaryDirectory() as folder, Sandbox.start() as sandbox:
        state = Path(folder) / "state.db"
        environment = {
            **sandbox.environment(),
            "AIRFLOW_HOME": folder,
            "AIRFLOW_CONN_PERSON_SYNC_STATE": f"sqlite:///{state}",
        }
        context = context_from_environment(environment)
        report = run_setup(context)
        assert report.ok, report.as_text()
        for opened in (context.store, context.marketo, context.dynamics):
            opened.close()
        return state.read_bytes()
