"""One value that a system refuses holds back nothing but itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.person_sync.present.history import history_entries, history_text
from include.sandbox.marketo import CompanyFields
from tests.integration.stages.killing import Killed, dead_process, trip

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from tests.integration.stages.conftest import Pairing

REFUSAL = ("0x80040265", "Job titles come from the list.")
EDIT = {"title": "Wizard", "mobilePhone": "2", "city": "Bern", "country": "Switzerland", "postalCode": "3000"}


def is_wizard(row: Mapping[str, Any]) -> bool:
    """Return whether the plug-in of these tests minds the row."""
    return row.get("jobtitle") == "Wizard"


@pytest.fixture
def ada(pairing: Pairing) -> tuple[int, str]:
    """Return a linked person whose job title a plug-in watches."""
    ids = pairing.pair("contact", "ada@example.com", jobtitle="CTO", mobilephone="1")
    pairing.cycle()
    pairing.dynamics.refuse("contact", is_wizard, REFUSAL[1])
    return ids


def planned(pairing: Pairing, summary: Mapping[str, Any]) -> pd.DataFrame:
    """Return what became of each field of a run, index field."""
    plan = pairing.context().store.load_plan(str(summary["run_id"]))
    about = plan.changes[["change_no", "direction", "status"]]
    return plan.values.merge(about, on="change_no").set_index("field")


def batches(pairing: Pairing) -> int:
    """Return how many batches went to Dynamics since the calls were forgotten."""
    return len([call for call in pairing.sandbox.calls("dynamics") if call.path.endswith("$batch")])


@pytest.mark.parametrize("etag", [False, True], ids=["version is read", "version is answered"])
def test_the_other_fields_of_a_refused_row_arrive_in_the_same_run(
    pairing: Pairing, ada: tuple[int, str], *, etag: bool
) -> None:
    """A plug-in refuses a job title: phone and address arrive at once, and the plan says which field was refused."""
    person, row_id = ada
    pairing.dynamics.settings.etag_on_no_content = etag
    pairing.marketo.edit(person, EDIT)
    pairing.sandbox.reset_calls()

    summary = pairing.cycle()

    row = pairing.dynamics.row("contact", row_id)
    assert (row["mobilephone"], row["address1_city"], row["address1_country"]) == ("2", "Bern", "Switzerland")
    assert row["jobtitle"] == "CTO"
    fields = planned(pairing, summary)
    assert fields.index[fields["outcome"] == "refused"].tolist() == ["job_title"]
    assert tuple(fields.loc["job_title", ["code", "message"]]) == REFUSAL
    assert set(fields["status"]) == {"applied"}
    assert batches(pairing) <= 1 + 5


def test_the_history_says_which_field_was_refused(pairing: Pairing, ada: tuple[int, str]) -> None:
    """The refused field shows the vendor's answer; its neighbours were applied."""
    pairing.marketo.edit(ada[0], EDIT)
    pairing.cycle()

    entries = history_entries(pairing.context().store.history(marketo_id=ada[0]))
    told = {entry["field"]: (entry["status"], entry["code"]) for entry in entries}
    assert (told["job_title"], told["mobile_phone"]) == (("refused", REFUSAL[0]), ("applied", ""))
    text = history_text(entries)
    assert "update: applied" in text
    assert next(line for line in text.splitlines() if REFUSAL[1] in line).strip().startswith("job_title")


def test_all_people_of_a_round_are_asked_for_together(pairing: Pairing) -> None:
    """Forty people with one bad value each cost the batches of one, not forty times as many."""
    people = [pairing.pair("contact", f"p{number}@example.com", jobtitle="CTO") for number in range(40)]
    pairing.cycle()
    pairing.dynamics.refuse("contact", is_wizard, REFUSAL[1])
    for person, _ in people:
        pairing.marketo.edit(person, EDIT)
    pairing.sandbox.reset_calls()

    pairing.cycle()

    assert {pairing.dynamics.row("contact", row)["address1_city"] for _, row in people} == {"Bern"}
    assert batches(pairing) <= 1 + 5


@pytest.mark.parametrize("skip", [1, 2, 3])
def test_somebody_who_edits_the_row_between_two_parts_is_not_overwritten(
    pairing: Pairing, ada: tuple[int, str], skip: int
) -> None:
    """Later parts name the version that the earlier ones made; whoever came in between is merged, not lost."""
    person, row_id = ada
    pairing.marketo.edit(person, EDIT)
    edit = {"address1_city": "Genf", "address1_country": "France", "mobilephone": "3", "address1_postalcode": "1"}

    def interfere() -> None:
        pairing.dynamics.edit("contact", row_id, edit)

    fault = pairing.sandbox.faults.add("dynamics", "interleave", match="PATCH", skip=skip, action=interfere)
    pairing.cycle()
    assert fault not in pairing.sandbox.faults.pending()
    pairing.cycle()

    row = pairing.dynamics.row("contact", row_id)
    assert (row["jobtitle"], row["address1_city"], row["address1_country"]) == ("CTO", "Genf", "France")
    assert pairing.marketo.lead(person)["city"] == "Genf"


def test_a_row_that_goes_among_the_parts_ends_the_change(pairing: Pairing, ada: tuple[int, str]) -> None:
    """What was written before it was deleted counts, nothing is called refused; the next run follows the deletion."""
    person, row_id = ada
    pairing.marketo.edit(person, EDIT)
    gone = pairing.sandbox.faults.add(
        "dynamics", "interleave", match="PATCH", skip=2, action=lambda: pairing.dynamics.delete("contact", row_id)
    )
    summary = pairing.cycle()
    assert gone not in pairing.sandbox.faults.pending()
    fields = planned(pairing, summary)
    assert set(fields["status"]) == {"applied"}
    assert set(fields["outcome"]) == {"to_dynamics", "deferred"}

    pairing.cycle()

    assert pairing.marketo.lead(person)["dynamicsIsDeleted"] is True
    assert pairing.context().store.dead_letters().empty


def test_a_plug_in_that_failed_once_refuses_nothing(pairing: Pairing, ada: tuple[int, str]) -> None:
    """A refusal that does not come again when the parts are sent leaves no field behind."""
    pairing.marketo.edit(ada[0], {**EDIT, "title": "CEO"})
    pairing.sandbox.faults.add("dynamics", "error", match="PATCH", status=500, code="0x80040224")
    summary = pairing.cycle()

    assert pairing.dynamics.row("contact", ada[1])["jobtitle"] == "CEO"
    assert summary["counts"]["to_dynamics"]["rejected"] == 0


def test_a_row_that_may_not_be_written_is_not_taken_apart(pairing: Pairing, ada: tuple[int, str]) -> None:
    """When the values are not to blame, the row is asked for once."""
    pairing.marketo.edit(ada[0], EDIT)
    message = "Principal with id 1 does not have WriteAccess right(s)"
    pairing.sandbox.faults.add(
        "dynamics", "error", match="PATCH", times=9, status=403, code="0x80040220", message=message
    )
    pairing.sandbox.reset_calls()
    summary = pairing.cycle()

    assert summary["counts"]["to_dynamics"]["rejected"] == 1
    assert batches(pairing) == 1


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_run_that_dies_among_the_parts_loses_nothing(pairing: Pairing, ada: tuple[int, str], number: int) -> None:
    """Whichever part was the last, the next run settles what stands in the row and writes the rest."""
    person, row_id = ada
    other, _ = pairing.pair("contact", "bob@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(person, EDIT)
    pairing.marketo.edit(other, {"title": "CEO"})
    pairing.sandbox.faults.add("dynamics", "lost_after", match="POST *$batch", skip=number, times=50)
    context = pairing.context(process=dead_process())
    with pytest.raises(Killed):
        die_at_outcomes(pairing, context)
    pairing.sandbox.faults.clear()
    pairing.cycle()
    pairing.cycle()

    row, held = pairing.dynamics.row("contact", row_id), pairing.marketo.lead(person)
    assert (row["mobilephone"], row["address1_city"], row["jobtitle"]) == ("2", "Bern", "CTO")
    assert (held["title"], held["mobilePhone"]) == ("Wizard", "2")


def die_at_outcomes(pairing: Pairing, context: Any) -> None:
    """Run a cycle that dies when it stores the outcome of a change that was sent in parts."""
    from include.person_sync.run.cycle import run_cycle
    from include.person_sync.run.request import RunRequest

    trip(context, 2, only="record_outcomes")
    run_cycle(context, RunRequest())


def test_marketo_gets_the_other_fields_of_a_refused_record(pairing: Pairing) -> None:
    """An instance that refuses company fields gets everything else, in the same run."""
    account = pairing.dynamics.create("account", {"name": "Acme"})
    person, row = pairing.pair("contact", "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.settings.company_fields = CompanyFields.REFUSED
    pairing.dynamics.edit(
        "contact", row, {"jobtitle": "CEO", "mobilephone": "2", "parentcustomerid": ("account", account)}
    )

    summary = pairing.cycle()

    held = pairing.marketo.lead(person)
    assert (held["title"], held["mobilePhone"], held.get("company")) == ("CEO", "2", None)
    fields = planned(pairing, summary)
    assert fields.index[fields["outcome"] == "refused"].tolist() == ["company"]
    assert fields.loc["company", "code"] == "1021"


def test_a_link_is_told_to_marketo_although_a_value_is_refused(pairing: Pairing) -> None:
    """The ids of a new pair stay together and arrive, whatever Marketo thinks of the values beside them."""
    pairing.marketo.settings.company_fields = CompanyFields.REFUSED
    account = pairing.dynamics.create("account", {"name": "Acme"})
    person, row = pairing.pair("contact", "ada@example.com", parentcustomerid=("account", account))

    pairing.cycle()

    held = pairing.marketo.lead(person)
    assert (held["dynamicsId"], held["dynamicsType"], held.get("company")) == (row, "contact", None)


def test_later_edits_arrive_and_the_refused_value_is_not_sent_again(pairing: Pairing, ada: tuple[int, str]) -> None:
    """The letter is about the field alone; other fields go on, and a new value for the field is tried."""
    person, row_id = ada
    pairing.marketo.edit(person, EDIT)
    first = pairing.cycle()
    letters = pairing.context().store.dead_letters()
    assert first["counts"]["to_dynamics"] | {"updated": 1, "rejected": 1} == first["counts"]["to_dynamics"]
    assert [letter["fields"] for letter in letters["payload"]] == [{"job_title": "Wizard"}]
    assert (letters["code"][0], letters["message"][0]) == REFUSAL

    pairing.marketo.edit(person, {"mobilePhone": "3", "city": "Basel"})
    pairing.sandbox.reset_calls()
    second = pairing.cycle()

    row = pairing.dynamics.row("contact", row_id)
    assert (row["mobilephone"], row["address1_city"], row["jobtitle"]) == ("3", "Basel", "CTO")
    assert "job_title" not in planned(pairing, second).index
    assert batches(pairing) == 1
    assert len(pairing.context().store.dead_letters()) == 1

    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.cycle()

    assert pairing.dynamics.row("contact", row_id)["jobtitle"] == "CEO"
    assert pairing.context().store.dead_letters().empty
    pairing.quiet()
