"""Columns and fields that come, go and change while the sync runs: the field alone is concerned, and it is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from include.sandbox.dataverse.schema.columns import ColumnType, Option
from tests.integration.stages.test_field_map import use_map

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.stages.conftest import Pairing


def linked(pairing: Pairing, table: str = "contact", email: str = "ada@example.com", **values: Any) -> tuple[int, str]:
    """Return a pair that is in step and linked."""
    ids = pairing.pair(table, email, **values)
    pairing.cycle()
    return ids


def person(pairing: Pairing, marketo_id: int) -> dict[str, Any]:
    """Return what Marketo holds of a person; empty fields are absent."""
    return pairing.marketo.lead(marketo_id) or {}


def row(pairing: Pairing, row_id: str, table: str = "contact") -> dict[str, Any]:
    """Return what Dynamics holds of a row."""
    return pairing.dynamics.row(table, row_id) or {}


def names(notes: list[dict[str, str]]) -> set[tuple[str, str]]:
    """Return field and table of each note."""
    return {(one["field"], one["table"]) for one in notes}


def remove(pairing: Pairing) -> None:
    """Delete the column."""
    pairing.dynamics.remove_column("contact", "jobtitle")


def rename(pairing: Pairing) -> None:
    """Give the column another logical name: to the sync it is gone."""
    column = pairing.dynamics.organization.table("contact").columns["jobtitle"]
    pairing.dynamics.add_column("contact", type(column)("new_jobtitle", column.type, max_length=100))
    pairing.dynamics.remove_column("contact", "jobtitle")


def retype(pairing: Pairing) -> None:
    """Make the column anew with another type; its values are gone."""
    pairing.dynamics.remove_column("contact", "jobtitle")
    pairing.dynamics.add_column(
        "contact", type(pairing.dynamics.organization.table("lead").columns["jobtitle"])("jobtitle", ColumnType.INTEGER)
    )


def secure(pairing: Pairing) -> None:
    """Secure the column so that the sync may neither read nor write it: it reads as null, without a sign."""
    pairing.dynamics.secure_column("contact", "jobtitle")


@pytest.mark.parametrize(
    ("harm", "links_end"), [(remove, True), (rename, False), (retype, False), (secure, True), (secure, False)]
)
def test_a_column_that_goes_isolates_its_field_and_nothing_else(
    pairing: Pairing, harm: Callable[[Pairing], None], links_end: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """In the same run the rest arrives, both ways; what Marketo held stays; the run says so (T-21, T-23)."""
    pairing.dynamics.settings.schema_change_expires_delta_links = links_end
    ada, contact = linked(pairing, jobtitle="CTO")
    other, _ = linked(pairing, "lead", "bob@example.com", jobtitle="CEO")

    harm(pairing)
    pairing.dynamics.edit("contact", contact, {"mobilephone": "1"})
    pairing.marketo.edit(ada, {"city": "Bern"})
    summary = pairing.cycle()

    assert person(pairing, ada)["title"] == "CTO"
    assert person(pairing, ada)["mobilePhone"] == "1"
    assert row(pairing, contact)["address1_city"] == "Bern"
    assert names(summary["fields_isolated"]) == {("job_title", "contact")}
    assert all(one["reason"] and one["remedy"] for one in summary["fields_isolated"])
    assert "field job_title of contact is isolated" in caplog.text
    pairing.dynamics.edit("lead", pairing.dynamics.rows("lead")[0]["leadid"], {"jobtitle": "CFO"})
    assert names(pairing.cycle()["fields_isolated"]) == {("job_title", "contact")}
    assert person(pairing, other)["title"] == "CFO"
    pairing.quiet()


def test_a_column_that_may_be_read_again_catches_up(pairing: Pairing) -> None:
    """What was edited on either side while the field was isolated arrives when it is back (T-21)."""
    ada, contact = linked(pairing, jobtitle="CTO")
    eve, eves = linked(pairing, email="eve@example.com", jobtitle="CFO")
    secure(pairing)
    pairing.dynamics.edit("contact", contact, {"jobtitle": "CEO"})
    pairing.dynamics.edit("contact", eves, {"mobilephone": "1"})
    pairing.cycle()
    pairing.marketo.edit(eve, {"title": "COO"})
    pairing.cycle()
    assert person(pairing, ada)["title"] == "CTO"

    pairing.dynamics.change_column("contact", "jobtitle", secured=False)
    pairing.setup()
    summary = pairing.cycle()

    assert person(pairing, ada)["title"] == "CEO"
    assert row(pairing, eves)["jobtitle"] == "COO"
    assert "fields_isolated" not in summary
    pairing.quiet()


@pytest.mark.parametrize("verb", ["secure_column", "remove_column"])
def test_an_account_column_that_goes_empties_nothing(pairing: Pairing, verb: str) -> None:
    """A column of the account that is secured or deleted is noticed like one of the contact's own (S-06)."""
    acme = pairing.dynamics.create("account", {"name": "Acme", "telephone1": "1"})
    ada, _ = linked(pairing, parentcustomerid=("account", acme))
    getattr(pairing.dynamics, verb)("account", "telephone1")
    pairing.dynamics.edit("account", acme, {"name": "Acme Ltd"})

    summary = pairing.cycle()

    assert (person(pairing, ada)["company"], person(pairing, ada)["mainPhone"]) == ("Acme Ltd", "1")
    assert names(summary["fields_isolated"]) == {("main_phone", "contact")}
    pairing.quiet()


def test_a_value_that_was_really_emptied_still_empties_the_other_side(pairing: Pairing) -> None:
    """Looking twice costs one request, and takes nothing for hidden that is not (S-09)."""
    ada, contact = linked(pairing, jobtitle="CTO")
    pairing.dynamics.edit("contact", contact, {"jobtitle": None})
    pairing.sandbox.reset_calls()

    pairing.cycle()

    assert "title" not in person(pairing, ada)
    asked = [one.path for one in pairing.sandbox.calls("dynamics") if "EntityDefinitions" in one.path]
    assert len(asked) == 1
    pairing.quiet()


def test_a_marketo_field_that_goes_isolates_its_field_and_nothing_else(pairing: Pairing) -> None:
    """Marketo no longer knows the field when it is asked for it (1006); the same run goes on without it (T-23)."""
    ada, contact = linked(pairing, jobtitle="CTO")

    pairing.marketo.hide_field("title")
    pairing.dynamics.edit("contact", contact, {"mobilephone": "1", "jobtitle": "CEO"})
    pairing.marketo.edit(ada, {"city": "Bern"})
    summary = pairing.cycle()

    assert person(pairing, ada)["mobilePhone"] == "1"
    assert row(pairing, contact)["address1_city"] == "Bern"
    assert names(summary["fields_isolated"]) == {("job_title", "contact"), ("job_title", "lead")}
    pairing.quiet()

    pairing.marketo.hide_field("title", hidden=False)
    pairing.setup()
    pairing.cycle()
    assert person(pairing, ada)["title"] == "CEO"
    pairing.quiet()


def letters(pairing: Pairing) -> list[tuple[str, str]]:
    """Return code and direction of the open dead letters."""
    frame = pairing.context().store.dead_letters()
    return list(zip(frame["code"], frame["direction"], strict=True))


def test_a_marketo_field_made_read_only_rests_with_a_reason(pairing: Pairing) -> None:
    """On a contact Dynamics has to win and may not write: found, told once, never tried again, healed later (T-25)."""
    ada, contact = linked(pairing, jobtitle="CTO")
    pairing.marketo.set_field_read_only("title")
    pairing.dynamics.edit("contact", contact, {"jobtitle": "CEO", "mobilephone": "1"})

    pairing.cycle()
    pairing.cycle()

    assert (person(pairing, ada)["title"], person(pairing, ada)["mobilePhone"]) == ("CTO", "1")
    assert letters(pairing) == [("write_blocked", "to_marketo")]
    told = len(pairing.marketo.activities(ada))
    pairing.quiet()
    pairing.dynamics.edit("contact", contact, {"mobilephone": "2"})
    pairing.cycle()
    assert person(pairing, ada)["mobilePhone"] == "2"
    assert [one.type_id for one in pairing.marketo.activities(ada)[told:]].count(100_001) == 0

    pairing.marketo.set_field_read_only("title", read_only=False)
    pairing.setup()
    pairing.cycle()
    assert person(pairing, ada)["title"] == "CEO"
    assert letters(pairing) == []
    pairing.quiet()


def test_a_column_that_may_not_be_written_rests_with_a_reason(pairing: Pairing) -> None:
    """On a lead Marketo has to win and may not write; the other fields of the same person arrive (T-25)."""
    ada, lead = linked(pairing, "lead", jobtitle="CTO")
    pairing.dynamics.secure_column("lead", "jobtitle", read=True)
    pairing.marketo.edit(ada, {"title": "CEO", "city": "Bern"})

    pairing.cycle()
    pairing.cycle()

    assert (row(pairing, lead, "lead")["jobtitle"], row(pairing, lead, "lead")["address1_city"]) == ("CTO", "Bern")
    assert letters(pairing) == [("write_blocked", "to_dynamics")]
    pairing.quiet()


def test_a_collision_whose_winner_may_not_write_changes_neither_side(pairing: Pairing) -> None:
    """The loser's value is not written over the winner's either: that would turn the rule round (T-25)."""
    ada, contact = linked(pairing, jobtitle="CTO")
    pairing.marketo.set_field_read_only("title")
    pairing.setup()
    pairing.marketo.edit(ada, {"city": "Bern"})
    pairing.marketo.set_field_read_only("title", read_only=False)
    pairing.marketo.edit(ada, {"title": "CFO"})
    pairing.marketo.set_field_read_only("title")
    pairing.dynamics.edit("contact", contact, {"jobtitle": "CEO"})

    pairing.cycle()

    assert (person(pairing, ada)["title"], row(pairing, contact)["jobtitle"]) == ("CFO", "CEO")
    assert letters(pairing) == [("write_blocked", "to_marketo")]
    pairing.quiet()


def test_a_refusing_plug_in_is_asked_once(pairing: Pairing) -> None:
    """What Dynamics refuses for its own reasons is told once and not tried in every cycle (T-25)."""
    ada, lead = linked(pairing, "lead", jobtitle="CTO")
    pairing.dynamics.refuse("lead", lambda values: values.get("jobtitle") == "CEO", "no CEOs")
    pairing.marketo.edit(ada, {"title": "CEO"})

    pairing.cycle()

    assert letters(pairing) == [("0x80040265", "to_dynamics")]
    pairing.quiet()
    assert row(pairing, lead, "lead")["jobtitle"] == "CTO"


# a field that comes


def test_a_new_field_is_filled_in_for_everybody_and_nothing_else_is_written(pairing: Pairing) -> None:
    """Both directions by its rule; other fields keep what they hold, and the run says when it is done (T-22)."""
    both = [linked(pairing, email=f"p{number}@example.com", jobtitle="CTO") for number in range(3)]
    pairing.dynamics.edit("contact", both[0][1], {"department": "Analysis"})
    pairing.marketo.edit(both[1][0], {"department": "Research"})
    pairing.cycle()
    pairing.mark()

    use_map(pairing, department={"type": "text", "marketo": "department", "contact": "department"})
    summary = pairing.cycle()

    assert person(pairing, both[0][0])["department"] == "Analysis"
    assert row(pairing, both[1][1])["department"] == "Research"
    assert names(summary["fields_backfilled"]) == {("department", "contact")}
    assert summary["counts"]["to_marketo"]["updated"] == 1
    assert summary["counts"]["to_dynamics"]["updated"] == 1
    history = pairing.context().store.history(marketo_id=both[0][0])
    assert set(history.loc[history["run_id"] == summary["run_id"], "field"]) == {"department"}
    assert "fields_backfilled" not in pairing.cycle()
    pairing.quiet()


def test_a_field_that_setup_provisions_is_filled_in_too(pairing: Pairing) -> None:
    """A column that is read already for another field needs no new select, and is filled in all the same (T-22)."""
    ada, lead = linked(pairing, "lead")
    pairing.dynamics.edit("lead", lead, {"subject": "Looms"})
    use_map(pairing, topic={"provision": None, "marketo": "leadRole", "rule": "dynamics_to_marketo"})
    pairing.setup()
    pairing.cycle(overrides=("map_changed",))
    pairing.marketo.add_field("dynamicsSubject")
    pairing.setup()

    summary = pairing.cycle()

    assert person(pairing, ada)["dynamicsSubject"] == "Looms"
    assert names(summary["fields_backfilled"]) == {("subject", "lead")}
    pairing.quiet()


def test_a_backfill_carries_empty_values_of_the_only_master(pairing: Pairing) -> None:
    """One way, an empty value in Dynamics empties Marketo (P-095); both ways, the filled side counts."""
    ada, contact = linked(pairing)
    pairing.marketo.edit(ada, {"department": "Old", "leadRole": "User"})
    pairing.cycle()

    use_map(
        pairing,
        department={"type": "text", "marketo": "department", "contact": "department", "rule": "dynamics_to_marketo"},
        role={"type": "text", "marketo": "leadRole", "contact": "assistantname"},
    )
    pairing.cycle()

    assert "department" not in person(pairing, ada)
    assert (person(pairing, ada)["leadRole"], row(pairing, contact)["assistantname"]) == ("User", "User")
    pairing.quiet()


def test_a_backfill_may_be_limited_to_rows_changed_since_a_day(pairing: Pairing) -> None:
    """Older rows are left alone, empty values included, until somebody changes them (T-22, P-094)."""
    old, olds = linked(pairing, email="old@example.com", department=None)
    rest, rests = linked(pairing, email="rest@example.com", department="Analysis")
    pairing.marketo.edit(old, {"department": "Old"})
    pairing.cycle()
    pairing.sandbox.clock.advance(timedelta(days=40).total_seconds())
    new, _ = linked(pairing, email="new@example.com", department="Research")
    pairing.marketo.edit(new, {"department": "Old"})
    pairing.cycle()
    since = (datetime.now(tz=UTC) + timedelta(days=20)).date()

    entry = {"type": "text", "marketo": "department", "contact": "department", "rule": "dynamics_to_marketo"}
    use_map(pairing, department={**entry, "backfill_since": since})
    summary = pairing.cycle()

    assert person(pairing, new)["department"] == "Research"
    assert person(pairing, old)["department"] == "Old"
    assert "department" not in person(pairing, rest)
    assert names(summary["fields_backfilled"]) == {("department", "contact")}
    pairing.quiet()

    pairing.dynamics.edit("contact", rests, {"jobtitle": "CEO"})
    pairing.cycle()
    assert person(pairing, rest)["department"] == "Analysis"
    assert row(pairing, olds)["department"] is None
    pairing.quiet()


# choices


def test_an_option_that_was_added_is_understood_in_the_same_run(
    pairing: Pairing, caplog: pytest.LogCaptureFixture
) -> None:
    """An unknown value has the options read again before it becomes anybody's problem."""
    ada, lead = linked(pairing, "lead")
    column = pairing.dynamics.organization.table("lead").columns["leadqualitycode"]
    pairing.dynamics.change_column("lead", "leadqualitycode", options=(*column.options, Option(9, "Boiling")))
    pairing.dynamics.edit("lead", lead, {"leadqualitycode": 9})

    summary = pairing.cycle()

    assert person(pairing, ada)["rating"] == "Boiling"
    assert summary["counts"]["to_marketo"]["rejected"] == 0
    pairing.dynamics.change_column(
        "lead", "leadqualitycode", options=(*column.options, Option(9, "Boiling"), Option(10, "Ice"))
    )
    pairing.marketo.edit(ada, {"rating": "Ice"})
    pairing.cycle()
    assert row(pairing, lead, "lead")["leadqualitycode"] == 10
    pairing.quiet()


def test_a_label_nobody_knows_becomes_a_problem_and_costs_no_more_readings(pairing: Pairing) -> None:
    """The options are read again once; then the label is refused, and rests."""
    ada, _ = linked(pairing, "lead")
    pairing.marketo.edit(ada, {"rating": "Lukewarm"})
    pairing.cycle()
    assert letters(pairing) == [("unknown_label", "to_dynamics")]

    pairing.sandbox.reset_calls()
    pairing.marketo.edit(ada, {"city": "Bern"})
    pairing.cycle()

    assert not [one for one in pairing.sandbox.calls("dynamics") if "EntityDefinitions" in one.path]
    pairing.quiet()
