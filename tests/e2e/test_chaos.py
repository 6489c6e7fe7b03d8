"""The short version of `make chaos`: real processes, really killed."""

from __future__ import annotations

from tests.e2e.chaos import play


def test_nothing_is_lost_when_processes_are_killed() -> None:
    """
    After a few rounds of edits and SIGKILL both systems hold what everybody did last, and everybody once (S-11, S-17).
    """
    chaos = play(rounds=4, seed=11)

    assert chaos.killed > 0
