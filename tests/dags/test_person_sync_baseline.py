"""The baseline as Airflow runs it: deferred extracts, a mapped chain per partition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.sandbox import Seed

from .conftest import states

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import World


@pytest.fixture
def seed() -> Any:
    """Return a seed of few people."""
    return Seed(30, 7)


@pytest.fixture
def ready(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Return a world that is set up, whose extracts take moments."""
    settings = tmp_path / "baseline.yaml"
    settings.write_text("marketo: {rate_share: 1.0}\nbaseline: {poll_s: 0.05, jobs: 10}\n")
    monkeypatch.setenv("PERSON_SYNC_CONFIG", str(settings))
    world.sandbox.marketo.settings.rate_calls = 10_000
    world.sandbox.marketo.settings.bulk_status_s = 0.05
    world.sandbox.marketo.settings.bulk_work_s = 0.01
    world.install()
    return world


def baseline(world: World, **params: Any) -> Any:
    """Run the DAG with params."""
    return world.run("person_sync_baseline", logical_date=None, run_conf=params)


def test_baseline_defers_maps_and_closes(ready: World) -> None:
    """Extracts are waited for in a trigger, each partition has its chain, and cycles go on from there."""
    run = baseline(ready, partitions=3)

    ended = [(one.task_id, one.map_index, str(one.state)) for one in run.get_task_instances()]
    assert {state for _, _, state in ended} == {"success"}
    assert sorted(index for task, index, _ in ended if task == "partition.sync") == [0, 1, 2]
    assert sorted(index for task, index, _ in ended if task == "partition.report") == [0, 1, 2]
    assert len(ready.store.load_links()) > 10
    assert {"marketo", "dynamics.contact", "dynamics.lead"} <= set(ready.store.watermarks())
    asked = [one for one in ready.sandbox.calls("marketo") if one.path.endswith("status.json")]
    assert asked != []


def test_dry_run_writes_nothing(ready: World) -> None:
    """With dry_run every partition is planned and nobody is written."""
    ready.sandbox.reset_calls()

    baseline(ready, partitions=2, dry_run=True)

    assert [one for one in ready.writes() if "/bulk/" not in one] == []
    assert ready.store.load_links().empty


def test_failed_extracts_fail_the_task_that_reads(ready: World) -> None:
    """What the trigger cannot mend reaches the task as the error it is; nothing after it runs."""
    ready.sandbox.faults.add("marketo", "bulk_failed", times=500, message="disk full")

    run = baseline(ready)

    ended = states(run)
    assert ended["read_marketo"] == "failed"
    assert ended["deal_out"] == "upstream_failed"
    assert ready.store.load_links().empty
