"""A commit shows everything at once or nothing at all; runs, history and purge around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include.errors import LeaseHeld, SyncError
from include.person_sync.core.values import MISSING
from include.person_sync.state import Commit, RunStatus, Store
from tests.integration.state.conftest import Clock, changes_frame, links_frame, moves_frame, values_frame

if TYPE_CHECKING:
    from collections.abc import Callable

LINKS = links_frame((1, 10, "lead", "g1"), (2, 20, "contact", "g2"))


def small_plan(store: Store, run_id: str, status: str = "applied") -> None:
    """Store a plan of one change in each direction, and its outcomes."""
    changes = changes_frame(
        {"link_id": 1, "marketo_id": 10, "dynamics_id": "g1"},
        {"link_id": 2, "direction": "to_marketo", "action": "create", "dynamics_table": "contact", "dynamics_id": "g2"},
    )
    values = values_frame(
        {"change_no": 0, "field": "city", "base": "Oslo", "marketo": "Rome", "dynamics": "Oslo", "planned": "Rome"},
        {"change_no": 1, "field": "city", "outcome": "to_marketo", "dynamics": "Bern", "planned": "Bern"},
    )
    store.save_plan(run_id, changes, values)
    told = pd.DataFrame(
        {"change_no": [0, 1], "status": [status] * 2, "request_id": ["r0", "r1"], "marketo_id": [None, 20]}
    )
    store.record_outcomes(run_id, told)


def content(**more: object) -> Commit:
    """Return a commit with a bit of everything."""
    return Commit(
        links=LINKS,
        base_moves=moves_frame((1, "city", "Rome"), (2, "city", "Bern")),
        watermarks={"marketo_changes": {"token": "t2"}, "dynamics_lead": {"delta": "d2"}},
        counts={"to_dynamics": {"updated": 1}},
        api_calls={"marketo": 3},
        **more,
    )


def test_commit_shows_everything(store: Store, begin: Callable[..., str]) -> None:
    """After a commit base, links, watermarks, history and the run's end are all there (S-13)."""
    run_id = begin()
    small_plan(store, run_id)

    assert store.commit(run_id, content()) is True

    assert store.load_links()["marketo_id"].tolist() == [10, 20]
    assert store.load_base([1, 2], ["city"])["city"].tolist() == ["Rome", "Bern"]
    assert store.watermarks() == {"marketo_changes": {"token": "t2"}, "dynamics_lead": {"delta": "d2"}}
    assert store.history(marketo_id=10)["planned"].tolist() == ["Rome"]
    run = store.require_run(run_id)
    assert (run.status, run.counts, run.api_calls) == (
        RunStatus.COMMITTED,
        {"to_dynamics": {"updated": 1}},
        {"marketo": 3},
    )
    assert run.finished_at is not None


def test_commit_that_fails_shows_nothing(store: Store, begin: Callable[..., str]) -> None:
    """When the last step of a commit fails, the first ones have not happened either (S-13)."""
    run_id = begin()
    small_plan(store, run_id)
    letter = {"kind": "no such kind", "fingerprint": "f", "direction": "to_dynamics", "action": "update"}
    broken = content(dead_letters=pd.DataFrame([{**letter, "marketo_id": 10}]))

    with pytest.raises(ValueError, match="no such kind"):
        store.commit(run_id, broken)

    assert store.load_links(state=None).empty
    assert store.load_base([1], ["city"]).loc[1, "city"] == MISSING
    assert store.watermarks() == {}
    assert store.history(marketo_id=10).empty
    assert store.require_run(run_id).status is RunStatus.RUNNING
    assert set(store.unsettled()["run_id"]) == {run_id}


def test_commit_happens_once(store: Store, begin: Callable[..., str]) -> None:
    """A commit task that is run again changes nothing and says so (S-13)."""
    run_id = begin()
    store.commit(run_id, content())
    store.release_lease("person_sync", run_id)

    assert store.commit(run_id, Commit(watermarks={"marketo_changes": {"token": "t1"}})) is False

    assert store.watermarks()["marketo_changes"] == {"token": "t2"}


def test_commit_needs_the_lease(store: Store, begin: Callable[..., str], clock: Clock) -> None:
    """A run that lost its lease to another one commits nothing: the other went on from the old state (S-15)."""
    slow = begin("slow")
    clock.advance(minutes=10)
    begin("other")

    with pytest.raises(LeaseHeld, match="slow lost the lease"):
        store.commit(slow, content())

    assert store.watermarks() == {}
    assert store.load_links().empty


def test_commit_accepts_an_expired_lease_nobody_took(store: Store, begin: Callable[..., str], clock: Clock) -> None:
    """Being late is no harm as long as no other run started meanwhile."""
    run_id = begin()
    clock.advance(hours=1)

    assert store.commit(run_id, content())


def test_commit_of_an_unknown_run_is_refused(store: Store) -> None:
    """Only a run that was started can end."""
    with pytest.raises(SyncError, match="nobody is unknown"):
        store.commit("nobody", Commit())


def test_run_is_started_again_until_it_is_committed(store: Store, begin: Callable[..., str]) -> None:
    """A cleared task starts its run once more; a committed run stays what it was."""
    run_id = begin(params={"dry_run": False}, origin={"dag_run": "x"})
    store.finish_run(run_id, "failed", error="it broke", counts={"a": 1})
    assert store.require_run(run_id).status is RunStatus.FAILED

    again = store.start_run(run_id, kind="cycle", mode="window", params={}, origin={})
    assert (again.attempt, again.status, again.error, again.mode) == (2, RunStatus.RUNNING, None, "window")

    store.commit(run_id, Commit())
    third = store.start_run(run_id, kind="cycle", mode="people", params={}, origin={})
    assert (third.attempt, third.status, third.mode) == (2, RunStatus.COMMITTED, "window")


def test_committed_run_keeps_its_status_and_takes_notes(store: Store, begin: Callable[..., str]) -> None:
    """Nothing un-commits a run, while the report may still add to its counts."""
    run_id = begin()
    store.commit(run_id, Commit())

    with pytest.raises(SyncError, match="already committed"):
        store.update_run(run_id, status="failed")
    store.update_run(run_id, api_calls={"marketo": 9})

    run = store.require_run(run_id)
    assert (run.status, run.api_calls) == (RunStatus.COMMITTED, {"marketo": 9})


def test_unknown_runs_and_columns_are_named(store: Store, begin: Callable[..., str]) -> None:
    """A typing mistake in a stage is an error at once."""
    run_id = begin()

    with pytest.raises(SyncError, match="colour"):
        store.update_run(run_id, colour="red")
    with pytest.raises(ValueError, match="commited"):
        store.update_run(run_id, status="commited")
    with pytest.raises(SyncError, match="someone is unknown"):
        store.require_run("someone")
    assert store.run("someone") is None


def test_latest_runs_come_newest_first(store: Store, begin: Callable[..., str], clock: Clock) -> None:
    """The console shows the newest runs, of one kind if asked."""
    for number, kind in enumerate(["cycle", "audit", "cycle"]):
        clock.advance(minutes=10)
        begin(f"run-{number}", kind=kind)

    assert [run.run_id for run in store.latest_runs(2)] == ["run-2", "run-1"]
    assert [run.run_id for run in store.latest_runs(kind="cycle")] == ["run-2", "run-0"]


def test_history_tells_the_whole_story_of_a_field(store: Store, begin: Callable[..., str], clock: Clock) -> None:
    """Each decision comes with all three values, the rule, the answer and the time it was given (R-008)."""
    run_id = begin()
    clock.advance(seconds=30)
    small_plan(store, run_id)
    clock.advance(seconds=30)
    store.commit(run_id, content())

    history = store.history(dynamics_table="lead", dynamics_id="G1")

    row = history.iloc[0]
    assert len(history) == 1
    assert row[["base", "marketo", "dynamics", "planned", "rule", "status", "request_id"]].tolist() == [
        "Oslo", "Rome", "Oslo", "Rome", "two_way", "applied", "r0",
    ]  # fmt: skip
    assert row["at"] == pd.Timestamp("2026-03-01T12:00:30Z")


def test_history_finds_a_person_by_the_id_they_got_later(store: Store, begin: Callable[..., str]) -> None:
    """A person created by a run is found by the Marketo id that creating them gave (R-008)."""
    run_id = begin()
    small_plan(store, run_id)
    store.commit(run_id, content())

    assert store.history(marketo_id=20)["direction"].tolist() == ["to_marketo"]
    assert store.history(dynamics_id="g2")["direction"].tolist() == ["to_marketo"]
    assert store.history(dynamics_table="lead", dynamics_id="g2").empty
    with pytest.raises(SyncError):
        store.history()


def test_history_holds_what_a_dead_run_wrote(store: Store, begin: Callable[..., str]) -> None:
    """What a run wrote before it died did happen; what it only meant to do did not (R-008)."""
    dead = begin("dead")
    changes = changes_frame(
        {"link_id": 1, "marketo_id": 10}, {"link_id": 1, "marketo_id": 10, "direction": "to_marketo"}
    )
    values = values_frame({"change_no": 0, "field": "city"}, {"change_no": 1, "field": "fax"})
    store.save_plan(dead, changes, values)
    store.record_outcomes(dead, pd.DataFrame({"change_no": [0], "status": ["applied"]}))
    store.release_lease("person_sync", dead)
    assert store.history(marketo_id=10).empty

    store.commit(begin("next"), Commit())

    assert store.history(marketo_id=10)[["run_id", "field"]].values.tolist() == [["dead", "city"]]


def test_history_leaves_out_what_an_earlier_attempt_only_meant(store: Store, begin: Callable[..., str]) -> None:
    """When a run decides again, its first intentions are history only as far as they were carried out."""
    run_id = begin()
    changes = changes_frame(
        {"link_id": 1, "marketo_id": 10}, {"link_id": 1, "marketo_id": 10, "direction": "to_marketo"}
    )
    values = values_frame({"change_no": 0, "field": "city"}, {"change_no": 1, "field": "fax"})
    store.save_plan(run_id, changes, values)
    store.record_outcomes(run_id, pd.DataFrame({"change_no": [0], "status": ["applied"]}))
    store.save_plan(run_id, changes.iloc[:1], values_frame({"change_no": 0, "field": "phone", "outcome": "withheld"}))

    store.commit(run_id, Commit())

    assert store.history(marketo_id=10)["field"].tolist() == ["city", "phone"]


def test_history_is_not_replaced_by_a_later_plan(store: Store, begin: Callable[..., str]) -> None:
    """Once committed, decisions stay, even those that needed no write (R-008)."""
    run_id = begin()
    changes = changes_frame({"link_id": 1, "marketo_id": 10, "direction": "none", "action": "adopt"})
    store.save_plan(run_id, changes, values_frame({"change_no": 0, "field": "city", "outcome": "adopt"}))
    store.commit(run_id, Commit())

    assert (
        store.save_plan(run_id, changes, values_frame({"change_no": 0, "field": "fax", "outcome": "adopt"})).attempt
        == 2
    )

    assert store.history(marketo_id=10)["field"].tolist() == ["city"]


def test_purge_removes_what_is_old_and_done(store: Store, begin: Callable[..., str], clock: Clock) -> None:
    """History ends after the days set; what still waits for a run or a person stays."""
    run_id = begin("old")
    small_plan(store, run_id)
    store.commit(run_id, content())
    store.release_lease("person_sync", run_id)
    dead = begin("dead")
    small_plan(store, dead)
    store.finish_run(dead, "failed")
    store.release_lease("person_sync", dead)
    clock.advance(days=40)
    young = begin("young")
    small_plan(store, young)
    store.update_run(young, status="applying")

    removed = store.purge(30)

    assert removed == {"values": 2, "changes": 2, "plans": 1, "runs": 1, "dead_letters": 0, "base_snapshots": 0}
    assert store.run("old") is None
    assert {run.run_id for run in store.latest_runs()} == {"dead", "young"}
    assert set(store.unsettled()["run_id"]) == {"dead", "young"}
    assert store.load_base([1], ["city"]).loc[1, "city"] == "Rome"


def test_purge_forgets_the_base_of_links_closed_long_ago(store: Store, begin: Callable[..., str], clock: Clock) -> None:
    """A closed link is kept as a memory of its generation; the person's values are not."""
    store.commit(begin("one"), content())
    store.release_lease("person_sync", "one")
    store.commit(begin("two"), Commit(closed_links={1: "deleted"}))
    store.release_lease("person_sync", "two")
    clock.advance(days=40)

    assert store.purge(30)["base_snapshots"] == 1

    assert store.load_links(state="closed")["link_id"].tolist() == [1]
    assert store.load_base([1, 2], ["city"])["city"].tolist() == [MISSING, "Bern"]


def test_documents_come_back_with_their_age(store: Store, clock: Clock) -> None:
    """A stored document says when it was stored last."""
    assert store.document("schema") is None
    store.save_document("schema", {"a": [1, None, "ü"]})
    clock.advance(hours=1)
    store.save_document("schema", {"a": 2})

    assert store.document("schema") == ({"a": 2}, clock.time)
