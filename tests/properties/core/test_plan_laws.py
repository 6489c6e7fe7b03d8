"""The plan holds every decision once, and no death between write and commit lets our own write win."""

from __future__ import annotations

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from include.person_sync.core.changes import build_changes
from include.person_sync.core.merge import merge
from include.person_sync.core.settle import settle
from include.person_sync.core.values import holds_mark
from tests.properties.core.laws import carry_out, decide
from tests.properties.core.worlds import DATA, World, worlds


def links_of(world: World) -> pd.DataFrame:
    """Return link rows for the people of a world."""
    ids = world.base.index
    known = {"link_id": ids, "marketo_id": range(1, len(ids) + 1), "dynamics_table": str(world.table)}
    return pd.DataFrame({**known, "dynamics_id": "id", "generation": 0, "dynamics_version": "v"})


@given(world=worlds())
def test_plan_holds_every_decision_once_and_at_most_one_change_per_direction(world: World) -> None:
    """Nothing is lost or doubled on the way from decisions to the plan, and nothing unknown is planned (S-02)."""
    decided = decide(merge, world)

    plan = build_changes(decided, links_of(world), {world.table: world.fields})

    values = plan.values.merge(plan.changes[["change_no", "link_id"]], on="change_no")
    back = values[decided.columns].sort_values(["link_id", "field"], ignore_index=True)
    assert_frame_equal(back, decided.sort_values(["link_id", "field"], ignore_index=True))
    assert not plan.changes.duplicated(["link_id", "direction"]).any()
    assert not holds_mark(plan.values["planned"]).any()
    assert plan.changes["change_no"].tolist() == list(range(len(plan.changes)))


@given(world=worlds(), data=st.data())
def test_settled_base_makes_a_later_edit_one_sided(world: World, data: st.DataObject) -> None:
    """
    After a run died between its writes and its commit, a person's next edit arrives.

    Every write of the lost run was made, nothing of it was committed, then each planned cell may be edited on the side
    that it came from. Whatever the rule about collisions, the edit must not lose to our own write.

    (S-10)
    """
    decided = decide(merge, world)
    written = decided[decided["outcome"].isin(["to_dynamics", "to_marketo", "collision"])]
    from_marketo = (written["outcome"] == "to_dynamics") | (written["winner"] == "marketo")
    planned = written[["link_id", "field", "planned"]].assign(
        direction=from_marketo.map({True: "to_dynamics", False: "to_marketo"}), status="unknown"
    )
    after = carry_out(decided, world)
    marketo, dynamics = after.marketo.copy(), after.dynamics.copy()
    for row in planned.itertuples():
        side = marketo if row.direction == "to_dynamics" else dynamics
        side.loc[row.link_id, row.field] = data.draw(st.one_of(st.just(row.planned), DATA))

    base = settle(world.base, planned, marketo, dynamics)

    again = merge(base, marketo, dynamics, world.fields, world.table)
    ours = again.merge(planned[["link_id", "field"]], on=["link_id", "field"])
    assert "collision" not in set(ours["outcome"])
