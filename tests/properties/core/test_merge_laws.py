"""The merge keeps its laws, and the laws catch merges that are wrong in a plausible way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, given, settings

from include.person_sync.core.merge import merge
from include.person_sync.core.values import UNREADABLE
from tests.properties.core import laws
from tests.properties.core.worlds import World, worlds

if TYPE_CHECKING:
    import pandas as pd


@pytest.mark.parametrize("law", laws.LAWS, ids=lambda law: law.__name__)
@given(world=worlds())
def test_merge_keeps_the_law(law: laws.Law, world: World) -> None:
    """Each law holds in every world (P-022, P-024, S-01, S-02, S-06)."""
    law(merge, world)


def marketo_overwrites(
    base: pd.DataFrame, marketo: pd.DataFrame, dynamics: pd.DataFrame, *rest: object
) -> pd.DataFrame:
    """Return a wrong merge: Marketo's value goes out whenever the sides differ, as if nobody edited in Dynamics."""
    return merge(dynamics.loc[base.index], marketo, dynamics, *rest)


def collisions_go_unrecorded(*inputs: object) -> pd.DataFrame:
    """Return a wrong merge: the winner is written, but the loser is not noted."""
    decided = merge(*inputs)
    lost = decided["outcome"] == "collision"
    outcome = decided["winner"].map({"marketo": "to_dynamics", "dynamics": "to_marketo"})
    return decided.assign(outcome=decided["outcome"].mask(lost, outcome))


def unreadable_counts_as_empty(
    base: pd.DataFrame, marketo: pd.DataFrame, dynamics: pd.DataFrame, *rest: object
) -> pd.DataFrame:
    """Return a wrong merge: a column we may not read looks emptied."""
    return merge(base, marketo.mask(marketo == UNREADABLE), dynamics.mask(dynamics == UNREADABLE), *rest)


def rows_meet_by_position(
    base: pd.DataFrame, marketo: pd.DataFrame, dynamics: pd.DataFrame, *rest: object
) -> pd.DataFrame:
    """Return a wrong merge: the first row of one input is taken for the first row of the others."""
    return merge(base, marketo.set_axis(base.index), dynamics.set_axis(base.index), *rest)


def agreements_are_forgotten(*inputs: object) -> pd.DataFrame:
    """Return a wrong merge: when both sides came to the same value the base stays behind."""
    decided = merge(*inputs)
    return decided[decided["outcome"] != "adopt"].reset_index(drop=True)


def tables_share_a_winner(*inputs: object) -> pd.DataFrame:
    """Return a wrong merge: on a lead, Dynamics wins too."""
    decided = merge(*inputs)
    return decided.assign(winner=decided["winner"].replace({"marketo": "dynamics"}))


@pytest.mark.parametrize(
    ("wrong", "law"),
    [
        (marketo_overwrites, laws.a_one_sided_edit_arrives),
        (collisions_go_unrecorded, laws.a_lost_value_is_recorded),
        (unreadable_counts_as_empty, laws.each_cell_is_decided_as_a_plain_reading_says),
        (rows_meet_by_position, laws.row_order_is_irrelevant),
        (agreements_are_forgotten, laws.each_cell_is_decided_as_a_plain_reading_says),
        (tables_share_a_winner, laws.swapped_sides_swap_the_result),
    ],
    ids=lambda value: value.__name__,
)
def test_laws_catch_a_wrong_merge(wrong: laws.Merge, law: laws.Law) -> None:
    """A law that no wrong merge breaks would promise nothing (S-02)."""

    @settings(max_examples=300, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False)
    @given(world=worlds())
    def hold_against(world: World) -> None:
        law(wrong, world)

    with pytest.raises(AssertionError):
        hold_against()
