"""How far a baseline has come: honest percentages, an estimate where there can be one, and a log that is no flood."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.person_sync.baseline.advance import (
    Advance,
    AdvanceLog,
    reading_marketo,
    reading_table,
    working_through,
)
from include.person_sync.present.figures import span
from include.person_sync.state import Run, RunStatus

NOW = datetime(2026, 5, 2, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("advance", "told"),
    [
        (Advance("s", 0, 12, "pieces"), "s: 0 of 12 pieces, 0 %"),
        (Advance("s", 3, 12, "pieces", 60.0), "s: 3 of 12 pieces, 25 %, about 3 min left"),
        (Advance("s", 999, 1000, "pieces", 9990.0), "s: 999 of 1 000 pieces, 99 %, about less than a minute left"),
        (Advance("s", 12, 12, "pieces", 60.0), "s: 12 of 12 pieces, 100 %"),
        (Advance("s", 0, 0, "pieces"), "s: 0 of 0 pieces, 100 %"),
        (Advance("s", 15_000, None, "rows", 60.0), "s: 15 000 rows so far"),
        (Advance("s", 5, 10, "pieces", 0.0), "s: 5 of 10 pieces, 50 %"),
    ],
)
def test_advance_is_told_as_far_as_it_is_known(advance: Advance, told: str):
    """100 % means all, and no time is promised before there is a pace to go by, or where nobody knows the whole."""
    assert str(advance) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "less than a minute"),
        (61, "2 min"),
        (3_600, "1 h"),
        (7_500, "2 h 5 min"),
        (90_000, "1 d 1 h"),
        (86_460, "1 d"),
    ],
)
def test_span_is_told_in_its_two_largest_units(seconds: float, told: str):
    """Hours with minutes, days with hours; minutes beside days say nothing."""
    assert span(seconds) == told


def test_log_tells_the_first_the_last_and_little_between(caplog: pytest.LogCaptureFixture):
    """Of a hundred pieces a second only a line every ten seconds is written, but always the first and the last."""
    caplog.set_level(logging.INFO)
    now = 0.0
    tell = AdvanceLog(every_s=10.0, clock=lambda: now)
    for done in range(1001):
        now = done / 40
        tell(Advance("step", done, 1000, "pieces", now))

    lines = [record.getMessage().split(",")[0] for record in caplog.records]
    assert lines == [f"step: {done} of 1 000 pieces" for done in (0, 400, 800)] + ["step: 1 000 of 1 000 pieces"]


def test_log_is_silent_when_nothing_moves(caplog: pytest.LogCaptureFixture):
    """Looking again and again at extracts that are not done writes one line, not one per look."""
    caplog.set_level(logging.INFO)
    now = 0.0
    tell = AdvanceLog(every_s=10.0, clock=lambda: now)
    for now in (0.0, 60.0, 120.0):
        tell(Advance("step", 3, 12, "pieces", now))

    assert len(caplog.records) == 1


def test_each_step_has_lines_of_its_own(caplog: pytest.LogCaptureFixture):
    """A second step is told although the first has just been."""
    caplog.set_level(logging.INFO)
    tell = AdvanceLog(clock=lambda: 0.0)
    tell(Advance("one", 1, 2, "pieces"))
    tell(Advance("other", 1, 2, "pieces"))

    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["one", "other"]


def test_bulk_reading_counts_extracts():
    """An extract counts once its people are staged; time runs from the stored beginning, over all tasks."""
    windows = [{"parts": ["a"]}, {"parts": []}, {"parts": None}, {"parts": None}]
    document = {"windows": windows, "began_at": (NOW - timedelta(minutes=10)).isoformat()}

    assert reading_marketo(document, NOW) == Advance("reading Marketo", 2, 4, "extracts", 600.0)


def test_reading_by_id_counts_ids_up_to_the_highest_known():
    """The search beyond the highest known id is no reason to say more than all; before it is known nothing is told."""
    document: dict[str, Any] = {"next_id": 33_001, "highest": 30_000, "began_at": None}

    assert reading_marketo(document, NOW) == Advance("reading Marketo", 30_000, 30_000, "ids", 0.0)
    assert reading_marketo({**document, "highest": None}, NOW) is None


def test_table_is_complete_once_its_delta_link_is_there():
    """Dynamics does not tell how many rows there will be; the last page does."""
    document = {"rows": 15_000, "delta_link": None, "started_at": NOW.isoformat()}

    assert reading_table("contact", document, NOW).percent is None
    assert reading_table("contact", {**document, "delta_link": "link"}, NOW).percent == 100


def test_partitions_are_timed_by_their_own_runs():
    """A night between two partitions does not make the estimate longer."""
    runs = [run(NOW, 60), run(NOW + timedelta(hours=12), 120), run(NOW, None)]

    advance = working_through(runs, 8)

    assert (advance.done, advance.total, advance.left_s) == (2, 8, 540.0)


def run(started_at: datetime, seconds: int | None) -> Run:
    """Return the run of a partition that took some seconds, or is under way."""
    finished = None if seconds is None else started_at + timedelta(seconds=seconds)
    return Run("r", "baseline", "baseline", RunStatus.COMMITTED, {}, {}, 1, started_at, finished)
