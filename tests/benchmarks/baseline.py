"""
How long a whole baseline takes, and how much memory: `python -m tests.benchmarks.baseline [--people 20000]`.

The sandbox runs as a process of its own, without latency; the state is kept in PostgreSQL. `--people` are invented
people, of whom about five sixths are on each side. Prints a table; ends with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shlex
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.person_sync.baseline import (
    BaselineRequest,
    close_baseline,
    open_baseline,
    partition,
    read_dynamics,
    read_marketo,
    report_partition,
    sync_partition,
)
from include.person_sync.run.context import context_from_environment
from include.person_sync.setup import run_setup
from tests.benchmarks.state import database, timed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.person_sync.run.context import SyncContext

TARGET_S_PER_PERSON = 15 * 60 / 240_000
TARGET_FLOOR_S = 60.0
"""Extracts are polled and calls are rationed, however few people there are."""
TARGET_MB = 1_500
SETTINGS = """
marketo: {{rate_share: 1.0}}
baseline: {{poll_s: 1.0, jobs: 10, partition_people: {partition_people}}}
"""


@contextlib.contextmanager
def sandbox(people: int, folder: Path) -> Iterator[Mapping[str, str]]:
    """Yield the environment that leads to a sandbox with invented people, in a process of its own."""
    command = [sys.executable, "-m", "include.sandbox", "--people", str(people), "--directory", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            lines = [str(process.stdout.readline()) for _ in range(5)]  # type: ignore[union-attr]
            words = [shlex.split(line)[1].split("=", 1) for line in lines]
            environment = dict(words)
            change_settings(environment, bulk_status_s=1.0, bulk_work_s=0.2)
            yield environment
        finally:
            process.terminate()


def change_settings(environment: Mapping[str, str], **settings: Any) -> None:
    """Change switches of the sandbox's Marketo."""
    request = urllib.request.Request(  # noqa: S310 - the sandbox's own address
        f"{environment['PERSON_SYNC_SANDBOX_CONTROL_URL']}/settings/marketo",
        data=json.dumps(settings).encode(),
        method="PATCH",
        headers={"Authorization": f"Bearer {environment['PERSON_SYNC_SANDBOX_CONTROL_TOKEN']}"},
    )
    trust = ssl.create_default_context(cafile=environment["PERSON_SYNC_SANDBOX_CA"])
    with urllib.request.urlopen(request, context=trust) as answer:  # noqa: S310
        answer.read()


def context(environment: Mapping[str, str], url: str, folder: Path, partition_people: int) -> SyncContext:
    """Return the context of a baseline, set up."""
    config = folder / "person_sync.yaml"
    config.write_text(SETTINGS.format(partition_people=partition_people))
    known = {
        **environment,
        "AIRFLOW_HOME": str(folder),
        "PERSON_SYNC_STAGING": str(folder / "staging"),
        "PERSON_SYNC_CONFIG": str(config),
        "AIRFLOW_CONN_PERSON_SYNC_STATE": url,
    }
    ctx = context_from_environment(known, process=os.getpid())
    report = run_setup(ctx)
    if not report.ok:
        raise SystemExit(report.as_text())
    return ctx


def measure(ctx: SyncContext) -> tuple[dict[str, float], dict[str, Any]]:
    """Return seconds per step, and the baseline's summary."""
    steps: dict[str, float] = {}
    name = timed(steps, "open", lambda: open_baseline(ctx, "baseline", BaselineRequest()))
    timed(steps, "read Marketo", lambda: read_everybody(ctx, name))
    timed(steps, "read Dynamics", lambda: read_dynamics(ctx, name))
    numbers = timed(steps, "partition", lambda: partition(ctx, name))
    for number in numbers:
        start = time.perf_counter()
        sync_partition(ctx, name, number)
        report_partition(ctx, name, number)
        seconds = time.perf_counter() - start
        steps["partitions"] = steps.get("partitions", 0.0) + seconds
        sys.stderr.write(f"partition {number}: {seconds:.1f} s, {peak_mb():.0f} MB\n")
    return steps, timed(steps, "close", lambda: close_baseline(ctx, name))


def read_everybody(ctx: SyncContext, name: str) -> None:
    """Read Marketo to the end."""
    while waiting := read_marketo(ctx, name):
        time.sleep(waiting.poll_s)


def peak_mb() -> float:
    """Return the peak of this process' memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="Measure a whole baseline.")
    parser.add_argument("--people", type=int, default=20_000)
    parser.add_argument("--partition-people", type=int, default=10_000)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="person-sync-bench-") as temporary,
        database() as url,
        sandbox(arguments.people, Path(temporary) / "sandbox") as environment,
    ):
        ctx = context(environment, url, Path(temporary), arguments.partition_people)
        steps, summary = measure(ctx)
        ctx.store.close()
    total = sum(steps.values())
    target = max(TARGET_FLOOR_S, TARGET_S_PER_PERSON * arguments.people)
    lines = [f"baseline of {arguments.people} invented people: {summary['read']}, {summary['partitions']} partitions"]
    lines += [f"{name:<32}{seconds:8.1f} s" for name, seconds in steps.items()]
    lines.append(f"{'together':<32}{total:8.1f} s  target {target:.0f} s")
    lines.append(f"{'peak memory of this process':<32}{peak_mb():8.0f} MB target {TARGET_MB} MB")
    lines.append(f"API calls: {summary['api_calls']}")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(total > target or peak_mb() > TARGET_MB)


if __name__ == "__main__":
    sys.exit(main())
