"""What people see of a cycle: edits arrive, collisions have a winner, requests create, refusals are explained."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing


def test_edits_of_different_fields_reach_the_other_side_in_one_cycle(pairing: Pairing) -> None:
    """A field edited in Marketo and another in Dynamics both arrive (T-01)."""
    person, row = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    pairing.cycle()

    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.dynamics.edit("lead", row, {"mobilephone": "+44 20 7946 0000"})
    pairing.cycle()

    assert pairing.dynamics.row("lead", row)["jobtitle"] == "CEO"
    assert pairing.marketo.lead(person)["mobilePhone"] == "+44 20 7946 0000"
    pairing.quiet()


def test_marketo_wins_a_collision_on_a_lead(pairing: Pairing) -> None:
    """The same field edited on both sides of a lead takes Marketo's value, and the collision is counted (T-02)."""
    person, row = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    pairing.cycle()

    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.dynamics.edit("lead", row, {"jobtitle": "CFO"})
    summary = pairing.cycle()

    assert pairing.dynamics.row("lead", row)["jobtitle"] == "CEO"
    assert pairing.marketo.lead(person)["title"] == "CEO"
    assert summary["counts"]["to_dynamics"]["collisions"] == 1
    pairing.quiet()


def test_dynamics_wins_a_collision_on_a_contact(pairing: Pairing) -> None:
    """The same field edited on both sides of a contact takes Dynamics' value, and the collision is counted (T-03)."""
    person, row = pairing.pair("contact", "ada@example.com", jobtitle="CTO")
    pairing.cycle()

    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.dynamics.edit("contact", row, {"jobtitle": "CFO"})
    summary = pairing.cycle()

    assert pairing.dynamics.row("contact", row)["jobtitle"] == "CFO"
    assert pairing.marketo.lead(person)["title"] == "CFO"
    assert summary["counts"]["to_marketo"]["collisions"] == 1
    pairing.quiet()


def test_a_new_row_becomes_a_person(pairing: Pairing) -> None:
    """A contact and a lead new in Dynamics are created in Marketo with their ids and types."""
    contact = pairing.dynamics.create("contact", {"lastname": "Ruiz", "emailaddress1": "ana@example.com"})
    lead = pairing.dynamics.create("lead", {"lastname": "O'Hara", "emailaddress1": "o@example.com"})

    summary = pairing.cycle()

    assert summary["counts"]["to_marketo"]["created"] == 2
    (ana,) = pairing.marketo.find(email="ana@example.com")
    (hara,) = pairing.marketo.find(email="o@example.com")
    assert (ana["dynamicsId"], ana["dynamicsType"], ana["lastName"]) == (contact, "contact", "Ruiz")
    assert (hara["dynamicsId"], hara["dynamicsType"], hara["lastName"]) == (lead, "lead", "O'Hara")
    pairing.quiet()


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
