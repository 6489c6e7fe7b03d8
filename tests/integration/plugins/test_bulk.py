"""The bulk extract operator and its trigger against a sandbox: one job, whatever happens to the worker."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
from airflow.sdk import ObjectStoragePath
from airflow.sdk.exceptions import TaskDeferred

from include.errors import ConfigError, RetryableError
from marketo.operators.bulk import MarketoBulkExtractOperator
from marketo.triggers.bulk import MarketoBulkTrigger
from person_sync_airflow.parquet import read_manifest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.sandbox import Sandbox


class TaskState:
    """What a task instance keeps over its tries."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""
        return self.values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Keep a value."""
        self.values[key] = value

    def delete(self, key: str) -> None:
        """Forget a value."""
        self.values.pop(key, None)


@pytest.fixture(autouse=True)
def prompt(sandbox: Sandbox) -> Iterator[None]:
    """Make extracts take moments."""
    settings = sandbox.marketo.settings
    settings.bulk_status_s, settings.bulk_work_s = 0.05, 0.01
    yield
    settings.bulk_status_s, settings.bulk_work_s = 60.0, 30.0
    sandbox.faults.clear()


@pytest.fixture
def task(context: dict[str, Any]) -> dict[str, Any]:
    """Return what a task is given: its run, and what it keeps over its tries."""
    return context | {"task_state_store": TaskState()}


def operator(sandbox: Sandbox, folder: Path, **arguments: Any) -> MarketoBulkExtractOperator:
    """Return an operator that reads everybody of the last hours."""
    now = sandbox.clock.now()
    window = {"since": (now - timedelta(hours=3)).isoformat(), "until": (now + timedelta(hours=1)).isoformat()}
    if "extract_filter" not in arguments:
        arguments = {**window, **arguments}
    fields = ["lastName", "leadScore", "unsubscribed", "title"]
    destination = f"file://{folder}"
    return MarketoBulkExtractOperator(task_id="bulk", fields=fields, destination=destination, poll_s=0.05, **arguments)


def finish(started: MarketoBulkExtractOperator, task: dict[str, Any]) -> str:
    """Go through deferrals until the task ends, each time in a new worker."""
    try:
        return started.execute(task)  # type: ignore[arg-type]
    except TaskDeferred as deferred:
        waiting = deferred
    for _ in range(20):
        event = asyncio.run(fire(waiting.trigger))
        again = MarketoBulkExtractOperator(
            task_id="bulk", fields=started.fields, destination=started.destination, poll_s=started.poll_s
        )
        try:
            return str(getattr(again, waiting.method_name)(task, event))
        except TaskDeferred as deferred:
            waiting = deferred
    raise AssertionError("the task does not end")


async def fire(trigger: Any) -> Any:
    """Return the event of a trigger that was sent to the triggerer and back."""
    path, arguments = trigger.serialize()
    assert path == "marketo.triggers.bulk.MarketoBulkTrigger"
    async for event in MarketoBulkTrigger(**arguments).run():
        return event.payload
    raise AssertionError("the trigger ended without an event")


def rows(manifest: str) -> list[dict[str, Any]]:
    """Return the rows behind a manifest."""
    content = read_manifest(manifest)
    path = ObjectStoragePath(manifest).parent / content.files[0]
    found: list[dict[str, Any]] = pq.read_table(str(path).removeprefix("file://")).to_pylist()
    return found


def test_extract_becomes_typed_rows(sandbox: Sandbox, tmp_path: Path, task: dict[str, Any]) -> None:
    """Numbers and booleans have their types, nothing is null, and the manifest tells the job."""
    person = sandbox.marketo.create({"lastName": "Null", "leadScore": 7, "unsubscribed": True})

    manifest = finish(operator(sandbox, tmp_path), task)

    found = {row["id"]: row for row in rows(manifest)}
    assert found[person] == {"id": person, "lastName": "Null", "leadScore": 7, "unsubscribed": True, "title": None}
    assert read_manifest(manifest).details["job"] == task["task_state_store"].get("marketo_bulk_job")


def test_a_retry_finds_the_job_of_the_try_before(sandbox: Sandbox, tmp_path: Path, task: dict[str, Any]) -> None:
    """A worker lost after starting the extract costs no second one."""
    with pytest.raises(TaskDeferred):
        operator(sandbox, tmp_path).execute(task)
    sandbox.reset_calls()

    finish(operator(sandbox, tmp_path), task)

    assert [one for one in sandbox.calls("marketo") if one.path.endswith("create.json")] == []


def test_a_failed_extract_is_started_anew_by_a_retry(sandbox: Sandbox, tmp_path: Path, task: dict[str, Any]) -> None:
    """The first try ends with the reason; the next one has a new job."""
    sandbox.faults.add("marketo", "bulk_failed", message="disk full")
    with pytest.raises(RetryableError, match="disk full"):
        finish(operator(sandbox, tmp_path), task)

    assert rows(finish(operator(sandbox, tmp_path), task)) is not None


def test_more_than_31_days_are_refused_before_anything_is_sent(
    sandbox: Sandbox, tmp_path: Path, task: dict[str, Any]
) -> None:
    """The message says to map over shorter windows."""
    long = operator(sandbox, tmp_path, since="2026-01-01T00:00:00Z", until="2026-03-01T00:00:00Z")

    with pytest.raises(ConfigError, match="at most 31 days"):
        long.execute(task)


def test_a_full_queue_is_waited_for(sandbox: Sandbox, tmp_path: Path, task: dict[str, Any]) -> None:
    """Other integrations fill the queue: the task waits like for its own extract."""
    sandbox.faults.add("marketo", "1029", match="POST /bulk*enqueue*", message="Too many jobs in queue", times=2)

    finish(operator(sandbox, tmp_path), task)

    assert len(sandbox.faults.taken()) == 2
