"""After a run that died, our own writes are recognised; and inputs that don't fit are refused."""

from __future__ import annotations

import pandas as pd
import pytest

from include.errors import SyncError
from include.person_sync.core.fields import Table
from include.person_sync.core.merge import merge
from include.person_sync.core.settle import recovered_link_ids, settle
from include.person_sync.core.values import MISSING
from tests.unit.core.build import effective, frame
from tests.unit.core.world import unsettled


def planned(*rows: tuple[int, str, str, str | None, str]) -> pd.DataFrame:
    """Return an unsettled plan in long form."""
    return pd.DataFrame(rows, columns=["link_id", "field", "direction", "planned", "status"])


def settled(base: str | None, plan: pd.DataFrame, marketo: str | None, dynamics: str | None) -> object:
    """Return the base cell of link 1 after settling; None for empty."""
    sides = [frame({1: {"a": text}, 2: {"a": "other"}}) for text in (base, marketo, dynamics)]
    cell = settle(sides[0], plan, sides[1], sides[2]).loc[1, "a"]
    return None if pd.isna(cell) else cell


@pytest.mark.parametrize(
    ("direction", "status", "marketo", "dynamics", "base"),
    [
        ("to_dynamics", "unknown", "later", "new", "new"),
        ("to_dynamics", "unknown", "new", "old", "old"),
        ("to_dynamics", "planned", "later", "new", "new"),
        ("to_dynamics", "applied", "later", "edited", "new"),
        ("to_dynamics", "refused", "new", "old", "old"),
        ("to_marketo", "unknown", "new", "later", "new"),
        ("to_marketo", "unknown", "old", "new", "old"),
        ("none", "planned", "later", "new", "new"),
        ("none", "planned", "new", "later", "new"),
        ("none", "planned", "x", "y", "old"),
    ],
)
def test_base_moves_to_what_the_target_side_holds(
    direction: str, status: str, marketo: str, dynamics: str, base: str
) -> None:
    """A planned value found where it was sent, or known to be applied, is what both sides last agreed on (S-10)."""
    assert settled("old", planned((1, "a", direction, "new", status)), marketo, dynamics) == base


def test_emptied_value_is_recognised_too() -> None:
    """A planned empty value and an empty cell are the same."""
    assert settled("old", planned((1, "a", "to_dynamics", None, "unknown")), "later", None) is None


def test_missing_base_of_a_new_link_is_settled() -> None:
    """A link whose first write was lost is no first contact any more."""
    assert settled(MISSING, planned((1, "a", "to_dynamics", "new", "unknown")), "later", "new") == "new"


def test_latest_proven_attempt_counts() -> None:
    """Of several attempts the last one that can be seen decides."""
    attempts = planned((1, "a", "to_dynamics", "first", "applied"), (1, "a", "to_dynamics", "second", "unknown"))

    assert settled("old", attempts, "later", "second") == "second"
    assert settled("old", attempts, "later", "first") == "first"


def test_settle_leaves_other_people_and_fields_and_its_inputs_alone() -> None:
    """Plans about links or fields that are not looked at change nothing."""
    base = frame({1: {"a": "old"}})
    sides = frame({1: {"a": "new"}})

    result = settle(base, planned((9, "a", "none", "new", "applied"), (1, "z", "none", "new", "applied")), sides, sides)

    pd.testing.assert_frame_equal(result, base)
    settle(base, planned((1, "a", "none", "new", "applied")), sides, sides)
    assert base.loc[1, "a"] == "old"


def test_merge_refuses_inputs_with_different_links() -> None:
    """A person missing from one input is a bug upstream, not a deletion."""
    one, two = frame({1: {"job_title": "a"}}), frame({2: {"job_title": "a"}})

    with pytest.raises(SyncError, match="marketo do not hold the same links"):
        merge(one, two, one, [effective()], Table.CONTACT)


def test_merge_refuses_a_link_that_occurs_twice() -> None:
    """Two rows for one link have no meaning."""
    twice = pd.concat([frame({1: {"job_title": "a"}})] * 2)

    with pytest.raises(SyncError, match="occurs twice"):
        merge(twice, twice, twice, [effective()], Table.CONTACT)


def test_merge_names_a_field_that_an_input_lacks() -> None:
    """A forgotten column is an error that names the field."""
    sides = frame({1: {"other": "a"}})

    with pytest.raises(SyncError, match="job_title"):
        merge(sides, sides, sides, [effective()], Table.CONTACT)


@pytest.mark.parametrize(
    ("then", "now", "known", "link_id"),
    [(1, 1, [], 70), (None, 1, [], 70), (1, None, [], 70), (2, 1, [], None), (1, 1, [70], None)],
)
def test_link_id_of_a_dead_runs_plan_is_recovered_for_the_same_pair(
    then: int | None, now: int | None, known: list[int], link_id: int | None
) -> None:
    """The row tells where the person's id was never learnt; another person, or somebody else's link, is no match."""
    pair = {"dynamics_table": "contact", "dynamics_id": "c1"}
    plans = unsettled(
        {**pair, "link_id": 60, "marketo_id": then, "direction": "to_marketo", "action": "create"},
        {**pair, "link_id": 70, "marketo_id": then, "direction": "to_marketo", "action": "create"},
    )

    found = recovered_link_ids(pd.DataFrame([{**pair, "marketo_id": now}], index=[9]), plans, [60, *known])

    assert found.index.tolist() == [9]
    assert found.astype(object).where(found.notna(), None).tolist() == [link_id]
