"""Each brake trips when it should, and not otherwise."""

from __future__ import annotations

import pandas as pd
import pytest

from include.errors import ConfigError
from include.person_sync.core.brake_names import API_BUDGET, BRAKES
from include.person_sync.core.brakes import (
    BrakeSettings,
    DirectionCounts,
    Limit,
    PlanCounts,
    SideSizes,
    budget_verdicts,
    changes_of_map,
    count_plan,
    evaluate,
    is_shrunk,
    people_linked_before,
    side_sizes,
    tripped,
)
from include.person_sync.core.changes import build_changes
from include.person_sync.core.fields import Table
from include.person_sync.core.merge import merge
from include.person_sync.core.plan import Plan
from include.person_sync.core.relations import CHANGES
from include.person_sync.core.vocabulary import Direction
from tests.unit.core.build import effective, frame
from tests.unit.core.test_plan import links

SETTINGS = BrakeSettings()
MANY = DirectionCounts(changed=20_000, created=20_000, emptied=20_000)
TRIPPING = {
    **{f"{kind}_to_dynamics": PlanCounts(10**6, to_dynamics=MANY) for kind in ("changed", "created", "emptied")},
    **{f"{kind}_to_marketo": PlanCounts(10**6, to_marketo=MANY) for kind in ("changed", "created", "emptied")},
    "deleted_to_dynamics": PlanCounts(10**6, to_dynamics=DirectionCounts(deleted=20_000)),
    "dynamics_shrank": PlanCounts(10, dynamics=SideSizes(now=1_000, before=2_000)),
    "marketo_shrank": PlanCounts(10, marketo=SideSizes(now=1_000, before=2_000)),
    "map_changed": PlanCounts(10, map_changes=("job_title changed",)),
}


@pytest.mark.parametrize("name", [one for one in BRAKES if one != API_BUDGET])
def test_brake_trips_and_can_be_overridden_by_its_name(name: str) -> None:
    """Every brake there is stops a run, says what to do, and lets it pass when named (S-30, S-31)."""
    counts = TRIPPING[name]
    stopping = {verdict.name: verdict for verdict in evaluate(counts, SETTINGS)}

    assert name in stopping
    assert f"--override {name}" in stopping[name].remedy
    assert name not in {verdict.name for verdict in evaluate(counts, SETTINGS, [name])}
    assert name in {verdict.name for verdict in tripped(counts, SETTINGS)}


def test_small_database_does_not_trip_on_a_few_edits() -> None:
    """Below the floor no share counts."""
    counts = PlanCounts(50, DirectionCounts(changed=50, emptied=5), DirectionCounts(changed=5, created=20))

    assert evaluate(counts, SETTINGS) == []


def test_share_trips_above_the_floor() -> None:
    """Four in ten of a middling database is too much, three in ten is not."""
    assert evaluate(PlanCounts(1_000, DirectionCounts(changed=300)), SETTINGS) == []
    assert [v.name for v in evaluate(PlanCounts(1_000, DirectionCounts(changed=400)), SETTINGS)] == [
        "changed_to_dynamics"
    ]


def test_first_run_is_exempt_from_counting_people() -> None:
    """The first run touches everybody, and is meant to."""
    counts = PlanCounts(0, MANY, MANY, map_changes=("city removed",))

    assert evaluate(counts, SETTINGS) == []


def test_growing_side_and_unchanged_map_let_the_run_pass() -> None:
    """More people than before, and the same map, are no reason to stop."""
    counts = PlanCounts(10, dynamics=SideSizes(now=5_000, before=10))

    assert evaluate(counts, SETTINGS) == []


def test_override_of_an_unknown_brake_names_the_valid_ones() -> None:
    """A mistyped override is an error, not a silent no (S-31)."""
    with pytest.raises(ConfigError, match="changed_to_dynamics, changed_to_marketo"):
        evaluate(PlanCounts(10), SETTINGS, ["chnaged"])


def test_limit_refuses_nonsense() -> None:
    """A share is a part of one."""
    with pytest.raises(ConfigError):
        Limit(share=30, number=1, floor=1)


def test_message_says_what_was_seen_and_what_is_usual() -> None:
    """A person can judge from the message alone (S-30)."""
    verdict = evaluate(PlanCounts(1_000, DirectionCounts(changed=400)), SETTINGS)[0]

    assert "change 400 people in Dynamics, with 1000 linked" in verdict.message
    assert "30% once above 100" in verdict.limit


def test_count_plan_counts_people_not_fields() -> None:
    """Two fields emptied of one person are one person changed and emptied."""
    fields = (effective("last_name"), effective("email"))
    base = frame({1: {"last_name": "a", "email": "b"}, 2: {"last_name": "a", "email": None}})
    marketo = frame({1: {"last_name": None, "email": None}, 2: {"last_name": "x", "email": None}})
    plan = build_changes(merge(base, marketo, base, fields, Table.CONTACT), links(None, 1, 2), {Table.CONTACT: fields})

    counts = count_plan(plan)

    assert counts[Direction.TO_DYNAMICS] == DirectionCounts(changed=2, created=0, emptied=1)
    assert counts[Direction.TO_MARKETO] == DirectionCounts()


@pytest.mark.parametrize(
    ("missing", "before", "shrunk"), [(100, 200, False), (101, 200, True), (200, 1_000, False), (201, 1_000, True)]
)
def test_side_is_shrunk_above_both_floor_and_share(missing: int, before: int, shrunk: bool) -> None:
    """A few may always be gone, a fifth of many too."""
    assert is_shrunk(missing, before, SETTINGS) is shrunk


@pytest.mark.parametrize(
    ("known", "first", "initial", "linked"),
    [
        (0, True, False, 0),
        (99, True, False, 0),
        (100, True, False, 100),
        (5, False, False, 5),
        (5_000, False, True, 0),
    ],
)
def test_first_run_is_one_without_watermark_and_with_few_links(
    known: int, first: bool, initial: bool, linked: int
) -> None:
    """Many links but no watermark means lost state; an initial load that goes on is spared like a first run."""
    assert people_linked_before(known, first_run=first, initial_load=initial, settings=SETTINGS) == linked


MAP = {"digest": "1", "fields": {"a": "x", "b": "y"}, "filter": "f"}


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (None, ()),
        (MAP, ()),
        ({**MAP, "digest": "0", "fields": {"a": "x"}}, ()),
        ({**MAP, "digest": "0", "fields": {"a": "z", "c": "y"}}, ("c was removed", "a was changed")),
        ({**MAP, "filter": None}, ("the sync filter was changed",)),
        ({"digest": "1", "fields": MAP["fields"]}, ()),
        ({"digest": "0"}, ("it is not known in which fields",)),
    ],
)
def test_map_change_is_what_means_something_else_and_not_what_was_added(known: dict | None, said: tuple) -> None:
    """An added field changes nothing that was agreed on; what was remembered may be of an earlier form."""
    assert changes_of_map(MAP, known) == said


def test_side_sizes_count_only_readings_in_full() -> None:
    """A delta says nothing about who is there."""
    assert side_sizes([(None, 3), (0, 2)]) is None
    assert side_sizes([(100, 7), (None, 50), (20, 0)]) == SideSizes(now=113, before=120)


def test_budget_counts_a_read_and_a_write_per_call_and_one_per_creation() -> None:
    """What Marketo has left today must do for the whole plan."""
    actions = ["update"] * 301 + ["create"] * 300
    rows = pd.DataFrame({"change_no": range(601), "link_id": 1, "generation": 1, "action": actions})
    plan = Plan(changes=CHANGES.of(rows, direction="to_marketo"))

    assert budget_verdicts(plan, 5, 300) == []
    (verdict,) = budget_verdicts(plan, 4, 300)
    assert verdict.name == API_BUDGET
    assert verdict.seen == "5 calls needed"
    assert budget_verdicts(Plan(), 0, 300) == []
