"""
How long a busy cycle takes, and how many calls: `python -m tests.benchmarks.cycle`.

20,000 linked people, of whom 2,000 were edited in Marketo and 2,000 others in Dynamics. The sandbox runs in a process
of its own without latency and without Marketo's rate limit, so the seconds are ours and the server's: at the rate
allowed by default, every 50 Marketo calls take 20 seconds. The state is on PostgreSQL (see `tests.benchmarks.state`).
Prints seconds and CPU seconds per stage, and the calls beside the fewest that the vendors' documented limits allow;
ends with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import cProfile
import multiprocessing
import os
import pstats
import resource
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.marketo import MarketoClient
from include.person_sync.audit import AuditRequest, compare_sides, open_audit, publish
from include.person_sync.run.context import SyncContext, context_from_environment, marketo_limits
from include.person_sync.run.lazy import Lazy
from include.person_sync.run.request import RunRequest
from include.person_sync.setup import run_setup
from include.person_sync.stages.apply_dynamics import apply_dynamics
from include.person_sync.stages.apply_marketo import apply_marketo
from include.person_sync.stages.commit import commit
from include.person_sync.stages.extract_dynamics import extract_dynamics
from include.person_sync.stages.extract_marketo import extract_marketo
from include.person_sync.stages.guard import guard
from include.person_sync.stages.open_run import open_run
from include.person_sync.stages.reconcile import reconcile
from include.person_sync.stages.report import report
from include.sandbox import Sandbox
from tests.benchmarks.state import database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from multiprocessing.connection import Connection

GOAL_SECONDS = 30.0
"""A busy cycle must be over well before the next one is due, with the vendors' own time on top."""
GOAL_CALLS = 1.25
"""Calls, as a multiple of the fewest."""
PAUSE = timedelta(minutes=5)
"""Time between two cycles, by everybody's clock."""
A_WHILE = timedelta(minutes=30)
"""How long ago people came into the systems: longer than feeds are read again."""
RECORDS = 300
"""Most people per Marketo call, and rows per page of its feeds. Source: Marketo developer guide."""


class Town:
    """The two systems, in a process of their own, and what people do in them."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._pairs: list[tuple[int, str, str]] = []

    def environment(self) -> dict[str, str]:
        """Return the connections."""
        return self._sandbox.environment()

    def settle(self, people: int) -> None:
        """Put people on both sides, in step, each person naming its row."""
        for number in range(people):
            table = ("contact", "lead")[number % 2]
            values = {
                "firstname": f"First {number % 977}",
                "lastname": f"Last {number}",
                "jobtitle": f"Job {number % 50}",
            }
            row = {**values, "emailaddress1": f"p{number}@example.com", "address1_city": f"City {number % 300}"}
            row_id = self._sandbox.dynamics.create(table, row)
            person = {
                "firstName": row["firstname"], "lastName": row["lastname"], "title": row["jobtitle"],
                "email": row["emailaddress1"], "city": row["address1_city"],
                "dynamicsId": row_id, "dynamicsType": table,
            }  # fmt: skip
            self._pairs.append((self._sandbox.marketo.create(person), table, row_id))

    def edit(self, count: int, word: str) -> None:
        """Edit so many people in Marketo, and as many others in Dynamics."""
        for person, _, _ in self._pairs[:count]:
            self._sandbox.marketo.edit(person, {"title": word, "city": f"{word} town"})
        for _, table, row_id in self._pairs[count : 2 * count]:
            self._sandbox.dynamics.edit(table, row_id, {"jobtitle": word, "address1_city": f"{word} town"})

    def rest(self, seconds: float) -> None:
        """Let time pass, as between two cycles; the vendors' rate limits forget what was before."""
        self._sandbox.clock.advance(seconds)

    def calls(self) -> dict[str, int]:
        """Return how many calls there were since the last time, per system."""
        counted = {name: len(self._sandbox.calls(name)) for name in ("marketo", "dynamics")}
        self._sandbox.reset_calls()
        return counted


def live(commands: Connection, directory: str) -> None:
    """Run the town until told to stop: each command is a method of `Town` and its arguments."""
    with Sandbox.start(directory=Path(directory)) as sandbox:
        sandbox.marketo.settings.rate_calls = 1_000_000
        town = Town(sandbox)
        while (command := commands.recv()) is not None:
            commands.send(getattr(town, command[0])(*command[1:]))


@contextmanager
def town_of_its_own(directory: Path) -> Iterator[Callable[..., Any]]:
    """Yield a function that has the town do something and returns its answer."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=live, args=(theirs, str(directory)), daemon=True)
    process.start()

    def ask(*command: Any) -> Any:
        ours.send(command)
        return ours.recv()

    yield ask
    ours.send(None)
    process.join()


@dataclass
class Stages:
    """Seconds and CPU seconds per stage; `profile` gathers what they were spent on."""

    profile: cProfile.Profile | None = None
    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)

    def run(self, stage: Callable[..., Any], *arguments: Any) -> Any:
        """Run a stage and note what it took."""
        wall, cpu = time.perf_counter(), time.process_time()
        if self.profile:
            self.profile.enable()
        result = stage(*arguments)
        if self.profile:
            self.profile.disable()
        self.wall[stage.__name__] = time.perf_counter() - wall
        self.cpu[stage.__name__] = time.process_time() - cpu
        return result


def cycle(ctx: SyncContext, run_id: str, profile: cProfile.Profile | None = None) -> Stages:
    """Run one cycle stage by stage, as separate tasks would: each looks things up anew."""
    stages = Stages(profile)
    stages.run(open_run, ctx, run_id, RunRequest())
    extracts = [stages.run(extract_marketo, ctx, run_id), stages.run(extract_dynamics, ctx, run_id)]
    manifest = stages.run(reconcile, ctx, run_id, *extracts)
    stages.run(guard, ctx, run_id, manifest)
    stages.run(apply_dynamics, ctx, run_id)
    stages.run(apply_marketo, ctx, run_id)
    stages.run(commit, ctx, run_id, manifest)
    stages.run(report, ctx, run_id)
    ctx.release_lease(run_id)
    return stages


def audit(ctx: SyncContext) -> Stages:
    """Run one audit stage by stage."""
    stages = Stages()
    run_id = stages.run(open_audit, ctx, "audit", AuditRequest())
    summary = stages.run(publish, ctx, run_id, stages.run(compare_sides, ctx, run_id))
    assert summary["counts"]["shares"]["fields_in_agreement"] == 1.0, summary["counts"]
    return stages


def fewest_calls(changed: int, batch_size: int) -> dict[str, int]:
    """
    Return the fewest calls in which `changed` people per side can be carried over.

    The cycle before carried over as many, and its writes come back in the feeds: twice as many people to look at.
    Marketo: the pages of three feeds (two fields changed per person, a row each), current values, and for each 300
    writes one look and one write. Dynamics: a page per table, and batches of writes.
    """
    feeds = 2 + ceil(2 * 2 * changed / RECORDS)
    return {
        "marketo": feeds + ceil(2 * changed / RECORDS) + 2 * ceil(changed / RECORDS),
        "dynamics": 2 + ceil(changed / batch_size),
    }


def measure(url: str, people: int, changed: int, *, profiled: bool) -> int:
    """Measure, print, and return the exit code."""
    with (
        tempfile.TemporaryDirectory(prefix="person-sync-cycle-") as folder,
        town_of_its_own(Path(folder, "town")) as town,
    ):
        home = {
            "AIRFLOW_HOME": folder,
            "PERSON_SYNC_STAGING": f"{folder}/staging",
            "AIRFLOW_CONN_PERSON_SYNC_STATE": url,
        }
        environment = {**town("environment"), **home}

        passed = timedelta()

        def context() -> SyncContext:
            """Return what the next cycle runs in, five minutes later."""
            nonlocal passed
            passed += PAUSE
            town("rest", PAUSE.total_seconds())
            town("calls")
            made = context_from_environment(environment, process=os.getpid())
            made.now = lambda: datetime.now(tz=UTC) + passed
            limits = replace(marketo_limits(made.settings), rate_calls=1_000_000)
            made.marketo_client = Lazy(lambda: MarketoClient(made.marketo_connection, settings=limits))
            return made

        assert run_setup(context()).ok
        town("settle", people)
        passed += A_WHILE
        town("rest", A_WHILE.total_seconds())
        show(f"first cycle: {people} people found in step and linked", cycle(context(), "first"), town("calls"))
        cycle(context(), "echo of the first")
        show("cycle with nothing to do", cycle(context(), "idle"), town("calls"))
        town("edit", changed, "warm")
        cycle(context(), "warm")
        town("edit", changed, "new")
        profile = cProfile.Profile() if profiled else None
        busy = cycle(context(), "busy", profile)
        calls = town("calls")
        fewest = fewest_calls(changed, context().settings.dynamics.batch_size)
        show(f"busy cycle: {changed} people edited on each side", busy, calls, fewest)
        cycle(context(), "echo")
        show("audit of everybody", audit(context()), town("calls"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    sys.stdout.write(f"\npeak memory of this process: {peak:.0f} MB\n")
    if profile:
        pstats.Stats(profile).sort_stats("cumulative").print_stats(60)
    late = sum(busy.wall.values()) > GOAL_SECONDS
    return int(late or any(calls[name] > GOAL_CALLS * fewest[name] for name in fewest))


def show(title: str, stages: Stages, calls: dict[str, int], fewest: dict[str, int] | None = None) -> None:
    """Print what a cycle took."""
    lines = [f"\n{title}", f"{'':<20}{'seconds':>10}{'CPU':>10}"]
    lines += [f"{name:<20}{seconds:>10.2f}{stages.cpu[name]:>10.2f}" for name, seconds in stages.wall.items()]
    lines.append(f"{'together':<20}{sum(stages.wall.values()):>10.2f}{sum(stages.cpu.values()):>10.2f}")
    least = {name: f" (fewest {count})" for name, count in (fewest or {}).items()}
    lines.append("calls: " + ", ".join(f"{name} {count}{least.get(name, '')}" for name, count in calls.items()))
    sys.stdout.write("\n".join(lines) + "\n")


def main() -> int:
    """Measure with the numbers asked for."""
    parser = argparse.ArgumentParser(description="Measure a busy cycle against the sandbox.")
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--changed", type=int, default=2_000)
    parser.add_argument("--profile", action="store_true", help="show what the busy cycle spends its time on")
    arguments = parser.parse_args()
    with database() as url:
        return measure(url, arguments.people, arguments.changed, profiled=arguments.profile)


if __name__ == "__main__":
    sys.exit(main())
