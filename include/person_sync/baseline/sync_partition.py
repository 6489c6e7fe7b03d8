"""Step sync_partition: one partition as a run of its own, through the very stages of a cycle."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.baseline.freshness import Staged, refreshed
from include.person_sync.baseline.progress import KIND, PARTITIONS, Progress, run_id_of, unchanged_schema
from include.person_sync.core.schema import TABLES
from include.person_sync.core.values import TEXT_DTYPE
from include.person_sync.core.watermarks import MARKETO_FEEDS
from include.person_sync.present.plan import describe_plan
from include.person_sync.run.context import SyncContext
from include.person_sync.run.cycle import note_failure
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.stages.apply_dynamics import apply_dynamics
from include.person_sync.stages.apply_marketo import apply_marketo
from include.person_sync.stages.commit import commit
from include.person_sync.stages.guard import guard
from include.person_sync.stages.open_run import open_run
from include.person_sync.stages.reconcile import reconcile
from include.person_sync.stages.report import report, summary_of
from include.person_sync.state import RunStatus
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.people import people_frame, person_columns
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.person_sync.baseline.progress import Opened
    from include.person_sync.core.schema import ResolvedSchema

log = logging.getLogger(__name__)

ENDED = {RunStatus.COMMITTED, RunStatus.DRY_RUN}


@dataclass
class PartitionContext(SyncContext):
    """A context whose count of calls begins with the partition, while clients and store are shared."""

    calls_before: Mapping[str, int] = field(default_factory=dict)

    def api_calls(self) -> dict[str, int]:
        """Return the requests sent since the partition began."""
        return {system: calls - self.calls_before.get(system, 0) for system, calls in super().api_calls().items()}


def partition_context(ctx: SyncContext) -> SyncContext:
    """Return the context of one partition."""
    shared = {name: getattr(ctx, name) for name in ("store", "marketo", "dynamics")}
    own = PartitionContext(
        **{one.name: getattr(ctx, one.name) for one in fields(SyncContext)}, calls_before=ctx.api_calls()
    )
    own.__dict__.update(shared)
    return own


def sync_partition(ctx: SyncContext, baseline_id: str, number: int, *, wait_s: float = 0.0) -> dict[str, Any]:
    """
    Work through one partition and return its run's summary; one that is done already is left alone.

    Waits up to `wait_s` seconds for another run to give the lease back.

    Plan, brakes, writes and commit are those of any run; the lease is held from before the plan to after the commit, so
    cycles take turns with partitions. May be repeated after a kill at any point. Raises what the stages raise.
    """
    progress = Progress(ctx, baseline_id)
    opened = progress.opened()
    run_id = run_id_of(baseline_id, number)
    known = ctx.store.run(run_id)
    if known is not None and known.status in ENDED:
        log.info("partition %d is done already", number)
        return summary_of(ctx, run_id)
    own = partition_context(ctx)
    try:
        return work_through(own, progress, opened, number, wait_s)
    except BaseException as error:
        note_failure(own, run_id, error)
        raise
    finally:
        ctx.release_lease(run_id)


def work_through(ctx: SyncContext, progress: Progress, opened: Opened, number: int, wait_s: float) -> dict[str, Any]:
    """Run the stages on one partition."""
    run_id, wish = run_id_of(progress.baseline_id, number), opened.request
    request = RunRequest(mode=Mode.BASELINE, dry_run=wish.dry_run, overrides=wish.overrides, origin=dict(wish.origin))
    open_run(ctx, run_id, request, kind=KIND, wait_s=wait_s)
    schema = unchanged_schema(ctx, opened)
    manifest = reconcile(ctx, run_id, *stage_partition(ctx, schema, progress, opened, number))
    guard(ctx, run_id, manifest)
    if wish.dry_run:
        return {name: value for name, value in describe_plan(ctx, run_id, manifest).items() if name in SHOWN}
    apply_dynamics(ctx, run_id)
    apply_marketo(ctx, run_id)
    commit(ctx, run_id, manifest)
    return summary_of(ctx, run_id)


SHOWN = ("run_id", "status", "mode", "counts", "api_calls")


def report_partition(ctx: SyncContext, baseline_id: str, number: int) -> dict[str, Any]:
    """Write the partition's refusals into Marketo's activity log; may be repeated."""
    return report(partition_context(ctx), run_id_of(baseline_id, number))


def stage_partition(
    ctx: SyncContext, schema: ResolvedSchema, progress: Progress, opened: Opened, number: int
) -> tuple[str, str]:
    """Stage the partition as an extract would, and return the references of its two manifests."""
    folder = RunFolder(ctx.staging, run_id_of(progress.baseline_id, number))
    read = staged_partition(ctx, schema, progress, number)
    now = refreshed(ctx, schema, read, opened.started_at)
    marketo: dict[str, Any] = {
        "parts": [folder.write_frame("marketo", now.people)],
        "watermark": None,
        "resumed": KIND,
        "complete": True,
        "known_links": known_links(ctx, opened, now),
        "asked": [],
        "backlog": {MARKETO_FEEDS: []},
        "taken_up": {MARKETO_FEEDS: []},
        "deleted": [],
        "merged": {},
        "api_calls": ctx.api_calls()["marketo"],
    }
    tables = {
        table.value: {
            "parts": [folder.write_frame(f"dynamics-{table.value}", rows)],
            "deleted": [],
            "rows": len(rows),
            "backlog": [],
            "taken_up": [],
            "resumed": KIND,
            "watermark": None,
        }
        for table, rows in now.rows.items()
    }
    dynamics = {"tables": tables, "api_calls": ctx.api_calls()["dynamics"]}
    return folder.write_manifest("marketo", marketo), folder.write_manifest("dynamics", dynamics)


def staged_partition(ctx: SyncContext, schema: ResolvedSchema, progress: Progress, number: int) -> Staged:
    """Return what was dealt out to a partition, the last reading of each."""
    folder = progress.folder
    document = progress.load(PARTITIONS) or {}
    manifest = folder.read_manifest(document["manifest"])
    nobody = people_frame([], person_columns(ctx, schema))
    people = pd.concat([nobody, folder.read_frames(manifest["people"].get(str(number), []))])
    rows = {}
    for table in TABLES:
        nothing = rows_frame([], schema, table, LookupNames(ctx))
        found = pd.concat([nothing, folder.read_frames(manifest[table.value].get(str(number), []))])
        rows[table] = found.drop_duplicates("dynamics_id", keep="last", ignore_index=True)
    return Staged(people.drop_duplicates("marketo_id", keep="last", ignore_index=True), rows)


def known_links(ctx: SyncContext, opened: Opened, staged: Staged) -> int:
    """
    Return how many of the partition's people were linked before: what the brakes measure shares by.

    A partition is a random sample, so its shares are those of the whole. The first load has no links before it,
    whatever its earlier partitions have made meanwhile.
    """
    if opened.links_before == 0:
        return 0
    rows = {table.value: list(frame["dynamics_id"].astype(TEXT_DTYPE)) for table, frame in staged.rows.items()}
    links = ctx.store.load_links(marketo_ids=[int(one) for one in staged.people["marketo_id"]], dynamics_ids=rows)
    return len(links)
