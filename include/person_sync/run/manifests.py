"""The files between reconcile and the later stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.person_sync.core.dead_letters import (
    LETTER_COLUMNS,
    fingerprint,
    no_moves,
    objects,
    problem_fingerprints,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from include.person_sync.run.staging import RunFolder


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
