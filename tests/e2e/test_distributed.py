"""The deployment of docker-compose.yaml works, started by hand: two Celery workers share the tasks of a run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROJECT = Path(__file__).resolve().parents[2]


def _processes_below(directory: Path) -> list[str]:
    """Return the command lines of running processes that have this directory in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
        except OSError:
            continue
        if str(directory).encode() in environment:
            found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.fixture
def place() -> Iterator[Path]:
    """Return an empty directory that others may pass through: started by root, PostgreSQL runs as another user."""
    with tempfile.TemporaryDirectory(prefix="distributed-test-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.mark.timeout(600)
def test_distributed_spreads_tasks_over_both_workers_and_leaves_nothing(place: Path):
    """`make distributed` succeeds, says that both workers took part, and leaves neither process nor file behind."""
    environment = os.environ | {"TMPDIR": str(place)}

    result = subprocess.run(
        [sys.executable, "-m", "tools.distributed"],
        cwd=PROJECT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert "OK: both workers took part" in result.stdout
    assert _processes_below(place) == []
    assert list(place.glob("person-sync-*")) == []
