"""
The comparison itself, pure: what differs between the two sides of the same people, and what the rules would do.

The decision is the merge's own, so an audit never judges a difference otherwise than the sync does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.changes import writes_to
from include.person_sync.core.merge import merge
from include.person_sync.core.values import holds_mark
from include.person_sync.core.vocabulary import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import EffectiveField

CELL_COLUMNS = ["dynamics_table", "field", "rule", "comparable", "equal", "unreadable", "behind"]


@dataclass(frozen=True)
class Comparison:
    """
    What comparing some pairs of one table gave.

    `differences`: the columns of a decision and `direction` (`to_dynamics`, `to_marketo`, or `none` where nothing is
    let through), one row per cell that differs. `cells`: CELL_COLUMNS, one row per field with numbers of cells:
    `comparable` ones, of them `equal` ones; `unreadable` on either side; `behind` where both sides agree on a value the
    base does not know.
    """

    differences: pd.DataFrame
    cells: pd.DataFrame


def compare_pairs(
    base: pd.DataFrame,
    marketo: pd.DataFrame,
    dynamics: pd.DataFrame,
    fields: Sequence[EffectiveField],
    table: Table,
) -> Comparison:
    """
    Return what differs between two sides in canonical form.

    Frames as for `merge`: index link_id, one canonical column per field, the same links in any order. Writes nothing.
    """
    decisions = merge(base, marketo, dynamics, fields, table)
    agreed = decisions["outcome"] == Outcome.ADOPT
    differences = decisions[~agreed].reset_index(drop=True)
    differences["direction"] = writes_to(differences)
    counted = pd.DataFrame(
        {
            "dynamics_table": table.value,
            "field": [field.name for field in fields],
            "rule": [field.rule.value for field in fields],
            "unreadable": [unreadable_cells(marketo[field.name], dynamics[field.name]) for field in fields],
        }
    )
    counted["comparable"] = len(base) - counted["unreadable"]
    counted["equal"] = counted["comparable"] - per_field(differences, counted["field"])
    counted["behind"] = per_field(decisions[agreed], counted["field"])
    return Comparison(differences, counted.reindex(columns=CELL_COLUMNS))


def unreadable_cells(marketo: pd.Series, dynamics: pd.Series) -> int:
    """Return how many cells of a field can't be compared, since one of the sides would not say."""
    return int((holds_mark(marketo) | holds_mark(dynamics).reindex(marketo.index)).sum())


def per_field(decisions: pd.DataFrame, names: pd.Series) -> pd.Series:
    """Return how many decisions there are per field of `names`."""
    return names.map(decisions["field"].value_counts()).fillna(0).astype("int64")
