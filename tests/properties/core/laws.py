"""
The laws of the merge, as functions that take a merge and a world and complain with AssertionError.

They are apart from the tests so that deliberately wrong merges can be held against them too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
from pandas.testing import assert_frame_equal

from include.person_sync.core.fields import Blank, Rule, Side, Table
from include.person_sync.core.merge import winner_of
from include.person_sync.core.values import MARKS, MISSING
from tests.unit.core.build import effective

if TYPE_CHECKING:
    from tests.properties.core.worlds import World

Merge = Callable[..., pd.DataFrame]
Law = Callable[[Merge, "World"], None]
WRITES = ("to_dynamics", "to_marketo", "collision")


def decide(merge: Merge, world: World) -> pd.DataFrame:
    """Return what `merge` decides about `world`."""
    return merge(*world.sides, world.fields, world.table)


def carry_out(decisions: pd.DataFrame, world: World) -> World:
    """Return the world after every decision has been written, read back and committed."""
    base, marketo, dynamics = (frame.copy() for frame in world.sides)
    for row in decisions.itertuples():
        if row.outcome == "withheld":
            continue
        base.loc[row.link_id, row.field] = row.planned
        if row.outcome == "to_dynamics" or row.winner == "marketo":
            dynamics.loc[row.link_id, row.field] = row.planned
        if row.outcome == "to_marketo" or row.winner == "dynamics":
            marketo.loc[row.link_id, row.field] = row.planned
    return world.with_sides(base, marketo, dynamics)


def same(one: object, other: object) -> bool:
    """Return whether two cells hold the same; empty equals empty."""
    return (pd.isna(one) and pd.isna(other)) or one == other


def cells_of(world: World) -> list[tuple[int, object, object, object, object]]:
    """Return (link id, field, base, marketo, dynamics) for every cell."""
    return [
        (link_id, field, *(frame.loc[link_id, field.name] for frame in world.sides))
        for link_id in world.base.index
        for field in world.fields
    ]


def nothing_changed_nothing_decided(merge: Merge, world: World) -> None:
    """Where both sides hold the base, there is nothing to do."""
    calm = world.base.mask(world.base == MISSING)

    assert decide(merge, world.with_sides(calm, calm.iloc[::-1], calm)).empty


def a_second_run_writes_nothing(merge: Merge, world: World) -> None:
    """Once a decision is carried out, merging again decides nothing but what was withheld before."""
    first = decide(merge, world)

    second = decide(merge, carry_out(first, world))

    assert set(second["outcome"]) <= {"withheld"}
    assert len(second) == (first["outcome"] == "withheld").sum()


def a_one_sided_edit_arrives(merge: Merge, world: World) -> None:
    """With the default rule, an edit on one side is on both sides and in the base afterwards."""
    fields = tuple(effective(field.name, table=world.table) for field in world.fields)
    base = world.base.mask(world.base == MISSING)
    edited = world.marketo.mask(world.marketo.isin(MARKS))

    for sides in ((base, edited, base), (base, base, edited)):
        mine = world.with_sides(*sides)
        decided = merge(*mine.sides, fields, world.table)
        after = carry_out(decided, mine)
        for frame in after.sides:
            assert_frame_equal(frame.loc[base.index], edited.loc[base.index])


def a_lost_value_is_recorded(merge: Merge, world: World) -> None:
    """Only the base's own value is overwritten silently; any other stands in a collision, whole and with its winner."""
    decided = decide(merge, world)
    after = carry_out(decided, world)
    recorded = decided[decided["outcome"] == "collision"].set_index(["link_id", "field"])
    for link_id, field, base, *before in cells_of(world):
        for was, side in zip(before, after.sides[1:], strict=True):
            is_edit = not same(was, base) and not (base == MISSING and pd.isna(was))
            if is_edit and not same(was, side.loc[link_id, field.name]):
                assert (link_id, field.name) in recorded.index
                row = recorded.loc[(link_id, field.name)]
                assert row["winner"] in set(Side)
                assert same(row["marketo"], before[0])
                assert same(row["dynamics"], before[1])


def equal_sides_never_collide(merge: Merge, world: World) -> None:
    """Where both sides hold the same value nothing is written, however they came to it."""
    decided = decide(merge, world.with_sides(world.base, world.marketo, world.marketo))

    assert set(decided["outcome"]) <= {"adopt"}


def row_order_is_irrelevant(merge: Merge, world: World) -> None:
    """List the people of the inputs in any order and the result is the same."""
    base, marketo, dynamics = world.sides

    shuffled = world.with_sides(base.iloc[::-1], marketo.sort_index(), dynamics.sort_index(ascending=False))

    assert_frame_equal(decide(merge, shuffled), decide(merge, world))


def batch_cuts_are_irrelevant(merge: Merge, world: World) -> None:
    """Merge people one by one and the result is that of merging them together."""
    links = sorted(world.base.index)
    parts = [decide(merge, world.with_sides(*(frame.loc[[link]] for frame in world.sides))) for link in links]
    together = decide(merge, world)

    assert_frame_equal(pd.concat(parts, ignore_index=True) if parts else together, together)


_MIRRORED = {
    Rule.PREFER_MARKETO: Rule.PREFER_DYNAMICS,
    Rule.PREFER_DYNAMICS: Rule.PREFER_MARKETO,
    Rule.MARKETO_TO_DYNAMICS: Rule.DYNAMICS_TO_MARKETO,
    Rule.DYNAMICS_TO_MARKETO: Rule.MARKETO_TO_DYNAMICS,
}


def swapped_sides_swap_the_result(merge: Merge, world: World) -> None:
    """Nothing but the named rules tells the two systems apart."""
    fields = [
        effective(field.name, rule=_MIRRORED.get(field.rule, field.rule), blank=field.field.blank)
        for field in world.fields
    ]
    table = Table.LEAD if world.table is Table.CONTACT else Table.CONTACT

    mirrored = merge(world.base, world.dynamics, world.marketo, fields, table)

    names = {"to_dynamics": "to_marketo", "to_marketo": "to_dynamics", "marketo": "dynamics", "dynamics": "marketo"}
    back = mirrored.rename(columns={"marketo": "dynamics", "dynamics": "marketo"})
    back = back.assign(
        outcome=back["outcome"].replace(names),
        winner=back["winner"].replace(names),
        rule=back["rule"].replace({str(rule): str(mirror) for rule, mirror in _MIRRORED.items()}),
    )
    expected = decide(merge, world)
    assert_frame_equal(back[expected.columns], expected)


def no_value_is_invented(merge: Merge, world: World) -> None:
    """Plan only what stood on a side (or stays in the base), never a mark, and nothing about unreadable cells."""
    decided = decide(merge, world)

    for row in decided.itertuples():
        assert row.planned not in MARKS
        assert not {row.marketo, row.dynamics} & set(MARKS)
        sources = [row.base] if row.outcome == "withheld" and row.base != MISSING else [row.marketo, row.dynamics]
        assert any(same(row.planned, source) for source in sources)


def an_empty_value_never_clears_a_kept_field(merge: Merge, world: World) -> None:
    """With `blank: keep`, a filled cell is never overwritten by an empty one."""
    after = carry_out(decide(merge, world), world)
    for link_id, field, _, *before in cells_of(world):
        for was, side in zip(before, after.sides[1:], strict=True):
            if field.field.blank is Blank.KEEP and not pd.isna(was):
                assert not pd.isna(side.loc[link_id, field.name])


def one_way_rules_write_one_way(merge: Merge, world: World) -> None:
    """Never change the system from which a field only flows away."""
    after = carry_out(decide(merge, world), world)
    for link_id, field, _, *before in cells_of(world):
        for was, side, flows in zip(
            before, after.sides[1:], (field.rule.writes_marketo, field.rule.writes_dynamics), strict=True
        ):
            assert flows or same(was, side.loc[link_id, field.name])


def each_cell_is_decided_as_a_plain_reading_says(merge: Merge, world: World) -> None:
    """Agree with the decision table written out for one cell in plain Python."""
    expected = {
        (link_id, field.name): plain_outcome(base, marketo, dynamics, field, world.table)
        for link_id, field, base, marketo, dynamics in cells_of(world)
    }
    decided = decide(merge, world)

    seen = dict(zip(zip(decided["link_id"], decided["field"], strict=True), decided["outcome"], strict=True))
    assert seen == {cell: outcome for cell, outcome in expected.items() if outcome}


def plain_outcome(base: object, marketo: object, dynamics: object, field: object, table: Table) -> str | None:
    """Return what the decision table says about one cell, in plain Python."""
    rule = field.rule  # type: ignore[attr-defined]
    keeps = field.field.blank is Blank.KEEP  # type: ignore[attr-defined]
    new = base == MISSING
    ours, theirs = new or not same(marketo, base), new or not same(dynamics, base)
    if marketo in MARKS or dynamics in MARKS or not (ours or theirs):
        return None
    if ours and theirs and same(marketo, dynamics):
        return "adopt"
    collides = ours and theirs and not (new and (pd.isna(marketo) or pd.isna(dynamics)))
    if collides:
        source = winner_of(rule, table)
        if keeps and pd.isna(marketo if source is Side.MARKETO else dynamics):
            source = source.other
    elif ours and theirs:
        source = Side.DYNAMICS if pd.isna(marketo) else Side.MARKETO
    else:
        source = Side.MARKETO if ours else Side.DYNAMICS
    allowed = rule.writes_dynamics if source is Side.MARKETO else rule.writes_marketo
    if not allowed or (keeps and pd.isna(marketo if source is Side.MARKETO else dynamics)):
        return "withheld"
    if collides:
        return "collision"
    return "to_dynamics" if source is Side.MARKETO else "to_marketo"


LAWS: tuple[Law, ...] = (
    nothing_changed_nothing_decided,
    a_second_run_writes_nothing,
    a_one_sided_edit_arrives,
    a_lost_value_is_recorded,
    equal_sides_never_collide,
    row_order_is_irrelevant,
    batch_cuts_are_irrelevant,
    swapped_sides_swap_the_result,
    no_value_is_invented,
    an_empty_value_never_clears_a_kept_field,
    one_way_rules_write_one_way,
    each_cell_is_decided_as_a_plain_reading_says,
)
