"""The whole decision, on worlds of a few lines."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from include.person_sync.core.dead_letters import refusal_letters
from include.person_sync.core.decide import decide
from include.person_sync.core.field_lifecycle import FieldStates
from include.person_sync.core.fields import Rule
from include.person_sync.core.outcome import Outcome
from include.person_sync.core.policy import DeletedPerson
from include.person_sync.core.snapshot import Events
from tests.unit.core.world import (
    AGREED,
    FIELDS,
    POLICY,
    ann,
    ann_contact,
    ann_lead,
    contact,
    control_values,
    decided,
    deleted,
    held,
    lead,
    link,
    mapped_writes,
    named,
    new_pairs,
    person,
    policy,
    schema,
    unread,
    unsettled,
    whole,
    writes,
)

KNOWN = link(11, 1, "contact:c1", AGREED)
LONG = "far too long a name"


def test_one_sided_edits_travel_and_a_collision_goes_by_the_table() -> None:
    """Marketo's edit of one field goes out, Dynamics' edit of another comes in; on a contact Dynamics wins."""
    plan = decided(
        named(1, "contact:c1", rating="Hot", last_name="Anna"),
        ann_contact(email="ann@new.example", last_name="Anne"),
        KNOWN,
    )

    assert mapped_writes(plan) == {
        ("to_dynamics", 1): {"rating": "1"},
        ("to_marketo", 1): {"email": "ann@new.example", "last_name": "Anne"},
    }
    assert plan.changes.loc[plan.changes["direction"] == "to_dynamics", "if_match"].tolist() == ["v1"]


def test_unread_half_is_taken_to_hold_what_was_agreed() -> None:
    """An untouched side costs no call: the edit of the other one is planned against the base."""
    asked = whole(named(1, "contact:c1", last_name="Anna"), unread(ann_contact()), KNOWN).asked
    plan = decided(named(1, "contact:c1", last_name="Anna"), unread(ann_contact()), KNOWN)

    assert not asked
    assert mapped_writes(plan) == {("to_dynamics", 1): {"last_name": "Anna"}}


def test_unread_half_is_read_when_something_was_never_agreed_on() -> None:
    """Without a base nothing can be assumed."""
    base = {"email": "ann@x.example", "last_name": "Ann", "rating": None}

    snapshot = whole(named(1, "contact:c1"), unread(ann_contact(score="9")), link(11, 1, "contact:c1", base))

    assert snapshot.rows["contact"].index.tolist() == ["c1"]


def test_deciding_twice_gives_the_same_and_changes_nothing() -> None:
    """A snapshot is a value: notes and states are computed from it, not out of it."""
    states = FieldStates(effective={"contact": ["email"], "lead": ["email"]}, backfill={"contact": ["score"]})
    snapshot = whole(named(1, "contact:c1"), ann_contact(), KNOWN, fields=states, added={"contact": ["rating"]})
    before = deepcopy(snapshot)

    one, other = decide(snapshot, POLICY), decide(snapshot, POLICY)

    assert one.notes == other.notes
    assert one.notes["fields_backfilled"] == [
        {"field": "rating", "table": "contact"},
        {"field": "score", "table": "contact"},
    ]
    assert one.fields == other.fields
    assert one.fields.backfill == {"contact": [], "lead": []}
    assert one.states.backfill["contact"] == ["rating", "score"]
    pd.testing.assert_frame_equal(one.values, other.values)
    pd.testing.assert_frame_equal(snapshot.people, before.people)
    assert snapshot.fields == before.fields


def test_refused_cell_is_left_out_while_other_fields_go_on() -> None:
    """One bad value keeps back itself alone, and is told as a problem of its pair."""
    plan = decided(named(1, "contact:c1", last_name=LONG, rating="Hot"), ann_contact(), KNOWN)

    assert mapped_writes(plan) == {("to_dynamics", 1): {"rating": "1"}}
    assert plan.problems[["field", "code", "direction", "marketo_id", "dynamics_id"]].to_numpy().tolist() == [
        ["last_name", "too_long", "to_dynamics", 1, "c1"]
    ]


def test_cell_refused_before_is_left_out_while_other_fields_go_on() -> None:
    """An open dead letter keeps back its value, nothing else, and counts as skipped."""
    items = [named(1, "contact:c1", last_name="Anna", rating="Hot"), ann_contact(), KNOWN]
    first = decided(*items)
    letters = refusal_letters(first.changes.assign(code="no", message="no"), first.values, "schema")
    known = letters[letters["payload"].map(lambda payload: "last_name" in payload["fields"])]

    plan = decided(*items, refusals=frozenset(known["fingerprint"]))
    again = decided(*items, refusals=frozenset(known["fingerprint"]), rules=policy(retries_refusals=True))

    assert mapped_writes(plan) == {("to_dynamics", 1): {"rating": "1"}}
    assert plan.skipped == {"to_dynamics": 1, "to_marketo": 0}
    assert mapped_writes(again) == {("to_dynamics", 1): {"rating": "1", "last_name": "Anna"}}


def test_creation_with_one_refused_value_is_left_out_as_a_whole() -> None:
    """No row, no link and no ids: half a person is worse than none."""
    plan = decided(ann(request="lead", last_name=LONG))

    assert writes(plan) == []
    assert new_pairs(plan) == set()
    assert plan.problems["field"].tolist() == ["last_name"]


def test_creation_that_our_own_check_refuses_is_known_again() -> None:
    """The same refusal in the next cycle is the same dead letter, though the pair never got a lasting link id."""
    items = [ann(request="lead", last_name=LONG)]
    first = decided(*items)
    plan = first.numbered({first.provisional_ids()[0]: 501})
    told = Outcome.of(plan.changes, plan.values, plan).letters("schema")

    plan = decided(*items, refusals=frozenset(told["fingerprint"]))

    assert plan.problems.empty
    assert plan.skipped == {"to_dynamics": 1, "to_marketo": 0}


def test_deleted_row_flags_its_person_once_and_closes_the_link() -> None:
    """The person learns it in the plan of the same run."""
    plan = decided(named(1, "contact:c1", request="lead"), KNOWN, events=deleted(contacts=["c1"]))

    assert plan.closed == {11: "deleted in Dynamics"}
    assert control_values(plan) == {1: {"dynamics_is_deleted": "true", "sync_to_dynamics": None}}
    assert [write[:3] for write in writes(plan)] == [("to_marketo", "update", 1)]


def test_person_who_asks_while_the_row_is_deleted_is_left_to_the_next_run() -> None:
    """By then the link is closed and the person is free for a new row."""
    plan = decided(
        named(1, "contact:c1", request="lead"), KNOWN, events=deleted(contacts=["c1"]), requests_touched=frozenset({1})
    )

    assert plan.requeued == (1,)
    assert control_values(plan) == {1: {"dynamics_is_deleted": "true"}}


@pytest.mark.parametrize(
    ("rule", "name", "done"),
    [
        (DeletedPerson.RECREATE, "Ann", []),
        (DeletedPerson.RECREATE, "Edited", [("to_marketo", "create")]),
        (DeletedPerson.IGNORE, "Ann", []),
        (DeletedPerson.IGNORE, "Edited", []),
        (DeletedPerson.DELETE, "Ann", [("to_dynamics", "delete")]),
        (DeletedPerson.DELETE, "Edited", [("to_marketo", "create")]),
    ],
)
def test_deletion_in_marketo_goes_by_policy_and_an_edit_beats_it(
    rule: DeletedPerson, name: str, done: list[tuple[str, str]]
) -> None:
    """Nothing, a deletion, or a new person for a row that was edited meanwhile."""
    plan = decided(ann_contact(last_name=name), KNOWN, events=deleted(1), rules=policy(deleted_in_marketo=rule))

    assert plan.closed == {11: "deleted in Marketo"}
    assert [(way, action) for way, action, *_ in writes(plan)] == done


def test_filtered_row_whose_person_was_deleted_is_not_deleted() -> None:
    """A pair that is kept out is left alone, deletions included."""
    known = link(11, 1, "contact:c1", AGREED, is_filtered=True)

    plan = decided(ann_contact(), known, events=deleted(1), rules=policy(deleted_in_marketo=DeletedPerson.DELETE))

    assert writes(plan) == []


def test_filtered_pair_is_left_alone_in_both_directions() -> None:
    """It grows stale and keeps its link."""
    plan = decided(named(1, "lead:x", last_name="Anna"), ann_contact(score="9", synced="False"), KNOWN)

    assert writes(plan) == []
    assert plan.filtered == (11,)
    assert plan.notes["filtered"] == 1


def test_new_pair_that_the_filter_keeps_out_is_marked_under_its_lasting_id() -> None:
    """A person asks and is matched with a row that is kept out: the link is made and grows stale."""
    plan = decided(ann(request="contact"), unread(ann_contact(synced="false")))

    assert new_pairs(plan) == {(1, "contact:c1", "link")}
    assert mapped_writes(plan) == {}
    assert plan.numbered({plan.provisional_ids()[0]: 501}).filtered == (501,)


def test_pair_that_comes_back_through_the_filter_is_merged_from_both_sides() -> None:
    """What happened meanwhile arrives, though only one half was touched."""
    known = link(11, 1, "contact:c1", AGREED, is_filtered=True)

    plan = decided(unread(named(1, "contact:c1", last_name="Anna")), ann_contact(rating="1"), known)

    assert plan.unfiltered == (11,)
    assert mapped_writes(plan) == {
        ("to_dynamics", 1): {"last_name": "Anna"},
        ("to_marketo", 1): {"rating": "1"},
    }


def test_qualified_lead_that_stays_linked_is_not_written() -> None:
    """Read-only history is spared; what it brings still comes in."""
    rows = [ann_lead(state="1", rating="2"), contact("c1", origin="l1", synced="false")]

    plan = decided(named(1, "lead:l1", last_name="Anna"), *rows, link(11, 1, "lead:l1", AGREED))

    assert mapped_writes(plan) == {("to_marketo", 1): {"rating": "2"}}
    assert plan.withheld == {"to_dynamics": 1}


def test_blocked_write_is_withheld_on_both_sides_and_told() -> None:
    """A collision whose winner can't be written changes neither side."""
    resolved = schema(narrowed={"last_name": Rule.MARKETO_TO_DYNAMICS})

    plan = decided(
        named(1, "contact:c1", last_name="Anna"),
        ann_contact(last_name="Anne"),
        KNOWN,
        rules=policy(resolved=resolved),
    )

    assert mapped_writes(plan) == {}
    assert plan.problems["code"].tolist() == ["write_blocked"]


def test_qualified_lead_moves_with_its_person_and_keeps_blank_fields_from_emptying() -> None:
    """The contact inherits some values only: nobody emptied the others."""
    base = {**AGREED, "rating": "2", "score": "9"}
    rows = [lead("l1", state="1", parent="c1"), contact("c1", email="ann@x.example")]

    plan = decided(named(1, "lead:l1", rating="Hot", score="9"), *rows, link(11, 1, "lead:l1", base))

    assert plan.relinked == (11,)
    assert mapped_writes(plan) == {("to_dynamics", 1): {"last_name": "Ann", "rating": "1", "score": "9"}}
    assert control_values(plan) == {1: {"dynamics_id": "c1", "dynamics_type": "contact"}}


def test_choice_of_a_link_that_changed_table_has_no_base() -> None:
    """The other table's numbers mean something else: 2 was Hot on the lead and is Cold on the contact."""
    rows = [lead("l1", state="1", parent="c1"), ann_contact(rating="1")]

    plan = decided(named(1, "lead:l1", rating="Hot"), *rows, link(11, 1, "lead:l1", {**AGREED, "rating": "2"}))

    assert "rating" not in {name for values in mapped_writes(plan).values() for name in values}
    assert plan.values.loc[plan.values["field"] == "rating", "outcome"].tolist() == ["adopt"]


def test_winner_of_a_merge_is_read_and_told_its_row() -> None:
    """The winner was not in the extract; its control fields still name another row or none."""
    plan = decided(unread(ann(2)), KNOWN, events=Events(merged_people={1: 2}))

    assert plan.relinked == (11,)
    assert control_values(plan) == {2: {"dynamics_id": "c1", "dynamics_type": "contact"}}


def test_several_contacts_of_one_lead_hold_and_touch_nothing() -> None:
    """The lead's link stays, and nobody is made for either contact."""
    plan = decided(
        named(1, "lead:l1"),
        contact("c1", origin="l1"),
        contact("c2", origin="l1"),
        ann_lead(),
        link(11, 1, "lead:l1", AGREED),
    )

    assert held(plan) == {("SEVERAL_CONTACTS", "c1"), ("SEVERAL_CONTACTS", "c2")}
    assert writes(plan) == []


def test_our_own_write_of_a_dead_run_is_no_edit() -> None:
    """What the target is found to hold moves the base, and a newer edit of a person wins."""
    lost = unsettled(
        {"link_id": 11, "direction": "to_dynamics", "action": "update", "marketo_id": 1, "dynamics_table": "contact",
         "dynamics_id": "c1", "field": "last_name", "planned": "Anna"}
    )  # fmt: skip

    plan = decided(named(1, "contact:c1", last_name="Anja"), ann_contact(last_name="Anna"), KNOWN, unsettled=lost)

    assert mapped_writes(plan) == {("to_dynamics", 1): {"last_name": "Anja"}}
    assert plan.base_updates.to_numpy().tolist() == [[11, "last_name", "Anna"]]


def test_backfill_since_leaves_unchanged_rows_to_the_day_they_change() -> None:
    """A field that takes part from now on is filled in for rows changed since its day, and whoever is touched."""
    entries = [replace(FIELDS[1], backfill_since=datetime(2026, 5, 1, tzinfo=UTC)), FIELDS[0], *FIELDS[2:]]
    rules = policy(entries)
    base = {"email": "ann@x.example", "rating": None, "score": None}
    states = FieldStates(effective={"contact": ["email", "rating", "score"]})

    def filled(modified: str, *, touched: bool) -> object:
        half = named(1, "contact:c1", last_name=None)
        return mapped_writes(
            decided(
                half if touched else unread(half),
                ann_contact(modified=modified),
                link(11, 1, "contact:c1", base),
                rules=rules,
                fields=states,
                added={"contact": ["last_name"]},
            )
        )

    assert filled("2026-04-01T00:00:00Z", touched=False) == {}
    assert filled("2026-06-01T00:00:00Z", touched=False) == {("to_marketo", 1): {"last_name": "Ann"}}
    assert filled("2026-04-01T00:00:00Z", touched=True) == {("to_marketo", 1): {"last_name": "Ann"}}


def test_request_of_somebody_linked_is_counted_and_changes_nothing() -> None:
    """A campaign may ask twice."""
    plan = decided(named(1, "contact:c1", request="lead"), ann_contact(), KNOWN)

    assert plan.already_synced == (1,)
    assert plan.skipped["to_dynamics"] == 1
    assert writes(plan) == []


def test_owner_of_a_request_is_noted_on_the_creation_alone() -> None:
    """The writing stage looks the owner up; the change to Marketo has none."""
    plan = decided(person(1, last_name="Ann", request="contact owner=jane@x.example"))

    notes = plan.changes.set_index("direction")["note"]
    assert notes["to_dynamics"] == "jane@x.example"
    assert pd.isna(notes["to_marketo"])


def test_run_that_does_not_move_the_feeds_moves_no_life_of_fields() -> None:
    """A run of a window or of some people remembers nothing of backfills."""
    states = FieldStates(backfill={"contact": ["score"]})

    plan = decided(named(1, "contact:c1"), ann_contact(), KNOWN, fields=states, rules=policy(is_incremental=False))

    assert plan.fields.backfill["contact"] == ["score"]
    assert "fields_backfilled" not in plan.notes


def test_nothing_in_hand_decides_nothing() -> None:
    """An idle cycle has an empty plan of the usual shape."""
    plan = decided()

    assert writes(plan) == []
    assert plan.provisional_ids() == []


def test_row_that_was_only_looked_at_moves_no_link() -> None:
    """A row read for its address, which is somebody else's, is no news: the lead it names keeps its link."""
    plan = decided(
        named(1, "lead:l1"),
        ann_lead("l1"),
        link(11, 1, "lead:l1", AGREED),
        unread(ann_contact("c1", origin="l1", email="bob@x.example")),
        unread(named(2, "contact:c1")),
        link(12, 2, "contact:c1", AGREED),
        ann(3, email="bob@x.example", request="contact"),
    )

    assert plan.relinked == ()


def test_link_ids_of_filtered_pairs_become_lasting_too() -> None:
    """A request that meets a row the filter keeps out is linked and marked: under the id the store gave."""
    plan = decided(ann(1, request="contact"), unread(ann_contact(synced="false")))

    lasting = plan.numbered({link_id: 500 + number for number, link_id in enumerate(plan.provisional_ids())})

    assert lasting.filtered == (500,)
