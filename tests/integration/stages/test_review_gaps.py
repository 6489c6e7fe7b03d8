"""Interleavings of events that each look harmless: nothing is lost, made twice, or tried for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing


def linked(pairing: Pairing, table: str, email: str = "ada@example.com", **values: object) -> tuple[int, str]:
    """Return a pair that is in step and linked."""
    ids = pairing.pair(table, email, **values)
    pairing.cycle()
    return ids


def test_a_linked_person_who_names_another_row_is_not_overwritten(pairing: Pairing) -> None:
    """
    A new row whose id stands in the field of somebody else's person is held, and the person stays as it is (S-04).
    """
    person, row = linked(pairing, "contact")
    pairing.quiet()
    other = pairing.dynamics.create("contact", {"firstname": "Eve", "lastname": "E", "emailaddress1": "e@example.com"})
    pairing.marketo.edit(person, {"dynamicsId": other})
    pairing.cycle()

    assert pairing.marketo.lead(person)["firstName"] == "Ada"
    assert pairing.dynamics.row("contact", row)["firstname"] == "Ada"


def test_many_people_with_one_address_do_not_stop_the_run(pairing: Pairing) -> None:
    """More people with one address than Marketo answers for: the row is held, everybody else goes on (T-26)."""
    for number in range(1001):
        pairing.marketo.create({"lastName": f"No {number}", "email": "noreply@example.com"})
    shared = pairing.dynamics.create("contact", {"lastname": "Shared", "emailaddress1": "noreply@example.com"})
    pairing.dynamics.create("contact", {"lastname": "Own", "emailaddress1": "own@example.com"})
    summary = pairing.cycle()
    assert len(pairing.marketo.find(email="own@example.com")) == 1
    assert len(pairing.marketo.find(email="noreply@example.com")) == 1001, shared
    assert summary["counts"]["to_marketo"]["held"] >= 1


def test_many_requests_before_the_first_run_do_not_stop_it(pairing: Pairing) -> None:
    """More waiting requests than Marketo answers for at once do not stop the first run."""
    for number in range(1001):
        pairing.marketo.create(
            {"lastName": f"No {number}", "email": f"n{number}@example.com", "syncToDynamics": "lead"}
        )
    pairing.dynamics.create("contact", {"lastname": "Own", "emailaddress1": "own@example.com"})
    pairing.sandbox.clock.advance(3600)
    pairing.cycle()
    assert len(pairing.marketo.find(email="own@example.com")) == 1


def test_qualifying_into_a_contact_with_fewer_values_loses_none(pairing: Pairing) -> None:
    """What the contact was not given by the qualification stays in Marketo and goes to the contact (T-18)."""
    person, row = linked(pairing, "lead", jobtitle="CTO", mobilephone="111")
    made = pairing.dynamics.qualify(row, account=False)
    pairing.dynamics.edit("contact", made["contact"], {"mobilephone": None})
    pairing.cycle()
    assert pairing.marketo.lead(person)["mobilePhone"] == "111"
    pairing.cycle()
    assert pairing.dynamics.row("contact", made["contact"])["mobilephone"] == "111"
    pairing.quiet()


def test_a_row_marketo_refuses_has_no_log_to_tell_it_in(pairing: Pairing) -> None:
    """
    A new row that can't become a person is a dead letter; the run ends well and tells of other people's refusals
    (S-19).
    """
    pairing.dynamics.create("contact", {"lastname": "Zoë", "emailaddress1": "zoë@example.com"})
    person, _ = pairing.pair("lead", "ada@example.com")
    pairing.cycle()
    pairing.marketo.edit(person, {"mobilePhone": "9" * 21})
    summary = pairing.cycle()

    assert summary["status"] == "done"
    assert len(pairing.context().store.dead_letters()) == 2
    assert len([one for one in pairing.marketo.activities(person) if one.type_id >= 100_000]) == 1
    pairing.quiet()


def test_more_refusals_than_a_call_takes_are_all_told_at_once(pairing: Pairing) -> None:
    """Refusals beyond one call's records do not trickle out over later cycles (T-24)."""
    for number in range(301):
        pairing.marketo.create({"lastName": "X" * 51, "email": f"n{number}@example.com", "syncToDynamics": "lead"})
    pairing.cycle()
    pairing.quiet()


def test_a_row_that_vanished_unseen_is_not_written_for_ever(pairing: Pairing) -> None:
    """A row deleted while its feed was expired is found out by the first write, which is positive evidence (S-05)."""
    person, row = linked(pairing, "lead", jobtitle="CTO")
    pairing.dynamics.delete("lead", row)
    pairing.dynamics.expire_delta_links()
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.cycle()
    pairing.cycle()

    assert pairing.marketo.lead(person)["dynamicsIsDeleted"] is True
    assert pairing.context().store.count_links() == 0
    pairing.quiet()


def test_a_request_made_while_the_row_is_deleted_is_kept(pairing: Pairing) -> None:
    """Somebody asks for a person again in the very window in which the row is deleted: a new row is made (T-13)."""
    person, row = linked(pairing, "lead")
    pairing.dynamics.delete("lead", row)
    pairing.marketo.edit_by_campaign(person, {"syncToDynamics": "lead"})
    pairing.cycle()
    pairing.cycle()

    (new,) = pairing.dynamics.rows("lead")
    assert new["leadid"] != row
    assert pairing.marketo.lead(person)["dynamicsId"] == new["leadid"]
    assert not pairing.marketo.lead(person).get("dynamicsIsDeleted")
    pairing.quiet()
