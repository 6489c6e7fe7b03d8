"""Who is shown what: a terminal tables, a pipe or file lines; and nobody pays for what is not shown."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from include.person_sync.present.answers import history_answer, run_answer
from tests.unit.present.terminal import terminal

if TYPE_CHECKING:
    import pytest

SUMMARY = {
    "run_id": "r1",
    "status": "committed",
    "counts": {"to_dynamics": {"created": 1}},
    "api_calls": {"marketo": 5},
    "people": [{"marketo_id": 1007, "status": "created"}],
}


def test_pipe_gets_plain_lines(capsys: pytest.CaptureFixture[str]):
    """Whatever reads standard output gets the lines it always got, without colour or frame."""
    run_answer(SUMMARY).show()

    assert (
        capsys.readouterr().out == "r1: committed\n  to_dynamics: created 1\n  API calls: marketo 5\n  1007 created\n"
    )


def test_terminal_gets_tables(monkeypatch: pytest.MonkeyPatch):
    """At a terminal the same facts stand in a table with a line below its heads."""
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm-256color")
    with terminal() as screen:
        monkeypatch.setattr(sys, "stdout", screen.stream)
        run_answer(SUMMARY).show()

    assert "────" in screen.text
    assert "to_dynamics" in screen.text
    assert "1007 created" in screen.text


def test_empty_history_is_told(capsys: pytest.CaptureFixture[str]):
    """Nothing on record is an answer too."""
    history_answer([]).show()

    assert capsys.readouterr().out == "no change on record\n"


def test_what_draws_is_loaded_only_when_it_draws():
    """Neither tables nor pages cost a command anything that shows none."""
    program = (
        "import sys, include.person_sync.cli, include.person_sync.present.answers, include.person_sync.audit\n"
        "from include.person_sync.present.progress_bars import progress_bars\n"
        "with progress_bars() as tell: assert tell is None\n"
        "print(sorted({'rich', 'jinja2'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ended.stdout.strip() == "[]"
