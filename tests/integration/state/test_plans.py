"""Write-ahead plans: what is stored before the first write, and what is left when a run dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import psycopg
import pytest

from include.errors import SyncError
from include.person_sync.core.values import MISSING
from include.person_sync.state import ChangeStatus, Commit, RunStatus, Store
from tests.integration.state.conftest import changes_frame, links_frame, values_frame

if TYPE_CHECKING:
    from collections.abc import Callable

CHANGES = changes_frame(
    {"link_id": 1, "marketo_id": 10, "dynamics_id": "g1", "if_match": 'W/"1"'},
    {"link_id": 2, "direction": "to_marketo", "action": "create", "dynamics_id": "g2"},
    {"link_id": 3, "direction": "none", "action": "adopt", "marketo_id": 30, "dynamics_id": "g3"},
)
VALUES = values_frame(
    {
        "change_no": 0,
        "field": "city",
        "base": MISSING,
        "marketo": 'Ro"me,\n',
        "planned": 'Ro"me,\n',
        "dynamics": "Oslo",
    },
    {"change_no": 0, "field": "fax", "base": "1\x002", "marketo": None, "dynamics": "1\x002", "planned": None},
    {"change_no": 1, "field": "city", "outcome": "collision", "winner": "dynamics", "marketo": "", "planned": "null"},
    {"change_no": 2, "field": "city", "outcome": "adopt", "marketo": "x", "dynamics": "x", "planned": "x"},
)


def outcomes(*rows: tuple[int, str], **columns: object) -> pd.DataFrame:
    """Return outcomes of (change_no, status) with the same further columns for all."""
    return pd.DataFrame(rows, columns=["change_no", "status"]).assign(**columns)


def test_new_pairs_get_lasting_link_ids_with_their_plan(store: Store, begin: Callable[..., str]) -> None:
    """Provisional link ids never reach the database: lasting ones, never given before, stand in their place."""
    run_id, provisional = begin(), [1 << 60, (1 << 60) + 1]
    changes = CHANGES.iloc[:2].assign(link_id=provisional)

    saved = store.save_plan(run_id, changes, VALUES.iloc[:0], provisional)

    assert list(saved.link_ids) == provisional
    assert store.load_plan(run_id).changes["link_id"].tolist() == list(saved.link_ids.values())
    assert store.reserve_link_ids(1)[0] > max(saved.link_ids.values())


def test_plan_comes_back_as_it_was_saved(store: Store, begin: Callable[..., str]) -> None:
    """Every cell of a plan survives, the difference between empty and any text included (S-07)."""
    run_id = begin()

    assert store.save_plan(run_id, CHANGES, VALUES).attempt == 1

    plan = store.load_plan(run_id)
    pd.testing.assert_frame_equal(plan.changes[CHANGES.columns], CHANGES)
    pd.testing.assert_frame_equal(plan.values[VALUES.columns], VALUES)
    assert plan.changes[["code", "message", "request_id", "dynamics_version"]].isna().all(axis=None)


def test_changes_are_counted_by_action_and_status(store: Store, begin: Callable[..., str]) -> None:
    """The counts of a direction tell what became of its changes, and a run that has not planned has none."""
    run_id = begin()
    assert store.count_changes(run_id, "to_dynamics") == {}
    store.save_plan(run_id, CHANGES, VALUES)

    store.record_outcomes(run_id, outcomes((0, "refused")))

    assert store.count_changes(run_id, "to_dynamics") == {"update": {"refused": 1}}
    assert store.count_changes(run_id, "to_marketo") == {"create": {"planned": 1}}


def test_empty_plan_comes_back_empty(store: Store, begin: Callable[..., str]) -> None:
    """A run with nothing to do has a plan too: one without rows."""
    run_id = begin()

    store.save_plan(run_id, CHANGES.iloc[:0], VALUES.iloc[:0])

    plan = store.load_plan(run_id)
    assert plan.changes.empty
    assert plan.values.empty
    assert plan.changes["link_id"].dtype == np.dtype("int64")
    store.record_outcomes(run_id, outcomes())
    store.amend_values(run_id, pd.DataFrame({"change_no": [], "field": [], "outcome": []}))


def test_plan_is_loaded_by_direction_and_status(store: Store, begin: Callable[..., str]) -> None:
    """A stage reads the part of the plan that is still its business, values included."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)
    store.record_outcomes(run_id, outcomes((0, "applied")))

    assert store.load_plan(run_id, direction="to_dynamics").values["field"].tolist() == ["city", "fax"]
    assert store.load_plan(run_id, statuses=[ChangeStatus.PLANNED]).changes["change_no"].tolist() == [1, 2]
    assert store.load_plan(run_id, direction="to_dynamics", statuses=["planned"]).changes.empty
    created = store.load_plan(run_id, actions=["create"])
    assert (created.changes["change_no"].tolist(), created.values["change_no"].tolist()) == ([1], [1])


def test_outcomes_are_kept_per_change(store: Store, begin: Callable[..., str]) -> None:
    """Status, answer, new person's id and new row version stand with their change; ids that are not told stay."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)

    store.record_outcomes(run_id, outcomes((0, "refused"), code="0x1", message="no", request_id="r1"))
    store.record_outcomes(run_id, outcomes((1, "applied"), marketo_id=77, dynamics_version='W/"9"'))

    told = store.load_plan(run_id).changes.set_index("change_no")
    assert told.loc[0, ["status", "code", "message", "request_id", "marketo_id"]].tolist() == [
        "refused",
        "0x1",
        "no",
        "r1",
        10,
    ]
    assert told.loc[1, ["status", "marketo_id", "dynamics_version"]].tolist() == ["applied", 77, 'W/"9"']
    assert told.loc[2, "status"] == "planned"


def test_outcome_of_an_unknown_kind_is_refused(store: Store, begin: Callable[..., str]) -> None:
    """A status nobody knows would be skipped by every later stage."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)

    with pytest.raises(ValueError, match="perhaps"):
        store.record_outcomes(run_id, outcomes((0, "perhaps")))


def test_amended_values_replace_what_was_decided(store: Store, begin: Callable[..., str]) -> None:
    """A second merge changes the columns it tells of, of the fields it names."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)

    amended = pd.DataFrame({"change_no": [0], "field": ["fax"], "outcome": ["deferred"], "dynamics": ["3"]})
    store.amend_values(run_id, amended)

    values = store.load_plan(run_id).values
    assert values["outcome"].tolist() == ["to_dynamics", "deferred", "collision", "adopt"]
    assert values.loc[1, ["base", "dynamics"]].tolist() == ["1\x002", "3"]


def refusals(*rows: tuple[int, str]) -> pd.DataFrame:
    """Return refused fields as a stage tells of them."""
    frame = pd.DataFrame(rows, columns=["change_no", "field"])
    return frame.assign(outcome="refused", code="0x1", message="no", request_id="r1")


def test_refused_fields_are_kept_beside_the_outcome_of_their_change(store: Store, begin: Callable[..., str]) -> None:
    """Which fields were refused, and why, is stored with the change whose other fields were written."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)

    store.record_outcomes(run_id, outcomes((0, "applied")), refusals((0, "fax")))

    values = store.load_plan(run_id).values
    assert values["outcome"].tolist() == ["to_dynamics", "refused", "collision", "adopt"]
    assert values.loc[1, ["code", "message", "request_id", "planned"]].astype(object).fillna("").tolist() == [
        "0x1",
        "no",
        "r1",
        "",
    ]
    assert values.loc[[0, 2, 3], ["code", "message", "request_id"]].isna().all(axis=None)


def test_refused_fields_are_nothing_that_may_have_left(store: Store, begin: Callable[..., str]) -> None:
    """After a death only what may stand in a system is told; the person is named even when nothing of it may."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)

    store.record_outcomes(run_id, outcomes((0, "applied"), (1, "unknown")), refusals((0, "fax"), (1, "city")))

    left = store.unsettled()
    assert left.loc[left["change_no"] == 0, "field"].tolist() == ["city"]
    assert left.loc[left["change_no"] == 1, "field"].isna().tolist() == [True]


def test_plan_without_any_write_is_replaced(store: Store, begin: Callable[..., str]) -> None:
    """A reconcile that is run again before anything was sent leaves one plan, the newer."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)

    assert store.save_plan(run_id, CHANGES.iloc[:1], VALUES.iloc[:2]).attempt == 1

    assert store.load_plan(run_id).changes["change_no"].tolist() == [0]
    assert store.unsettled().empty


@pytest.mark.parametrize("sign", ["status", "outcome"])
def test_plan_that_may_have_left_is_kept(store: Store, begin: Callable[..., str], sign: str) -> None:
    """Once a write may have been sent the plan is evidence: the next attempt stands beside it (S-10)."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)
    if sign == "status":
        store.update_run(run_id, status=RunStatus.APPLYING)
    else:
        store.record_outcomes(run_id, outcomes((0, "applied")))

    assert store.save_plan(run_id, CHANGES.iloc[2:], VALUES.iloc[3:]).attempt == 2

    assert store.load_plan(run_id).changes["change_no"].tolist() == [2]
    assert set(store.unsettled()["attempt"]) == {1}


def test_unsettled_tells_what_may_stand_in_the_systems(store: Store, begin: Callable[..., str]) -> None:
    """Of a run that died, every field counts that was or may have been written; what was refused does not (S-10)."""
    run_id = begin()
    changes = changes_frame(*({"link_id": number, "marketo_id": number} for number in range(5)))
    values = values_frame(*({"change_no": number, "field": "city", "planned": f"p{number}"} for number in range(4)))
    store.save_plan(run_id, changes, values)
    store.update_run(run_id, status="applying")
    store.record_outcomes(run_id, outcomes((0, "applied"), (1, "refused"), (2, "unknown")))

    left = store.unsettled()

    assert left[["change_no", "status"]].values.tolist() == [
        [0, "applied"],
        [2, "unknown"],
        [3, "unknown"],
        [4, "unknown"],
    ]
    assert left["planned"].fillna("-").tolist() == ["p0", "p2", "p3", "-"]
    assert left["link_id"].dtype == np.dtype("int64")


def test_commit_settles_what_dead_runs_left(store: Store, begin: Callable[..., str]) -> None:
    """The run that took the left-overs into account ends their story; a run that did not leaves them."""
    dead = begin("dead")
    store.save_plan(dead, CHANGES, VALUES)
    store.update_run(dead, status="applying")
    store.release_lease("person_sync", dead)

    store.commit(begin("narrow"), Commit(settles=False))
    store.release_lease("person_sync", "narrow")
    assert set(store.unsettled()["run_id"]) == {"dead"}

    store.commit(begin("whole"), Commit())
    assert store.unsettled().empty


def test_dry_run_leaves_nothing_to_settle(store: Store, begin: Callable[..., str]) -> None:
    """A plan that was only looked at never moved a value (S-32)."""
    run_id = begin()
    store.save_plan(run_id, CHANGES, VALUES)
    store.finish_run(run_id, RunStatus.DRY_RUN)

    assert store.unsettled().empty
    with pytest.raises(SyncError, match="dry run"):
        store.commit(run_id, Commit(links=links_frame((1, 10, "lead", "g1"))))


def test_run_without_a_plan_is_said_to_have_none(store: Store, begin: Callable[..., str]) -> None:
    """A stage that comes too early gets told what to run first."""
    with pytest.raises(SyncError, match=r"run-1 has no plan.*reconcile"):
        store.load_plan(begin())


def test_a_large_plan_is_known_to_the_planner_before_it_is_read(postgres_url: str) -> None:
    """PostgreSQL's statistics hold a plan of many rows at once, not only after its own maintenance a minute later."""
    store = Store.open(postgres_url)
    store.start_run("run-1", kind="cycle", mode="incremental", params={}, origin={})
    numbers = range(6_000)
    changes = changes_frame(*({"link_id": number, "dynamics_id": f"g{number}"} for number in numbers))
    values = values_frame(*({"change_no": number, "field": "city", "planned": "x"} for number in numbers))

    store.save_plan("run-1", changes, values)
    store.close()

    with psycopg.connect(postgres_url) as connection:
        known = connection.execute("SELECT reltuples FROM pg_class WHERE relname IN ('plan_change', 'plan_value')")
        assert [int(rows) for (rows,) in known] == [6_000, 6_000]


@pytest.mark.parametrize("outcome", ["deferred", "refused"])
def test_field_that_was_not_written_is_nobodys_write(store: Store, begin: Callable[..., str], outcome: str) -> None:
    """A field given up or refused in a change that was applied stands nowhere: it must not become the base."""
    run_id = begin()
    changes = changes_frame({"link_id": 1, "marketo_id": 10, "dynamics_id": "g1"})
    cells = [{"change_no": 0, "field": name, "base": "a", "marketo": "b", "planned": "b"} for name in ("city", "fax")]
    store.save_plan(run_id, changes, values_frame(*cells))

    fields = pd.DataFrame([{"change_no": 0, "field": "fax", "outcome": outcome}])
    store.record_outcomes(run_id, pd.DataFrame([{"change_no": 0, "status": "applied"}]), fields)

    assert store.unsettled()["field"].tolist() == ["city"]
