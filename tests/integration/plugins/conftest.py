"""A sandbox for the hooks and operators, reached through Airflow connections."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from include.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running_sandbox() -> Iterator[Sandbox]:
    """Return an empty sandbox; starting one costs more than most tests here."""
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """Return the sandbox, with the default connections pointing to it."""
    for name, value in running_sandbox.environment().items():
        monkeypatch.setenv(name, value)
    running_sandbox.reset_calls()
    return running_sandbox


@pytest.fixture
def context() -> dict[str, Any]:
    """Return the context of a scheduled run whose data interval is the last hour."""
    end = datetime.now(UTC) + timedelta(minutes=1)
    run = SimpleNamespace(data_interval_start=end - timedelta(hours=1), data_interval_end=end, run_after=end)
    return {"dag_run": run}
