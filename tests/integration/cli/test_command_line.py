"""The command line as programs use it: one JSON object on standard output, and an exit code that says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.person_sync.run.context import LEASE
from tests.integration.stages.killing import dead_process

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing

PROJECT = Path(__file__).parents[3]


def command(pairing: Pairing, *arguments: str, **environment: str) -> tuple[int, dict[str, Any], str]:
    """Run `person-sync … --json` as a process and return its exit code, its answer and its log."""
    base = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    ended = subprocess.run(
        [sys.executable, "-m", "include.person_sync", *arguments, "--json"],
        cwd=PROJECT,
        env={**base, **pairing.environment, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return ended.returncode, json.loads(ended.stdout), ended.stderr


def test_a_cycle_prints_one_object_and_ends_with_0(pairing: Pairing) -> None:
    """
    Standard output is the contract's JSON and nothing else; values of people are in neither output nor log (S-46).
    """
    person, row = pairing.pair("lead", "ada@example.com", jobtitle="CTO")

    code, answer, log = command(pairing, "cycle")

    assert (code, answer["status"]) == (0, "done")
    assert answer["run_id"]
    counts = {"created", "updated", "adopted", "collisions", "rejected", "held", "skipped"}
    assert counts <= set(answer["counts"]["to_dynamics"])
    assert counts <= set(answer["counts"]["to_marketo"])
    assert answer["api_calls"]["marketo"] > 0
    assert answer["api_calls"]["dynamics"] > 0
    assert "ada@example.com" not in log
    assert pairing.marketo.lead(person)["dynamicsId"] == row


def test_a_dry_run_shows_everything_and_writes_nothing(pairing: Pairing) -> None:
    """The plan names people, fields, values and winners; neither system nor the base moves (S-32)."""
    person, row = pairing.pair("contact", "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.dynamics.edit("contact", row, {"jobtitle": "CFO"})
    before = pairing.context().store.watermarks()
    pairing.mark()

    code, answer, _ = command(pairing, "cycle", "--dry-run")

    assert (code, answer["status"], pairing.writes()) == (0, "dry_run", [])
    (entry,) = answer["plan"]
    assert (entry["marketo_id"], entry["dynamics_id"], entry["direction"]) == (person, row, "to_marketo")
    cell = entry["fields"]["job_title"]
    assert (cell["base"], cell["marketo"], cell["dynamics"], cell["planned"]) == ("CTO", "CEO", "CFO", "CFO")
    assert (cell["outcome"], cell["winner"]) == ("collision", "dynamics")
    assert pairing.context().store.watermarks() == before


def test_a_brake_ends_with_3_and_an_override_is_recorded(pairing: Pairing, tmp_path: Path) -> None:
    """Nothing is written, the brake is named; lifted for one run, the run notes who lifted it (S-30, S-31)."""
    config = tmp_path / "config.yaml"
    config.write_text("brakes: {changed: {share: 0.5, number: 1, floor: 0}}\n")
    people = [pairing.pair("lead", f"{name}@example.com", jobtitle="CTO") for name in ("ada", "bob")]
    pairing.cycle()
    for person, _ in people:
        pairing.marketo.edit(person, {"title": "CEO"})
    pairing.mark()

    code, answer, _ = command(pairing, "cycle", PERSON_SYNC_CONFIG=str(config))
    assert (code, answer["status"], answer["brake"]) == (3, "stopped", "changed_to_dynamics")
    assert pairing.writes() == []

    lifted = ("--override", "changed_to_dynamics")
    code, answer, _ = command(pairing, "cycle", *lifted, PERSON_SYNC_CONFIG=str(config))
    assert (code, answer["overrides"]["brakes"]) == (0, ["changed_to_dynamics"])
    assert answer["overrides"]["by"]
    assert {row["jobtitle"] for row in pairing.dynamics.rows("lead")} == {"CEO"}


@pytest.mark.parametrize("arguments", [("--override", "no_such_brake"), ("--mode", "window"), ("--mode", "people")])
def test_a_request_without_sense_ends_with_4(pairing: Pairing, arguments: tuple[str, ...]) -> None:
    """The message says what is wrong and what would be right (S-46)."""
    code, answer, _ = command(pairing, "cycle", *arguments)

    assert (code, answer["status"]) == (4, "failed")
    assert answer["error"]["remedy"]


def test_a_used_up_quota_ends_with_5(pairing: Pairing) -> None:
    """Marketo's daily allowance is gone: nothing is lost, the answer says so, and the next run goes on (S-20)."""
    person, row = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.sandbox.faults.add("marketo", "607")

    code, answer, _ = command(pairing, "cycle")
    assert (code, answer["error"]["type"]) == (5, "QuotaExhausted")

    assert command(pairing, "cycle")[0] == 0
    assert pairing.dynamics.row("lead", row)["jobtitle"] == "CEO"


def test_a_second_process_ends_with_6_and_a_killed_one_blocks_nobody(pairing: Pairing) -> None:
    """The lease of a living process holds others off; that of a dead one is free at once (S-15)."""
    host = os.uname().nodename
    store = pairing.context().store
    store.acquire_lease(LEASE, "another", ttl_s=300, host=host, pid=os.getpid())
    code, answer, _ = command(pairing, "cycle")
    assert (code, answer["error"]["type"]) == (6, "LeaseHeld")

    store.release_lease(LEASE, "another")
    store.acquire_lease(LEASE, "another", ttl_s=300, host=host, pid=dead_process())
    assert command(pairing, "cycle")[0] == 0


def test_an_unreachable_database_ends_with_an_answer_too(pairing: Pairing) -> None:
    """Whatever is wrong, standard output is one JSON object (S-46)."""
    code, answer, _ = command(pairing, "cycle", AIRFLOW_CONN_PERSON_SYNC_STATE="mysql://nowhere/x")

    assert (code, answer["status"]) == (4, "failed")


@pytest.mark.parametrize("arguments", ["window", "people"])
def test_windows_and_people_move_no_watermark(pairing: Pairing, arguments: str) -> None:
    """A look at the past or at named people brings them in step and leaves the feeds where they were (S-33)."""
    person, row = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    before = pairing.context().store.watermarks()
    span = ("--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z")

    code, _, _ = command(pairing, "cycle", *(span if arguments == "window" else ("--marketo-id", str(person))))

    assert code == 0
    assert pairing.dynamics.row("lead", row)["jobtitle"] == "CEO"
    assert pairing.context().store.watermarks() == before
    pairing.quiet()
