"""
What each stage counted, in numbers only, as the page of a task shows it.

Counts are for people to look at and decide nothing. So what can't be counted any more (the files of a run that is done
are removed) or just now (the database is away) is left out, and never fails a stage or hides why it failed.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias

from include.errors import SyncError
from include.person_sync.core.brakes import count_plan
from include.person_sync.core.vocabulary import Direction
from include.person_sync.run.manifests import DynamicsExtract, MarketoExtract, Reconciled
from include.person_sync.run.planned import load_planned
from include.person_sync.run.staging import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sized

    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

P = ParamSpec("P")
Counts: TypeAlias = dict[str, Any]
"""Names and numbers; a number may stand one or two levels down."""

WRITING = (Direction.TO_DYNAMICS, Direction.TO_MARKETO)


def for_show(count: Callable[P, Counts]) -> Callable[P, Counts]:
    """Return `count` so that it answers with nothing where it would fail."""

    @wraps(count)
    def counted(*arguments: P.args, **named: P.kwargs) -> Counts:
        try:
            return count(*arguments, **named)
        except (SyncError, OSError) as error:
            log.info("%s: nothing to show (%s)", count.__name__, type(error).__name__)
            return {}

    return counted


@for_show
def count_marketo_extract(ctx: SyncContext, run_id: str, extracted: str) -> Counts:
    """Return how many people were read, deleted or merged, and left to a later run; and the calls it took."""
    folder = RunFolder(ctx.staging, run_id)
    extract = MarketoExtract.read(folder, extracted)
    return {
        "people": folder.count_rows(extract.parts),
        "deleted": len(extract.deleted),
        "merged": len(extract.merged),
        "waiting": total(extract.backlog.values()),
        "feed": extract.resumed or None,
        "api_calls": extract.api_calls,
    }


@for_show
def count_dynamics_extract(ctx: SyncContext, run_id: str, extracted: str) -> Counts:
    """Return per table how many rows were read, deleted and left to a later run, and the calls it took."""
    folder = RunFolder(ctx.staging, run_id)
    extract = DynamicsExtract.read(folder, extracted)
    tables = {
        name: {
            "rows": folder.count_rows(table.parts),
            "deleted": len(table.deleted),
            "waiting": len(table.backlog),
            "feed": table.resumed or None,
        }
        for name, table in extract.tables.items()
    }
    return {**tables, "api_calls": extract.api_calls}


@for_show
def count_plan_made(ctx: SyncContext, run_id: str, plan: str) -> Counts:
    """
    Return what was decided: people per direction and action, fields per outcome, values that can't be carried over, and
    who is held.
    """
    folder = RunFolder(ctx.staging, run_id)
    planned = load_planned(ctx, run_id, folder, Reconciled.read(folder, plan))
    people = Counter(zip(planned.changes["direction"], planned.changes["action"], strict=True))
    return {
        **{str(way): {act: number for (to, act), number in sorted(people.items()) if to == way} for way in WRITING},
        "fields": dict(sorted(Counter(planned.values["outcome"]).items())),
        "problems": len(planned.problems),
        "held": len(planned.holds) + sum(planned.withheld.values()),
    }


@for_show
def count_plan_weighed(ctx: SyncContext, run_id: str, plan: str) -> Counts:
    """Return what the brakes look at: people changed, created, emptied and deleted per direction, and who is linked."""
    folder = RunFolder(ctx.staging, run_id)
    manifest = Reconciled.read(folder, plan)
    weighed = count_plan(load_planned(ctx, run_id, folder, manifest))
    return {**{str(way): asdict(weighed[way]) for way in WRITING}, "linked_people": manifest.known_links}


@for_show
def count_writes(ctx: SyncContext, run_id: str, direction: Direction) -> Counts:
    """Return what became of the changes of one direction so far: action → status → number of people."""
    return dict(ctx.store.count_changes(run_id, direction))


@for_show
def count_commit(ctx: SyncContext, run_id: str) -> Counts:
    """Return the run's counts per direction, as they were committed, and how many links there are now."""
    return {**dict(ctx.store.require_run(run_id).counts or {}), "linked_people": ctx.store.count_links()}


def count_summary(summary: Mapping[str, Any]) -> Counts:
    """Return the numbers of a run's summary: counts per direction, calls per system, and how many records wait."""
    waiting = {source: waits["waiting"] for source, waits in summary.get("backlog", {}).items()}
    return {**summary["counts"], "api_calls": summary["api_calls"], **({"waiting": waiting} if waiting else {})}


def total(lists: Iterable[Sized]) -> int:
    """Return how many entries the lists hold together."""
    return sum(map(len, lists))
