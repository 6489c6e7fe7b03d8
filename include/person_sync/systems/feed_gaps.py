"""
Gaps: what a feed can no longer tell, and the documented way around it.

A feed whose link expired, whose token was refused or that was not read for longer than the vendor keeps its rows has
lost something. The run reads the side in question again instead, and says so: in the log, in its manifests and in its
summary. What is not seen any more is no deletion until the system says, asked for that very id, that it is gone.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from include.person_sync.core.brakes import is_shrunk

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.person_sync.core.feeds import Gap
    from include.person_sync.core.fields import Table
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.request import RunRequest

log = logging.getLogger(__name__)

DYNAMICS_SHRANK, MARKETO_SHRANK = "dynamics_shrank", "marketo_shrank"


def note_gap(gaps: list[dict[str, str]], gap: Gap) -> None:
    """Add a gap to a manifest's list, and log it."""
    log.warning("gap in the feed %s: %s; %s", gap.feed, gap.seen, gap.route)
    gaps.append(asdict(gap))


@dataclass(frozen=True)
class Unseen:
    """
    Linked ids of a side that a full reading did not show: `gone` are certainly deleted, `there` exist all the same.

    `before`: how many were linked; `missing`: how many the reading did not show.
    """

    before: int
    missing: int
    gone: frozenset[str] = frozenset()
    there: frozenset[str] = frozenset()


def is_suspicious(ctx: SyncContext, request: RunRequest, missing: int, before: int, brake: str) -> bool:
    """Return whether so many are missing that the brake stops the run anyway: nobody is asked for one by one then."""
    return is_shrunk(missing, before, ctx.settings.brakes.limits()) and brake not in request.overrides


def find_unseen(ctx: SyncContext, request: RunRequest, table: Table, seen: Iterable[str]) -> Unseen:
    """
    Return what became of the linked rows of a table that its full reading did not show.

    Asks for each by its id: only the answer that there is none is evidence of a deletion.
    """
    links = ctx.store.load_links()
    linked = set(links.loc[links["dynamics_table"] == table.value, "dynamics_id"])
    missing = linked - set(seen)
    if not missing or is_suspicious(ctx, request, len(missing), len(linked), DYNAMICS_SHRANK):
        return Unseen(len(linked), len(missing))
    gone = ctx.dynamics.absent_rows(table.value, sorted(missing))
    log.info("dynamics %s: %d linked rows were not shown; %d of them are deleted", table.value, len(missing), len(gone))
    return Unseen(len(linked), len(missing), frozenset(gone), frozenset(missing - gone))
