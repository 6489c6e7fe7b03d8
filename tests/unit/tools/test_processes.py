"""Background programs end when they should, with their children."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tools.processes import Processes, ProgramFailed, free_ports

SLEEPING_PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def _child(processes: Processes, name: str) -> int:
    deadline = time.monotonic() + 20
    while not processes.tail(name):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return int(processes.tail(name))


def test_leaving_the_block_ends_programs_and_their_children(tmp_path: Path):
    """A child that a program started does not outlive it."""
    with Processes(tmp_path, directory=tmp_path) as processes:
        processes.start("parent", [sys.executable, "-c", SLEEPING_PARENT], os.environ)
        child = _child(processes, "parent")
        assert _alive(child)

    assert not _alive(child)


def test_check_reports_a_program_that_ended(tmp_path: Path):
    """A program that should run and does not is named, with the end of what it printed."""
    with Processes(tmp_path, directory=tmp_path) as processes:
        processes.start("brief", [sys.executable, "-c", "print('out of luck'); raise SystemExit(3)"], os.environ)
        with pytest.raises(ProgramFailed, match=r"(?s)brief ended with status 3.*out of luck"):  # noqa: PT012
            for _ in range(500):
                processes.check()
                time.sleep(0.02)


def test_run_raises_when_a_program_fails(tmp_path: Path):
    """A program that is run to its end must report success."""
    with Processes(tmp_path, directory=tmp_path) as processes:
        processes.run("fine", [sys.executable, "-c", "pass"], os.environ)
        with pytest.raises(ProgramFailed, match="ended with status 2"):
            processes.run("failing", [sys.executable, "-c", "raise SystemExit(2)"], os.environ)


def test_run_ends_a_program_that_takes_too_long(tmp_path: Path):
    """A program over its time limit is ended with its children, and named."""
    with Processes(tmp_path, directory=tmp_path) as processes:
        with pytest.raises(ProgramFailed, match="did not end within 1 s"):
            processes.run("slow", [sys.executable, "-c", SLEEPING_PARENT], os.environ, timeout_s=1)

        assert not _alive(_child(processes, "slow"))


def test_free_ports_are_different():
    """Ports asked for together do not collide."""
    assert len(set(free_ports(20))) == 20
