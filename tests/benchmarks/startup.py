"""
How long a process takes until it can work: `python -m tests.benchmarks.startup`.

Under Airflow each stage of each cycle is a process of its own, so what is loaded before a stage begins is paid nine
times in five minutes. Measures side by side a bare interpreter, two answers of the command line that need no data, the
three libraries that every stage works with, and stages that are ready: imported, with context and an open store on
PostgreSQL. The rounds take turns, so that a busy machine slows down all rows alike. Prints median seconds by the clock
and of CPU; the goals are for CPU, which is the same for a process whose machine waits for others. Ends with 1 when one
is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from include.person_sync.state import Store
from tests.benchmarks.state import database

PROJECT = Path(__file__).resolve().parents[2]

GOAL_ANSWER_S = 0.15
"""Longest an answer of the command line may take that needs no data: a usage error, the help."""
GOAL_STAGE = 1.5
"""Most CPU of a stage that is ready, as a multiple of what loading the libraries alone costs."""
ROUNDS = 9

STAGES = ("close_run", "extract_marketo", "extract_dynamics", "reconcile", "commit")
LIBRARIES = "pandas, SQLAlchemy, psycopg"
READY = """
from include.person_sync.stages.{stage} import {stage}
from include.person_sync.run.context import context_from_environment
context_from_environment().store
"""
CODE = {
    "bare interpreter": "pass",
    "usage error": "import include.person_sync.cli as cli; cli.main(['cycle', '--no-such-option'])",
    "help": "import include.person_sync.cli as cli; cli.main(['--help'])",
    LIBRARIES: "import pandas, psycopg, sqlalchemy.dialects.postgresql",
    **{f"{stage} ready": READY.format(stage=stage) for stage in STAGES},
}


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds by the clock, and of CPU."""

    seconds: float
    cpu_s: float


def measure(url: str, rounds: int) -> dict[str, Cost]:
    """Return the medians per row; a first round, which may write byte code, does not count."""
    Store.open(url).close()
    surroundings = environment(url)
    samples: dict[str, list[Cost]] = {name: [] for name in CODE}
    for number in range(rounds + 1):
        for name, code in CODE.items():
            cost = run(code, surroundings)
            samples[name] += [cost] if number else []
    return {name: median(costs) for name, costs in samples.items()}


def environment(url: str) -> dict[str, str]:
    """Return the environment of the processes: the connections, and byte code on disk as in any installation."""
    marketo = {"host": "https://517-QXZ-204.mktorest.com", "login": "id", "password": "secret"}
    dynamics = {"host": "https://org.crm.dynamics.com", "login": "id", "password": "secret"}
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {
        **kept,
        "AIRFLOW_CONN_MARKETO_DEFAULT": json.dumps({"conn_type": "marketo", **marketo}),
        "AIRFLOW_CONN_DYNAMICS_DEFAULT": json.dumps(
            {"conn_type": "dynamics", **dynamics, "extra": {"tenant_id": "example.com"}}
        ),
        "AIRFLOW_CONN_PERSON_SYNC_STATE": url,
    }


def run(code: str, surroundings: dict[str, str]) -> Cost:
    """Run a program in a process of its own and return what it cost."""
    before, started = os.times(), time.perf_counter()
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, env=surroundings, capture_output=True, check=False)
    seconds, after = time.perf_counter() - started, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(seconds, cpu_s)


def median(costs: list[Cost]) -> Cost:
    """Return the median of both figures."""
    return Cost(statistics.median(cost.seconds for cost in costs), statistics.median(cost.cpu_s for cost in costs))


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description="Measure how long processes take to start.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    with database() as url:
        costs = measure(url, arguments.rounds)
    missed = []
    sys.stdout.write(f"start-up, median of {arguments.rounds} rounds\n")
    for name, cost in costs.items():
        share = cost.cpu_s / costs[LIBRARIES].cpu_s
        goal = ""
        if name in {"usage error", "help"}:
            goal = f"goal {GOAL_ANSWER_S:.2f} s"
            missed += [name] if cost.cpu_s > GOAL_ANSWER_S else []
        if name.endswith(" ready"):
            goal = f"goal {GOAL_STAGE:.2f} times the libraries' CPU; {share:.2f}"
            missed += [name] if share > GOAL_STAGE else []
        sys.stdout.write(f"{name:<30}{cost.seconds:8.3f} s {cost.cpu_s:8.3f} s CPU  {goal}".rstrip() + "\n")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
