"""The webhook in a real API server: mounted by the plugin, guarded by Airflow's users, starting real DAG runs."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from airflow.utils.session import create_session
from fastapi.testclient import TestClient

from include.sandbox.seed import Seed
from tests.dags.conftest import shown_fields, states

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.dags.conftest import World

SECRET, OLD_SECRET = "correct-horse-battery-staple", "the-one-before"
HEADER = "X-Person-Sync-Secret"
URL = "/person-sync/webhook/sync-person"
DAG_ID = "sync_person_to_dynamics"


@pytest.fixture
def seed() -> Seed:
    """Return forty people on each side, some of whom are the same."""
    return Seed(people=40, number=7)


@pytest.fixture
def server(ready: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    """Return a client of the API server, which knows the DAG and two webhook secrets."""
    from airflow.api_fastapi.app import create_app
    from airflow.dag_processing.bundles.manager import DagBundlesManager
    from airflow.dag_processing.dagbag import BundleDagBag, sync_bag_to_db

    secrets = {"conn_type": "generic", "password": SECRET, "extra": {"previous_secret": OLD_SECRET}}
    monkeypatch.setenv("AIRFLOW_CONN_PERSON_SYNC_WEBHOOK", json.dumps(secrets))
    manager = DagBundlesManager()
    with create_session() as session:
        manager.sync_bundles_to_db(session=session)
    (bundle,) = manager.get_all_dag_bundles()
    bag = BundleDagBag(dag_folder=bundle.path, bundle_path=bundle.path, bundle_name=bundle.name)
    sync_bag_to_db(bag, bundle.name, None)
    _forget_runs()
    with TestClient(create_app(apps="core"), raise_server_exceptions=False) as client:
        yield client
    _forget_runs()


def _forget_runs() -> None:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import delete

    with create_session() as session:
        session.execute(delete(DagRun).where(DagRun.dag_id == DAG_ID))


def _runs() -> dict[str, dict[str, Any]]:
    from airflow.models.dagrun import DagRun
    from sqlalchemy import select

    with create_session() as session:
        rows = session.execute(select(DagRun.run_id, DagRun.conf).where(DagRun.dag_id == DAG_ID))
        return {str(row.run_id): row.conf for row in rows}


def _call(server: TestClient, marketo_id: int, **more: Any) -> Any:
    return server.post(URL, json={"marketoId": marketo_id, **more}, headers={HEADER: SECRET})


def test_plugin_is_loaded_and_its_routes_are_guarded(server: TestClient):
    """The app is mounted; nobody gets in without credentials, and the webhook only with one of its secrets (S-45)."""
    assert server.get("/person-sync/requests/1").status_code == 401
    assert server.get("/person-sync/docs").status_code == 404
    for headers in ({}, {HEADER: "wrong"}, {"Authorization": "Bearer nonsense"}):
        answer = server.post(URL, json={"marketoId": 1004}, headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (401, "unauthorized")
    assert _runs() == {}
    old = server.post(URL, json={"marketoId": 1004}, headers={HEADER: OLD_SECRET})
    assert old.status_code == 202


def test_calls_queue_one_run_per_person(server: TestClient):
    """Calls at the same moment, and one more after them, leave one DAG run that carries the request."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: _call(server, 1004, syncAs="contact"), range(8)))
    answers.append(_call(server, 1004, syncAs="contact"))
    _call(server, 10041)

    told = {(one.status_code, one.json().get("runId")) for one in answers}
    assert told == {(202, "sync_person__1004__1")}
    assert _runs() == {
        "sync_person__1004__1": {"marketo_id": 1004, "table": "contact", "owner": None},
        "sync_person__10041__1": {"marketo_id": 10041, "table": "lead", "owner": None},
    }


def test_person_who_is_linked_is_told_so(server: TestClient, ready: World):
    """After the run has made the row, a further call is answered with it, and starts nothing."""
    person = ready.sandbox.marketo.create({"lastName": "Okonkwo", "email": "okonkwo@example.com"})
    assert ready.run(DAG_ID, logical_date=None, run_conf={"marketo_id": person}).state == "success"
    (row,) = ready.sandbox.dynamics.find("lead", emailaddress1="okonkwo@example.com")
    before = _runs()

    answer = _call(server, person)

    assert (answer.status_code, answer.json()["status"]) == (409, "already_synced")
    assert (answer.json()["dynamicsType"], answer.json()["dynamicsId"]) == ("lead", row["leadid"])
    assert _runs() == before


def test_log_of_the_server_carries_ids_only(server: TestClient, caplog: pytest.LogCaptureFixture):
    """What a call leaves in the log names the person's id and the run, and neither the owner nor the secret (S-43)."""
    caplog.set_level(logging.DEBUG)

    assert _call(server, 1004, owner="jane.doe@example.com").status_code == 202

    assert "sync_person__1004__1" in caplog.text
    assert "jane.doe" not in caplog.text
    assert SECRET not in caplog.text


def test_dag_creates_the_person_and_may_be_run_again(ready: World):
    """
    A run makes the row with the owner asked for and stores its id in Marketo; a second run changes nothing (R-012).
    """
    user = {"firstname": "Jane", "lastname": "Doe", "internalemailaddress": "jane.doe@example.com"}
    owner = ready.sandbox.dynamics.create("systemuser", user)
    person = ready.sandbox.marketo.create({"lastName": "Okonkwo", "email": "okonkwo@example.com"})
    params = {"marketo_id": person, "table": "contact", "owner": "jane.doe@example.com"}

    run = ready.run(DAG_ID, logical_date=None, run_conf=params)

    assert (run.state, states(run)) == ("success", {"sync_person": "success"})
    assert shown_fields(run)["sync_person"]["counted"]["to_dynamics"]["created"] == 1
    (row,) = ready.sandbox.dynamics.find("contact", emailaddress1="okonkwo@example.com")
    assert row["_ownerid_value"] == owner
    assert ready.sandbox.marketo.lead(person)["dynamicsId"] == row["contactid"]
    assert (ready.newest.kind, ready.newest.origin["by"]) == ("create", "dag_test")
    ready.sandbox.reset_calls()
    assert ready.run(DAG_ID, logical_date=None, run_conf=params).state == "success"
    assert ready.writes() == []
    assert ready.store.current_lease("person_sync") is None
