"""The commands that answer questions, as a program and a person call them: `audit` and `history`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from include.person_sync.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.stages.conftest import Pairing


@pytest.fixture
def command(
    pairing: Pairing,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, str]]:
    """Return a function that runs a command in the sandbox's environment and gives back exit code and output."""
    for name, value in pairing.environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(arguments)
        return code, capsys.readouterr().out

    return run


def as_json(output: str) -> dict[str, Any]:
    """Return the one JSON object a command printed."""
    (line,) = output.splitlines()
    value: dict[str, Any] = json.loads(line)
    return value


def test_audit_ends_well_and_tells_shares_and_places(
    pairing: Pairing,
    command: Callable[..., tuple[int, str]],
) -> None:
    """Differences are a result: the exit code is 0, the JSON has shares, counts and the places of the reports."""
    person, row = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    command("cycle")
    pairing.marketo.edit(person, {"title": "CEO"})

    code, output = command("audit", "--json")

    summary = as_json(output)
    assert (code, summary["status"]) == (0, "done")
    assert summary["counts"]["shares"]["pairs_in_agreement"] == 0.0
    assert set(summary["api_calls"]) == {"marketo", "dynamics"}
    for place in summary["reports"].values():
        assert Path(place).exists()
    code, output = command("audit", "--repair")
    assert code == 0
    assert "repaired by audit_repair__" in output
    assert pairing.dynamics.row("lead", row)["jobtitle"] == "CEO"


def test_audit_refuses_wishes_that_contradict_each_other(command: Callable[..., tuple[int, str]]) -> None:
    """Lifting a brake makes sense for a repair only: exit code 4, and the remedy in the JSON."""
    code, output = command("audit", "--json", "--override", "changed_to_dynamics")

    assert code == 4
    assert as_json(output)["error"]["remedy"]


def test_history_tells_a_person_what_happened(
    pairing: Pairing,
    command: Callable[..., tuple[int, str]],
) -> None:
    """Every decision with its three values, the winner, the status and the run, found by either id (S-01, R-008)."""
    person, row = pairing.pair("contact", "ada@example.com", jobtitle="CTO")
    command("cycle")
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.dynamics.edit("contact", row, {"jobtitle": "CFO"})
    command("cycle")

    code, text = command("history", "--marketo-id", str(person))

    assert code == 0
    assert "job_title: base 'CTO', marketo 'CEO', dynamics 'CFO' → 'CFO' (collision, dynamics wins)" in text
    assert "Dynamics → Marketo  update: applied" in text
    assert "job_title: base (none yet), marketo 'CTO', dynamics 'CTO' → 'CTO' (adopt)" in text
    assert "\ufdd0" not in text
    entries = as_json(command("history", "--json", "--dynamics-id", row.upper())[1])["history"]
    (collision,) = [one for one in entries if one["outcome"] == "collision"]
    assert (collision["base"], collision["planned"], collision["winner"]) == ("CTO", "CFO", "dynamics")
    assert collision["at"].endswith("+00:00")
    first = next(one for one in entries if one["field"] == "job_title")
    assert (first["base"], first["marks"]) == (None, {"base": "missing"})


def test_history_of_nobody_is_empty(command: Callable[..., tuple[int, str]]) -> None:
    """A person the sync never met has no history, which is no error; asking for nobody in particular is one."""
    assert command("history", "--marketo-id", "4711") == (0, "no change on record\n")
    assert as_json(command("history", "--json", "--marketo-id", "4711")[1]) == {"history": []}
    assert command("history", "--json")[0] == 4


@pytest.mark.parametrize(
    "arguments",
    [["cycle", "--from", "2026-01-01T00:00:00"], ["cycle", "--mode", "nonsense"], ["create"], ["nonsense"], []],
)
def test_what_cannot_be_read_is_a_wrong_setting(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """An option or command that makes no sense ends with the code of a wrong setting and one JSON object (S-46)."""
    code = main([*arguments, "--json"])

    answer = as_json(capsys.readouterr().out)
    assert (code, answer["status"], answer["error"]["type"]) == (4, "failed", "ConfigError")
    assert "usage: person-sync" in answer["error"]["remedy"].lower()


def test_an_unexpected_error_tells_no_values(
    command: Callable[..., tuple[int, str]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The text of an error that is not ours may hold values of people: neither log nor answer repeat it (S-43)."""
    address = "ada@example.com"

    def fail(*_: object, **__: object) -> None:
        raise ValueError(address)

    monkeypatch.setattr("include.person_sync.run.cycle.run_cycle", fail)
    code, output = command("cycle", "--json")

    assert (code, as_json(output)["error"]["type"]) == (1, "ValueError")
    assert "unexpected ValueError" in caplog.text
    assert address not in caplog.text + output
