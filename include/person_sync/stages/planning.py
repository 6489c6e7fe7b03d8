"""
The files beside a plan: pairs, problems and holds; and the fingerprints by which a refused change is recognised.

A change that was refused is not tried again until its values, its target or the schema change: the fingerprint covers
exactly these.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.person_sync.run.staging import RunFolder

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


@dataclass(frozen=True)
class PlanFiles:
    """
    What reconcile leaves for the later stages beside the plan itself.

    `pairs`: every pair looked at (newcomers.PAIR_COLUMNS). `problems`: single values that can't be carried over
    (PROBLEM_COLUMNS). `holds`: entries held back (newcomers.HOLD_COLUMNS). `withheld` and `skipped` count per
    direction. `settled`: what dead runs were found to have written (MOVE_DTYPES); the base moves there at commit
    whatever else becomes of these fields.
    """

    pairs: pd.DataFrame
    problems: pd.DataFrame
    holds: pd.DataFrame
    withheld: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    settled: pd.DataFrame = field(default_factory=lambda: no_moves())

    def write(self, folder: RunFolder) -> dict[str, Any]:
        """Write the frames and return what the manifest says of them."""
        return {
            "pairs": folder.write_frame("pairs", self.pairs),
            "problems": folder.write_frame("problems", self.problems),
            "holds": folder.write_frame("holds", self.holds),
            "withheld": dict(self.withheld),
            "skipped": dict(self.skipped),
            "settled": folder.write_frame("settled", self.settled),
        }

    @classmethod
    def read(cls, folder: RunFolder, manifest: Mapping[str, Any]) -> PlanFiles:
        """Return the files a manifest names."""
        return cls(
            pairs=folder.read_frames([manifest["pairs"]]),
            problems=folder.read_frames([manifest["problems"]]),
            holds=folder.read_frames([manifest["holds"]]),
            withheld=manifest["withheld"],
            skipped=manifest["skipped"],
            settled=folder.read_frames([manifest["settled"]]),
        )

    def problem_letters(self, digest: str) -> pd.DataFrame:
        """Return the problems as dead letters, one per value."""
        letters = self.problems.assign(
            kind="invalid",
            action="update",
            fingerprint=problem_fingerprints(self.problems, digest),
            payload=objects(
                {"fields": {name: planned if isinstance(planned, str) else None}}
                for name, planned in zip(self.problems["field"], self.problems["planned"], strict=True)
            ),
            message=self.problems["field"] + ": " + self.problems["message"],
            activity_state="pending",
        )
        return letters.reindex(columns=LETTER_COLUMNS)

    def hold_letters(self, digest: str) -> pd.DataFrame:
        """Return the held entries as dead letters; no activity, since nothing was refused."""
        keys = [
            fingerprint("hold", digest, *map(str, key))
            for key in self.holds[["code", "marketo_id", "dynamics_table", "dynamics_id"]].itertuples(index=False)
        ]
        letters = self.holds.assign(fingerprint=keys, payload=objects({} for _ in keys), activity_state="none")
        return letters.reindex(columns=LETTER_COLUMNS)


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
