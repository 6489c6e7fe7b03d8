"""
Repair: what an audit found goes through the ordinary stages, as runs of mode `people`.

There is no second way of writing: the base, the merge's rules, the checks and the brakes decide. The brakes see the
repair as a whole first, so that cutting it into runs never slips a large one past them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.errors import SafetyStop
from include.person_sync.audit.archive import report_folder
from include.person_sync.audit.findings import DIFFERENCE_COLUMNS, FINDING_COLUMNS, SET_APART, Kind
from include.person_sync.audit.steps import AuditRequest
from include.person_sync.core.brakes import DirectionCounts, PlanCounts, evaluate
from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.request import Mode, RunRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.person_sync.audit.archive import ReportFolder
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

REPAIR_KIND = "audit_repair"
REPAIRABLE = (Kind.ROW_WITHOUT_PERSON, Kind.REQUEST_WITHOUT_ROW, Kind.WRONG_IDENTITY)
"""What an ordinary run can put right. A half that is gone needs a decision, a shared identity needs a merge."""
LEASE_WAIT_S = 600.0


def repair(ctx: SyncContext, run_id: str, compared: str, *, wait_s: float = LEASE_WAIT_S) -> list[dict[str, Any]]:
    """
    Run the ordinary stages for everybody an audit found in disorder, and return the summaries of these runs.

    Raises SafetyStop when a brake trips for the repair as a whole, or in one of the runs; runs before it stand. While a
    cycle holds the lease each run waits for it, up to `wait_s`.
    """
    request = AuditRequest.from_json(dict(ctx.store.require_run(run_id).params))
    folder = report_folder(ctx, run_id)
    files = folder.read_manifest(compared)["files"]
    check_brakes(ctx, folder, files, request)
    origin = {**request.origin, "audit": run_id}
    summaries = []
    for people, rows in affected(folder, files, ctx.settings.chunk_people):
        repairing = RunRequest(
            mode=Mode.PEOPLE, marketo_ids=people, dynamics_ids=rows, overrides=request.overrides, origin=origin
        )
        summaries.append(run_cycle(ctx.counting_from_now(), repairing, kind=REPAIR_KIND, wait_s=wait_s))
    log.info("audit %s: repaired in %d runs", run_id, len(summaries))
    return summaries


def check_brakes(ctx: SyncContext, folder: ReportFolder, files: dict[str, list[str]], request: AuditRequest) -> None:
    """Raise SafetyStop when the whole repair would be more than usual, naming the first brake that trips."""
    counts = PlanCounts(
        linked_people=ctx.store.count_links(),
        to_dynamics=direction_counts(folder, files, "to_dynamics", Kind.REQUEST_WITHOUT_ROW),
        to_marketo=direction_counts(folder, files, "to_marketo", Kind.ROW_WITHOUT_PERSON),
    )
    for verdict in evaluate(counts, ctx.settings.brakes.limits(), request.overrides):
        log.error("brake %s: %s What to do: %s", verdict.name, verdict.message, verdict.remedy)
        raise SafetyStop(f"Repairing: {verdict.message}", brake=verdict.name, remedy=verdict.remedy)


def direction_counts(
    folder: ReportFolder, files: dict[str, list[str]], direction: str, creating: Kind
) -> DirectionCounts:
    """Return how many people the repair would change, create and empty at most in one direction."""
    changed = emptied = created = 0
    for reference in files["differences"]:
        cells = folder.read_frames([reference])
        part = count_cells(cells[~cells["explanation"].isin(SET_APART)], direction)
        changed, emptied = changed + part.changed, emptied + part.emptied
    for reference in files["findings"]:
        created += int((folder.read_frames([reference])["kind"] == creating).sum())
    return DirectionCounts(changed=changed, created=created, emptied=emptied)


def count_cells(cells: pd.DataFrame, direction: str) -> DirectionCounts:
    """Return how many people writing some differing cells would change and empty in one direction."""
    target = "dynamics" if direction == "to_dynamics" else "marketo"
    written = cells[cells["direction"] == direction]
    emptied = written[written["planned"].isna() & written[target].notna()]
    return DirectionCounts(changed=written["link_id"].nunique(), emptied=emptied["link_id"].nunique())


def affected(
    folder: ReportFolder, files: dict[str, list[str]], size: int
) -> Iterator[tuple[tuple[int, ...], tuple[str, ...]]]:
    """Yield the Marketo ids and row ids to look at again, at most `size` entries at a time, everybody once."""
    held = pd.DataFrame(columns=["marketo_id", "dynamics_id"])
    for frame in affected_parts(folder, files):
        held = pd.concat([held, frame]) if len(held) else frame
        while len(held) >= size:
            yield ids_of(held.iloc[:size])
            held = held.iloc[size:]
    if len(held):
        yield ids_of(held)


def affected_parts(folder: ReportFolder, files: dict[str, list[str]]) -> Iterator[pd.DataFrame]:
    """Yield what each file of the report asks to look at again: columns marketo_id, dynamics_id."""
    for reference in files["differences"]:
        cells = folder.read_frames([reference])[DIFFERENCE_COLUMNS]
        yield cells.loc[~cells["explanation"].isin(SET_APART), ["marketo_id", "dynamics_id"]].drop_duplicates()
    for reference in files["findings"]:
        found = folder.read_frames([reference])[FINDING_COLUMNS]
        yield found.loc[found["kind"].isin(REPAIRABLE), ["marketo_id", "dynamics_id"]].drop_duplicates()


def ids_of(frame: pd.DataFrame) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the ids of both sides, each once."""
    people = tuple(sorted({int(person) for person in frame["marketo_id"].dropna()}))
    return people, tuple(sorted(set(frame["dynamics_id"].dropna())))
