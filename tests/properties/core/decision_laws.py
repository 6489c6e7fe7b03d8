"""
The laws of the whole decision, as functions that complain with AssertionError.

They are apart from the tests so that deliberately wrong decisions can be held against them too. Laws of a plan look at
one plan and cost next to nothing; laws of deciding decide several times.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
from pandas.testing import assert_frame_equal

from include.person_sync.core.control_fields import is_control
from include.person_sync.core.fields import Table
from include.person_sync.core.pairs import PROVISIONAL
from include.person_sync.core.policy import MatchingPolicy
from include.person_sync.core.rows import email_key, is_read_only
from include.person_sync.core.snapshot import Events
from tests.properties.core.decisions import Given, carry_out, given_of
from tests.unit.core.world import FILTER, writes

if TYPE_CHECKING:
    from include.person_sync.core.plan import Plan
    from include.person_sync.core.policy import Policy
    from include.person_sync.core.snapshot import Snapshot
    from tests.properties.core.decisions import Story

Decide = Callable[["Snapshot", "Policy"], "Plan"]
PlanLaw = Callable[["Plan", "Snapshot", "Policy"], None]
FRAMES = ("changes", "values", "pairs", "problems", "holds", "base_updates")


def nobody_is_paired_twice(plan: Plan, snapshot: Snapshot, policy: Policy) -> None:
    """Have a person, a row and a link each in one pair at most."""
    assert plan.pairs["marketo_id"].dropna().is_unique
    assert plan.pairs["link_id"].is_unique
    assert not plan.pairs.duplicated(["dynamics_table", "dynamics_id"]).any()


def held_means_untouched(plan: Plan, snapshot: Snapshot, policy: Policy) -> None:
    """Leave whoever is held alone, in no pair and without a change; a lead with several contacts keeps its link."""
    rows = plan.holds[plan.holds["code"] != "SAME_HUMAN"]
    people = plan.holds[plan.holds["code"] != "SEVERAL_CONTACTS"]
    for frame in (plan.pairs, plan.changes[~plan.changes["link_id"].isin(list(plan.closed))]):
        assert not frame["dynamics_id"].isin(rows["dynamics_id"].dropna()).any()
        assert not frame["marketo_id"].isin(people["marketo_id"].dropna()).any()


def nothing_is_made_beside_a_held_row(plan: Plan, snapshot: Snapshot, policy: Policy) -> None:
    """No row is made for a request while one of that address is held."""
    if policy.to_dynamics != MatchingPolicy.LINK:
        return
    rows = plan.holds.loc[plan.holds["code"] != "SAME_HUMAN", "dynamics_id"].dropna()
    held = {
        address
        for frame in snapshot.rows.values()
        for address in email_key(frame.loc[frame.index.isin(rows), "emailaddress1"]).dropna()
    }
    made = plan.pairs.loc[plan.pairs["origin"] == "create_in_dynamics", "marketo_id"]
    assert not held & set(email_key(snapshot.people.loc[made.astype("int64"), "email"]))


def what_is_over_is_left_alone(plan: Plan, snapshot: Snapshot, policy: Policy) -> None:
    """Of a closed link only flags are written, or its row is deleted; gone and read-only rows are never written."""
    ended = plan.changes[plan.changes["link_id"].isin(list(plan.closed)) & (plan.changes["action"] != "delete")]
    values = plan.values[plan.values["change_no"].isin(ended["change_no"])]
    assert set(ended["direction"]) <= {"to_marketo"}
    assert is_control(values).all()
    for table, rows in snapshot.rows.items():
        written = plan.changes[
            (plan.changes["direction"] == "to_dynamics") & (plan.changes["dynamics_table"] == table.value)
        ]
        gone = snapshot.events.rows_gone(table) - set(rows.index)
        assert not written["dynamics_id"].isin(gone).any()
        edits = written[written["action"] != "delete"]
        assert not edits["dynamics_id"].isin(rows.index[is_read_only(rows, table)]).any()


def only_a_no_keeps_out(plan: Plan, snapshot: Snapshot, policy: Policy) -> None:
    """Keep a pair out by its row's No, or, while its row is unknown, by what was known."""
    out = plan.pairs[plan.pairs["link_id"].isin(plan.filtered)]
    for pair in out.itertuples():
        rows = snapshot.rows[Table(pair.dynamics_table)]
        assert (
            str(rows.loc[pair.dynamics_id, FILTER]).lower() == "false"
            if pair.dynamics_id in rows.index
            else pair.is_filtered
        )


def a_new_row_has_an_id_of_its_own(plan: Plan, snapshot: Snapshot, policy: Policy) -> None:
    """Never give what is made now the id of what was deleted before."""
    made = plan.pairs.loc[plan.pairs["origin"] == "create_in_dynamics", "dynamics_id"]
    assert not made.isin(snapshot.closed["dynamics_id"]).any()


def each_field_is_written_once(plan: Plan, snapshot: Snapshot, policy: Policy) -> None:
    """Have one change per link and direction, and one value per change and field."""
    assert not plan.changes.duplicated(["link_id", "direction"]).any()
    assert not plan.values.duplicated(["change_no", "field"]).any()
    assert plan.values["change_no"].isin(plan.changes["change_no"]).all()


PLAN_LAWS: tuple[PlanLaw, ...] = (
    nobody_is_paired_twice,
    held_means_untouched,
    nothing_is_made_beside_a_held_row,
    what_is_over_is_left_alone,
    only_a_no_keeps_out,
    a_new_row_has_an_id_of_its_own,
    each_field_is_written_once,
)


def order_is_irrelevant(decide: Decide, given: Given) -> None:
    """People, rows, links and events may come in any order: the plan is the same; and so it is when asked twice."""
    snapshot = given.complete()
    before, plan = deepcopy(snapshot), decide(snapshot, given.policy)

    assert_same_snapshot(snapshot, before)
    assert_same(plan, decide(backwards(snapshot), given.policy))


def groups_may_be_decided_apart(decide: Decide, given: Given, groups: list[list[Story]]) -> None:
    """People who have nothing to do with each other may be cut into batches in any way."""
    cut = len(groups) // 2
    parts = [[story for group in some for story in group] for some in (groups[:cut], groups[cut:])]
    together = decide(given.complete(), given.policy)
    apart = [decide(one.complete(), one.policy) for one in (given_of(part, given.policy) for part in parts)]

    for name in FRAMES:
        assert sorted(records(together, name)) == sorted(record for plan in apart for record in records(plan, name))
    for name in ("relinked", "requeued", "filtered", "unfiltered", "already_synced"):
        assert sorted(getattr(together, name)) == sorted(one for plan in apart for one in getattr(plan, name))
    assert dict(together.closed) == {link: reason for plan in apart for link, reason in plan.closed.items()}


def a_second_decision_writes_nothing(decide: Decide, given: Given) -> None:
    """Deciding on what a plan leads to writes nothing, once those who were left to the next run had theirs."""
    snapshot = given.complete()
    plan = decide(snapshot, given.policy)
    after = carry_out(given, snapshot, plan)
    if plan.requeued:
        snapshot = after.complete()
        after = carry_out(after, snapshot, decide(snapshot, given.policy))

    assert writes(decide(after.complete(), after.policy)) == []


def backwards(snapshot: Snapshot) -> Snapshot:
    """Return the same snapshot with every frame and mapping in the opposite order."""
    frames = ("people", "links", "elsewhere", "closed", "base")
    events = snapshot.events
    return replace(
        snapshot,
        **{name: getattr(snapshot, name).iloc[::-1] for name in frames},
        rows={table: snapshot.rows[table].iloc[::-1] for table in reversed(Table)},
        events=Events(
            events.deleted_people,
            dict(reversed(events.merged_people.items())),
            dict(reversed(events.deleted_rows.items())),
        ),
    )


def assert_same_snapshot(one: Snapshot, other: Snapshot) -> None:
    """Complain when two snapshots differ."""
    for name in ("people", "links", "elsewhere", "closed", "base", "unsettled"):
        assert_frame_equal(getattr(one, name), getattr(other, name))
    for table in Table:
        assert_frame_equal(one.rows[table], other.rows[table])
    assert (one.events, one.fields, one.asked) == (other.events, other.fields, other.asked)


def assert_same(one: Plan, other: Plan) -> None:
    """Complain when two plans differ in more than the order of rows; provisional ids count."""
    for name in FRAMES:
        assert_frame_equal(*(_sorted(getattr(plan, name)) for plan in (one, other)))
    for name in ("relinked", "requeued", "filtered", "unfiltered", "already_synced"):
        assert sorted(getattr(one, name)) == sorted(getattr(other, name))
    assert (one.closed, one.withheld, one.skipped) == (other.closed, other.withheld, other.skipped)
    assert (one.states, one.fields) == (other.states, other.fields)


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    order = frame.astype("str").fillna("").sort_values(list(frame.columns)).index if len(frame) else frame.index
    return frame.loc[order].reset_index(drop=True)


def records(plan: Plan, name: str) -> list[tuple[str, ...]]:
    """Return the rows of one frame of a plan, known by whom they are about in place of provisional numbers."""
    about = {
        pair.link_id: f"{pair.marketo_id} {pair.dynamics_table}:{pair.dynamics_id}"
        for frame in (plan.pairs, plan.problems)
        for pair in frame.itertuples()
        if pair.link_id >= PROVISIONAL
    }
    frame: pd.DataFrame = getattr(plan, name)
    if name == "values":
        frame = frame.merge(plan.changes[["change_no", "link_id", "direction"]], on="change_no")
    frame = frame.drop(columns="change_no", errors="ignore")
    texts = [
        frame[column].map(lambda one: about.get(one, one)) if column == "link_id" else frame[column] for column in frame
    ]
    return [tuple(_text(cell) for cell in row) for row in zip(*texts, strict=True)]


def _text(cell: Any) -> str:
    return "" if pd.isna(cell) else str(cell)
