"""Step close_baseline: let cycles go on from where the baseline began, and sum up."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

from include.errors import SyncError
from include.person_sync.baseline.progress import (
    KIND,
    MARKETO,
    PARTITIONS,
    Progress,
    closing_run_id,
    run_id_of,
)
from include.person_sync.baseline.read_dynamics import document_name
from include.person_sync.baseline.read_marketo import people_parts
from include.person_sync.core.schema import TABLES
from include.person_sync.core.watermarks import MARKETO_FEEDS, dynamics_watermark
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.stages.guard import FIELD_MAP, map_memory
from include.person_sync.stages.open_run import open_run
from include.person_sync.state import Commit, RunStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.person_sync.baseline.progress import Opened
    from include.person_sync.run.context import SyncContext
    from include.person_sync.state import Run

log = logging.getLogger(__name__)

LEASE_WAIT_S = 900.0


def close_baseline(ctx: SyncContext, baseline_id: str) -> dict[str, Any]:
    """
    Store the watermarks taken before the first reading, remove the staged people, and return the baseline's summary.

    A feed that a cycle has consumed already keeps its watermark: moving it could lose a deletion. May be repeated.
    Raises SyncError when a partition is not done yet.
    """
    progress = Progress(ctx, baseline_id)
    opened = progress.opened()
    document = progress.load(PARTITIONS) or {"count": 0, "sizes": {}}
    runs = [ctx.store.run(run_id_of(baseline_id, number)) for number in range(int(document["count"]))]
    done = [run for run in runs if run is not None and run.status in {RunStatus.COMMITTED, RunStatus.DRY_RUN}]
    if not runs or len(done) < len(runs):
        raise SyncError(
            f"Baseline {baseline_id}: {len(runs) - len(done)} of {len(runs)} partitions are not done.",
            remedy="run or clear what is missing, then close it again.",
        )
    counts, calls = summed(run.counts for run in done), summed_calls(done)
    calls = {system: calls.get(system, 0) + progress.calls(system) for system in ("marketo", "dynamics")}
    if not opened.request.dry_run:
        move_watermarks(ctx, progress, opened, counts, calls)
    remove_staged(progress)
    return {
        "run_id": baseline_id,
        "status": "dry_run" if opened.request.dry_run else "done",
        "mode": Mode.BASELINE.value,
        "route": (progress.load(MARKETO) or {}).get("route"),
        "partitions": len(done),
        "read": document["sizes"],
        "counts": counts,
        "api_calls": calls,
    }


def move_watermarks(
    ctx: SyncContext, progress: Progress, opened: Opened, counts: dict[str, Any], calls: dict[str, int]
) -> None:
    """Commit the watermarks that are not there yet, as a run of its own."""
    run_id = closing_run_id(progress.baseline_id)
    request = RunRequest(mode=Mode.BASELINE, origin=dict(opened.request.origin))
    try:
        open_run(ctx, run_id, request, kind=KIND, wait_s=LEASE_WAIT_S)
        with ctx.lease(run_id):
            content = Commit(
                watermarks=new_watermarks(ctx, progress, opened), counts=counts, api_calls=calls, settles=False
            )
            ctx.store.commit(run_id, content)
    finally:
        ctx.release_lease(run_id)


def new_watermarks(ctx: SyncContext, progress: Progress, opened: Opened) -> dict[str, Any]:
    """Return the watermarks cycles shall begin with, and the field map that the base was built with."""
    present = ctx.store.watermarks()
    memory = map_memory(ctx)
    same_map = memory["digest"] == opened.map_digest
    moved: dict[str, Any] = {FIELD_MAP: memory if same_map else {"digest": opened.map_digest}}
    if MARKETO_FEEDS not in present:
        moved[MARKETO_FEEDS] = opened.watermark
    for table in TABLES:
        document = progress.load(document_name(table)) or {}
        name = dynamics_watermark(table)
        usable = name in present and present[name].get("columns") == document["columns"]
        if not usable:
            moved[name] = {"delta_link": document["delta_link"], "columns": document["columns"]}
    return moved


def summed(counts: Iterable[Any]) -> dict[str, dict[str, int]]:
    """Return the partitions' counts as one."""
    totals: dict[str, Counter[str]] = {}
    for one in counts:
        for direction, counted in (one or {}).items():
            totals.setdefault(direction, Counter()).update(counted)
    return {direction: dict(counted) for direction, counted in totals.items()}


def summed_calls(runs: Iterable[Run]) -> dict[str, int]:
    """Return the calls of the partitions' runs as one."""
    total: Counter[str] = Counter()
    for run in runs:
        total.update(run.api_calls or {})
    return dict(total)


def remove_staged(progress: Progress) -> None:
    """Remove what holds people's values; the runs' own folders stay as those of any run."""
    folder = progress.folder
    document = progress.load(PARTITIONS) or {}
    manifest = folder.read_manifest(document["manifest"]) if document else {}
    folder.discard(one for parts in manifest.values() for references in parts.values() for one in references)
    marketo = progress.load(MARKETO)
    folder.discard(one for parts in (people_parts(marketo) if marketo else []) for one in parts)
    for table in TABLES:
        reading = progress.load(document_name(table)) or {"parts": [], "late": []}
        folder.discard([*reading["parts"], *(reading["late"] or [])])
