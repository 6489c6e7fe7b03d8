"""What people see of a cycle: edits arrive, collisions have a winner, requests create, refusals are explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing


def test_a_person_is_created_in_dynamics_only_when_asked(pairing: Pairing) -> None:
    """Without a request nothing is created (T-06); with one, exactly one lead, and the ids are stored (T-07, T-10)."""
    person = pairing.marketo.create({"firstName": "Ada", "lastName": "Byron", "email": "ada@example.com"})
    pairing.cycle()
    assert pairing.dynamics.rows("lead") == []

    pairing.marketo.edit(person, {"syncToDynamics": "lead"})
    pairing.marketo.edit(person, {"syncToDynamics": "Lead"})
    pairing.cycle()

    (row,) = pairing.dynamics.rows("lead")
    assert row["lastname"] == "Byron"
    stored = pairing.marketo.lead(person)
    assert (stored["dynamicsId"], stored["dynamicsType"]) == (row["leadid"], "lead")
    pairing.quiet()
    assert len(pairing.dynamics.rows("lead")) == 1


def test_a_refused_value_is_explained_in_the_persons_activity_log(pairing: Pairing) -> None:
    """A value too long for Dynamics stays where it is, is logged once, and others go on (T-24, S-08)."""
    person, row = pairing.pair("lead", "ada@example.com", mobilephone="1")
    other, other_row = pairing.pair("lead", "bob@example.com", jobtitle="CTO")
    pairing.cycle()

    pairing.marketo.edit(person, {"mobilePhone": "1" * 21})
    pairing.marketo.edit(other, {"title": "CEO"})
    summary = pairing.cycle()

    assert summary["counts"]["to_dynamics"]["rejected"] == 1
    assert pairing.dynamics.row("lead", row)["mobilephone"] == "1"
    assert pairing.dynamics.row("lead", other_row)["jobtitle"] == "CEO"
    assert len([one for one in pairing.marketo.activities(person) if one.type_id >= 100_000]) == 1
    pairing.quiet()
    assert len([one for one in pairing.marketo.activities(person) if one.type_id >= 100_000]) == 1
