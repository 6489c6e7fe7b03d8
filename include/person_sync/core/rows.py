"""What can be told from a Dynamics row alone: whether it is alive, may be written, and is let through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.fields import Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EMAIL_COLUMN = "emailaddress1"
STATE = "statecode"
MERGED, MASTER = "merged", "_masterid_value"
PARENT_CONTACT, ORIGINATING_LEAD = "_parentcontactid_value", "_originatingleadid_value"
QUALIFIED = "1"
"""`statecode` of a lead that was qualified. Source: Dataverse reference of lead."""


def is_alive(rows: pd.DataFrame) -> pd.Series:
    """Return True per row that is active and no merge's loser: only such a row may be linked or made a person."""
    state = rows.get(STATE, pd.Series(pd.NA, index=rows.index))
    return (state.isna() | (state == "0")) & ~is_merged(rows)


def is_merged(rows: pd.DataFrame) -> pd.Series:
    """Return True per row that lost a merge: it stays, inactive, and names its master."""
    if MERGED not in rows:
        return pd.Series(False, index=rows.index)
    return rows[MERGED].str.lower() == "true"


def is_qualified(rows: pd.DataFrame) -> pd.Series:
    """Return True per row of the table lead that was qualified. Source: Dataverse reference, action QualifyLead."""
    if STATE not in rows:
        return pd.Series(False, index=rows.index)
    return rows[STATE] == QUALIFIED


def is_read_only(rows: pd.DataFrame, table: Table) -> pd.Series:
    """
    Return True per row of a table that is not written any more: a qualified lead, or a merge's loser.

    The server may not refuse such a write. Source: Dataverse reference of lead, `statecode`: qualified leads are
    read-only.
    """
    return is_merged(rows) | (is_qualified(rows) & (table is Table.LEAD))


def passes_filter(rows: pd.DataFrame, column: str | None) -> pd.Series:
    """
    Return True per row the sync filter lets through: only an explicit No keeps a row out.

    Source: Adobe, "Create a Custom Dynamics Sync Filter" (absent, empty and Yes sync; No does not).
    """
    if not column or column not in rows:
        return pd.Series(True, index=rows.index)
    return rows[column].str.lower() != "false"


def email_key(emails: pd.Series) -> pd.Series:
    """Return addresses in the form in which they are compared: trimmed, without regard to case; blank is empty."""
    key = emails.astype("str").str.strip().str.casefold()
    return key.mask(key == "")


def row_key(ids: pd.Series) -> pd.Series:
    """Return row ids in the form in which they are compared: trimmed, in lower case; blank is empty."""
    key = ids.astype("str").str.strip().str.lower()
    return key.mask(key == "")


def masters(rows: pd.DataFrame) -> dict[str, str]:
    """Return loser → master of the merged rows; ids in lower case."""
    if MASTER not in rows:
        return {}
    named = row_key(rows.loc[is_merged(rows), MASTER]).dropna()
    return dict(zip(named.index.astype(str), named, strict=True))


def all_rows(rows: Mapping[Table, pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    """
    Return the rows of all tables as one frame: `dynamics_table`, `dynamics_id` and the columns asked for, as text;
    empty where a table lacks one. Fresh index.
    """
    frames = [
        frame.reindex(columns=list(columns)).assign(dynamics_table=table.value).reset_index(names="dynamics_id")
        for table, frame in rows.items()
    ]
    return pd.concat(frames, ignore_index=True).astype("str")


def ids_by_table(rows: pd.DataFrame) -> dict[str, list[str]]:
    """Return row ids per table name."""
    return {str(table): list(ids) for table, ids in rows.groupby("dynamics_table")["dynamics_id"]}
