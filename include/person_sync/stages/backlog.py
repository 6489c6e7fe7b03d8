"""
Whose turn it is: a cycle takes up a bounded number of records per source, the longest waiting first.

So a mass change on one table neither holds back a small change elsewhere nor fills the memory: each source has its own
share of every cycle, and what does not fit is noted, in the transaction that moves the feed's watermark, to be taken up
by the next ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.person_sync.run.context import SyncContext


@dataclass
class Turn:
    """
    Records of one source: `now` to be taken up, `waited` those among them that came from the backlog, `later` the rest.
    """

    now: list[str] = field(default_factory=list)
    waited: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)


def take_turns(ctx: SyncContext, source: str, fresh: Iterable[str], *, limited: bool) -> Turn:
    """
    Return whose turn it is: those waiting, then as many of the fresh ones as fit. Only an incremental run is limited.
    """
    if not limited:
        return Turn(now=list(fresh))
    limit = ctx.settings.chunk_people
    waited = ctx.store.backlog(source, limit)
    known = set(waited)
    new = [one for one in fresh if one not in known]
    room = limit - len(waited)
    return Turn(now=waited + new[:room], waited=waited, later=new[room:])
