"""The decision keeps its laws in random worlds, and the laws catch decisions that are wrong in a plausible way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from include.person_sync.core.changes import ChangeSet
from include.person_sync.core.create_request import dynamics_row_id
from include.person_sync.core.decide import decide
from include.person_sync.core.fields import Table
from include.person_sync.core.pairs import PROVISIONAL
from include.person_sync.core.relations import CHANGES, PLAN_VALUES
from include.person_sync.core.rows import ORIGINATING_LEAD, row_key
from include.person_sync.core.snapshot import Needs
from tests.properties.core import decision_laws as laws
from tests.properties.core.decisions import POLICIES, Given, Story, given_of, grouped_stories, worlds
from tests.unit.core.world import (
    AGREED,
    FILTER,
    POLICY,
    ann,
    ann_contact,
    ann_lead,
    contact,
    link,
    named,
    person,
    unread,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.person_sync.core.plan import Plan
    from include.person_sync.core.policy import Policy
    from include.person_sync.core.snapshot import Snapshot

# A decision takes a good part of a second whatever it is about, so that worlds are large and examples few; making a
# failing world smaller would take minutes.
few = settings(max_examples=max(4, settings().max_examples // 30), phases=[Phase.explicit, Phase.reuse, Phase.generate])


@few
@given(world=worlds())
def test_plan_keeps_its_laws(world: Given) -> None:
    """
    Held means untouched, nobody is paired twice, and what is over is left alone; needs come to an end on the way, and
    nothing is asked for twice.
    """
    snapshot = world.complete()

    plan = decide(snapshot, world.policy).check()

    for law in laws.PLAN_LAWS:
        law(plan, snapshot, world.policy)


@few
@given(world=worlds())
def test_order_of_people_rows_links_and_events_is_irrelevant(world: Given) -> None:
    """The same plan results, and the snapshot is as it was."""
    laws.order_is_irrelevant(decide, world)


@few
@given(groups=grouped_stories(), policy=st.sampled_from(POLICIES))
def test_people_may_be_decided_in_any_batches(groups: list[list[Story]], policy: Policy) -> None:
    """The plan for all is the plans for parts of them, put together."""
    world = given_of([story for group in groups for story in group], policy)

    laws.groups_may_be_decided_apart(decide, world, groups)


@few
@given(world=worlds())
def test_deciding_on_what_a_plan_leads_to_writes_nothing(world: Given) -> None:
    """Holds repeat and control fields are quiet."""
    laws.a_second_decision_writes_nothing(decide, world)


def world_of(*items: object, policy: Policy = POLICY) -> Given:
    """Return the world of one story."""
    return given_of([Story(tuple(items))], policy)  # type: ignore[arg-type]


SEVERAL_CONTACTS = world_of(
    named(1, "lead:l1"),
    ann_lead(),
    *(contact(one, origin="l1") for one in ("c1", "c2")),
    link(11, 1, "lead:l1", AGREED),
)
REQUEST_BESIDE_TWO = world_of(ann(request="lead"), ann_contact(), ann_lead())
UNKNOWN_ANSWER = world_of(named(1, "contact:c1", last_name="b"), ann_contact(), link(11, 1, "contact:c1", AGREED))
QUALIFIED = world_of(named(1, "lead:l1", last_name="b"), ann_lead(state="1"), link(11, 1, "lead:l1", AGREED))
NEW_ROWS = world_of(*(contact(f"c{number}", email=f"{number}@x.example") for number in (1, 2, 3)))
ONCE_MADE = world_of(
    ann(request="lead"),
    link(7, 1, f"lead:{dynamics_row_id(POLICY.munchkin_id, 1, 'lead', 1)}", closed_reason="deleted in Dynamics"),
)
DELETED = given_of(
    [Story((named(1, "contact:c1"), link(11, 1, "contact:c1", AGREED)), deleted_rows=((Table.CONTACT, "c1"),))], POLICY
)
MATCHED = world_of(ann_contact(), unread(ann()))
CLAIMED = world_of(
    ann_contact(), unread(person(1, row="c1")), unread(person(2, row="c1")), ann(3), link(12, 9, "contact:c9")
)


def the_last_contact_read_takes_the_lead(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: of several contacts of one lead the one read last gets the link."""
    contacts = snapshot.rows[Table.CONTACT]
    origins = row_key(contacts[ORIGINATING_LEAD])
    last = contacts[origins.isna() | ~origins.duplicated(keep="last")]
    return decide(replace(snapshot, rows={**snapshot.rows, Table.CONTACT: last}), policy)


def held_rows_do_not_count_for_requests(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: rows that are held are no candidates for requests."""
    plan = decide(snapshot, policy)
    rows = {table: frame[~frame.index.isin(plan.holds["dynamics_id"])] for table, frame in snapshot.rows.items()}
    return replace(decide(replace(snapshot, rows=rows), policy), holds=plan.holds)


def an_unknown_answer_keeps_out(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: a row that does not say Yes is filtered."""
    rows = {table: frame.assign(**{FILTER: frame[FILTER].fillna("false")}) for table, frame in snapshot.rows.items()}
    return decide(replace(snapshot, rows=rows), policy)


def generations_are_not_counted(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: every row that is made is the first of its person."""
    return decide(replace(snapshot, closed=snapshot.closed.assign(generation=0)), policy)


def read_only_rows_are_written(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: a qualified lead is taken for any other."""
    leads = snapshot.rows[Table.LEAD].assign(statecode="0")
    return decide(replace(snapshot, rows={**snapshot.rows, Table.LEAD: leads}), policy)


def provisional_ids_follow_the_order_of_rows(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: new pairs are numbered as their rows were read."""
    plan = decide(snapshot, policy)
    read = [row_id for frame in snapshot.rows.values() for row_id in frame.index]
    new = plan.pairs[plan.pairs["link_id"] >= PROVISIONAL]
    order = sorted(new["link_id"], key=lambda one: read.index(new.loc[new["link_id"] == one, "dynamics_id"].iloc[0]))
    return plan.numbered({one: PROVISIONAL + place for place, one in enumerate(order)})


def the_flag_is_written_in_every_run(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: people of links that were closed before are flagged again."""
    gone = snapshot.closed[snapshot.closed["closed_reason"] == "deleted in Dynamics"]
    plan = decide(snapshot, policy)
    first = 1 + max([-1, *plan.changes["change_no"]])
    numbered = gone.assign(change_no=range(first, first + len(gone)))
    flags = CHANGES.of(numbered, direction="to_marketo", action="update")
    values = PLAN_VALUES.of(numbered, field="dynamics_is_deleted", outcome="to_marketo", planned="true", rule="control")
    both = ChangeSet(CHANGES.joined(plan.changes, flags), PLAN_VALUES.joined(plan.values, values))
    return replace(plan, changes=both.changes, values=both.values)


def claims_are_taken_for_nothing(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: whoever has the address gets the row, though it is held for those who name it."""
    plan = decide(snapshot, policy)
    asked = snapshot.asked | Needs(people_by_email=frozenset(snapshot.rows[Table.CONTACT]["emailaddress1"]))
    unnamed = replace(snapshot, people=snapshot.people.assign(dynamicsId=None), asked=asked)
    return replace(decide(unnamed, policy), holds=plan.holds)


def a_person_is_taken_twice(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: pairs found twice are kept twice."""
    plan = decide(snapshot, policy)
    return replace(plan, pairs=pd.concat([plan.pairs, plan.pairs], ignore_index=True))


def the_extract_is_changed_in_place(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a right plan, having trimmed what was read where it lay."""
    snapshot.people["email"] = snapshot.people["email"] + " "
    return decide(snapshot, policy)


def agreements_are_not_remembered(snapshot: Snapshot, policy: Policy) -> Plan:
    """Return a wrong plan: new pairs get no link, so that the next run meets them again."""
    plan = decide(snapshot, policy)
    return replace(plan, pairs=plan.pairs.assign(origin=None))


PLANTED: list[tuple[Callable[[Snapshot, Policy], Plan], Callable[..., None], Given]] = [
    (the_last_contact_read_takes_the_lead, laws.order_is_irrelevant, SEVERAL_CONTACTS),
    (held_rows_do_not_count_for_requests, laws.nothing_is_made_beside_a_held_row, REQUEST_BESIDE_TWO),
    (an_unknown_answer_keeps_out, laws.only_a_no_keeps_out, UNKNOWN_ANSWER),
    (generations_are_not_counted, laws.a_new_row_has_an_id_of_its_own, ONCE_MADE),
    (read_only_rows_are_written, laws.what_is_over_is_left_alone, QUALIFIED),
    (provisional_ids_follow_the_order_of_rows, laws.order_is_irrelevant, NEW_ROWS),
    (the_flag_is_written_in_every_run, laws.a_second_decision_writes_nothing, DELETED),
    (claims_are_taken_for_nothing, laws.held_means_untouched, CLAIMED),
    (a_person_is_taken_twice, laws.nobody_is_paired_twice, NEW_ROWS),
    (the_extract_is_changed_in_place, laws.order_is_irrelevant, UNKNOWN_ANSWER),
    (agreements_are_not_remembered, laws.a_second_decision_writes_nothing, MATCHED),
]


@pytest.mark.parametrize(("wrong", "law", "world"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_laws_catch_a_wrong_decision(
    wrong: Callable[[Snapshot, Policy], Plan], law: Callable[..., None], world: Given
) -> None:
    """A law that no wrong decision breaks would promise nothing."""
    with pytest.raises(AssertionError):
        hold_against(law, wrong, world)


@pytest.mark.parametrize(
    ("law", "world"), [entry[1:] for entry in PLANTED], ids=lambda value: getattr(value, "__name__", "")
)
def test_decision_itself_is_not_caught_there(law: Callable[..., None], world: Given) -> None:
    """The worlds in which wrong decisions are caught are no trouble for the right one."""
    hold_against(law, decide, world)


def hold_against(law: Callable[..., None], decision: Callable[[Snapshot, Policy], Plan], world: Given) -> None:
    """Complain when a decision breaks a law in a world."""
    if law in laws.PLAN_LAWS:
        snapshot = world.complete()
        law(decision(snapshot, world.policy), snapshot, world.policy)
    else:
        law(decision, world)
