"""Networks and vendors at their worst: whatever happens to a cycle, the next one makes good."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import SyncError
from include.sandbox import Sandbox
from tests.integration.stages.conftest import Pairing
from tests.integration.stages.people import EXPECTED, Group

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.sandbox import Fault

WRITE = "POST /rest/v1/leads.json"
BATCH = "POST /api/data/v9.2/$batch"
FAULTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "marketo-rate": ("marketo", "606", {"times": 3}),
    "marketo-concurrency": ("marketo", "615", {"times": 3}),
    "marketo-token": ("marketo", "expired_token", {"skip": 3}),
    "marketo-timeout": ("marketo", "604", {"match": WRITE}),
    "marketo-applied-then-timed-out": ("marketo", "applied_then_timed_out", {"match": WRITE, "times": 2}),
    "marketo-away": ("marketo", "status", {"status": 502, "times": 50}),
    "marketo-away-at-writing": ("marketo", "status", {"status": 503, "times": 50, "skip": 8}),
    "marketo-quota": ("marketo", "607", {"skip": 6}),
    "marketo-create-lost-before": ("marketo", "lost_before", {"match": WRITE, "skip": 1}),
    "marketo-create-lost-after": ("marketo", "lost_after", {"match": WRITE, "skip": 1}),
    "marketo-write-lost-after": ("marketo", "lost_after", {"match": WRITE}),
    "marketo-write-truncated": ("marketo", "truncated", {"match": WRITE, "times": 3}),
    "marketo-activity-lost-after": ("marketo", "lost_after", {"match": "POST /rest/v1/activities/external.json"}),
    "marketo-feed-empty-page": ("marketo", "empty_page", {"times": 2}),
    "dynamics-busy": ("dynamics", "status", {"status": 429, "retry_after": 2, "times": 2}),
    "dynamics-busy-inside-a-batch": ("dynamics", "throttled", {"match": "PATCH", "times": 2}),
    "dynamics-away": ("dynamics", "status", {"status": 503, "times": 50}),
    "dynamics-token": ("dynamics", "expired_token", {"skip": 2}),
    "dynamics-batch-lost-before": ("dynamics", "lost_before", {"match": BATCH}),
    "dynamics-batch-lost-after": ("dynamics", "lost_after", {"match": BATCH}),
    "dynamics-batch-lost-for-long": ("dynamics", "lost_after", {"match": BATCH, "times": 8}),
    "dynamics-batch-truncated": ("dynamics", "truncated", {"match": BATCH}),
    "dynamics-one-part-fails": ("dynamics", "error", {"match": "PATCH", "skip": 1, "status": 500}),
    "dynamics-stale-version": ("dynamics", "stale", {"match": "PATCH", "times": 2}),
    "dynamics-always-stale": ("dynamics", "stale", {"match": "PATCH", "times": 9}),
    "dynamics-feed-expired": ("dynamics", "expired_delta_link", {"times": 2}),
}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pairing, dict[str, Group]]]:
    """Return two systems in step with a group of people for each fault."""
    home: Path = tmp_path_factory.mktemp("crowd")
    with Sandbox.start(directory=home / "sandbox") as sandbox:
        pairing = Pairing(sandbox, home, f"sqlite:///{home}/state.db")
        pairing.setup()
        groups = {name: Group(pairing, name) for name in FAULTS}
        for group in groups.values():
            group.arrive()
        pairing.cycle()
        pairing.cycle()
        yield pairing, groups


@pytest.mark.parametrize("name", FAULTS)
def test_whatever_happens_to_a_cycle_the_next_one_makes_good(
    crowd: tuple[Pairing, dict[str, Group]], name: str
) -> None:
    """Nobody is made twice, no edit is lost, each refusal is told once, and then all is quiet (S-17)."""
    pairing, groups = crowd
    service, kind, details = FAULTS[name]
    groups[name].live()

    order = pairing.sandbox.faults.add(service, kind, **details)
    with contextlib.suppress(SyncError):
        pairing.cycle()
    assert happened(pairing.sandbox, order), "the fault did not happen; the test shows nothing"
    pairing.sandbox.faults.clear()
    pairing.cycle()

    assert groups[name].picture() == EXPECTED
    pairing.mark()
    pairing.cycle()
    assert pairing.writes() == []
    assert groups[name].refusals() == 1


def happened(sandbox: Sandbox, order: Fault) -> bool:
    """Return whether an ordered fault happened at least once."""
    return order in sandbox.faults.taken()


@pytest.mark.parametrize(("table", "title"), [("lead", "CEO"), ("contact", "CFO")])
def test_a_row_edited_while_the_run_decides_is_merged_again(pairing: Pairing, table: str, title: str) -> None:
    """
    Somebody edits a row between its reading and its writing; the version check sees it and the rule decides (S-14).
    """
    person, row = pairing.pair(table, "ada@example.com", jobtitle="CTO", mobilephone="1")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.sandbox.faults.add(
        "dynamics",
        "interleave",
        match="PATCH",
        action=lambda: pairing.dynamics.edit(table, row, {"jobtitle": "CFO", "mobilephone": "2"}),
    )

    pairing.cycle()
    pairing.cycle()

    stored, shown = pairing.dynamics.row(table, row), pairing.marketo.lead(person)
    assert (stored["jobtitle"], shown["title"]) == (title, title)
    assert (stored["mobilephone"], shown["mobilePhone"]) == ("2", "2")
    pairing.quiet()


@pytest.mark.parametrize(("table", "title"), [("lead", "CEO"), ("contact", "CFO")])
def test_a_person_edited_while_the_run_decides_is_merged_again(pairing: Pairing, table: str, title: str) -> None:
    """A marketer edits between the run's first reading and its second; the edit is not written over unseen (S-14)."""
    person, row = pairing.pair(table, "ada@example.com", jobtitle="CTO", mobilephone="1")
    pairing.cycle()
    pairing.dynamics.edit(table, row, {"jobtitle": "CFO"})
    pairing.sandbox.faults.add(
        "marketo",
        "interleave",
        match="POST /rest/v1/leads.json?_method=GET",
        action=lambda: pairing.marketo.edit(person, {"title": "CEO", "mobilePhone": "2"}),
    )

    pairing.cycle()
    pairing.cycle()

    stored, shown = pairing.dynamics.row(table, row), pairing.marketo.lead(person)
    assert (stored["jobtitle"], shown["title"]) == (title, title)
    assert (stored["mobilephone"], shown["mobilePhone"]) == ("2", "2")
    pairing.quiet()


def test_rows_that_become_visible_late_are_found(pairing: Pairing) -> None:
    """
    Marketo shows changes out of order, some of them minutes late and behind the watermark; none is passed over (R-003).
    """
    pairs = [pairing.pair("lead", f"p{number}@example.com", jobtitle="CTO") for number in range(20)]
    pairing.cycle()
    for person, _ in pairs:
        pairing.marketo.edit(person, {"title": "CEO"})
    pairing.marketo.settings.visibility_jitter_s = 120
    pairing.cycle()
    at_once = {row["jobtitle"] for row in pairing.dynamics.rows("lead")}

    for _ in range(3):
        pairing.sandbox.clock.advance(50)
        pairing.cycle()

    assert at_once != {"CEO"}, "nothing was late; the test shows nothing"
    assert {row["jobtitle"] for row in pairing.dynamics.rows("lead")} == {"CEO"}
    pairing.quiet()


def test_more_changes_in_one_second_than_a_page_holds_all_arrive(pairing: Pairing) -> None:
    """A feed page ends in the middle of a second; nobody behind the page's end is passed over (R-003)."""
    pairs = [pairing.pair("lead", f"p{number}@example.com", jobtitle="CTO") for number in range(320)]
    pairing.cycle()
    for person, _ in pairs:
        pairing.marketo.edit(person, {"title": "CEO"})

    pairing.cycle(overrides=("changed_to_dynamics",))

    assert {row["jobtitle"] for row in pairing.dynamics.rows("lead")} == {"CEO"}
    pairing.sandbox.clock.advance(3600)
    pairing.cycle()
    pairing.quiet()
