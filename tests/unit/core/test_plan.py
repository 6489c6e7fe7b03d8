"""From decisions to changes and payloads."""

from __future__ import annotations

import pandas as pd
import pytest

from include.errors import SyncError
from include.person_sync.core.changes import ChangeSet, build_changes
from include.person_sync.core.fields import FieldType, Rule, Side, Table
from include.person_sync.core.merge import merge
from include.person_sync.core.payloads import Payloads, payloads
from include.person_sync.core.values import MISSING, empty_frame, uniform_frame
from include.person_sync.core.vocabulary import PairOrigin
from tests.unit.core.build import effective, frame

NAME = effective("last_name", max_length=5)
MAIL = effective("email", FieldType.EMAIL)
STATE = effective("state", FieldType.CHOICE, creatable=False)
FIELDS = {Table.CONTACT: (NAME, MAIL, STATE)}


def links(origin: PairOrigin | None = None, *link_ids: int) -> pd.DataFrame:
    """Return one link row per id; a half to be created has no id yet."""
    own = list(link_ids or (1,))
    return pd.DataFrame(
        {
            "link_id": own,
            "marketo_id": [None if origin is PairOrigin.CREATE_IN_MARKETO else 100 + number for number in own],
            "dynamics_table": "contact",
            "dynamics_id": "row",
            "generation": 0,
            "version": "W/1",
            "origin": None if origin is None else str(origin),
        }
    )


def sent_of(planned: ChangeSet, *rest: object) -> Payloads:
    """Return what is sent of a set of changes."""
    return payloads(planned.changes, planned.values, *rest)  # type: ignore[arg-type]


def planned(base: dict, marketo: dict, dynamics: dict, origin: PairOrigin | None = None) -> ChangeSet:
    """Return the plan for link 1 with the given cells."""
    sides = [frame({1: {"last_name": None, "email": None, "state": None} | side}) for side in (base, marketo, dynamics)]
    return build_changes(merge(*sides, FIELDS[Table.CONTACT], Table.CONTACT), links(origin), FIELDS)


def kinds(plan: ChangeSet) -> list[tuple[str, str]]:
    """Return direction and action of each change."""
    return list(zip(plan.changes["direction"], plan.changes["action"], strict=True))


def test_plan_has_one_update_per_direction_when_each_side_edited_a_field() -> None:
    """Edits of different fields on both sides both survive (P-021)."""
    plan = planned({"last_name": "a", "email": "b"}, {"last_name": "x", "email": "b"}, {"last_name": "a", "email": "y"})

    assert kinds(plan) == [("to_dynamics", "update"), ("to_marketo", "update")]
    assert plan.changes["if_match"].fillna("-").tolist() == ["W/1", "-"]
    assert set(plan.changes["status"]) == {"planned"}
    assert payloads(plan.changes, plan.values, FIELDS, Side.DYNAMICS).bodies.to_dict() == {0: {"last_name": "x"}}
    assert payloads(plan.changes, plan.values, FIELDS, Side.MARKETO).bodies.to_dict() == {1: {"email": "y"}}


def test_plan_notes_an_agreement_without_a_write() -> None:
    """Where both sides came to the same value only the base moves (T-04)."""
    plan = planned({"last_name": "a"}, {"last_name": "x"}, {"last_name": "x"})

    assert kinds(plan) == [("none", "adopt")]
    assert payloads(plan.changes, plan.values, FIELDS, Side.DYNAMICS).bodies.empty
    assert payloads(plan.changes, plan.values, FIELDS, Side.MARKETO).bodies.empty


def test_plan_sends_the_winner_of_a_collision_to_the_loser() -> None:
    """A contact's collision is written to Marketo alone (T-03)."""
    plan = planned({"last_name": "a"}, {"last_name": "x"}, {"last_name": "y"})

    assert kinds(plan) == [("to_marketo", "update")]
    assert payloads(plan.changes, plan.values, FIELDS, Side.MARKETO).bodies.to_dict() == {0: {"last_name": "y"}}


def test_plan_creates_in_dynamics_and_writes_the_ids_back() -> None:
    """A create carries what may be set on create; Marketo gets a change even without values, for the ids."""
    new = dict.fromkeys(("last_name", "email", "state"), MISSING)

    plan = planned(new, {"last_name": "x", "state": "2"}, {}, PairOrigin.CREATE_IN_DYNAMICS)

    assert kinds(plan) == [("to_dynamics", "create"), ("to_marketo", "link")]
    assert payloads(plan.changes, plan.values, FIELDS, Side.DYNAMICS).bodies.to_dict() == {0: {"last_name": "x"}}
    assert payloads(plan.changes, plan.values, FIELDS, Side.MARKETO).bodies.to_dict() == {1: {}}
    assert "state" not in set(plan.values["field"])
    assert pd.isna(plan.changes["if_match"]).all()


def test_plan_creates_in_marketo_what_is_in_dynamics() -> None:
    """A new Dynamics row becomes one create, agreements on empty fields included."""
    new = dict.fromkeys(("last_name", "email", "state"), MISSING)

    plan = planned(new, {}, {"last_name": "x", "state": "2"}, PairOrigin.CREATE_IN_MARKETO)

    assert kinds(plan) == [("to_marketo", "create")]
    assert plan.changes["marketo_id"].isna().all()
    assert payloads(plan.changes, plan.values, FIELDS, Side.MARKETO).bodies.to_dict() == {
        0: {"last_name": "x", "state": "Warm"}
    }


def test_plan_links_a_matched_pair_with_first_contact_rules() -> None:
    """Two matched people fill each other's gaps, and Marketo learns the ids."""
    new = dict.fromkeys(("last_name", "email", "state"), MISSING)

    plan = planned(new, {"last_name": "x"}, {"email": "y"}, PairOrigin.LINK)

    assert kinds(plan) == [("none", "adopt"), ("to_dynamics", "update"), ("to_marketo", "link")]
    assert payloads(plan.changes, plan.values, FIELDS, Side.DYNAMICS).bodies.to_dict() == {1: {"last_name": "x"}}
    assert payloads(plan.changes, plan.values, FIELDS, Side.MARKETO).bodies.to_dict() == {2: {"email": "y"}}


def test_payloads_leave_out_a_refused_field_of_an_update() -> None:
    """One value too long keeps back that field, not the person (P-021, T-24)."""
    plan = planned({}, {"last_name": "too long", "email": "y"}, {})

    sent = payloads(plan.changes, plan.values, FIELDS, Side.DYNAMICS)

    assert sent.bodies.to_dict() == {0: {"email": "y"}}
    assert sent.problems.to_dict("records") == [
        {"change_no": 0, "field": "last_name", "code": "too_long", "message": "8 characters, 5 allowed"}
    ]
    assert sent.refused == frozenset()


def test_payloads_refuse_an_update_of_which_nothing_is_left() -> None:
    """A change without a sendable field is not sent."""
    sent = sent_of(planned({}, {"last_name": "too long"}, {}), FIELDS, Side.DYNAMICS)

    assert sent.bodies.empty
    assert sent.refused == {0}


def test_payloads_refuse_a_create_with_one_bad_value() -> None:
    """A person is not created half."""
    new = dict.fromkeys(("last_name", "email", "state"), MISSING)
    plan = planned(new, {"last_name": "too long", "email": "y"}, {}, PairOrigin.CREATE_IN_DYNAMICS)

    sent = payloads(plan.changes, plan.values, FIELDS, Side.DYNAMICS)

    assert sent.bodies.empty
    assert sent.refused == {0}
    assert sent.problems["field"].tolist() == ["last_name"]


def test_payloads_send_null_when_a_value_is_emptied() -> None:
    """Emptying reaches the other side as null, not as a missing key (S-09)."""
    sent = sent_of(planned({"email": "y"}, {}, {"email": "y"}), FIELDS, Side.DYNAMICS)

    assert sent.bodies.to_dict() == {0: {"email": None}}


def test_payloads_refuse_a_plan_about_a_field_that_is_gone() -> None:
    """A plan of yesterday with a field that takes no part today is not silently cut down."""
    plan = planned({}, {"last_name": "x", "email": "y"}, {})

    with pytest.raises(SyncError, match="takes no part"):
        payloads(plan.changes, plan.values, {Table.CONTACT: (NAME,)}, Side.DYNAMICS)


def test_plan_refuses_a_decision_about_an_unknown_link() -> None:
    """A decision is never dropped because its link is missing."""
    sides = [frame({7: {"last_name": text}}) for text in ("a", "x", "a")]
    decided = merge(*sides, [NAME], Table.CONTACT)

    with pytest.raises(SyncError, match="not told of"):
        build_changes(decided, links(), FIELDS)


def test_plan_refuses_to_write_an_unknown_value() -> None:
    """A mark can't slip into a plan, whatever made the decisions."""
    sides = [frame({1: {"last_name": text}}) for text in ("a", "x", "a")]
    decided = merge(*sides, [NAME], Table.CONTACT).assign(planned=MISSING)

    with pytest.raises(SyncError, match="about to be planned"):
        build_changes(decided, links(), FIELDS)


def test_plan_of_both_tables_numbers_changes_through() -> None:
    """Contacts and leads of one run share one plan."""
    lead = effective("last_name", table=Table.LEAD)
    both = pd.concat([links(None, 1), links(None, 2).assign(dynamics_table="lead")])
    decided = [
        merge(*(frame({1: {"last_name": text}}) for text in ("a", "x", "a")), [NAME], Table.CONTACT),
        merge(*(frame({2: {"last_name": text}}) for text in ("a", "x", "y")), [lead], Table.LEAD),
    ]

    plan = build_changes(decided, both, {Table.CONTACT: (NAME,), Table.LEAD: (lead,)})

    assert plan.changes[["change_no", "link_id", "direction"]].to_numpy().tolist() == [
        [0, 1, "to_dynamics"],
        [1, 2, "to_dynamics"],
    ]
    assert payloads(
        plan.changes, plan.values, {Table.CONTACT: (NAME,), Table.LEAD: (lead,)}, Side.DYNAMICS
    ).bodies.tolist() == [
        {"last_name": "x"},
        {"last_name": "x"},
    ]


def test_plan_of_no_decisions_is_empty_with_all_columns() -> None:
    """A quiet pair of systems gives an empty plan of the usual shape and types."""
    index = pd.Index([], dtype="int64")
    nothing = merge(*(empty_frame(index, ["last_name"]) for _ in range(3)), [NAME], Table.CONTACT)

    plan = build_changes([nothing], links().iloc[:0], FIELDS)

    assert plan.changes.empty
    assert str(plan.changes["marketo_id"].dtype) == "Int64"
    assert payloads(plan.changes, plan.values, FIELDS, Side.MARKETO).bodies.empty


def test_withheld_edit_is_noted_with_the_person_and_never_sent() -> None:
    """What a one-way rule holds back stays in the history of the run (S-01)."""
    one_way = effective("last_name", rule=Rule.MARKETO_TO_DYNAMICS)
    sides = [frame({1: {"last_name": text}}) for text in ("a", "a", "y")]
    fields = {Table.CONTACT: (one_way,)}

    plan = build_changes(merge(*sides, [one_way], Table.CONTACT), links(), fields)

    assert kinds(plan) == [("none", "adopt")]
    assert payloads(plan.changes, plan.values, fields, Side.MARKETO).bodies.empty


def test_missing_half_is_merged_as_empty_cells_on_a_missing_base() -> None:
    """The builders for origins give what the plan expects of them."""
    index = pd.Index([1])
    decided = merge(
        uniform_frame(index, ["last_name"], MISSING),
        empty_frame(index, ["last_name"]),
        frame({1: {"last_name": "x"}}),
        [NAME],
        Table.CONTACT,
    )

    assert decided[["outcome", "planned"]].to_numpy().tolist() == [["to_marketo", "x"]]
