"""What a run has in hand: people and rows by id, and what can be told from a row alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.fields import Table


@dataclass
class World:
    """
    What a run has in hand, keyed by id and growing as counterparts are read.

    `people`: index `marketo_id`, text columns by REST name. `rows`: per table, index `dynamics_id`, text columns
    `version`, the selected columns and lookup names. `complete`: everybody who may belong together is in hand, as in a
    partition of the whole database; then only who is met by nobody is looked up once more. `crowded`: addresses and ids
    (in lower case) that so many people have that Marketo does not say who.
    """

    people: pd.DataFrame
    rows: dict[Table, pd.DataFrame]
    complete: bool = False
    crowded: set[str] = field(default_factory=set)

    def add_people(self, frame: pd.DataFrame) -> None:
        """Add people; a later reading replaces an earlier one."""
        self.people = merged(self.people, frame.set_index("marketo_id"))

    def add_rows(self, table: Table, frame: pd.DataFrame) -> None:
        """Add rows of a table; a later reading replaces an earlier one."""
        self.rows[table] = merged(self.rows[table], frame.set_index("dynamics_id"))

    def unanswered(self, emails: pd.Series, candidates: pd.Series) -> list[str]:
        """
        Return the addresses that have to be looked up in the other system to know who has them.

        Normally all; when the world is complete, those of nobody among `candidates`: they may be new since it was read.
        """
        wanted = emails.dropna().str.strip()
        if self.complete:
            wanted = wanted[~email_key(wanted).isin(email_key(candidates.dropna()))]
        return [str(one) for one in wanted.unique()]

    def is_crowded(self, values: pd.Series) -> pd.Series:
        """Return True per address or id that too many people have."""
        return email_key(values).isin(self.crowded)

    def all_rows(self, columns: Sequence[str]) -> pd.DataFrame:
        """
        Return the rows of both tables with `dynamics_table`, `dynamics_id` and the columns asked for (empty where a
        table lacks one).
        """
        frames = [
            rows.reindex(columns=list(columns)).assign(dynamics_table=table.value).reset_index(names="dynamics_id")
            for table, rows in self.rows.items()
        ]
        return pd.concat(frames, ignore_index=True).astype("str")


def merged(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return both frames as one, the newer row winning per id."""
    both = pd.concat([old, new]) if len(old) else new
    return both[~both.index.duplicated(keep="last")]


def email_key(emails: pd.Series) -> pd.Series:
    """Return addresses in the form in which they are compared: trimmed, without regard to case."""
    return emails.str.strip().str.casefold()


def is_alive(rows: pd.DataFrame) -> pd.Series:
    """Return True per row that is active and no merge's loser: only such a row may be linked or made a person."""
    state = rows["statecode"] if "statecode" in rows else pd.Series(pd.NA, index=rows.index)
    merged_away = rows["merged"].str.lower() == "true" if "merged" in rows else pd.Series(False, index=rows.index)
    return (state.isna() | (state == "0")) & ~merged_away


def passes_filter(rows: pd.DataFrame, column: str | None) -> pd.Series:
    """
    Return True per row the sync filter lets through: only an explicit No keeps a row out.

    Source: Adobe, "Create a Custom Dynamics Sync Filter" (absent, empty and Yes sync; No does not).
    """
    if not column or column not in rows:
        return pd.Series(True, index=rows.index)
    return rows[column].str.lower() != "false"


def ids_by_table(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return row ids per table name."""
    return {str(table): list(ids) for table, ids in rows.groupby("dynamics_table")["dynamics_id"]}
