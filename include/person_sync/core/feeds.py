"""
Change feeds without clock or network: where to take them up again, and how much of them a run takes in.

Rows may become visible late and share seconds, so a feed is read again from some minutes *behind* the watermark (the
overlap), and rows already handled are recognised by their `marketoGUID`. After a mass change that window holds
thousands of rows; reading them again in every cycle would cost many calls for nothing. While the window is that dense
the feeds are continued from their last paging token, and the overlap is read again only once per its own length.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DENSE_WINDOW = 250
"""Rows in the overlap above which reading it again would need more than a page (Marketo pages hold up to 300)."""

REMEMBERED = 20_000
"""Most GUIDs kept; older ones only cost a re-read of people who turn out to be unchanged."""


CHANGES_KEPT = timedelta(days=90)
DELETIONS_KEPT = timedelta(days=14)
"""
How long Marketo keeps rows of the feeds. Source: Adobe, "CRM sync best practices" (Change Data Value) and the REST
reference of Get Deleted Leads ("may be pruned").
"""


class Resume(StrEnum):
    """How a run takes up the feeds."""

    FIRST = "first"
    OVERLAP = "overlap"
    CONTINUE = "continue"


@dataclass(frozen=True)
class FeedPosition:
    """
    How far Marketo's feeds have been consumed.

    `since` is the newest activity date seen (aware UTC), `tokens` the paging token per feed to continue with, `seen`
    the GUIDs of rows inside the overlap with their dates, `overlapped_at` when the overlap was last read.
    """

    since: datetime
    tokens: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, datetime] = field(default_factory=dict)
    overlapped_at: datetime | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the position as JSON, to be stored as a watermark."""
        return {
            "since": self.since.isoformat(),
            "tokens": dict(self.tokens),
            "seen": {guid: at.isoformat() for guid, at in self.seen.items()},
            "overlapped_at": self.overlapped_at.isoformat() if self.overlapped_at else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> FeedPosition:
        """Return the position a watermark holds."""
        overlapped = value.get("overlapped_at")
        return cls(
            since=datetime.fromisoformat(value["since"]),
            tokens=dict(value.get("tokens", {})),
            seen={guid: datetime.fromisoformat(at) for guid, at in value.get("seen", {}).items()},
            overlapped_at=datetime.fromisoformat(overlapped) if overlapped else None,
        )


def choose_resume(position: FeedPosition | None, *, feeds: Iterable[str], now: datetime, overlap: timedelta) -> Resume:
    """
    Return how to take up the feeds: from the start, from the overlap, or from the tokens while the overlap is dense.
    """
    if position is None:
        return Resume.FIRST
    has_tokens = all(position.tokens.get(feed) for feed in feeds)
    recently = position.overlapped_at is not None and now - position.overlapped_at < overlap
    dense = len(position.seen) > DENSE_WINDOW
    return Resume.CONTINUE if has_tokens and recently and dense else Resume.OVERLAP


def is_beyond(position: FeedPosition | None, now: datetime, kept: timedelta) -> bool:
    """
    Return whether the feeds were last read so long ago that rows of theirs are gone that nobody has seen.

    It is the time of reading that counts: in a quiet instance the newest row may be old without anything being lost.
    """
    return position is not None and now - (position.overlapped_at or position.since) > kept


def advance(
    position: FeedPosition,
    *,
    rows: Mapping[str, datetime],
    tokens: Mapping[str, str],
    overlap: timedelta,
    overlapped_at: datetime | None,
) -> FeedPosition:
    """
    Return the position after reading `rows` (GUID → activity date) up to `tokens`.

    The watermark never moves backwards, and never past what the feed has shown: the two hosts' clocks are not compared.
    """
    since = max([position.since, *rows.values()])
    window = {guid: at for guid, at in {**position.seen, **rows}.items() if at >= since - overlap}
    newest = sorted(window.items(), key=lambda item: item[1], reverse=True)[:REMEMBERED]
    return FeedPosition(
        since=since,
        tokens={**position.tokens, **tokens},
        seen=dict(newest),
        overlapped_at=overlapped_at or position.overlapped_at,
    )


@dataclass(frozen=True)
class Intake:
    """
    Records of one source that a run takes in (`now`), those among them that came from the backlog (`waited`), and the
    rest, which waits for a later run (`later`).
    """

    now: tuple[str, ...] = ()
    waited: tuple[str, ...] = ()
    later: tuple[str, ...] = ()


def take_next(fresh: Iterable[str], waiting: Iterable[str], limit: int | None) -> Intake:
    """
    Return what a run takes in: those `waiting`, the longest first, then as many of the `fresh` ones as fit.

    A cycle takes up a bounded number of records per source, so a mass change on one table neither holds back a small
    change elsewhere nor fills the memory. `waiting`: at most `limit` of the backlog, oldest first; whoever waits
    already is not noted again. `limit`: None takes in all of `fresh`.
    """
    if limit is None:
        return Intake(now=tuple(fresh))
    waited = tuple(waiting)[:limit]
    known = set(waited)
    new = tuple(record for record in dict.fromkeys(fresh) if record not in known)
    room = limit - len(waited)
    return Intake(now=waited + new[:room], waited=waited, later=new[room:])


@dataclass(frozen=True)
class Gap:
    """One gap: the feed, what was seen, and how the run goes on."""

    feed: str
    seen: str
    route: str
