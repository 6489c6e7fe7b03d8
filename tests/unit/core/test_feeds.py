"""Where Marketo's feeds are taken up again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from include.person_sync.core.feeds import (
    DELETIONS_KEPT,
    DENSE_WINDOW,
    FeedPosition,
    Intake,
    Resume,
    advance,
    choose_resume,
    is_beyond,
    take_next,
)

NOW = datetime(2026, 5, 2, 8, 0, tzinfo=UTC)
OVERLAP = timedelta(minutes=10)
FEEDS = ("changes", "deletes")
TOKENS = dict.fromkeys(FEEDS, "token")


def dense(rows: int, *, at: datetime = NOW) -> FeedPosition:
    """Return a position with so many rows inside the overlap, read again just now."""
    seen = {str(number): at for number in range(rows)}
    return FeedPosition(since=at, tokens=TOKENS, seen=seen, overlapped_at=NOW)


def choose(position: FeedPosition | None, *, now: datetime = NOW) -> Resume:
    """Return the choice at a moment."""
    return choose_resume(position, feeds=FEEDS, now=now, overlap=OVERLAP)


def test_choose_resume_starts_when_there_is_no_position():
    """Without a watermark the feeds are started."""
    assert choose(None) is Resume.FIRST


def test_choose_resume_reads_the_overlap_while_it_is_small():
    """Late rows are caught in the very next cycle as long as that costs no more than a page (R-003)."""
    assert choose(dense(DENSE_WINDOW)) is Resume.OVERLAP


def test_choose_resume_continues_from_the_tokens_after_a_mass_change():
    """A dense overlap is not read again in every cycle."""
    assert choose(dense(DENSE_WINDOW + 1)) is Resume.CONTINUE


def test_choose_resume_reads_a_dense_overlap_once_per_its_own_length():
    """A dense overlap is read once per its own length all the same, so that late rows are never lost."""
    assert choose(dense(DENSE_WINDOW + 1), now=NOW + OVERLAP) is Resume.OVERLAP


def test_choose_resume_reads_the_overlap_when_a_token_is_missing():
    """A feed without a token can only be taken up by date."""
    position = FeedPosition(since=NOW, tokens={"changes": "token"}, seen=dense(300).seen, overlapped_at=NOW)
    assert choose(position) is Resume.OVERLAP


def test_is_beyond_counts_from_the_last_reading_not_from_the_newest_row():
    """In a quiet instance the newest row is old, and nothing is lost."""
    quiet = FeedPosition(since=NOW - timedelta(days=100), overlapped_at=NOW - timedelta(minutes=5))
    paused = FeedPosition(since=NOW - timedelta(days=15), overlapped_at=NOW - timedelta(days=15))

    assert not is_beyond(None, NOW, DELETIONS_KEPT)
    assert not is_beyond(quiet, NOW, DELETIONS_KEPT)
    assert is_beyond(paused, NOW, DELETIONS_KEPT)
    assert is_beyond(FeedPosition(since=NOW - timedelta(days=15)), NOW, DELETIONS_KEPT)


def test_advance_moves_to_the_newest_row_and_forgets_what_left_the_overlap():
    """The watermark is the newest date seen; only GUIDs inside the overlap are remembered (R-003)."""
    position = dense(2, at=NOW - timedelta(minutes=30))
    after = advance(position, rows={"new": NOW}, tokens={"changes": "next"}, overlap=OVERLAP, overlapped_at=NOW)

    assert after.since == NOW
    assert set(after.seen) == {"new"}
    assert after.tokens == {"changes": "next", "deletes": "token"}


def test_advance_never_moves_backwards_or_past_what_was_shown():
    """A quiet feed leaves the watermark where it is: no clock of ours moves it."""
    position = dense(1)
    after = advance(position, rows={"late": NOW - OVERLAP}, tokens={}, overlap=OVERLAP, overlapped_at=None)

    assert after.since == NOW
    assert set(after.seen) == {"0", "late"}


def test_feed_position_survives_the_database():
    """A position comes back from JSON as it went in."""
    position = dense(3)
    assert FeedPosition.from_json(position.as_json()) == position


def test_take_next_serves_who_waited_longest_and_then_as_many_fresh_ones_as_fit():
    """Who waits already and comes again is not noted again; the rest waits for a later run."""
    assert take_next(["c", "b", "d", "c", "e"], ["a", "b"], 4) == Intake(
        now=("a", "b", "c", "d"), waited=("a", "b"), later=("e",)
    )


def test_take_next_takes_all_fresh_ones_without_a_limit():
    """A run that was given people takes them all and no backlog."""
    assert take_next(["a", "b"], ["c"], None) == Intake(now=("a", "b"))


def test_take_next_leaves_room_for_nobody_fresh_while_the_backlog_fills_the_run():
    """The longest waiting go first, always."""
    assert take_next(["x"], ["a", "b", "c"], 2) == Intake(now=("a", "b"), waited=("a", "b"), later=("x",))
