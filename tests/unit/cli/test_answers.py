"""What the command line answers by itself, at once: help, usage errors, and the completion of a shell."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parents[3]
HEAVY = {"argcomplete", "msal", "numpy", "pandas", "pyarrow", "pydantic", "requests", "rich", "sqlalchemy", "yaml"}


@pytest.mark.parametrize(
    "arguments", [None, ["--help"], ["cycle", "--no-such-option"], ["cycle", "--from", "noon"], ["history", "--help"]]
)
def test_answer_loads_nothing_heavy(arguments: list[str] | None) -> None:
    """Importing the command line, its help and its usage errors need neither data nor network, and load neither."""
    code = f"""
import sys
from include.person_sync.cli import main
if {arguments!r} is not None:
    try:
        main({arguments!r})
    except SystemExit:
        pass
print("LOADED", *{HEAVY!r} & {{name.partition(".")[0] for name in sys.modules}})
"""

    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.fixture
def complete(tmp_path: Path) -> Callable[[str], list[str]]:
    """Return a function that asks for completions as a shell does: with the line so far, in the environment."""

    def ask(line: str) -> list[str]:
        answer = tmp_path / "answer"
        asked = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
        subprocess.run(
            [sys.executable, "-m", "include.person_sync"],
            cwd=PROJECT,
            env={
                **os.environ,
                **asked,
                "_ARGCOMPLETE": "1",
                "_ARGCOMPLETE_IFS": "\n",
                "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
            },
            check=True,
        )
        return answer.read_text(encoding="utf-8").split("\n")

    return ask


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("person-sync cy", {"cycle"}),
        ("person-sync cycle --mo", {"--mode"}),
        ("person-sync cycle --mode win", {"window"}),
        ("person-sync create --as ", {"contact", "lead"}),
        ("person-sync setup --provision dynam", {""}),
        ("person-sync setup --provision a", {"all", "address_2", "address_3", "account_number"}),
        ("person-sync audit --override map", {"map_changed"}),
        ("person-sync cycle --from ", {""}),
    ],
)
def test_shell_completes(complete: Callable[[str], list[str]], line: str, expected: set[str]) -> None:
    """Commands, options and values are completed, fields and brakes among them; a file is offered for none."""
    assert set(complete(line)) == expected


def test_help_is_coloured_for_a_person_only() -> None:
    """At a terminal the help has colours; a file or a pipe gets plain text with the same words."""
    code = [sys.executable, "-m", "include.person_sync", "cycle", "--help"]
    environ = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    environ |= {"TERM": "xterm-256color", "COLUMNS": "100"}

    plain = subprocess.run(code, cwd=PROJECT, env=environ, capture_output=True, text=True, check=True).stdout
    coloured = at_a_terminal(code, environ)

    assert "\x1b[" not in plain
    assert "\x1b[" in coloured
    for text in (plain, coloured):
        assert "show the whole plan and write nothing" in text
        assert "Run one cycle" in text


def at_a_terminal(code: list[str], environ: dict[str, str]) -> str:
    """Return what a program writes to a terminal of its own."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(code, cwd=PROJECT, env=environ, stdout=theirs, stdin=theirs, stderr=theirs):
        os.close(theirs)
        written = bytearray()
        try:
            while part := os.read(ours, 65_536):
                written += part
        except OSError:  # Linux says so when the other end is closed
            pass
    os.close(ours)
    return written.decode()
