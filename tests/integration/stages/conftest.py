"""Two systems in a sandbox, a state database, and the stages in between."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from include.dynamics import DynamicsClient
from include.marketo import MarketoClient
from include.person_sync.run.context import (
    SyncContext,
    context_from_environment,
    dynamics_limits,
    marketo_limits,
)
from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.lazy import Lazy
from include.person_sync.run.request import RunRequest
from include.person_sync.setup import run_setup
from include.sandbox import Sandbox
from tests.installing import install

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class ShortWait:
    """A clock on which waiting takes no time: it jumps ahead by what was to be waited."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def sleep(self, seconds: float) -> None:
        """Wait for a moment and jump."""
        time.sleep(min(seconds, 0.01))
        self._ahead_s += seconds

    def clock(self) -> float:
        """Return the seconds that have passed, the jumps included."""
        return time.monotonic() + self._ahead_s


class Pairing:
    """A sandbox and a sync between its two systems, as a test uses them."""

    def __init__(self, sandbox: Sandbox, home: Path, state: str) -> None:
        self.sandbox = sandbox
        self.marketo = sandbox.marketo
        self.dynamics = sandbox.dynamics
        self.environment = {
            **sandbox.environment(),
            "AIRFLOW_HOME": str(home),
            "PERSON_SYNC_STAGING": str(home / "staging"),
            "AIRFLOW_CONN_PERSON_SYNC_STATE": state,
        }
        self._versions: dict[tuple[str, str], str] = {}
        sandbox.marketo.settings.rate_calls = 10_000  # what takes hours between two systems takes seconds here

    def context(self, *, process: int | None = None) -> SyncContext:
        """
        Return a new context, as a new process (of this id, by default this one's) would have them.

        Its clients ask again without the long waits of real life.
        """
        context = context_from_environment(self.environment, process=process or os.getpid())
        wait = ShortWait()
        waiting = {"sleep": wait.sleep, "clock": wait.clock}
        marketo, dynamics = marketo_limits(context.settings), dynamics_limits(context.settings)
        at_marketo, at_dynamics = context.marketo_connection, context.dynamics_connection
        context.marketo_client = Lazy(lambda: MarketoClient(at_marketo, settings=marketo, **waiting))
        context.dynamics_client = Lazy(lambda: DynamicsClient(at_dynamics, settings=dynamics, **waiting))
        return context

    def setup(self, **options: Any) -> None:
        """Run setup and require that it passes."""
        with self.closing() as context:
            report = run_setup(context, **options)
        assert report.ok, report.as_text()

    def install(self) -> None:
        """Leave everything as a setup of the two untouched systems would; the state database is an SQLite file."""
        with self.closing() as context:
            install(context)

    def cycle(self, **request: Any) -> dict[str, Any]:
        """Run one cycle in a context of its own and return its summary."""
        with self.closing() as context:
            return run_cycle(context, RunRequest(**request))

    @contextmanager
    def closing(self) -> Iterator[SyncContext]:
        """Return a new context whose connections are given back at the end."""
        context = self.context()
        try:
            yield context
        finally:
            for opened in (context.open_store.made, context.marketo_client.made, context.dynamics_client.made):
                if opened is not None:
                    opened.close()

    def quiet(self, *, dynamics_calls: int = 3) -> None:
        """Require two cycles that write nothing, the second of them within the idle budget; echoes are only read."""
        for _ in range(2):
            self.mark()
            summary = self.cycle()
            assert self.writes() == [], summary
        assert summary["api_calls"]["marketo"] <= 5, [one.path for one in self.sandbox.calls("marketo")]
        assert summary["api_calls"]["dynamics"] <= dynamics_calls, [one.path for one in self.sandbox.calls("dynamics")]

    def mark(self) -> None:
        """Forget the calls so far and remember the rows' versions: `writes` tells what was written since."""
        self.sandbox.reset_calls()
        self._versions = self._row_versions()

    def writes(self) -> list[str]:
        """Return what was written since the last mark: calls to Marketo, rows of Dynamics."""
        calls = [
            f"{one.method} {one.path}"
            for one in self.sandbox.calls("marketo")
            if one.method != "GET" and ("_method", "GET") not in one.query and "/identity/" not in one.path
        ]
        rows = self._row_versions()
        moved = [
            f"{table} {row_id}"
            for (table, row_id), version in rows.items()
            if self._versions.get((table, row_id)) != version
        ]
        gone = [f"deleted {table} {row_id}" for table, row_id in self._versions.keys() - rows.keys()]
        return calls + moved + gone

    def _row_versions(self) -> dict[tuple[str, str], str]:
        return {
            (table, row[f"{table}id"]): row["@odata.etag"]
            for table in ("contact", "lead")
            for row in self.dynamics.rows(table)
        }

    def pair(self, table: str, email: str, **values: Any) -> tuple[int, str]:
        """Put one person on both sides, in step but not linked yet; `values` by Dynamics column. Returns both ids."""
        names = {"firstname": "firstName", "lastname": "lastName", "jobtitle": "title", "mobilephone": "mobilePhone"}
        row = {"firstname": "Ada", "lastname": "Byron", "emailaddress1": email, **values}
        person = {"email": email, **{names[name]: value for name, value in row.items() if name in names}}
        return self.marketo.create(person), self.dynamics.create(table, row)


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    """Return two empty systems."""
    with Sandbox.start(directory=tmp_path / "sandbox") as running:
        yield running


@pytest.fixture
def pairing(sandbox: Sandbox, tmp_path: Path) -> Pairing:
    """Return a sync that is set up, on SQLite, with nobody in either system."""
    made = Pairing(sandbox, tmp_path, f"sqlite:///{tmp_path}/state.db")
    made.install()
    return made
