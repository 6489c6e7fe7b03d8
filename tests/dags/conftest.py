"""The project's DAGs, run for real: against a sandbox, an SQLite state database and a staging folder of their own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message
from airflow.dag_processing.dagbag import DagBag

from include.person_sync.run.context import context_from_environment
from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.request import RunRequest
from include.person_sync.state import Store
from include.sandbox import Sandbox
from tests.installing import install
from tools.processes import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import DAG

    from include.person_sync.state import Run

DAGS = Path(__file__).resolve().parents[2] / "dags"
TITLE = "Head of Unmistakable Affairs"


@dataclass
class World:
    """Two systems, the state between them, and the DAGs that keep them in step."""

    sandbox: Sandbox
    store: Store
    staging: Path

    def dag(self, dag_id: str) -> DAG:
        """Return a DAG whose tasks fail on their first error and wait for nobody."""
        bag = DagBag(dag_folder=str(DAGS))
        assert bag.import_errors == {}
        dag = bag.dags[dag_id]
        for task in dag.tasks:
            task.retries = 0
            if hasattr(task, "lease_wait_s"):
                task.lease_wait_s = 0
        return dag

    def run(self, dag_id: str, **arguments: Any) -> Any:
        """Run a DAG to its end in this process and return the DAG run."""
        return self.dag(dag_id).test(**arguments)

    def install(self) -> None:
        """Leave everything as setup would."""
        context = context_from_environment()
        self.store.close()
        install(context)
        self.store = Store.open(context.state_url)

    def cycle(self, **params: Any) -> Any:
        """Run person_sync with params, as a person who triggers it by hand; it has no data interval."""
        return self.run("person_sync", logical_date=None, run_conf=params)

    @property
    def newest(self) -> Run:
        """The run that was started last, as the state database knows it."""
        return self.store.latest_runs(1)[0]

    def linked(self, table: str, count: int = 1) -> list[tuple[int, str]]:
        """Return both ids of some linked people of a table."""
        links = self.store.load_links()
        rows = links.loc[links["dynamics_table"] == table, ["marketo_id", "dynamics_id"]].head(count)
        assert len(rows) == count
        return [(int(person), str(row)) for person, row in rows.itertuples(index=False)]

    def writes(self) -> list[str]:
        """Return the calls since the last reset that write, in either system."""
        calls = [*self.sandbox.calls("marketo"), *self.sandbox.calls("dynamics")]
        return [
            f"{one.method} {one.path}"
            for one in calls
            if one.method not in {"GET", "HEAD"}
            and ("_method", "GET") not in one.query
            and "/identity/" not in one.path
        ]


def states(run: Any) -> dict[str, str | None]:
    """Return the end state of each task of a DAG run."""
    return {one.task_id: str(one.state) for one in run.get_task_instances()}


def shown_fields(run: Any) -> dict[str, dict[str, Any]]:
    """Return what the page of each task of a DAG run shows under Rendered Templates: task id → field → value."""
    from airflow.models.renderedtifields import RenderedTaskInstanceFields
    from airflow.utils.session import create_session
    from sqlalchemy import select

    rendered = RenderedTaskInstanceFields
    with create_session() as session:
        statement = select(rendered.task_id, rendered.rendered_fields)
        chosen = statement.where(rendered.dag_id == run.dag_id, rendered.run_id == run.run_id)
        return {str(task_id): fields for task_id, fields in session.execute(chosen)}


def spoil(monkeypatch: pytest.MonkeyPatch, conn_id: str, **changes: Any) -> None:
    """Change parts of a connection, such as its password."""
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    monkeypatch.setenv(name, json.dumps({**json.loads(os.environ[name]), **changes}))


class Inbox(Message):
    """A mail server's handler that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[EmailMessage] = []

    def handle_message(self, message: Any) -> None:
        """Keep one message."""
        parsed = message_from_bytes(message.as_bytes(), policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.messages.append(parsed)


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Inbox]:
    """Return the inbox of a mail server to which the sync is told to send its alerts."""
    handler = Inbox()
    (port,) = free_ports(1)
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    settings = tmp_path / "alerting.yaml"
    settings.write_text("alerts:\n  email_to: [ops@example.com]\n")
    monkeypatch.setenv("PERSON_SYNC_CONFIG", str(settings))
    yield handler
    controller.stop()


@pytest.fixture
def world(airflow_db: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: Any) -> Iterator[World]:
    """Return a world that Airflow's connections point to; nothing is set up in it yet."""
    bundle = {
        "name": "dags-folder",
        "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
        "kwargs": {"path": str(DAGS)},
    }
    state = f"sqlite:///{tmp_path / 'state.db'}"
    with Sandbox.start(seed=seed, directory=tmp_path / "sandbox") as sandbox:
        environment = {
            **sandbox.environment(),
            "AIRFLOW_CONN_PERSON_SYNC_STATE": state,
            "PERSON_SYNC_STAGING": f"file://{tmp_path / 'staging'}",
            "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([bundle]),
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        made = World(sandbox, Store.open(state), tmp_path / "staging")
        yield made
        made.store.close()


@pytest.fixture
def seed() -> Any:
    """Return the seed of the world's people: none, unless a test module says otherwise."""
    return None


@pytest.fixture
def ready(world: World) -> World:
    """Return a world in which setup has run."""
    world.install()
    return world


@pytest.fixture
def synced(ready: World) -> World:
    """Return a world whose people are linked and in step."""
    run_cycle(context_from_environment(), RunRequest())
    assert ready.store.count_links() > 20
    return ready
