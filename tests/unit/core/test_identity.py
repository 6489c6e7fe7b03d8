"""Where links stand after deletions, merges and qualification."""

from __future__ import annotations

import pytest

from include.person_sync.core.fields import Table
from include.person_sync.core.identity import (
    DELETED_IN_DYNAMICS,
    DELETED_IN_MARKETO,
    MERGED_IN_DYNAMICS,
    MERGED_IN_MARKETO,
    QUALIFIED_INTO_LINKED,
    Identities,
    blocked_rows,
    final,
    follow,
    needs,
)
from include.person_sync.core.snapshot import Events
from tests.unit.core.world import (
    POLICY,
    contact,
    deleted,
    lead,
    link,
    links_frame,
    person,
    seen,
    systems,
    unread,
    whole,
)


def followed(*items, events: Events | None = None) -> Identities:
    """Return where the links of some items stand."""
    return follow(seen(*items, events=events), POLICY)


def standing(identities: Identities) -> dict[int, tuple[int, str]]:
    """Return person and row by link."""
    links = identities.links
    rows = links["dynamics_table"] + ":" + links["dynamics_id"]
    return dict(zip(links["link_id"], zip(links["marketo_id"], rows, strict=True), strict=True))


def test_links_stay_when_nothing_happened() -> None:
    """Without events every link points where it did."""
    identities = followed(person(1), contact("c1"), link(11, 1, "contact:c1"))

    assert standing(identities) == {11: (1, "contact:c1")}
    assert not identities.relinked
    assert not identities.closed


def test_deleted_row_closes_its_link_and_tells_the_person() -> None:
    """The person stays and learns that the row is gone."""
    identities = followed(person(1), link(11, 1, "contact:c1"), events=deleted(contacts=["c1"]))

    assert identities.closed == {11: DELETED_IN_DYNAMICS}
    assert identities.flagged["marketo_id"].tolist() == [1]
    assert standing(identities) == {}


def test_deleted_row_of_a_deleted_person_tells_nobody() -> None:
    """Nobody is written to who is gone too."""
    identities = followed(link(11, 1, "contact:c1"), events=deleted(1, contacts=["c1"]))

    assert identities.closed == {11: DELETED_IN_DYNAMICS}
    assert identities.flagged.empty


def test_deleted_row_that_is_there_again_keeps_its_link() -> None:
    """A row that came with this very extract exists, whatever the feed also says."""
    identities = followed(contact("c1"), link(11, 1, "contact:c1"), events=deleted(contacts=["c1"]))

    assert standing(identities) == {11: (1, "contact:c1")}


def test_deletion_of_a_row_is_about_its_own_table_only() -> None:
    """A lead and a contact may have the same id."""
    identities = followed(person(1), link(11, 1, "contact:x"), link(12, 2, "lead:x"), events=deleted(leads=["x"]))

    assert standing(identities) == {11: (1, "contact:x")}
    assert set(identities.closed) == {12}


def test_deleted_person_closes_the_link() -> None:
    """The row is known to have lost its person."""
    identities = followed(contact("c1"), link(11, 1, "contact:c1"), events=deleted(1))

    assert identities.closed == {11: DELETED_IN_MARKETO}
    assert identities.lost(DELETED_IN_MARKETO)["dynamics_id"].tolist() == ["c1"]
    assert identities.flagged.empty


def test_link_of_a_merged_person_goes_to_the_end_of_the_chain() -> None:
    """A person who won one merge may have lost the next."""
    identities = followed(link(11, 1, "contact:c1"), events=Events(merged_people={1: 2, 2: 3}))

    assert standing(identities) == {11: (3, "contact:c1")}
    assert identities.relinked == {11}
    assert not identities.retabled


def test_link_of_a_merged_person_is_closed_when_the_winner_has_one() -> None:
    """A person has one row; the winner's stays."""
    identities = followed(link(11, 1, "contact:c1"), link(12, 2, "contact:c2"), events=Events(merged_people={1: 2}))

    assert standing(identities) == {12: (2, "contact:c2")}
    assert identities.closed == {11: MERGED_IN_MARKETO}


def test_winner_whose_row_was_deleted_takes_the_losers_link() -> None:
    """Deleted rows are followed first, so that the winner is free for the loser's row."""
    events = Events(merged_people={1: 2}, deleted_rows={Table.CONTACT: frozenset({"c2"})})

    identities = followed(link(11, 1, "contact:c1"), link(12, 2, "contact:c2"), events=events)

    assert standing(identities) == {11: (2, "contact:c1")}


def test_circle_of_merges_closes_the_link() -> None:
    """A circle has no winner."""
    identities = followed(link(11, 1, "contact:c1"), events=Events(merged_people={1: 2, 2: 1}))

    assert identities.closed == {11: MERGED_IN_MARKETO}


@pytest.mark.parametrize("first_seen", ["lead", "contact", "both"])
def test_link_of_a_qualified_lead_goes_to_its_contact_whichever_half_is_seen(first_seen: str) -> None:
    """The two feeds have no common order; either half is evidence."""
    halves = {
        "lead": [lead("l1", state="1", parent="C1"), contact("c1")],
        "contact": [contact("c1", origin=" L1 ")],
        "both": [lead("l1", state="1", parent="c1"), contact("c1", origin="l1")],
    }

    identities = followed(*halves[first_seen], link(11, 1, "lead:l1"))

    assert standing(identities) == {11: (1, "contact:c1")}
    assert identities.relinked == identities.retabled == {11}
    assert identities.links["dynamics_version"].isna().all()


def test_unqualified_lead_keeps_its_link_though_it_names_a_contact() -> None:
    """A lead may name its parent contact without having become it."""
    assert standing(followed(lead("l1", parent="c1"), contact("c1"), link(11, 1, "lead:l1"))) == {11: (1, "lead:l1")}


@pytest.mark.parametrize("order", [("c1", "c2"), ("c2", "c1")])
def test_several_contacts_that_name_one_lead_are_held_whatever_their_order(order: tuple[str, str]) -> None:
    """Nothing is guessed from which row was read last."""
    identities = followed(*(contact(one, origin="l1") for one in order), link(11, 1, "lead:l1"))

    assert standing(identities) == {11: (1, "lead:l1")}
    assert identities.holds[["code", "marketo_id", "dynamics_id"]].to_numpy().tolist() == [
        ["SEVERAL_CONTACTS", 1, "c1"],
        ["SEVERAL_CONTACTS", 1, "c2"],
    ]


@pytest.mark.parametrize("order", [("c1", "c2"), ("c2", "c1")])
def test_qualified_lead_says_itself_which_of_several_contacts_it_became(order: tuple[str, str]) -> None:
    """The lead's own word goes before what contacts say of themselves."""
    rows = [contact(one, origin="l1") for one in order]

    identities = followed(*rows, lead("l1", state="1", parent="c2"), link(11, 1, "lead:l1"))

    assert standing(identities) == {11: (1, "contact:c2")}
    assert identities.holds.empty


def test_contact_that_the_filter_keeps_out_is_no_choice() -> None:
    """Of two contacts one is let in: then there is nothing to guess; of none the link stays with the lead."""
    out = contact("c1", origin="l1", synced="False")

    assert standing(followed(out, contact("c2", origin="l1"), link(11, 1, "lead:l1"))) == {11: (1, "contact:c2")}
    assert standing(followed(out, link(11, 1, "lead:l1"))) == {11: (1, "lead:l1")}


def test_lead_qualified_into_a_linked_contact_leaves_two_people_to_be_merged() -> None:
    """Merging people can't be undone, so it is a person's decision."""
    identities = followed(contact("c1", origin="l1"), link(11, 1, "lead:l1"), link(12, 2, "contact:c1"))

    assert standing(identities) == {12: (2, "contact:c1")}
    assert identities.closed == {11: QUALIFIED_INTO_LINKED}
    assert identities.holds["code"].tolist() == ["SAME_HUMAN"]


def test_link_of_a_merged_row_goes_along_the_chain_to_the_last_master() -> None:
    """Masters may have lost a merge of their own."""
    rows = [
        contact("c1", merged="True", master="C2", state="1"),
        contact("c2", merged="true", master="c3", state="1"),
        contact("c3"),
    ]

    identities = followed(*rows, link(11, 1, "contact:c1"))

    assert standing(identities) == {11: (1, "contact:c3")}
    assert identities.relinked == {11}
    assert not identities.retabled


def test_link_of_a_merged_row_is_closed_when_its_master_is_linked_or_unknown() -> None:
    """The master's own link stays; a master that nobody can read is none."""
    loser = contact("c1", merged="true", master="c2", state="1")

    linked = followed(loser, contact("c2"), link(11, 1, "contact:c1"), link(12, 2, "contact:c2"))
    lost = followed(loser, link(11, 1, "contact:c1"))

    assert standing(linked) == {12: (2, "contact:c2")}
    assert linked.closed == lost.closed == {11: MERGED_IN_DYNAMICS}


def test_lead_qualified_into_a_contact_that_lost_a_merge_ends_at_the_master() -> None:
    """Qualification and merges follow each other."""
    rows = [contact("c1", origin="l1", merged="true", master="c2", state="1"), contact("c2")]

    assert standing(followed(*rows, link(11, 1, "lead:l1"))) == {11: (1, "contact:c2")}


def test_needs_name_the_contact_of_a_lead_and_then_its_masters() -> None:
    """What is read may name further rows; each is asked for once, and then nothing more."""
    items = [
        lead("l1", state="1", parent="c1"),
        unread(contact("c1", merged="true", master="c2", state="1")),
        unread(contact("c2", merged="true", master="c3", state="1")),
        link(11, 1, "lead:l1"),
    ]
    world, snapshot, asked = systems(*items), seen(*items), []
    while wanted := needs(snapshot):
        asked.append({table.value: set(ids) for table, ids in wanted.follow.items() if ids})
        snapshot = world.answer(snapshot, wanted)

    assert asked == [{"contact": {"c1"}}, {"contact": {"c2"}}, {"contact": {"c3"}}]


def test_needs_are_empty_when_the_events_lead_to_nobody_linked() -> None:
    """An idle cycle reads nothing for events: masters of unlinked rows are nobody's business."""
    assert not needs(seen(contact("c1", merged="true", master="c9"), lead("l1", state="1", parent="c8")))


def test_final_ends_at_the_last_and_knows_circles() -> None:
    """A chain has an end, a circle none."""
    assert final(1, {1: 2, 2: 3}) == 3
    assert final(4, {1: 2}) == 4
    assert final(1, {1: 2, 2: 1}) is None
    assert final(0, {0: 1, 1: 2, 2: 1}) is None


def test_blocked_rows_are_those_that_had_a_person_unless_it_may_be_made_anew() -> None:
    """A row whose person was deleted is free where the policy recreates; all other closed links block."""
    closed = links_frame(
        [
            link(1, 1, "contact:merged", closed_reason=MERGED_IN_MARKETO),
            link(2, 2, "contact:deleted", closed_reason=DELETED_IN_MARKETO),
        ]
    )
    rows = links_frame([link(9, 9, f"contact:{name}") for name in ("merged", "deleted", "new")])

    assert blocked_rows(rows, closed, recreate=True).tolist() == [True, False, False]
    assert blocked_rows(rows, closed, recreate=False).tolist() == [True, True, False]


def test_contact_that_was_merged_counts_as_its_master() -> None:
    """Of two contacts that name a lead and are one human by now, the link goes to the one that lives on."""
    identities = followed(
        person(1),
        lead("l1"),
        contact("c1", origin="l1"),
        contact("c2", origin="l1", merged="true", state="1", master="c1"),
        link(11, 1, "lead:l1"),
    )

    assert standing(identities) == {11: (1, "contact:c1")}


def test_several_contacts_are_held_whichever_of_them_changed() -> None:
    """That a second contact names the lead is asked for: the first to be edited alone does not get the link."""
    items = (person(1), lead("l1"), link(11, 1, "lead:l1"), contact("c1", origin="l1"))
    snapshot = whole(*items, unread(contact("c2", origin="l1")))

    identities = follow(snapshot, POLICY)

    assert standing(identities) == {11: (1, "lead:l1")}
    assert set(identities.holds["dynamics_id"]) == {"c1", "c2"}
