"""Records that wait keep their place, and it can be asked who waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.person_sync.state import Commit

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.person_sync.state import Store
    from tests.integration.state.conftest import Clock


def test_backlog_gives_the_longest_waiting_first(store: Store, begin: Callable[..., str], clock: Clock) -> None:
    """
    Whoever waits already keeps the place; who was taken up is gone; the overview tells how many since when (T-29,
    O-001).
    """
    store.commit(begin(), Commit(backlog={"marketo": ["7", "9"]}))
    since = clock()
    clock.advance(minutes=5)
    store.commit(begin("second"), Commit(backlog={"marketo": ["9", "8"]}, taken_up={"marketo": ["7"]}))

    assert store.backlog("marketo", 10) == ["9", "8"]
    assert store.backlog("marketo", 1) == ["9"]
    assert store.backlog_overview() == {"marketo": {"waiting": 2, "oldest": since}}


def test_waiting_among_tells_who_of_some_records_waits(store: Store, begin: Callable[..., str]) -> None:
    """Only the records asked for, and only of that source."""
    store.commit(begin(), Commit(backlog={"marketo": ["7", "9"], "dynamics.lead": ["8"]}))

    assert store.waiting_among("marketo", ["7", "8"]) == {"7"}
    assert store.waiting_among("dynamics.lead", ["7", "8"]) == {"8"}
    assert store.waiting_among("dynamics.contact", ["7"]) == set()
    assert store.waiting_among("marketo", []) == set()
