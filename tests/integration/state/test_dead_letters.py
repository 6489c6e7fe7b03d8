"""Dead letters: counted, replaced and resolved by what happens to the person they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from include.person_sync.state import Commit, Store
from tests.integration.state.conftest import Clock, changes_frame, links_frame, values_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def letter(fingerprint: str, fields: Mapping[str, str | None] | None = None, **more: Any) -> dict[str, Any]:
    """Return a refusal about Marketo person 10 on the way to Dynamics."""
    usual: dict[str, Any] = {
        "kind": "rejected",
        "link_id": 1,
        "marketo_id": 10,
        "dynamics_table": "lead",
        "dynamics_id": "g1",
        "direction": "to_dynamics",
        "action": "update",
        "code": "0x80048408",
        "message": "too long",
        "activity_state": "pending",
    }
    return {**usual, "fingerprint": fingerprint, "payload": {"fields": dict(fields or {})}, **more}


@pytest.fixture
def cycle(store: Store, begin: Callable[..., str], clock: Clock) -> Callable[..., str]:
    """Return a function that runs a cycle: it applies fields to person 10, refuses others, and commits."""
    numbers = iter(range(1, 100))

    def run(*letters: dict[str, Any], applied: tuple[str, ...] = (), status: str = "applied", **content: Any) -> str:
        clock.advance(minutes=5)
        run_id = begin(f"run-{next(numbers)}")
        values = values_frame(*({"change_no": 0, "field": field} for field in applied)) if applied else None
        if values is not None:
            store.save_plan(run_id, changes_frame({"link_id": 1, "marketo_id": 10, "dynamics_id": "g1"}), values)
            store.record_outcomes(run_id, pd.DataFrame({"change_no": [0], "status": [status]}))
        frame = pd.DataFrame(list(letters)) if letters else None
        store.commit(run_id, Commit(dead_letters=frame, **content))
        store.release_lease("person_sync", run_id)
        return run_id

    return run


def open_ones(store: Store) -> list[str]:
    """Return the fingerprints of the open letters."""
    return store.dead_letters()["fingerprint"].tolist()


def test_letter_comes_back_whole(store: Store, cycle: Callable[..., str], clock: Clock) -> None:
    """Everything a person needs to understand and repeat a refusal is kept, awkward texts included (O-010)."""
    run_id = cycle(letter("f1", {"city": "Ro\x00me \\u0000 🚀", "fax": None}))

    row = store.dead_letters().iloc[0]

    assert row["payload"] == {"fields": {"city": "Ro\x00me \\u0000 🚀", "fax": None}}
    assert row[["kind", "state", "marketo_id", "code", "message", "attempts"]].tolist() == [
        "rejected", "open", 10, "0x80048408", "too long", 1,
    ]  # fmt: skip
    assert (row["first_run_id"], row["first_at"]) == (run_id, pd.Timestamp(clock.time))


def test_same_refusal_again_counts_up(store: Store, cycle: Callable[..., str], clock: Clock) -> None:
    """One letter per refusal, however often it is met; its activity is not written twice (T-24)."""
    first = cycle(letter("f1"))
    started = clock.time
    store.set_activity_state(store.dead_letters()["dead_letter_id"], "sent")
    second = cycle(letter("f1", code="other"))

    letters = store.dead_letters()
    row = letters.iloc[0]
    assert len(letters) == 1
    assert row[["attempts", "first_run_id", "last_run_id", "code", "activity_state"]].tolist() == [
        2, first, second, "other", "sent",
    ]  # fmt: skip
    assert (row["first_at"], row["last_at"]) == (pd.Timestamp(started), pd.Timestamp(clock.time))


def test_letter_is_resolved_when_its_fields_get_through(store: Store, cycle: Callable[..., str]) -> None:
    """A write that arrives settles the refusals about its fields, and only those (O-010)."""
    cycle(letter("city", {"city": "x"}), letter("both", {"city": "x", "fax": "y"}), letter("fax", {"fax": "y"}))

    cycle(applied=("city",))

    assert open_ones(store) == ["both", "fax"]


def test_letter_stays_when_the_write_did_not_get_through(store: Store, cycle: Callable[..., str]) -> None:
    """A change that was refused or left to the next run settles nothing (O-010)."""
    cycle(letter("city", {"city": "x"}))

    cycle(applied=("city",), status="stale")

    assert open_ones(store) == ["city"]


def test_letter_stays_when_the_other_direction_got_through(store: Store, cycle: Callable[..., str]) -> None:
    """What Marketo refused is not settled by a write to Dynamics."""
    cycle(letter("city", {"city": "x"}, direction="to_marketo"))

    cycle(applied=("city",))

    assert open_ones(store) == ["city"]


def test_letter_is_replaced_by_a_newer_refusal_of_the_same_fields(store: Store, cycle: Callable[..., str]) -> None:
    """A corrected value that is refused again stands for the first one; together with applied fields too."""
    cycle(letter("old", {"city": "x", "fax": "y"}), letter("other person", {"city": "x"}, marketo_id=99))

    cycle(letter("new", {"city": "z"}), applied=("fax",))

    assert open_ones(store) == ["other person", "new"]
    resolved = store.dead_letters(state="resolved")
    assert resolved["fingerprint"].tolist() == ["old"]


def test_letters_of_one_run_do_not_replace_each_other(store: Store, cycle: Callable[..., str]) -> None:
    """Two refusals about one person in one run are both told."""
    cycle(letter("a", {"city": "x"}), letter("b", {"city": "x", "fax": "y"}))

    assert open_ones(store) == ["a", "b"]


@pytest.mark.parametrize(
    ("about", "resolved"),
    [
        ({"kind": "rejected", "action": "create", "direction": "to_dynamics", "dynamics_id": None}, True),
        ({"kind": "rejected", "action": "create", "direction": "to_marketo", "marketo_id": None}, True),
        ({"kind": "ambiguous", "action": "link", "direction": "to_dynamics", "dynamics_id": None}, True),
        ({"kind": "ambiguous", "action": "link", "direction": "to_dynamics", "marketo_id": 11}, False),
    ],
)
def test_letter_about_a_newcomer_is_resolved_by_their_link(
    store: Store, cycle: Callable[..., str], about: dict[str, Any], resolved: bool
) -> None:
    """Once the person is linked, nobody needs to look at why they could not be before."""
    cycle(letter("f1", link_id=None, **about))

    cycle(links=links_frame((7, 10, "lead", "G1")))

    assert (open_ones(store) == []) is resolved


def test_letters_can_be_resolved_by_name(store: Store, cycle: Callable[..., str]) -> None:
    """A run, or a person, may say that a letter is settled; the same refusal later is a new letter."""
    cycle(letter("f1"), letter("f2"))
    ids = store.dead_letters()["dead_letter_id"].tolist()

    cycle(resolved_dead_letters=ids[:1])
    store.resolve_dead_letters(ids[1:], "person")

    assert open_ones(store) == []
    cycle(letter("f1"))
    assert store.dead_letters()["attempts"].tolist() == [1]


def test_letters_are_found_by_any_id_and_narrowed_by_kind(store: Store, cycle: Callable[..., str]) -> None:
    """The three kinds of ids widen each other, everything else narrows."""
    cycle(
        letter("a", marketo_id=10, dynamics_id="g1", link_id=1),
        letter("b", marketo_id=11, dynamics_id="g2", link_id=2, kind="invalid"),
        letter("c", marketo_id=12, dynamics_id="g3", link_id=3),
    )

    found = store.dead_letters(link_ids=[1], marketo_ids=[11], dynamics_ids=["g9"])
    assert found["fingerprint"].tolist() == ["a", "b"]
    assert store.dead_letters(kind="invalid", link_ids=[1, 2])["fingerprint"].tolist() == ["b"]
    assert store.dead_letters(link_ids=[]).empty
    assert store.dead_letters(limit=1)["fingerprint"].tolist() == ["a"]
    assert store.open_fingerprints() == {"a", "b", "c"}
    assert store.open_fingerprints(["a", "z"]) == {"a"}


def test_activities_go_one_way(store: Store, cycle: Callable[..., str]) -> None:
    """An entry is noted as sending before it is sent, and one that is sent is never sent again."""
    cycle(letter("a"), letter("b"), letter("none", activity_state="none"))
    pending = store.pending_activities()["dead_letter_id"].tolist()
    assert len(pending) == 2

    assert store.set_activity_state(pending, "sending") == pending
    assert store.pending_activities()["activity_state"].tolist() == ["sending", "sending"]
    assert store.set_activity_state(pending[:1], "sent") == pending[:1]
    assert store.set_activity_state(pending, "pending") == pending[1:]

    assert store.set_activity_state(pending, "sending") == pending[1:]
    assert store.pending_activities(limit=1)["dead_letter_id"].tolist() == pending[1:]


def test_resolved_letters_are_purged_and_open_ones_are_not(
    store: Store, cycle: Callable[..., str], clock: Clock
) -> None:
    """A refusal nobody dealt with is kept however old it is."""
    cycle(letter("open"), letter("done"))
    store.resolve_dead_letters([store.dead_letters()["dead_letter_id"].iloc[1]], "person")
    clock.advance(days=400)

    assert store.purge(365)["dead_letters"] == 1

    assert store.dead_letters(state=None)["fingerprint"].tolist() == ["open"]


def test_letter_stays_open_while_its_field_is_refused_beside_others(store: Store, begin: Callable[..., str]) -> None:
    """A change of which other fields were written has not settled the one that was refused in it."""
    run_id = begin()
    store.commit(run_id, Commit(dead_letters=pd.DataFrame([letter("f1", {"job_title": "Wizard"})])))
    store.release_lease("person_sync", run_id)
    run_id = begin("run-2")
    values = values_frame({"change_no": 0, "field": "job_title"}, {"change_no": 0, "field": "city"})
    store.save_plan(run_id, changes_frame({"link_id": 1, "marketo_id": 10, "dynamics_id": "g1"}), values)
    refused = pd.DataFrame({"change_no": [0], "field": ["job_title"], "outcome": ["refused"], "code": ["0x1"]})

    store.record_outcomes(run_id, pd.DataFrame({"change_no": [0], "status": ["applied"]}), refused)
    store.commit(run_id, Commit())

    assert open_ones(store) == ["f1"]
