"""Runs that fail: what is left behind, what the state says of them, and who is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.person_sync.state import RunStatus
from include.sandbox.seed import Seed
from tests.dags.conftest import TITLE, shown_fields, spoil, states

if TYPE_CHECKING:
    from email.message import EmailMessage
    from pathlib import Path

    from tests.dags.conftest import Inbox, World

WRONG = "not-the-secret"


@pytest.fixture
def seed() -> Seed:
    """Return forty people on each side, some of whom are the same."""
    return Seed(people=40, number=7)


def _body(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_wrong_secret_fails_at_once_and_is_told_once(world: World, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    """
    With a wrong client secret open_run fails, one mail says what is wrong and what to do, and
    no lease is left (S-21, O-020).
    """
    spoil(monkeypatch, "marketo_default", password=WRONG)

    run = world.cycle()

    ended = states(run)
    assert (run.state, ended["open_run"], ended["reconcile"]) == ("failed", "failed", "upstream_failed")
    assert ended["close_run"] == "success"
    assert (world.newest.status, world.store.current_lease("person_sync")) == (RunStatus.FAILED, None)
    assert "What to do" in str(world.newest.error)
    (message,) = inbox.messages
    assert message["Subject"] == "[Airflow] person_sync.open_run failed"
    body = _body(message)
    assert "ConfigError: " in body
    assert "client" in body
    assert "Next step" in body
    assert WRONG not in message.as_string()


def test_missing_connection_is_named_and_told_once(ready: World, inbox: Inbox, monkeypatch: pytest.MonkeyPatch):
    """Without a connection the run says which one to make; what can't be closed is skipped and sends no second mail."""
    monkeypatch.delenv("AIRFLOW_CONN_DYNAMICS_DEFAULT")

    run = ready.cycle()

    assert (run.state, states(run)["close_run"]) == ("failed", "skipped")
    (message,) = inbox.messages
    assert "There is no Airflow connection dynamics_default" in _body(message)


def test_instance_that_is_not_set_up_leaves_no_lease(world: World, inbox: Inbox):
    """A run on a Marketo without the custom fields fails with the way out, and the lease it held is free again."""
    run = world.cycle()

    assert run.state == "failed"
    assert world.store.current_lease("person_sync") is None
    assert (world.newest.status, "setup" in str(world.newest.error)) == (RunStatus.FAILED, True)
    assert len(inbox.messages) == 1


def test_lease_of_another_run_stops_the_run_and_stays(ready: World, inbox: Inbox):
    """While another run writes, the run stops, names the holder, and does not take the lease away from it (S-15)."""
    ready.store.acquire_lease("person_sync", "somebody", ttl_s=600, host="elsewhere", pid=None)

    run = ready.cycle()

    assert (run.state, states(run)["extract_marketo"]) == ("failed", "upstream_failed")
    held = ready.store.current_lease("person_sync")
    assert held is not None
    assert held.run_id == "somebody"
    assert (ready.newest.status, ready.newest.brake) == (RunStatus.STOPPED, "lease")
    (message,) = inbox.messages
    assert "Run somebody on elsewhere holds the lease" in _body(message)


def test_brake_stops_before_the_first_write_and_can_be_lifted(synced: World, inbox: Inbox, tmp_path: Path):
    """
    A plan beyond the limits writes nothing, its mail names the brake; with the override the next goes through (S-30).
    """
    settings = tmp_path / "alerting.yaml"
    settings.write_text(settings.read_text() + "brakes:\n  changed: {share: 0.01, number: 1, floor: 0}\n")
    for _, row in synced.linked("contact", 3):
        synced.sandbox.dynamics.edit("contact", row, {"jobtitle": TITLE})
    synced.sandbox.reset_calls()

    stopped = synced.cycle()

    ended = states(stopped)
    assert (stopped.state, ended["guard"], ended["apply_marketo"]) == ("failed", "failed", "upstream_failed")
    assert shown_fields(stopped)["guard"]["counted"]["to_marketo"]["changed"] == 3
    assert synced.writes() == []
    assert synced.store.current_lease("person_sync") is None
    brake = synced.newest.brake
    assert (synced.newest.status, str(brake).startswith("changed")) == (RunStatus.STOPPED, True)
    (message,) = inbox.messages
    assert message["Subject"] == "[Airflow] person_sync.guard failed"
    assert str(brake) in _body(message)

    lifted = synced.cycle(override=[brake])

    assert lifted.state == "success"
    assert synced.newest.overrides["brakes"] == [brake]
    titled = [one for one in synced.sandbox.marketo.leads() if one.get("title") == TITLE]
    assert len(titled) == 3


def test_stage_that_fails_is_named_on_the_run_and_the_next_run_goes_on(synced: World, inbox: Inbox):
    """A run for which Marketo stays away is noted with the cause and told once; the next run does its work (O-020)."""
    ((person, row),) = synced.linked("lead")
    synced.sandbox.marketo.edit(person, {"title": TITLE})
    synced.sandbox.dynamics.edit("lead", row, {"mobilephone": "+41 44 555 01 23"})
    synced.sandbox.faults.add("marketo", "status", times=20, match="POST /rest/v1/leads.json", status=503)

    failed = synced.cycle()

    assert (failed.state, states(failed)["commit"]) == ("failed", "upstream_failed")
    assert (synced.newest.status, synced.store.current_lease("person_sync")) == (RunStatus.FAILED, None)
    assert synced.newest.error
    assert [str(one["Subject"]) for one in inbox.messages] == ["[Airflow] person_sync.extract_marketo failed"]
    synced.sandbox.faults.clear()
    assert synced.cycle().state == "success"
    assert synced.sandbox.marketo.lead(person)["mobilePhone"] == "+41 44 555 01 23"
    assert synced.sandbox.dynamics.row("lead", row)["jobtitle"] == TITLE


def test_setup_reports_the_broken_half_and_still_checks_the_other(
    world: World, inbox: Inbox, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """With a wrong Dynamics secret setup provisions Marketo, fails, and its mail names the checks that failed."""
    spoil(monkeypatch, "dynamics_default", password=WRONG)

    run = world.run("person_sync_setup", logical_date=None)

    assert run.state == "failed"
    (message,) = inbox.messages
    assert "setup: dynamics" in _body(message)
    assert "the log says what to do" in _body(message)
    log = "".join(capfd.readouterr())
    assert "dynamicsId" in log
    assert WRONG not in log + message.as_string()


def test_setup_that_only_checks_changes_nothing(world: World):
    """With check_only the DAG fails on an instance that lacks the fields, and makes none of them."""
    before = world.sandbox.marketo.leads()

    run = world.run("person_sync_setup", logical_date=None, run_conf={"check_only": True})

    assert run.state == "failed"
    assert "dynamicsId" not in world.sandbox.marketo.leads()[0]
    assert world.sandbox.marketo.leads() == before
