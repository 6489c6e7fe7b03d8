"""What an audit can find, and what explains a finding; as values and as the columns of its files."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from include.person_sync.core.values import TEXT_DTYPE

if TYPE_CHECKING:
    import pandas as pd


class Kind(StrEnum):
    """What is wrong beyond single fields."""

    ROW_WITHOUT_PERSON = "row_without_person"
    REQUEST_WITHOUT_ROW = "request_without_row"
    LINK_WITHOUT_ROW = "link_without_row"
    LINK_WITHOUT_PERSON = "link_without_person"
    LINK_WITHOUT_BOTH = "link_without_both"
    WRONG_IDENTITY = "wrong_identity"
    SHARED_IDENTITY = "shared_identity"


class Explanation(StrEnum):
    """Why a difference or finding is no surprise; UNEXPLAINED where nothing known accounts for it."""

    RULE = "rule"
    FILTER = "filter"
    READ_ONLY_ROW = "read_only_row"
    DEAD_LETTER = "dead_letter"
    HOLD = "hold"
    IN_FLIGHT = "in_flight"
    QUEUED = "queued"
    UNEXPLAINED = "unexplained"


MEANING: dict[str, str] = {
    Kind.ROW_WITHOUT_PERSON: "a contact or lead that should have a person in Marketo and has none",
    Kind.REQUEST_WITHOUT_ROW: "a person asked for in Marketo who has no contact or lead",
    Kind.LINK_WITHOUT_ROW: "a linked person whose contact or lead is not in Dynamics",
    Kind.LINK_WITHOUT_PERSON: "a linked contact or lead whose person is not in Marketo",
    Kind.LINK_WITHOUT_BOTH: "a link of which neither half is there",
    Kind.WRONG_IDENTITY: "a person whose identity fields name another row, another table, or a deleted row",
    Kind.SHARED_IDENTITY: "several people whose identity names the same row",
    Explanation.RULE: "the field's rule or blank policy lets nothing through",
    Explanation.FILTER: "the sync filter keeps the row out",
    Explanation.READ_ONLY_ROW: "the row was qualified or merged away and is not written any more",
    Explanation.DEAD_LETTER: "the value was refused; see the dead letters",
    Explanation.HOLD: "held for a person to decide; see the dead letters",
    Explanation.IN_FLIGHT: "changed since the last cycle; the next one takes it up",
    Explanation.QUEUED: "left to a later cycle by an earlier one",
    Explanation.UNEXPLAINED: "nothing known accounts for it",
}
"""One line per word, for readers of a report."""

SET_APART = (Explanation.RULE, Explanation.FILTER, Explanation.READ_ONLY_ROW)
"""Differences that are meant to be: they count neither as agreement nor as its absence."""

DIFFERENCE_COLUMNS = [
    "link_id",
    "marketo_id",
    "dynamics_table",
    "dynamics_id",
    "field",
    "rule",
    "outcome",
    "winner",
    "direction",
    "explanation",
    "base",
    "marketo",
    "dynamics",
    "planned",
]
FINDING_COLUMNS = ["kind", "explanation", "link_id", "marketo_id", "dynamics_table", "dynamics_id", "note"]
_IDS = {"link_id": "Int64", "marketo_id": "Int64"}


def findings_frame(found: pd.DataFrame, kind: Kind, note: pd.Series | str | None = None) -> pd.DataFrame:
    """Return the rows of `found` (any of the id columns) as findings of one kind, not explained yet."""
    named = found.reindex(columns=FINDING_COLUMNS).assign(kind=kind.value, explanation=Explanation.UNEXPLAINED.value)
    return typed(named.assign(note=note), FINDING_COLUMNS)


def typed(frame: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Return a frame with exactly these columns: ids as whole numbers that may be absent, the rest as text."""
    dtypes = {name: _IDS.get(name, TEXT_DTYPE) for name in columns}
    return frame.reindex(columns=columns).astype(dtypes).reset_index(drop=True)
