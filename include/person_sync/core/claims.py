"""
Whose a row is by name: a Marketo person carries the id of its Dynamics row in a control field.

The id decides, trimmed and without regard to case; the table beside it is only asked where rows of both tables bear the
id, since a lead that was qualified leaves its old table behind (ADR 10).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.person_sync.core.rows import row_key

if TYPE_CHECKING:
    import pandas as pd

    from include.person_sync.core.control_fields import ControlNames

__all__ = ["claims", "named_rows"]


def named_rows(people: pd.DataFrame, control: ControlNames) -> pd.Series:
    """Return the row id that each of some people names, in the form in which ids are compared; empty for none."""
    return row_key(people[control.dynamics_id])


def claims(people: pd.DataFrame, rows: pd.DataFrame, control: ControlNames) -> pd.DataFrame:
    """
    Return which of some people name which of some rows: the columns of `rows`, and `marketo_id`; fresh index.

    `people`: columns `marketo_id` and REST names. `rows`: columns `dynamics_table`, `dynamics_id` and any others.
    Several people may name one row, and then each is there.
    """
    named = people[["marketo_id"]].assign(
        dynamics_id=named_rows(people, control), _type=row_key(people[control.dynamics_type])
    )
    found = named.dropna(subset=["dynamics_id"]).merge(rows, on="dynamics_id")
    tables = found.groupby("dynamics_id")["dynamics_table"].transform("nunique")
    chosen = found[(tables == 1) | (found["_type"] == found["dynamics_table"])]
    return chosen.drop(columns="_type").reset_index(drop=True)
