"""
Stage commit: make a run's outcome true, in one transaction.

Base snapshots, links, row versions, dead letters and watermarks become visible together or not at all. Until then the
run might as well not have happened: the next one finds the old state, the written plan, and settles.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.core.control_fields import CONTROL_FIELDS
from include.person_sync.core.dead_letters import change_fingerprints
from include.person_sync.core.field_lifecycle import FIELDS
from include.person_sync.core.remerge import DEFERRED
from include.person_sync.core.schema import TABLES
from include.person_sync.run.manifests import PlanFiles
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.stages.extract_dynamics import watermark_name
from include.person_sync.stages.extract_marketo import WATERMARK
from include.person_sync.stages.guard import FIELD_MAP, INITIAL_LOAD, map_memory
from include.person_sync.stages.second_chances import SCHEMAS, schemas_watermark
from include.person_sync.state import Commit, RunStatus
from include.person_sync.systems.lookup_changes import lookup_watermark
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.run.context import SyncContext
    from include.person_sync.state import StoredPlan

log = logging.getLogger(__name__)

AGREED = ("to_dynamics", "to_marketo", "collision")
UNFINISHED = ("stale", "unknown", "planned", "skipped")
DIRECTIONS = ("to_dynamics", "to_marketo")
COUNTED = ("created", "updated", "adopted", "collisions", "rejected", "held", "skipped")


def commit(ctx: SyncContext, run_id: str, reconciled: str) -> bool:
    """
    Commit a run whose plan was applied; return False when it was committed before.

    `reconciled` is the manifest of stage reconcile. Raises LeaseHeld when the run lost its lease meanwhile: then
    nothing is committed and the run that holds it settles the rest.
    """
    run = ctx.store.require_run(run_id)
    if run.status in {RunStatus.COMMITTED, RunStatus.DRY_RUN}:
        return False
    request = RunRequest.from_json(dict(run.params))
    folder = RunFolder(ctx.staging, run_id)
    manifest = folder.read_manifest(reconciled)
    files = PlanFiles.read(folder, manifest)
    with ctx.lease(run_id):
        plan = ctx.store.load_plan(run_id)
        outcome = Outcome.of(plan)
        content = Commit(
            links=outcome.links(files.pairs, manifest["moved"]),
            closed_links={int(one): reason for one, reason in manifest["closed"].items()},
            base_moves=outcome.base_moves(files.pairs, files.settled),
            versions=outcome.versions(files.pairs),
            backlog=backlog(folder, manifest, "backlog"),
            taken_up=backlog(folder, manifest, "taken_up"),
            filtered=manifest["filtered"],
            unfiltered=manifest["unfiltered"],
            recheck=outcome.recheck(),
            rechecked=[int(one) for one in files.pairs["link_id"]],
            dead_letters=dead_letters(ctx, outcome, files),
            watermarks=watermarks(ctx, folder, manifest, request),
            counts=counts(outcome, files),
            api_calls=ctx.api_calls(),
            settles=request.mode is not Mode.BASELINE,
        )
        return ctx.store.commit(run_id, content)


@dataclass(frozen=True)
class Outcome:
    """
    What became of the plan.

    `changes` as stored; `values` joined with their change's link, direction, action and status.
    """

    changes: pd.DataFrame
    values: pd.DataFrame

    @classmethod
    def of(cls, plan: StoredPlan) -> Outcome:
        """Return the outcome of a stored plan."""
        about = plan.changes[["change_no", "link_id", "dynamics_table", "direction", "action", "status"]]
        return cls(plan.changes, plan.values.merge(about, on="change_no"))

    def failed_creates(self) -> set[int]:
        """Return links whose missing half was not made: they don't come into being."""
        failed = self.changes[(self.changes["action"] == "create") & (self.changes["status"] != "applied")]
        return set(failed["link_id"])

    def links(self, pairs: pd.DataFrame, moved: Sequence[int]) -> pd.DataFrame:
        """
        Return links that come into being, with the Marketo ids that creating gave, and those that point elsewhere.
        """
        fresh = pairs["newcomer"].notna() & ~pairs["link_id"].isin(self.failed_creates())
        born = pairs[fresh | pairs["link_id"].isin(list(moved))].copy()
        made = self.changes.loc[self.changes["action"] == "create", ["link_id", "marketo_id"]].dropna()
        given = made.drop_duplicates("link_id").set_index("link_id")["marketo_id"]
        born["marketo_id"] = born["marketo_id"].fillna(born["link_id"].map(given).astype("Int64"))
        columns = ["link_id", "marketo_id", "dynamics_table", "dynamics_id", "generation"]
        return born.loc[born["marketo_id"].notna(), columns]

    def base_moves(self, pairs: pd.DataFrame, settled: pd.DataFrame) -> pd.DataFrame:
        """
        Return link_id, field, value of every cell on which both sides now agree, or did before a dead run's end
        (`settled`).
        """
        mapped = self.values[~self.values["field"].isin(CONTROL_FIELDS)]
        written = mapped["outcome"].isin(AGREED) & (mapped["status"] == "applied")
        agreed = mapped[written | (mapped["outcome"] == "adopt")]
        moves = agreed[["link_id", "field", "planned"]].rename(columns={"planned": "value"})
        moves = pd.concat([settled, moves]) if len(settled) else moves
        moves = moves[moves["link_id"].isin(pairs["link_id"]) & ~moves["link_id"].isin(self.failed_creates())]
        return moves.drop_duplicates(["link_id", "field"], keep="last")

    def versions(self, pairs: pd.DataFrame) -> pd.DataFrame:
        """
        Return the row versions to write against next time: those read, and those our own writes were answered with.
        """
        read = pairs.loc[pairs["version"].notna(), ["link_id", "version"]].rename(
            columns={"version": "dynamics_version"}
        )
        ours = self.changes[(self.changes["direction"] == "to_dynamics") & (self.changes["status"] == "applied")]
        ours = ours[["link_id", "dynamics_version"]]
        return pd.concat([read[~read["link_id"].isin(ours["link_id"])], ours], ignore_index=True)

    def recheck(self) -> set[int]:
        """Return links the next run must look at although no feed will name them again."""
        unfinished = self.changes["status"].isin(UNFINISHED) & self.changes["direction"].isin(DIRECTIONS)
        deferred = self.values["outcome"] == DEFERRED
        return (
            set(self.changes.loc[unfinished, "link_id"]) | set(self.values.loc[deferred, "link_id"])
        ) - self.failed_creates()


def dead_letters(ctx: SyncContext, outcome: Outcome, files: PlanFiles) -> pd.DataFrame:
    """
    Return this run's refusals as dead letters: by a vendor, by our own checks, and entries held for a person to choose.
    """
    digest = load_schema(ctx).digest
    refused = outcome.changes[outcome.changes["status"] == "refused"]
    values = outcome.values[outcome.values["change_no"].isin(refused["change_no"])]
    fingerprints = change_fingerprints(refused, values, digest)
    by_vendor = refused.assign(
        kind="rejected",
        fingerprint=refused["change_no"].map(fingerprints["fingerprint"]),
        payload=refused["change_no"].map(fingerprints["payload"]),
        activity_state="pending",
    )
    frames = [by_vendor, files.problem_letters(digest), files.hold_letters(digest)]
    return pd.concat([one for one in frames if len(one)], ignore_index=True) if any(map(len, frames)) else by_vendor


def backlog(folder: RunFolder, manifest: dict[str, Any], which: str) -> dict[str, list[str]]:
    """
    Return, per source, the records left to later runs (`backlog`) or taken up from it by this one (`taken_up`).

    People whose row was deleted while they were asked for are left to the next run: by then they are free for it.
    """
    sources: dict[str, list[str]] = dict(folder.read_manifest(manifest["marketo"])[which])
    if which == "backlog":
        sources[WATERMARK] = [*sources[WATERMARK], *manifest.get("again", [])]
    tables = folder.read_manifest(manifest["dynamics"])["tables"]
    return sources | {watermark_name(table): tables[table.value][which] for table in TABLES}


def watermarks(ctx: SyncContext, folder: RunFolder, manifest: dict[str, Any], request: RunRequest) -> dict[str, Any]:
    """Return the watermarks this run moves; only an incremental run moves any."""
    if request.mode is not Mode.INCREMENTAL:
        return {}
    marketo = folder.read_manifest(manifest["marketo"])
    dynamics = folder.read_manifest(manifest["dynamics"])
    moved = {WATERMARK: marketo["watermark"]}
    moved |= {watermark_name(table): dynamics["tables"][table.value]["watermark"] for table in TABLES}
    moved |= {lookup_watermark(table): value for table, value in dynamics.get("lookups", {}).items()}
    moved |= {FIELD_MAP: map_memory(ctx), FIELDS: manifest["fields"]}
    moved[SCHEMAS] = schemas_watermark(manifest["schema_digest"], {"marketo": marketo, "dynamics": dynamics})
    if manifest["first_run"] or ctx.store.watermarks().get(INITIAL_LOAD, {}).get("pending"):
        busy = any(any(backlog(folder, manifest, which).values()) for which in ("backlog", "taken_up"))
        moved[INITIAL_LOAD] = {"pending": busy}
    return {feed: value for feed, value in moved.items() if value}


def counts(outcome: Outcome, files: PlanFiles) -> dict[str, dict[str, int]]:
    """
    Return the run's counts per direction: people created and updated, fields adopted and collided, changes rejected,
    held and skipped.
    """
    return {direction: direction_counts(outcome, files, direction) for direction in DIRECTIONS}


def direction_counts(outcome: Outcome, files: PlanFiles, direction: str) -> dict[str, int]:
    """
    Return the counts of one direction: people, but for `collisions`, which counts fields.

    A person whose two sides agreed by themselves (`adopted`) counts in the direction that would have been written had
    they differed.
    """
    changes = outcome.changes[outcome.changes["direction"] == direction]
    values = outcome.values
    applied = changes[changes["status"] == "applied"]
    collided = (values["outcome"] == "collision") & (values["direction"] == direction)
    winning_table = "lead" if direction == "to_dynamics" else "contact"
    adopted = values[(values["action"] == "adopt") & (values["dynamics_table"] == winning_table)]
    held = files.holds[files.holds["direction"] == direction]
    problems = files.problems[files.problems["direction"] == direction]
    return {
        "created": int((applied["action"] == "create").sum()),
        "updated": int((~applied["action"].isin(["create", "delete"])).sum()),
        "deleted": int((applied["action"] == "delete").sum()),
        "adopted": int(adopted["link_id"].nunique()),
        "collisions": int(collided.sum()),
        "rejected": int((changes["status"] == "refused").sum()) + int(problems["link_id"].nunique()),
        "held": len(held) + int(changes["status"].isin(["stale", "unknown"]).sum()) + files.withheld.get(direction, 0),
        "skipped": int((changes["status"] == "skipped").sum()) + files.skipped.get(direction, 0),
    }
