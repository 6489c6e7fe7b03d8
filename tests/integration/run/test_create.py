"""Creating named people in Dynamics now: what becomes of each, and that nobody is ever made twice."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import ConfigError, LeaseHeld, SafetyStop
from include.person_sync.run.create import create_people
from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.request import RunRequest
from include.person_sync.stages.extract_dynamics import extract_dynamics
from include.person_sync.stages.extract_marketo import extract_marketo
from include.person_sync.stages.open_run import open_run
from include.person_sync.stages.reconcile import reconcile
from include.person_sync.state import RunStatus

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.stages.conftest import Pairing

EMAIL = "okonkwo@example.com"


def _person(pairing: Pairing, **values: Any) -> int:
    return int(pairing.marketo.create({"lastName": "Okonkwo", "firstName": "Ngozi", "email": EMAIL, **values}))


def _fate(summary: dict[str, Any]) -> dict[str, Any]:
    (fate,) = summary["people"]
    return dict(fate)


def _rows(pairing: Pairing) -> list[tuple[str, str]]:
    found = [
        (table, row[f"{table}id"])
        for table in ("contact", "lead")
        for row in pairing.dynamics.find(table, emailaddress1=EMAIL)
    ]
    return [(table, str(row_id)) for table, row_id in found]


@pytest.mark.parametrize("table", ["lead", "contact"])
def test_person_is_created_and_both_sides_know_each_other(pairing: Pairing, table: str) -> None:
    """The row holds the person's values, Marketo its id and type, and the next cycles find nothing to do."""
    person = _person(pairing, title="CTO")

    summary = create_people(pairing.context(), [person], table=table)

    ((_, row_id),) = _rows(pairing)
    assert _fate(summary) == {
        "marketo_id": person, "outcome": "created", "dynamics_table": table, "dynamics_id": row_id,
    }  # fmt: skip
    assert (summary["status"], summary["counts"]["to_dynamics"]["created"]) == ("done", 1)
    assert pairing.dynamics.row(table, row_id)["jobtitle"] == "CTO"
    lead = pairing.marketo.lead(person)
    assert (lead["dynamicsId"], lead["dynamicsType"]) == (row_id, table)
    pairing.quiet()


def test_owner_named_in_the_request_owns_the_row(pairing: Pairing) -> None:
    """The row belongs to the Dynamics user whose e-mail was given (T-07)."""
    user = {"firstname": "Jane", "lastname": "Doe", "internalemailaddress": "jane@example.com"}
    owner = pairing.dynamics.create("systemuser", user)

    create_people(pairing.context(), [_person(pairing)], owner="Jane@example.com")

    ((table, row_id),) = _rows(pairing)
    assert pairing.dynamics.row(table, row_id)["_ownerid_value"] == owner


def test_unknown_owner_makes_no_row_and_is_explained(pairing: Pairing) -> None:
    """
    With an owner nobody knows the request is refused with its reason, and goes through once the owner exists (T-07).
    """
    person = _person(pairing)

    summary = create_people(pairing.context(), [person], owner="nobody@example.com")

    assert (_fate(summary)["outcome"], _fate(summary)["code"]) == ("refused", "UNKNOWN_OWNER")
    assert "nobody@example.com" not in str(summary)
    assert _rows(pairing) == []
    assert _fate(create_people(pairing.context(), [person]))["outcome"] == "created"


def test_person_who_is_linked_is_left_alone(pairing: Pairing) -> None:
    """Who has a row is neither created nor updated; no call is sent, and the row is named (T-09)."""
    person, row = pairing.pair("contact", EMAIL)
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.sandbox.reset_calls()

    summary = create_people(pairing.context(), [person])

    assert (_fate(summary)["outcome"], _fate(summary)["dynamics_id"]) == ("already_synced", row)
    assert summary["counts"]["to_dynamics"]["skipped"] == 1
    assert [*pairing.sandbox.calls("marketo"), *pairing.sandbox.calls("dynamics")] == []


def test_one_row_with_the_same_address_is_linked(pairing: Pairing) -> None:
    """A row that is there already becomes the person's; no second one is made (T-11)."""
    person = _person(pairing)
    row = pairing.dynamics.create("contact", {"lastname": "Okonkwo", "emailaddress1": EMAIL})

    summary = create_people(pairing.context(), [person], table="lead")

    assert (_fate(summary)["outcome"], _fate(summary)["dynamics_id"]) == ("linked", row)
    assert _rows(pairing) == [("contact", row)]


def test_several_rows_with_the_same_address_are_held(pairing: Pairing) -> None:
    """Where several rows could be meant none is chosen and none is made (T-26)."""
    person = _person(pairing)
    for _ in range(2):
        pairing.dynamics.create("lead", {"lastname": "Okonkwo", "emailaddress1": EMAIL})

    summary = create_people(pairing.context(), [person])

    assert (_fate(summary)["outcome"], _fate(summary)["code"]) == ("held", "AMBIGUOUS_EMAIL")
    assert len(_rows(pairing)) == 2


def test_each_person_of_several_has_a_fate_of_its_own(pairing: Pairing) -> None:
    """New, linked and unknown people may be asked for together; repeated ids count once."""
    linked, _ = pairing.pair("lead", "ada@example.com")
    pairing.cycle()
    person = _person(pairing)

    summary = create_people(pairing.context(), [person, linked, 999_999, person])

    assert [(one["marketo_id"], one["outcome"]) for one in summary["people"]] == [
        (person, "created"), (linked, "already_synced"), (999_999, "not_found"),
    ]  # fmt: skip


def test_nobody_else_is_created_on_the_way(pairing: Pairing) -> None:
    """Only who is named is created, though the run also looks at a person whom a dead run was about to create."""
    other = int(pairing.marketo.create({"lastName": "Other", "email": "other@example.com", "syncToDynamics": "lead"}))
    ctx = pairing.context()
    open_run(ctx, "dead", RunRequest())
    reconcile(ctx, "dead", extract_marketo(ctx, "dead"), extract_dynamics(ctx, "dead"))
    ctx.store.update_run("dead", status=RunStatus.APPLYING)
    ctx.release_lease("dead")
    pairing.marketo.edit(other, {"syncToDynamics": None})
    assert other in ctx.store.unsettled()["marketo_id"].tolist()

    create_people(pairing.context(), [_person(pairing)], table="contact")

    assert [table for table, _ in _rows(pairing)] == ["contact"]
    assert [pairing.dynamics.find(table, emailaddress1="other@example.com") for table in ("contact", "lead")] == [
        [],
        [],
    ]


def test_people_created_before_the_first_cycle_do_not_make_it_trip_a_brake(pairing: Pairing, tmp_path: Path) -> None:
    """A first cycle stays exempt from brakes when a few people were created in real time before it; the next is not."""
    settings = tmp_path / "careful.yaml"
    settings.write_text("brakes:\n  changed: {share: 0.01, number: 1, floor: 3}\n")
    pairing.environment["PERSON_SYNC_CONFIG"] = str(settings)
    create_people(pairing.context(), [_person(pairing)])
    pairs = [pairing.pair("lead", f"person{number}@example.com", jobtitle="CTO") for number in range(4)]

    assert pairing.cycle()["status"] == "done"

    assert len(pairing.context().store.load_links()) == 5
    for _, row in pairs:
        pairing.dynamics.edit("lead", row, {"jobtitle": "CEO"})
    with pytest.raises(SafetyStop):
        pairing.cycle()


def test_duplicates_and_a_cycle_at_the_same_time_make_one_row(pairing: Pairing) -> None:
    """
    Four requests and a cycle that was asked by a campaign, all at once: one row, one link, and all end well (T-10,
    R-012).
    """
    person = _person(pairing, syncToDynamics="lead")

    def work(number: int) -> str:
        if number == 2:
            run_cycle(pairing.context(), RunRequest(), wait_s=60)
            return "cycle"
        return str(_fate(create_people(pairing.context(), [person], wait_s=60))["outcome"])

    with ThreadPoolExecutor(5) as pool:
        outcomes = list(pool.map(work, range(5)))

    assert len(_rows(pairing)) == 1
    assert pairing.context().store.load_links(marketo_ids=[person])["dynamics_table"].tolist() == ["lead"]
    assert set(outcomes) <= {"cycle", "created", "already_synced"}
    assert outcomes.count("created") <= 1
    pairing.quiet()


def test_request_waits_for_a_run_that_is_writing(pairing: Pairing) -> None:
    """While another run holds the lease the request waits, and goes through when the lease is given back."""
    person, store = _person(pairing), pairing.context().store
    store.acquire_lease("person_sync", "cycle__1", ttl_s=600, host="elsewhere", pid=None)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(create_people, pairing.context(), [person], wait_s=60)
        time.sleep(1.5)
        assert not waiting.done()
        assert _rows(pairing) == []
        store.release_lease("person_sync", "cycle__1")
        assert _fate(waiting.result(60))["outcome"] == "created"


def test_request_gives_up_waiting_at_its_time(pairing: Pairing) -> None:
    """A lease that does not come free in time stops the request; nothing is written, and a repeat succeeds."""
    person, store = _person(pairing), pairing.context().store
    store.acquire_lease("person_sync", "cycle__1", ttl_s=600, host="elsewhere", pid=None)

    with pytest.raises(LeaseHeld, match="cycle__1"):
        create_people(pairing.context(), [person], run_id="create__1", wait_s=0.2)

    assert _rows(pairing) == []
    store.release_lease("person_sync", "cycle__1")
    summary = create_people(pairing.context(), [person], run_id="create__1")
    assert (summary["run_id"], _fate(summary)["outcome"]) == ("create__1", "created")
    again = create_people(pairing.context(), [person], run_id="create__1")
    assert _fate(again)["outcome"] == "already_synced"


@pytest.mark.parametrize("wish", [{"table": "account"}, {"owner": "Jane"}, {"owner": "a@b c@d"}])
def test_request_that_means_nothing_is_refused(pairing: Pairing, wish: dict[str, str]) -> None:
    """An unknown table, or an owner that is no address, is a configuration error and starts no run."""
    with pytest.raises(ConfigError, match="lead or contact"):
        create_people(pairing.context(), [1], **wish)

    assert [one.kind for one in pairing.context().store.latest_runs()] == []
