"""
The files beside a plan: pairs, problems and holds; and the fingerprints by which a refused change is recognised.

A change that was refused is not tried again until its values, its target or the schema change: the fingerprint covers
exactly these.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable


PROBLEM_COLUMNS = [
    "link_id",
    "direction",
    "field",
    "code",
    "message",
    "planned",
    "marketo_id",
    "dynamics_table",
    "dynamics_id",
]
MOVE_DTYPES = {"link_id": "int64", "field": "str", "value": "str"}
LETTER_COLUMNS = [
    "kind",
    "link_id",
    "marketo_id",
    "dynamics_table",
    "dynamics_id",
    "direction",
    "action",
    "fingerprint",
    "code",
    "message",
    "payload",
    "activity_state",
]


def no_moves() -> pd.DataFrame:
    """Return an empty frame of base moves."""
    return pd.DataFrame({"link_id": [], "field": [], "value": []}).astype(MOVE_DTYPES)


def objects(values: Iterable[Any]) -> np.ndarray:
    """Return values as an object array, so that pandas takes each as one cell."""
    items = list(values)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def fingerprint(*parts: str) -> str:
    """Return the hash of the parts; equal parts give equal hashes in every process."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def problem_fingerprints(problems: pd.DataFrame, digest: str) -> list[str]:
    """Return one fingerprint per problem: direction, pair, field, value and schema."""
    columns = ["direction", "link_id", "field", "code", "planned"]
    cells = problems[columns].astype(object).where(problems[columns].notna(), "")  # nothing has many forms on the way
    return [fingerprint(digest, *map(str, row)) for row in cells.itertuples(index=False)]


def change_fingerprints(changes: pd.DataFrame, values: pd.DataFrame, digest: str) -> pd.DataFrame:
    """
    Return `fingerprint` and `payload` per change (index change_no).

    Covers the direction, the target's id, the planned values and the schema: only when one of them changes is a refused
    change tried again.
    """
    fields = [
        (
            number,
            {
                str(name): planned if isinstance(planned, str) else None
                for name, planned in zip(group["field"], group["planned"], strict=True)
            },
        )
        for number, group in values.groupby("change_no")
    ]
    by_change = dict(fields)
    columns = ["change_no", "direction", "marketo_id", "dynamics_table", "dynamics_id"]
    rows = []
    for number, direction, marketo_id, table, row_id in changes[columns].itertuples(index=False):
        planned = by_change.get(number, {})
        target = f"{table}:{row_id}" if direction == "to_dynamics" else f"marketo:{marketo_id}:{row_id}"
        rows.append(
            (number, fingerprint(digest, direction, target, json.dumps(planned, sort_keys=True)), {"fields": planned})
        )
    frame = pd.DataFrame(rows, columns=["change_no", "fingerprint", "payload"])
    return frame.set_index("change_no")
