"""
The merge against a naive one and against DuckDB, side by side: `python -m tests.benchmarks.merge [LINKS]`.

Every contender runs in a process of its own, one after the other, on the same three files; the wall time includes
starting Python and importing. The three plans must be equal.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Sequence

LINKS = 1_000_000
GOAL_SECONDS = 6.0
GOAL_BYTES = 4 * 10**9
COMPARED = ("link_id", "field", "outcome", "winner", "base", "marketo", "dynamics", "planned")
PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Figures:
    """What one contender took: seconds of the whole process, seconds of its work, peak memory in bytes."""

    wall_s: float
    work_s: float
    peak_bytes: int


def run(links: int = LINKS) -> dict[str, Figures]:
    """Return the figures of all contenders; raises AssertionError when their plans differ."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        _python("tests.benchmarks.people", name, str(links))
        figures = {contender: _measure(contender, directory) for contender in ("ours", "full", "duckdb", "pandas")}
        plans = {contender: _plan(directory / f"{contender}.parquet") for contender in ("ours", "duckdb", "pandas")}
        for contender, plan in plans.items():
            assert plan.equals(plans["ours"]), f"the plan of {contender} differs from ours"
        assert plans["ours"].num_rows > 0
    return figures


def _python(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=PROJECT, check=True, stdout=subprocess.PIPE, text=True).stdout


def _measure(contender: str, directory: Path) -> Figures:
    started = time.perf_counter()
    answer = json.loads(_python("tests.benchmarks.contenders", contender, str(directory)))
    return Figures(time.perf_counter() - started, answer["seconds"], answer["peak_bytes"])


def _plan(path: Path) -> pa.Table:
    table = pq.read_table(path, columns=list(COMPARED)).select(COMPARED)
    shape = pa.schema([("link_id", pa.int64()), *((name, pa.large_string()) for name in COMPARED[1:])])
    return table.cast(shape).combine_chunks()


def report(figures: dict[str, Figures]) -> str:
    """Return the figures as a table, with the ratio to ours."""
    unit = figures["ours"].wall_s
    rows = [
        f"{name:<8} {own.wall_s:>8.2f} {own.work_s:>8.2f} {own.peak_bytes / 1e9:>8.2f} {own.wall_s / unit:>8.2f}"
        for name, own in figures.items()
    ]
    head = f"{'':<8} {'wall s':>8} {'work s':>8} {'peak GB':>8} {'ratio':>8}"
    return "\n".join([head, *rows])


def main(arguments: Sequence[str]) -> None:
    """Print the figures for as many links as named, a million by default."""
    sys.stdout.write(report(run(int(arguments[0]) if arguments else LINKS)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
