"""A run may be killed at any instruction; what the next one makes of it is as if nothing had happened."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.request import RunRequest
from include.sandbox import Sandbox
from tests.integration.stages.conftest import Pairing
from tests.integration.stages.killing import Killed, dead_process, trip
from tests.integration.stages.people import EXPECTED, Group

if TYPE_CHECKING:
    from collections.abc import Iterator

LAST_WRITE = 30
"""More writes than any of these runs does; a test below sees to it."""

POINTS = [*((number, False) for number in range(1, LAST_WRITE)), *((number, True) for number in (5, 7, 13, 15, 22, 25))]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Pairing, dict[str, Group]]]:
    """Return two systems in step with a group of people for each of the points at which a run is killed."""
    home = tmp_path_factory.mktemp("crowd")
    with Sandbox.start(directory=home / "sandbox") as sandbox:
        pairing = Pairing(sandbox, home, f"sqlite:///{home}/state.db")
        pairing.setup()
        names = ["undisturbed", *(f"{number}-{after}".lower() for number, after in POINTS)]
        groups = {name: Group(pairing, name) for name in names}
        for group in groups.values():
            group.arrive()
        pairing.cycle()
        pairing.cycle()
        yield pairing, groups


def killed_cycle(pairing: Pairing, number: int | None, *, after: bool = False) -> list[str]:
    """Run a cycle that dies at a write to the state database, and return the writes it came to."""
    context = pairing.context(process=dead_process())
    wire = trip(context, number, after=after)
    with contextlib.suppress(Killed):
        run_cycle(context, RunRequest())
    return wire.writes


def test_an_undisturbed_run_ends_before_the_last_point(crowd: tuple[Pairing, dict[str, Group]]) -> None:
    """Every write of such a run is among the points at which runs are killed below."""
    pairing, groups = crowd
    group = groups["undisturbed"]
    group.live()

    writes = killed_cycle(pairing, None)

    assert len(writes) < LAST_WRITE, writes
    assert group.picture() == EXPECTED
    assert group.refusals() == 1


@pytest.mark.parametrize(("number", "after"), POINTS)
def test_a_killed_run_leaves_the_next_one_the_same_result(
    crowd: tuple[Pairing, dict[str, Group]], number: int, after: bool
) -> None:
    """
    Killed before or after its n-th write, a run leaves work that the next one ends as if nothing had happened (S-11).
    """
    pairing, groups = crowd
    group = groups[f"{number}-{after}".lower()]
    group.live()

    writes = killed_cycle(pairing, number, after=after)
    pairing.cycle()

    assert group.picture() == EXPECTED, writes[-1]
    pairing.mark()
    pairing.cycle()
    assert pairing.writes() == [], writes[-1]
    assert group.refusals() == 1, writes[-1]


@pytest.fixture
def pair(pairing: Pairing, request: pytest.FixtureRequest) -> tuple[int, str]:
    """Return a linked pair of the table that the test's parameter `table` names, its job title CTO."""
    made = pairing.pair(request.getfixturevalue("table"), "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    return made


def killed_at(pairing: Pairing, write: str, occurrence: int = 1, *, after: bool = False) -> None:
    """Run a cycle that dies at the n-th write of one kind."""
    context = pairing.context(process=dead_process())
    trip(context, occurrence, after=after, only=write)
    with pytest.raises(Killed):
        run_cycle(context, RunRequest())


def job_titles(pairing: Pairing, table: str, pair: tuple[int, str]) -> tuple[str, str]:
    """Return the job title in Marketo and in Dynamics."""
    return pairing.marketo.lead(pair[0])["title"], pairing.dynamics.row(table, pair[1])["jobtitle"]


@pytest.mark.parametrize(("table", "recorded"), [("contact", True), ("lead", False)])
def test_a_marketers_next_edit_is_no_collision_with_our_half_done_write(
    pairing: Pairing, table: str, pair: tuple[int, str], recorded: bool
) -> None:
    """Dynamics holds our write of Marketo's value when the run dies; the marketer edits again and is heard (S-10)."""
    pairing.marketo.edit(pair[0], {"title": "CEO"})
    killed_at(pairing, "record_outcomes", after=recorded)
    assert job_titles(pairing, table, pair) == ("CEO", "CEO")

    pairing.marketo.edit(pair[0], {"title": "Founder"})
    summary = pairing.cycle()

    assert job_titles(pairing, table, pair) == ("Founder", "Founder")
    assert collisions(summary) == 0
    pairing.quiet()


@pytest.mark.parametrize(("table", "recorded"), [("contact", True), ("lead", False)])
def test_a_salespersons_next_edit_is_no_collision_with_our_half_done_write(
    pairing: Pairing, table: str, pair: tuple[int, str], recorded: bool
) -> None:
    """The same the other way round: Marketo holds our write of Dynamics' value when the run dies (S-10)."""
    pairing.dynamics.edit(table, pair[1], {"jobtitle": "CFO"})
    killed_at(pairing, "record_outcomes", after=recorded)
    assert job_titles(pairing, table, pair) == ("CFO", "CFO")

    pairing.dynamics.edit(table, pair[1], {"jobtitle": "Founder"})
    summary = pairing.cycle()

    assert job_titles(pairing, table, pair) == ("Founder", "Founder")
    assert collisions(summary) == 0
    pairing.quiet()


@pytest.mark.parametrize("table", ["contact", "lead"])
def test_an_edit_of_what_a_dead_run_is_known_to_have_written_reaches_the_other_side(
    pairing: Pairing, table: str, pair: tuple[int, str]
) -> None:
    """A salesperson replaces the value we wrote before the run died: an ordinary edit, which Marketo gets (S-10)."""
    pairing.marketo.edit(pair[0], {"title": "CEO"})
    killed_at(pairing, "record_outcomes", after=True)

    pairing.dynamics.edit(table, pair[1], {"jobtitle": "CFO"})
    summary = pairing.cycle()

    assert job_titles(pairing, table, pair) == ("CFO", "CFO")
    assert collisions(summary) == 0
    pairing.quiet()


@pytest.mark.parametrize(("table", "title"), [("contact", "CFO"), ("lead", "CEO")])
def test_an_edit_of_what_nobody_knows_was_written_is_a_collision(
    pairing: Pairing, table: str, pair: tuple[int, str], title: str
) -> None:
    """Without a recorded outcome nobody can tell whether our write came first; the table's rule decides, on record."""
    pairing.marketo.edit(pair[0], {"title": "CEO"})
    killed_at(pairing, "record_outcomes")

    pairing.dynamics.edit(table, pair[1], {"jobtitle": "CFO"})
    summary = pairing.cycle()

    assert job_titles(pairing, table, pair) == (title, title)
    assert collisions(summary) == 1
    pairing.quiet()


def test_a_settled_write_is_the_base_of_later_edits(pairing: Pairing) -> None:
    """
    What a dead run wrote is the base of the next edit: going back to the old value is an edit like any other (S-10).
    """
    person, row = pairing.pair("contact", "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    killed_at(pairing, "record_outcomes")
    pairing.cycle()

    pairing.marketo.edit(person, {"title": "CTO"})
    pairing.cycle()

    assert job_titles(pairing, "contact", (person, row)) == ("CTO", "CTO")
    pairing.quiet()


def collisions(summary: dict[str, Any]) -> int:
    """Return how many fields collided in a run."""
    return sum(one["collisions"] for one in summary["counts"].values())


@pytest.mark.parametrize(("table", "recorded"), [("contact", True), ("lead", False)])
def test_a_person_a_dead_run_created_is_edited_like_any_other(pairing: Pairing, table: str, recorded: bool) -> None:
    """
    A marketer edits a person whose creator died before its commit; Dynamics' older value does not win over that (S-10).
    """
    row = pairing.dynamics.create(table, {"lastname": "R", "emailaddress1": "r@example.com", "jobtitle": "CTO"})
    killed_at(pairing, "record_outcomes", after=recorded)
    (person,) = pairing.marketo.find(email="r@example.com")

    pairing.marketo.edit(person["id"], {"title": "CEO"})
    summary = pairing.cycle()

    titles = ("CEO", "CEO") if recorded or table == "lead" else ("CTO", "CTO")
    assert job_titles(pairing, table, (person["id"], row)) == titles
    assert collisions(summary) == (0 if recorded else 1)
    pairing.quiet()


@pytest.mark.parametrize("table", ["contact", "lead"])
def test_a_pair_a_dead_run_linked_is_edited_like_any_other(pairing: Pairing, table: str) -> None:
    """
    A natural pair's row was filled from Marketo when the run died; the marketer's next edit is no collision (S-10).
    """
    person = pairing.marketo.create({"lastName": "N", "email": "n@example.com", "title": "CEO"})
    row = pairing.dynamics.create(table, {"lastname": "N", "emailaddress1": "n@example.com"})
    killed_at(pairing, "record_outcomes")
    assert job_titles(pairing, table, (person, row)) == ("CEO", "CEO")

    pairing.marketo.edit(person, {"title": "Founder"})
    summary = pairing.cycle()

    assert job_titles(pairing, table, (person, row)) == ("Founder", "Founder")
    assert collisions(summary) == 0
    pairing.quiet()
