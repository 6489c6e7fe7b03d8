"""The deployment of docker-compose.yaml works, started by hand: two Celery workers share the tasks of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.timeout(600)
def test_distributed_spreads_tasks_over_both_workers_and_leaves_nothing(tmp_path: Path):
    """`make distributed` succeeds, says that both workers took part, and leaves neither process nor file behind."""
    tmp_path.chmod(0o755)
    environment = os.environ | {"TMPDIR": str(tmp_path)}

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
    assert _processes_below(tmp_path) == []
    assert list(tmp_path.glob("person-sync-*")) == []
