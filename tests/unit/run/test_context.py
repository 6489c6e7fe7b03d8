"""The context of a run: what it opens, and how it counts requests."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from include.errors import ConfigError
from include.person_sync.run.context import SyncContext, context_from_environment
from include.person_sync.run.lazy import Lazy

if TYPE_CHECKING:
    from pathlib import Path

MARKETO = '{"conn_type": "marketo", "host": "https://517-QXZ-204.mktorest.com", "login": "id", "password": "secret"}'
DYNAMICS = (
    '{"conn_type": "dynamics", "host": "https://org.crm.dynamics.com", "login": "id", "password": "secret", '
    '"extra": {"tenant_id": "example.com"}}'
)


class Counting:
    """Something that counts requests as the clients do."""

    def __init__(self) -> None:
        self.calls = 0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Return an environment with both connections and a state database of its own."""
    return {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW_CONN_MARKETO_DEFAULT": MARKETO,
        "AIRFLOW_CONN_DYNAMICS_DEFAULT": DYNAMICS,
        "AIRFLOW_CONN_PERSON_SYNC_STATE": f"sqlite:///{tmp_path}/state.db",
    }


@pytest.fixture
def context(environment: dict[str, str]) -> SyncContext:
    """Return a context whose clients only count."""
    context = context_from_environment(environment)
    context.marketo_client, context.dynamics_client = Lazy(Counting), Lazy(Counting)
    return context


def test_nothing_is_opened_before_it_is_needed(environment: dict[str, str], tmp_path: Path) -> None:
    """A command that needs no client and no database opens none, and has sent no request."""
    context = context_from_environment(environment)

    assert context.api_calls() == {"marketo": 0, "dynamics": 0}
    assert context.marketo_client.made is None
    assert context.dynamics_client.made is None
    assert not (tmp_path / "state.db").exists()


def test_a_wrong_connection_is_told_before_anything_is_opened(environment: dict[str, str]) -> None:
    """A run does not begin with half a configuration."""
    del environment["AIRFLOW_CONN_DYNAMICS_DEFAULT"]

    with pytest.raises(ConfigError, match="dynamics_default"):
        context_from_environment(environment)


def test_runs_that_share_clients_count_their_own_requests(context: SyncContext) -> None:
    """Each partition of a baseline reports what it has sent itself, whoever else uses the same clients before it."""
    context.marketo.calls = 3
    first = context.counting_from_now()
    context.marketo.calls = 5
    second = first.counting_from_now()
    context.marketo.calls = 9
    second.dynamics.calls = 2

    assert first.marketo is second.marketo is context.marketo
    assert first.api_calls() == {"marketo": 6, "dynamics": 2}
    assert second.api_calls() == {"marketo": 4, "dynamics": 2}
    assert context.api_calls() == {"marketo": 9, "dynamics": 2}


def test_the_store_goes_by_the_clock_of_its_context(context: SyncContext) -> None:
    """Times in the state database and times a stage reckons with are of one clock."""
    moment = datetime(2026, 5, 1, 7, 30, tzinfo=UTC)
    context.now = lambda: moment

    context.store.save_document("note", {})

    assert context.store.document("note") == ({}, moment)
    context.store.close()
