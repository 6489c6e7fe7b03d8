"""Frames have the form that their relation says."""

from __future__ import annotations

import pandas as pd
import pytest

from include.errors import SyncError
from include.person_sync.core import relations
from include.person_sync.core.plan import Plan
from include.person_sync.core.relations import LINKS, PAIRS, Relation

ALL = [one for one in vars(relations).values() if isinstance(one, Relation)]


@pytest.mark.parametrize("relation", ALL, ids=lambda relation: relation.name)
def test_relation_without_rows_has_its_form(relation: Relation) -> None:
    """Nothing of anything has all columns and types, alone and joined."""
    assert relation.check(relation.empty()).columns.tolist() == relation.columns
    assert relation.check(relation.joined()).empty
    assert relation.check(relation.joined(relation.empty(), relation.empty())).empty


def test_relation_fills_what_is_absent_and_leaves_out_what_is_not_its_own() -> None:
    """Constants fill columns, other absent ones are empty, rows keep their index."""
    frame = pd.DataFrame({"link_id": [7], "generation": [1], "other": ["x"]}, index=[40])

    pairs = PAIRS.of(frame, dynamics_table="lead", is_filtered=False)

    assert pairs.index.tolist() == [40]
    assert pairs.columns.tolist() == PAIRS.columns
    assert pairs["dynamics_table"].tolist() == ["lead"]
    assert pairs[["marketo_id", "origin"]].isna().all(axis=None)


def test_joined_relations_have_a_fresh_index() -> None:
    """Rows of several frames one after the other."""
    one = PAIRS.of(pd.DataFrame({"link_id": [7], "generation": [1]}), is_filtered=False)

    assert PAIRS.joined(one, PAIRS.empty(), one).index.tolist() == [0, 1]


def test_check_names_the_column_that_is_absent_or_of_another_type() -> None:
    """A wrong frame is noticed where it changes hands."""
    with pytest.raises(SyncError, match="links has no column needs_recheck"):
        LINKS.check(LINKS.empty().drop(columns="needs_recheck"))
    with pytest.raises(SyncError, match="Column link_id of links is str and should be int64"):
        LINKS.check(LINKS.empty().astype({"link_id": "str"}))
    with pytest.raises(SyncError, match="Column generation of pairs"):
        Plan(pairs=PAIRS.empty().astype({"generation": "float64"})).check()
