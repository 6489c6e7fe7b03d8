"""The merge keeps its goals of time and memory."""

from __future__ import annotations

import sys

from tests.benchmarks import merge


def test_million_links_are_planned_in_time_and_memory() -> None:
    """A million links of 30 fields, one in a hundred edited per side: under 6 s and 4 GB, equal to two other ways."""
    figures = merge.run()

    sys.stdout.write(f"\n{merge.report(figures)}\n")
    for contender in ("ours", "full"):
        assert figures[contender].wall_s < merge.GOAL_SECONDS
        assert figures[contender].peak_bytes < merge.GOAL_BYTES
