"""
The frames that travel between the parts of the sync: their columns and dtypes, each said once.

A relation is a table in the sense of the trade: named columns, each with one dtype, rows in no particular order unless
the relation says so. Frames are brought into a relation's form where they are made (`of`) and held to it where they
change hands (`check`): a column that is absent, or of another dtype, is noticed there and not three modules later.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.errors import SyncError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "BASE_UPDATES",
    "CANDIDATES",
    "CHANGES",
    "DECISIONS",
    "HOLDS",
    "LETTERS",
    "LINKS",
    "PAIRS",
    "PLAN_VALUES",
    "PROBLEMS",
    "ROW_REFERENCES",
    "UNSETTLED",
    "Relation",
]


@dataclass(frozen=True)
class Relation:
    """One kind of frame: its name, and its columns with their dtypes, in order. The index says nothing."""

    name: str
    dtypes: Mapping[str, str]

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self.dtypes)

    def empty(self) -> pd.DataFrame:
        """Return the relation without rows."""
        return self._nothing.copy()

    @cached_property
    def _nothing(self) -> pd.DataFrame:
        return pd.DataFrame({name: pd.Series([], dtype=dtype) for name, dtype in self.dtypes.items()})

    def of(self, frame: pd.DataFrame, **constants: str | int | bool | None) -> pd.DataFrame:
        """
        Return the frame in the relation's form; `constants` fill whole columns, further absent columns are empty.

        Columns that the relation does not have are left out. The rows keep their index. A frame that is in form already
        is returned as it is.
        """
        if not constants and self._fits(frame):
            return frame
        index, columns = frame.index, {}
        dtype: Any  # the names of dtypes are plain texts here, which the stubs of pandas would have as literals
        for name, dtype in self.dtypes.items():
            if name in constants or name not in frame:
                columns[name] = pd.Series(constants.get(name), index=index, dtype=dtype)
            else:
                column = frame[name]
                columns[name] = column if column.dtype == dtype else column.astype(dtype)
        return pd.DataFrame(columns, index=index)

    def _fits(self, frame: pd.DataFrame) -> bool:
        """Return whether a frame has just these columns, with these dtypes."""
        return list(frame.columns) == self.columns and all(
            known == wanted for known, wanted in zip(frame.dtypes, self.dtypes.values(), strict=True)
        )

    def joined(self, *frames: pd.DataFrame) -> pd.DataFrame:
        """Return the rows of all frames in the relation's form, with a fresh index."""
        parts = [self.of(frame) for frame in frames if len(frame)]
        return pd.concat(parts, ignore_index=True) if parts else self.empty()

    def check(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the frame. Raises SyncError naming the first column that is absent or of another dtype."""
        for column, dtype in self.dtypes.items():
            if column not in frame:
                raise SyncError(f"A frame of {self.name} has no column {column}.")
            if frame[column].dtype != dtype:
                raise SyncError(f"Column {column} of {self.name} is {frame[column].dtype} and should be {dtype}.")
        return frame


def _texts(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "str")


LINKS = Relation(
    "links",
    {
        "link_id": "int64",
        "marketo_id": "int64",
        **_texts("dynamics_table", "dynamics_id"),
        "generation": "int64",
        **_texts("state", "closed_reason", "dynamics_version"),
        "needs_recheck": "bool",
        "is_filtered": "bool",
    },
)
"""Links as the store knows them. `closed_reason` is empty for open ones."""

PAIRS = Relation(
    "pairs",
    {
        "link_id": "int64",
        "marketo_id": "Int64",
        **_texts("dynamics_table", "dynamics_id"),
        "generation": "int64",
        **_texts("origin", "owner_email", "version"),
        "is_filtered": "bool",
    },
)
"""
Everybody a run looks at, one row per pair. `marketo_id` is absent for a person yet to be created. `origin` (PairOrigin)
says why a pair is new and is empty for known ones; `owner_email` whom a request names as owner; `version` the version
of the row as read, else as last seen.
"""

CANDIDATES = Relation(
    "candidates",
    {
        "marketo_id": "Int64",
        **_texts("dynamics_table", "dynamics_id"),
        "generation": "Int64",
        **_texts("origin", "owner_email"),
        "link_id": "Int64",
    },
)
"""Pairs found or to be made, before they have a link id (`link_id`: one that an earlier run gave, or absent)."""

ROW_REFERENCES = Relation("row references", _texts("dynamics_table", "dynamics_id", "email"))
"""Dynamics rows by id, with the address they are matched by."""

HOLDS = Relation(
    "holds",
    {
        "kind": "str",
        "marketo_id": "Int64",
        **_texts("dynamics_table", "dynamics_id", "direction", "action", "code", "message"),
    },
)
"""Entries held for a person to decide. `kind` as DeadLetterKind; `action` is what is held back."""

PROBLEMS = Relation(
    "problems",
    {
        "link_id": "int64",
        **_texts("direction", "field", "code", "message", "planned"),
        "marketo_id": "Int64",
        **_texts("dynamics_table", "dynamics_id"),
    },
)
"""Single values that can't be carried over, one row per link and field."""

DECISIONS = Relation(
    "decisions",
    {
        "link_id": "int64",
        **_texts("field", "outcome", "winner", "base", "marketo", "dynamics", "planned", "rule"),
    },
)
"""What is decided about a field of a pair; see `merge`."""

CHANGES = Relation(
    "changes",
    {
        "change_no": "int64",
        "link_id": "int64",
        **_texts("direction", "action"),
        "marketo_id": "Int64",
        **_texts("dynamics_table", "dynamics_id"),
        "generation": "int64",
        **_texts("if_match", "note", "status"),
    },
)
"""What is written to whom; see `plan`."""

PLAN_VALUES = Relation(
    "plan values",
    {
        "change_no": "int64",
        **_texts("field", "outcome", "winner", "base", "marketo", "dynamics", "planned", "rule"),
    },
)
"""The fields of changes; see `plan`."""

BASE_UPDATES = Relation("base updates", {"link_id": "int64", **_texts("field", "value")})
"""Cells of the base that move to another value; an absent value is *empty*."""

UNSETTLED = Relation(
    "unsettled plans",
    {
        "run_id": "str",
        "attempt": "int64",
        "change_no": "int64",
        "link_id": "int64",
        **_texts("direction", "action"),
        "marketo_id": "Int64",
        **_texts("dynamics_table", "dynamics_id"),
        "generation": "int64",
        **_texts("status", "field", "planned"),
    },
)
"""Fields of writes that may have left without a commit, oldest plan first: the order counts."""

LETTERS = Relation(
    "dead letters",
    {
        "kind": "str",
        "link_id": "Int64",
        "marketo_id": "Int64",
        **_texts("dynamics_table", "dynamics_id", "direction", "action", "fingerprint", "code", "message"),
        "payload": "object",
        "activity_state": "str",
    },
)
"""Refusals and holds on their way into the store; `payload` holds a dict each."""
