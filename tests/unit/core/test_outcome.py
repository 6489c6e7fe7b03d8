"""What follows from a plan that was carried out, well or badly."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include.person_sync.core.outcome import Outcome
from include.person_sync.core.relations import BASE_UPDATES
from tests.unit.core.world import (
    AGREED,
    ann,
    ann_contact,
    contact,
    decided,
    deleted,
    lead,
    link,
    named,
    person,
    unread,
)

if TYPE_CHECKING:
    from include.person_sync.core.plan import Plan


def carried_out(plan: Plan, status: str | dict[str, str] = "applied", **outcomes: str) -> Outcome:
    """
    Return the outcome of a plan of which every change, or each direction, came to one status.

    `outcomes`: what became of single fields. Creations that were applied bring the Marketo id 900.
    """
    changes = plan.changes.assign(dynamics_version=None, code=None, message=None)
    by_way = dict.fromkeys(("to_dynamics", "to_marketo"), status) if isinstance(status, str) else status
    changes["status"] = [by_way.get(way, "applied") for way in changes["direction"]]
    applied = changes["status"] == "applied"
    born = (changes["action"] == "create") & (changes["direction"] == "to_marketo") & applied
    changes["marketo_id"] = changes["marketo_id"].mask(born, 900)
    changes["dynamics_version"] = pd.Series("v2", index=changes.index, dtype="str").where(
        applied & (changes["direction"] == "to_dynamics")
    )
    verdicts = [outcomes.get(name, verdict) for name, verdict in plan.values[["field", "outcome"]].to_numpy()]
    values = plan.values.assign(outcome=pd.Series(verdicts, index=plan.values.index, dtype="str"))
    return Outcome.of(changes, values, plan)


def moved(outcome: Outcome) -> dict[str, str | None]:
    """Return the cells of the base that move, by field."""
    updates = BASE_UPDATES.check(outcome.base_updates())
    return {row.field: None if pd.isna(row.value) else row.value for row in updates.itertuples()}


LINKED = [named(1, "contact:c1", last_name="Anna", rating="Hot"), ann_contact(score="9")]
KNOWN = link(11, 1, "contact:c1", AGREED)


@cache
def edited() -> Plan:
    """Return the plan for a person whose name and rating were edited in Marketo, and a one-way field in Dynamics."""
    return decided(*LINKED, KNOWN)


@cache
def planned(direction: str) -> Plan:
    """Return a plan that makes the missing half there: of a new row, or of a person who asks."""
    return decided(ann_contact() if direction == "to_marketo" else ann(request="lead"))


def test_applied_values_move_the_base() -> None:
    """What is known to be on both sides is agreed on; what was withheld is not."""
    assert moved(carried_out(edited())) == {"last_name": "Anna", "rating": "1"}


@pytest.mark.parametrize("status", ["refused", "stale", "unknown", "skipped", "planned"])
def test_values_that_are_not_known_to_be_written_move_no_base(status: str) -> None:
    """Only applied cells move the base."""
    assert moved(carried_out(edited(), status)) == {}


@pytest.mark.parametrize("verdict", ["deferred", "refused"])
def test_cell_left_out_of_an_applied_change_moves_no_base(verdict: str) -> None:
    """The person's other values were written."""
    assert moved(carried_out(edited(), last_name=verdict)) == {"rating": "1"}


def test_agreement_moves_the_base_whatever_became_of_the_writes() -> None:
    """Both sides hold it already; nothing had to be written."""
    both = [named(1, "contact:c1", last_name="Anna", rating="Hot"), ann_contact(last_name="Anna")]

    assert moved(carried_out(decided(*both, KNOWN), "refused")) == {"last_name": "Anna"}


def test_base_updates_of_a_dead_run_come_first_and_each_cell_once() -> None:
    """What is written now is newer than what was found of a dead run; of unknown links nothing is kept."""
    before = pd.DataFrame(
        {"link_id": [11, 11, 99], "field": ["last_name", "score", "score"], "value": ["Older", "5", "5"]}
    )
    plan = replace(edited(), base_updates=BASE_UPDATES.of(before))

    assert moved(carried_out(plan)) == {"last_name": "Anna", "rating": "1", "score": "5"}
    assert moved(carried_out(plan, "unknown")) == {"last_name": "Older", "score": "5"}


@pytest.mark.parametrize("of", ["to_marketo", "to_dynamics"])
@pytest.mark.parametrize("status", ["refused", "stale", "unknown", "skipped"])
def test_failed_creation_brings_no_link_and_no_base(of: str, status: str) -> None:
    """Whose missing half was not made is nobody's link, and is not looked at again as one."""
    outcome = carried_out(planned(of), status)

    assert outcome.links().empty
    assert moved(outcome) == {}
    assert outcome.recheck() == set()


def test_creation_brings_a_link_with_the_id_that_marketo_gave() -> None:
    """The new person's id is only known afterwards."""
    outcome = carried_out(planned("to_marketo"))

    assert outcome.links()[["marketo_id", "dynamics_table", "dynamics_id", "generation"]].to_numpy().tolist() == [
        [900, "contact", "c1", 1]
    ]
    assert moved(outcome)["last_name"] == "Ann"


def test_link_that_points_elsewhere_is_stored_and_a_known_one_is_not() -> None:
    """A link that did not change is not written again."""
    rows = [lead("l1", state="1", parent="c1", email="ann@x.example", last_name="Ann"), ann_contact()]

    outcome = carried_out(decided(named(1, "lead:l1"), *rows, link(11, 1, "lead:l1", AGREED)))

    assert outcome.links()[["link_id", "dynamics_table", "dynamics_id"]].to_numpy().tolist() == [[11, "contact", "c1"]]
    assert carried_out(edited()).links().empty


@pytest.mark.parametrize("status", ["stale", "unknown", "planned", "skipped"])
def test_write_without_a_final_answer_is_looked_at_again(status: str) -> None:
    """No feed will name it again."""
    assert carried_out(edited(), status).recheck() == {11}


def test_write_with_a_final_answer_is_not_looked_at_again() -> None:
    """Applied and refused are answers; a deferred cell is none."""
    plan = edited()

    assert carried_out(plan).recheck() == carried_out(plan, "refused").recheck() == set()
    assert carried_out(plan, last_name="deferred").recheck() == {11}


def test_versions_are_those_of_our_own_writes_else_those_read() -> None:
    """The next write is based on the newest version known."""
    plan = decided(*LINKED, KNOWN, person(2), contact("c2", version="v5"), link(12, 2, "contact:c2", {}))

    assert dict(carried_out(plan).versions().to_numpy().tolist()) == {11: "v2", 12: "v5"}
    assert dict(carried_out(plan, "unknown").versions().to_numpy().tolist()) == {11: "v1", 12: "v5"}


def test_letters_are_of_refused_values_of_our_own_checks_and_of_holds() -> None:
    """Three kinds of letters, one per value where a vendor refused a change of several."""
    plan = decided(
        *LINKED, KNOWN,
        named(2, "contact:c2", email="bob@x.example", last_name="far too long a name"),
        ann_contact("c2", email="bob@x.example"),
        link(12, 2, "contact:c2", {**AGREED, "email": "bob@x.example"}),
        contact("c3", email="eve@x.example"), unread(person(8, email="eve@x.example")),
        unread(person(9, email="eve@x.example")),
    )  # fmt: skip

    letters = carried_out(plan, {"to_dynamics": "refused", "to_marketo": "applied"}).letters("schema")

    assert sorted(zip(letters["kind"], letters["code"].fillna("-"), strict=True)) == [
        ("ambiguous", "AMBIGUOUS_EMAIL"),
        ("invalid", "too_long"),
        ("rejected", "-"),
        ("rejected", "-"),
    ]


def test_partly_refused_change_gives_a_letter_of_the_refused_field_alone() -> None:
    """The other fields were written."""
    letters = carried_out(edited(), last_name="refused").letters("schema")

    assert letters["payload"].tolist() == [{"fields": {"last_name": "Anna"}}]


def test_counts_tell_people_per_direction() -> None:
    """Created, updated and deleted count applied changes; refused and unanswered ones count as such."""
    plan = decided(
        *LINKED, KNOWN, contact("c2"), person(3, request="lead"), link(14, 4, "contact:c4", AGREED),
        events=deleted(contacts=["c4"]),
    )  # fmt: skip

    done = carried_out(plan).counts()
    refused = carried_out(plan, "refused").counts()
    unknown = carried_out(plan, "unknown").counts()

    assert {key: done["to_dynamics"][key] for key in ("created", "updated", "rejected")} == {
        "created": 1,
        "updated": 1,
        "rejected": 0,
    }
    assert {key: done["to_marketo"][key] for key in ("created", "updated")} == {"created": 1, "updated": 2}
    assert refused["to_dynamics"]["rejected"] == 2
    assert refused["to_dynamics"]["created"] == 0
    assert unknown["to_dynamics"]["held"] == 2
