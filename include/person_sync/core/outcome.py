"""
What became of a plan, once it was carried out: which links and base values follow from it, and how it is counted.

Only what is known to have been written moves a base. A creation that did not succeed brings no link into being, and
whatever ended without an answer is looked at again by the next run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.control_fields import is_control
from include.person_sync.core.dead_letters import WHOLE, hold_letters, problem_letters, refusal_letters
from include.person_sync.core.relations import BASE_UPDATES, LETTERS
from include.person_sync.core.vocabulary import Action, ChangeStatus, Direction
from include.person_sync.core.vocabulary import Outcome as Verdict

if TYPE_CHECKING:
    from include.person_sync.core.plan import Plan

__all__ = ["COUNTED", "WAYS", "Outcome"]

WAYS = (Direction.TO_DYNAMICS, Direction.TO_MARKETO)
COUNTED = ("created", "updated", "deleted", "adopted", "collisions", "rejected", "held", "skipped")

_UNFINISHED = (ChangeStatus.STALE, ChangeStatus.UNKNOWN, ChangeStatus.PLANNED, ChangeStatus.SKIPPED)
_AGREED = (Verdict.TO_DYNAMICS, Verdict.TO_MARKETO, Verdict.COLLISION)


@dataclass(frozen=True)
class Outcome:
    """
    What became of a plan.

    `changes`: as stored, with status, code, message, ids and versions. `values`: the planned values joined with their
    change's link, table, direction, action and status. `plan`: what was planned.
    """

    changes: pd.DataFrame
    values: pd.DataFrame
    plan: Plan

    @classmethod
    def of(cls, changes: pd.DataFrame, values: pd.DataFrame, plan: Plan) -> Outcome:
        """Return the outcome of stored changes and values."""
        about = changes[["change_no", "link_id", "dynamics_table", "direction", "action", "status"]]
        return cls(changes, values.merge(about, on="change_no"), plan)

    def failed_creates(self) -> set[int]:
        """Return links whose missing half was not made: they don't come into being."""
        failed = (self.changes["action"] == Action.CREATE) & (self.changes["status"] != ChangeStatus.APPLIED)
        return set(self.changes.loc[failed, "link_id"])

    def links(self) -> pd.DataFrame:
        """
        Return links that come into being, with the Marketo ids that creating gave, and those that point elsewhere:
        link_id, marketo_id, dynamics_table, dynamics_id, generation.
        """
        pairs = self.plan.pairs
        fresh = pairs["origin"].notna() & ~pairs["link_id"].isin(self.failed_creates())
        born = pairs[fresh | pairs["link_id"].isin(self.plan.relinked)].copy()
        made = self.changes.loc[self.changes["action"] == Action.CREATE, ["link_id", "marketo_id"]].dropna()
        given = made.drop_duplicates("link_id").set_index("link_id")["marketo_id"]
        born["marketo_id"] = born["marketo_id"].fillna(born["link_id"].map(given).astype("Int64"))
        columns = ["link_id", "marketo_id", "dynamics_table", "dynamics_id", "generation"]
        return born.loc[born["marketo_id"].notna(), columns]

    def base_updates(self) -> pd.DataFrame:
        """
        Return every cell on which both sides now agree, or did before a dead run's end (BASE_UPDATES), each once.
        """
        pairs, mapped = self.plan.pairs, self.values[~is_control(self.values)]
        written = mapped["outcome"].isin(_AGREED) & (mapped["status"] == ChangeStatus.APPLIED)
        agreed = mapped[written | (mapped["outcome"] == Verdict.ADOPT)]
        updates = BASE_UPDATES.joined(self.plan.base_updates, agreed.rename(columns={"planned": "value"}))
        updates = updates[updates["link_id"].isin(pairs["link_id"]) & ~updates["link_id"].isin(self.failed_creates())]
        return updates.drop_duplicates(["link_id", "field"], keep="last")

    def versions(self) -> pd.DataFrame:
        """
        Return the row versions to write against next time (link_id, dynamics_version): those read, and those our own
        writes were answered with.
        """
        pairs = self.plan.pairs
        read = pairs.loc[pairs["version"].notna(), ["link_id", "version"]]
        read = read.rename(columns={"version": "dynamics_version"})
        own = (self.changes["direction"] == Direction.TO_DYNAMICS) & (self.changes["status"] == ChangeStatus.APPLIED)
        ours = self.changes.loc[own, ["link_id", "dynamics_version"]]
        return pd.concat([read[~read["link_id"].isin(ours["link_id"])], ours], ignore_index=True)

    def recheck(self) -> set[int]:
        """Return links the next run must look at although no feed will name them again."""
        unfinished = self.changes["status"].isin(_UNFINISHED) & self.changes["direction"].isin(WAYS)
        deferred = self.values["outcome"] == Verdict.DEFERRED
        open_ends = {*self.changes.loc[unfinished, "link_id"], *self.values.loc[deferred, "link_id"]}
        return open_ends - self.failed_creates()

    def letters(self, digest: str) -> pd.DataFrame:
        """
        Return this run's refusals as dead letters (LETTERS): by a vendor, by our own checks, and entries held for a
        person to choose. `digest`: of the schemas they were judged by.
        """
        refused = self.changes[self.changes["status"] == ChangeStatus.REFUSED]
        sent = self.values["outcome"].isin(_AGREED) | self.values["action"].isin(WHOLE)
        cells = self.values["outcome"] == Verdict.REFUSED
        told_apart = self.values["change_no"].isin(self.values.loc[cells, "change_no"])
        of_refused = self.values["change_no"].isin(refused["change_no"]) & sent & ~told_apart
        partly = self.changes[self.changes["change_no"].isin(self.values.loc[cells, "change_no"])]
        told = self.changes[self.changes["change_no"].isin({*refused["change_no"], *partly["change_no"]})]
        pairs = self.plan.pairs["link_id"]
        links = pairs[~pairs.isin(self.failed_creates())]
        return LETTERS.joined(
            refusal_letters(told, self.values[of_refused | cells], digest),
            problem_letters(self.plan.problems, digest, links),
            hold_letters(self.plan.holds, digest),
        )

    def counts(self) -> dict[str, dict[str, int]]:
        """
        Return the run's counts per direction: people created, updated and deleted, people adopted, fields that
        collided, people with a refusal, held and skipped people.
        """
        return {way.value: self._counted(way) for way in WAYS}

    def _counted(self, way: Direction) -> dict[str, int]:
        """
        Return the counts of one direction.

        A person whose two sides agreed by themselves (`adopted`) counts in the direction that would have been written
        had they differed.
        """
        changes, values, plan = self.changes[self.changes["direction"] == way], self.values, self.plan
        applied = changes[changes["status"] == ChangeStatus.APPLIED]
        collided = (values["outcome"] == Verdict.COLLISION) & (values["direction"] == way)
        winning_table = "lead" if way is Direction.TO_DYNAMICS else "contact"
        adopted = values[(values["action"] == Action.ADOPT) & (values["dynamics_table"] == winning_table)]
        problems = plan.problems[plan.problems["direction"] == way]
        unanswered = changes["status"].isin([ChangeStatus.STALE, ChangeStatus.UNKNOWN])
        partly = values.loc[(values["outcome"] == Verdict.REFUSED) & (values["direction"] == way), "change_no"]
        refused = changes["change_no"][(changes["status"] == ChangeStatus.REFUSED) | changes["change_no"].isin(partly)]
        skipped = int((changes["status"] == ChangeStatus.SKIPPED).sum())
        return {
            "created": int((applied["action"] == Action.CREATE).sum()),
            "updated": int((~applied["action"].isin([Action.CREATE, Action.DELETE])).sum()),
            "deleted": int((applied["action"] == Action.DELETE).sum()),
            "adopted": int(adopted["link_id"].nunique()),
            "collisions": int(collided.sum()),
            "rejected": len(refused) + int(problems["link_id"].nunique()),
            "held": int((plan.holds["direction"] == way).sum())
            + int(unanswered.sum())
            + plan.withheld.get(way.value, 0),
            "skipped": skipped + plan.skipped.get(way.value, 0),
        }
