"""Whom a run pairs: by a recovered creation, by a named id, by address, by request; and whom it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include.person_sync.core import identity, pairing
from include.person_sync.core.claims import claims
from include.person_sync.core.create_request import dynamics_row_id
from include.person_sync.core.identity import DELETED_IN_DYNAMICS, DELETED_IN_MARKETO, MERGED_IN_DYNAMICS
from include.person_sync.core.pairs import PROVISIONAL, all_pairs, numbered, provisional_ids
from include.person_sync.core.policy import DeletedPerson, MatchingPolicy, Policy
from tests.unit.core.world import (
    AGREED,
    NAMES,
    POLICY,
    ann,
    ann_contact,
    ann_lead,
    contact,
    deleted,
    lead,
    link,
    people_frame,
    person,
    policy,
    seen,
    systems,
    unread,
    unsettled,
)

if TYPE_CHECKING:
    from include.person_sync.core.pairing import Pairing
    from include.person_sync.core.snapshot import Snapshot


def completed(*items, rules: Policy = POLICY, crowded=(), **more) -> Snapshot:
    """Return the snapshot of some items with everything that pairing needs."""
    world, snapshot = systems(*items, crowded=crowded), seen(*items, **more)
    while wanted := identity.needs(snapshot) or pairing.pair(snapshot, identity.follow(snapshot, rules), rules).needs:
        snapshot = world.answer(snapshot, wanted)
    return snapshot


def paired(*items, rules: Policy = POLICY, **more) -> Pairing:
    """Return how some items are paired once everything needed was read."""
    snapshot = completed(*items, rules=rules, **more)
    return pairing.pair(snapshot, identity.follow(snapshot, rules), rules)


def found(result: Pairing) -> set[tuple[int | None, str, str]]:
    """Return person, row and origin of each pair."""
    return {
        (
            None if pd.isna(one.marketo_id) else int(one.marketo_id),
            f"{one.dynamics_table}:{one.dynamics_id}",
            one.origin,
        )
        for one in result.pairs.itertuples()
    }


def held(result: Pairing) -> set[tuple[str, str, int | str]]:
    """Return code, direction, and the row or else the person that is held."""
    return {
        (one.code, one.direction, int(one.marketo_id) if pd.isna(one.dynamics_id) else one.dynamics_id)
        for one in result.holds.itertuples()
    }


def made_for(marketo_id: int, table: str = "lead", generation: int = 1) -> str:
    """Return the row that is made for a person."""
    return f"{table}:{dynamics_row_id(POLICY.munchkin_id, marketo_id, table, generation)}"


AMBIGUOUS = "AMBIGUOUS_EMAIL"


def test_new_row_is_linked_with_the_one_unlinked_person_of_its_address() -> None:
    """Addresses are compared trimmed and without regard to case."""
    result = paired(ann_contact(email=" ANN@x.example"), unread(ann()))

    assert found(result) == {(1, "contact:c1", "link")}
    assert held(result) == set()


def test_new_row_is_made_a_person_when_nobody_has_its_address() -> None:
    """Nobody on the other side: the missing half is made; also for a row without an address."""
    result = paired(ann_contact(), contact("c2"))

    assert found(result) == {(None, "contact:c1", "create_in_marketo"), (None, "contact:c2", "create_in_marketo")}


def test_new_row_is_held_when_several_people_have_its_address() -> None:
    """A wrong link mixes two people."""
    result = paired(ann_contact(), unread(ann(1)), unread(ann(2)))

    assert found(result) == set()
    assert held(result) == {(AMBIGUOUS, "to_marketo", "c1")}


def test_person_who_is_linked_already_is_no_match() -> None:
    """The address of a linked person may stand on a second row; that one gets a person of its own."""
    result = paired(ann_contact("c2"), unread(ann()), unread(ann_contact()), link(11, 1, "contact:c1", AGREED))

    assert found(result) == {(None, "contact:c2", "create_in_marketo")}


@pytest.mark.parametrize(
    ("rule", "pairs", "holds"),
    [
        (MatchingPolicy.LINK, {(1, "contact:c1", "link")}, set()),
        (MatchingPolicy.CREATE, {(None, "contact:c1", "create_in_marketo")}, set()),
        (MatchingPolicy.HOLD, set(), {("HELD_BY_POLICY", "to_marketo", "c1")}),
    ],
)
def test_policy_to_marketo_says_what_becomes_of_new_rows(rule: MatchingPolicy, pairs: set, holds: set) -> None:
    """Link after a look, create without one, or leave it to a person."""
    result = paired(ann_contact(), unread(ann()), rules=policy(to_marketo=rule))

    assert found(result) == pairs
    assert held(result) == holds


@pytest.mark.parametrize(
    ("rule", "pairs", "holds"),
    [
        (MatchingPolicy.LINK, {(1, "contact:c1", "link")}, set()),
        (MatchingPolicy.CREATE, {(1, made_for(1), "create_in_dynamics")}, set()),
        (MatchingPolicy.HOLD, set(), {("HELD_BY_POLICY", "to_dynamics", 1)}),
    ],
)
def test_policy_to_dynamics_says_what_becomes_of_requests(rule: MatchingPolicy, pairs: set, holds: set) -> None:
    """The same three ways for people who are asked into Dynamics."""
    result = paired(ann(request="lead"), unread(ann_contact()), rules=policy(to_dynamics=rule))

    assert found(result) == pairs
    assert held(result) == holds


@pytest.mark.parametrize("dead", [{"state": "1"}, {"merged": "true", "master": "c9"}, {"synced": "false"}])
def test_row_that_is_inactive_merged_or_filtered_gets_no_person(dead: dict[str, str]) -> None:
    """Only living rows that are let in become people."""
    assert found(paired(ann_contact(**dead))) == set()


def test_row_named_by_a_person_is_that_persons_whatever_the_addresses_say() -> None:
    """Links can be rebuilt from the systems alone."""
    result = paired(ann_contact(), unread(person(1, email="old@x.example", row="c1")), unread(ann(2)))

    assert found(result) == {(1, "contact:c1", "link")}


@pytest.mark.parametrize("id_as_typed", [" C1 ", "C1", "c1\t"])
@pytest.mark.parametrize("table", ["contact", "lead", "Contact", None])
def test_claim_counts_with_blanks_in_upper_case_and_of_the_other_table(id_as_typed: str, table: str | None) -> None:
    """The id alone decides where only one table has such a row."""
    rows = pd.DataFrame({"dynamics_table": ["contact"], "dynamics_id": ["c1"]})
    people = people_frame([person(1, row=id_as_typed, table=table)]).reset_index()

    assert claims(people, rows, NAMES)[["marketo_id", "dynamics_id"]].to_numpy().tolist() == [[1, "c1"]]


@pytest.mark.parametrize(("table", "claimed"), [("lead", ["lead"]), (" Contact", ["contact"]), (None, [])])
def test_claim_of_an_id_in_both_tables_goes_by_the_type(table: str | None, claimed: list[str]) -> None:
    """Where both tables have the id only the type can tell; without it nothing is claimed."""
    rows = pd.DataFrame({"dynamics_table": ["contact", "lead"], "dynamics_id": ["x", "x"]})
    people = people_frame([person(1, row="x", table=table)]).reset_index()

    assert claims(people, rows, NAMES)["dynamics_table"].tolist() == claimed


def test_claim_needs_an_id() -> None:
    """A blank names nobody's row."""
    rows = pd.DataFrame({"dynamics_table": ["contact"], "dynamics_id": ["c1"]})

    assert claims(people_frame([person(1, row=" "), person(2)]).reset_index(), rows, NAMES).empty


def test_row_named_by_several_people_is_held() -> None:
    """Whose it is, nobody can tell."""
    result = paired(contact("c1"), unread(person(1, row="c1")), unread(person(2, row="C1")))

    assert found(result) == set()
    assert held(result) == {("SEVERAL_CLAIMS", "to_marketo", "c1")}


def test_row_named_by_a_person_who_is_linked_elsewhere_is_held() -> None:
    """A person made under that id would overwrite somebody else's."""
    result = paired(contact("c1"), unread(person(1, row="c1")), link(11, 1, "contact:c2"))

    assert found(result) == set()
    assert held(result) == {("CLAIMED_ELSEWHERE", "to_marketo", "c1")}


def test_request_makes_a_row_when_there_is_none() -> None:
    """The row's id follows from who it is for, so that a repeated creation finds it."""
    result = paired(ann(request="Contact owner=jane@x.example"))

    assert found(result) == {(1, made_for(1, "contact"), "create_in_dynamics")}
    assert result.pairs["owner_email"].tolist() == ["jane@x.example"]


def test_request_of_the_run_goes_before_the_one_in_the_field() -> None:
    """Who asks now says what is wanted now; a person without a request of its own may be asked for too."""
    rules = policy(create_requests={1: "contact", 2: "lead"})

    result = paired(ann(1, request="lead"), person(2), rules=rules)

    assert {row for _, row, _ in found(result)} == {made_for(1, "contact"), made_for(2)}


def test_request_that_cannot_be_read_is_held() -> None:
    """Nothing is guessed from a request."""
    assert held(paired(ann(request="please"))) == {("BAD_REQUEST", "to_dynamics", 1)}


def test_request_counts_generations_after_deletions() -> None:
    """A row that was deleted is followed by one with another id, however often that happened."""
    old = [
        link(1, 1, "lead:old", closed_reason=DELETED_IN_DYNAMICS, generation=1),
        link(2, 1, "lead:older", closed_reason=DELETED_IN_DYNAMICS, generation=2),
        link(3, 7, "lead:other", closed_reason=DELETED_IN_DYNAMICS, generation=9),
    ]

    result = paired(ann(request="lead"), *old)

    assert found(result) == {(1, made_for(1, "lead", generation=3), "create_in_dynamics")}
    assert result.pairs["generation"].tolist() == [3]


def test_request_beside_two_fresh_rows_of_its_address_holds_all_and_makes_nothing() -> None:
    """Held means untouched: no third row beside two that nobody can choose between."""
    result = paired(ann(request="lead"), ann_contact(), ann_lead())

    assert found(result) == set()
    assert held(result) == {
        (AMBIGUOUS, "to_marketo", "c1"),
        (AMBIGUOUS, "to_marketo", "l1"),
        (AMBIGUOUS, "to_dynamics", 1),
    }


def test_request_is_served_with_the_one_row_that_is_held_between_two_people() -> None:
    """The one of the two who asks has said whose the row is."""
    result = paired(ann(1, request="contact"), ann(2), ann_contact())

    assert found(result) == {(1, "contact:c1", "link")}
    assert held(result) == set()


def test_request_waits_while_its_row_is_disputed() -> None:
    """A row that several people name is nobody's, and nothing is made beside it."""
    result = paired(ann(1, request="contact"), ann_contact(), unread(person(2, row="c1")), unread(person(3, row="c1")))

    assert found(result) == set()
    assert held(result) == {("SEVERAL_CLAIMS", "to_marketo", "c1"), (AMBIGUOUS, "to_dynamics", 1)}


def test_request_of_two_people_for_one_row_holds_both() -> None:
    """One row can't be two people's."""
    result = paired(ann(1, request="lead"), ann(2, request="lead"), unread(ann_contact()))

    assert found(result) == set()
    assert held(result) == {(AMBIGUOUS, "to_dynamics", 1), (AMBIGUOUS, "to_dynamics", 2)}


def test_request_passes_over_rows_that_are_linked_or_dead() -> None:
    """Only living rows of nobody count as a match."""
    result = paired(
        ann(1, request="lead"),
        unread(ann_contact()),
        link(12, 2, "contact:c1"),
        unread(ann_lead(state="1")),
    )

    assert found(result) == {(1, made_for(1), "create_in_dynamics")}


def test_row_found_for_a_request_is_not_made_a_person_of_its_own() -> None:
    """Candidates are looked at, no more."""
    result = paired(ann(1, request="lead"), unread(ann_contact()), unread(ann_lead()))

    assert found(result) == set()
    assert held(result) == {(AMBIGUOUS, "to_dynamics", 1)}


def test_crowded_address_is_held_on_sight() -> None:
    """An address of so many people that Marketo does not list them is nobody's in particular."""
    result = paired(ann_contact(), contact("c2", email="bob@x.example"), crowded={"ann@x.example"})

    assert held(result) == {(AMBIGUOUS, "to_marketo", "c1")}
    assert found(result) == {(None, "contact:c2", "create_in_marketo")}


def test_crowded_id_is_held_on_sight() -> None:
    """So is a row that so many people name."""
    assert held(paired(ann_contact(), crowded={"c1"})) == {("SEVERAL_CLAIMS", "to_marketo", "c1")}


def test_complete_snapshot_looks_up_only_whom_nobody_met() -> None:
    """In a partition of everybody, those who have the address are in hand; others may be new since it was read."""
    items = [ann_contact(), ann(), contact("c2", email="bob@x.example"), unread(person(2, email="bob@x.example"))]
    snapshot = seen(*items, complete=True)

    wanted = pairing.pair(snapshot, identity.follow(snapshot, POLICY), POLICY).needs

    assert wanted.people_by_email == {"bob@x.example"}
    assert not wanted.people_by_row
    assert found(paired(*items, complete=True)) == {(1, "contact:c1", "link"), (2, "contact:c2", "link")}


def test_creation_of_a_dead_run_is_recovered_with_its_link_id() -> None:
    """The row is there, only the record of it was lost: it is linked under the id it was planned with."""
    lost = unsettled(
        {"link_id": 70, "direction": "to_dynamics", "action": "create", "marketo_id": 1, "dynamics_table": "contact",
         "dynamics_id": "c1"}
    )  # fmt: skip

    result = paired(ann(), ann_contact(email="other@x.example"), unsettled=lost)
    elsewhere = paired(ann(), link(11, 1, "contact:c9"), ann_contact(email="o@x.example"), unsettled=lost)

    assert found(result) == {(1, "contact:c1", "link")}
    assert result.pairs["link_id"].tolist() == [70]
    assert found(elsewhere) == {(None, "contact:c1", "create_in_marketo")}


def test_row_of_a_person_deleted_just_now_gets_no_new_person_in_that_run() -> None:
    """The deletion and the unedited row came together: nothing is made anew."""
    result = paired(ann_contact(), link(11, 1, "contact:c1", AGREED), events=deleted(1))

    assert found(result) == set()


def test_row_edited_since_both_sides_agreed_gets_a_new_person_after_a_deletion() -> None:
    """An edit beats a deletion."""
    items = [ann_contact(last_name="Anna"), link(11, 1, "contact:c1", AGREED)]

    assert found(paired(*items, events=deleted(1))) == {(None, "contact:c1", "create_in_marketo")}


def test_row_whose_link_a_merge_closed_gets_no_person_by_itself() -> None:
    """What a merge ended is not begun anew."""
    assert found(paired(ann_contact(), link(1, 1, "contact:c1", closed_reason=MERGED_IN_DYNAMICS))) == set()


def test_row_of_a_person_deleted_earlier_gets_a_new_one_when_it_comes_again() -> None:
    """With the default policy an edited row becomes a new person; with `ignore` it does not."""
    items = [ann_contact(), link(1, 1, "contact:c1", closed_reason=DELETED_IN_MARKETO)]

    assert found(paired(*items)) == {(None, "contact:c1", "create_in_marketo")}
    assert found(paired(*items, rules=policy(deleted_in_marketo=DeletedPerson.IGNORE))) == set()


def test_people_held_by_events_are_not_paired() -> None:
    """A contact that came from a lead like another one is held, and so is its person."""
    result = paired(
        contact("c1", email="ann@x.example", origin="l1"),
        contact("c2", origin="l1"),
        unread(ann(5)),
        link(11, 1, "lead:l1"),
    )

    assert found(result) == set()
    assert {row for _, _, row in held(result)} == {"c1", "c2"}


def test_order_of_steps_is_recovery_claim_address_request() -> None:
    """A row that is named is not matched by address, and whoever is paired asks for nothing more."""
    result = paired(ann_contact(), unread(person(1, row="c1")), ann(2, request="lead"))

    assert found(result) == {(1, "contact:c1", "link"), (2, made_for(2), "create_in_dynamics")}


def test_new_pairs_get_provisional_ids_in_an_order_of_their_own() -> None:
    """Ids depend on who a pair is, not on the order in which people and rows were read."""
    numbers = []
    for items in ([contact("c2"), lead("l1"), contact("c1")], [lead("l1"), contact("c1"), contact("c2")]):
        snapshot = completed(*items)
        identities = identity.follow(snapshot, POLICY)
        pairs = all_pairs(snapshot, identities, pairing.pair(snapshot, identities, POLICY))
        numbers.append(dict(zip(pairs["dynamics_id"], pairs["link_id"], strict=True)))

    assert numbers[0] == numbers[1] == {"c1": PROVISIONAL, "c2": PROVISIONAL + 1, "l1": PROVISIONAL + 2}


def test_known_pairs_bring_the_version_read_else_the_one_last_seen() -> None:
    """Writes are made against a version; the newest that is known."""
    snapshot = completed(contact("c1", version="v7"), link(11, 1, "contact:c1"), person(2), link(12, 2, "lead:l2"))
    identities = identity.follow(snapshot, POLICY)

    pairs = all_pairs(snapshot, identities, pairing.pair(snapshot, identities, POLICY))

    assert dict(zip(pairs["link_id"], pairs["version"], strict=True)) == {11: "v7", 12: "v1"}


def test_provisional_ids_are_given_lasting_ones_in_their_order() -> None:
    """Known ids stay, provisional ones are replaced one by one."""
    frame = pd.DataFrame({"link_id": [5, PROVISIONAL + 3, PROVISIONAL, PROVISIONAL + 3]})

    provisional = provisional_ids(frame["link_id"])

    assert provisional == [PROVISIONAL, PROVISIONAL + 3]
    assert numbered(frame, dict(zip(provisional, [71, 72], strict=True)))["link_id"].tolist() == [5, 72, 71, 72]
