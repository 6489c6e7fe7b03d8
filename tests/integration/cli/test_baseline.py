"""The command `baseline`: one JSON object, exit codes, and resuming after an interruption."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from include.person_sync.cli import main
from tests.integration.baseline.conftest import make_whole  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.baseline.conftest import Whole


@pytest.fixture
def whole(make_whole: Callable[..., Whole]) -> Whole:  # noqa: F811 - the fixture
    """Return systems with a few people."""
    made: Whole = make_whole(24, settings="marketo: {rate_share: 1.0}\nbaseline: {poll_s: 0.02, jobs: 10}\n")
    return made


@pytest.fixture
def command(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Return a function that runs `baseline` and gives back exit code and JSON."""
    for name, value in whole.environment.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        capsys.readouterr()
        code = main(["baseline", "--json", "--since", "2024-01-01T00:00:00Z", *arguments])
        (line,) = capsys.readouterr().out.splitlines()
        return code, json.loads(line)

    return run


def test_quota_ends_the_command_with_5_and_says_how_to_resume(
    whole: Whole, command: Callable[..., tuple[int, dict[str, Any]]]
) -> None:
    """The JSON of an interrupted baseline carries the command that resumes it; that one ends with 0."""
    whole.marketo.settings.bulk_daily_bytes = 1_000

    code, answer = command("--partitions", "2")

    assert (code, answer["error"]["type"]) == (5, "QuotaExhausted")
    assert answer["resume"] == f"person-sync baseline --resume {answer['run_id']}"
    whole.marketo.settings.bulk_daily_bytes = 500_000_000
    code, summary = command("--resume", answer["run_id"])
    assert (code, summary["status"], summary["partitions"]) == (0, "done", 2)
    assert summary["counts"]["to_marketo"]["created"] > 0
    assert summary["api_calls"]["marketo"] > 0
    assert whole.links()


def test_dry_run_and_bad_options(whole: Whole, command: Callable[..., tuple[int, dict[str, Any]]]) -> None:
    """--dry-run writes nothing; a number of partitions that makes no sense is a wrong setting."""
    code, answer = command("--partitions", "0")
    assert (code, answer["error"]["type"]) == (4, "ConfigError")

    whole.mark()
    code, summary = command("--dry-run")
    assert (code, summary["status"]) == (0, "dry_run")
    assert whole.writes() == []
