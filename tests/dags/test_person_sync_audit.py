"""The DAG `person_sync_audit` as its users see it: a report every night, a repair when asked for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.sandbox.seed import Seed
from tests.dags.conftest import TITLE, states

if TYPE_CHECKING:
    from tests.dags.conftest import World


@pytest.fixture
def seed() -> Seed:
    """Return forty people on each side, some of whom are the same."""
    return Seed(people=40, number=7)


def test_audit_reports_and_repairs_on_request(world: World):
    """
    The nightly run leaves a report and writes nothing; with `repair`, what differs goes through an ordinary run (S-41).
    """
    world.run("person_sync_setup", logical_date=None)
    world.cycle()
    (person, row), *_ = world.linked("lead")
    world.sandbox.marketo.edit(person, {"title": TITLE})
    world.sandbox.reset_calls()

    audited = world.run("person_sync_audit", logical_date=None)

    assert states(audited) == {
        "open_audit": "success", "compare_sides": "success", "publish": "success", "repair": "skipped",
        "close_run": "success",
    }  # fmt: skip
    assert world.writes() == []
    run = world.newest
    assert (run.kind, run.status) == ("audit", "committed")
    assert run.counts["pairs"]["differing"] == 1
    assert [place.name for place in Path(world.staging, "reports").rglob("report.html")] == ["report.html"]

    repaired = world.run("person_sync_audit", logical_date=None, run_conf={"repair": True})

    assert states(repaired)["repair"] == "success"
    assert (world.newest.kind, world.newest.mode, world.newest.status) == ("audit_repair", "people", "committed")
    assert world.sandbox.dynamics.row("lead", row)["jobtitle"] == TITLE
