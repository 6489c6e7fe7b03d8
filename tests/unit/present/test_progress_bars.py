"""Progress at a terminal: bars on standard error, log lines above them, everything as before afterwards."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from include.person_sync.baseline.advance import Advance
from include.person_sync.present.progress_bars import progress_bars
from tests.unit.present.terminal import terminal

if TYPE_CHECKING:
    import pytest


def test_bars_are_drawn_at_a_terminal_and_log_lines_stay_whole(monkeypatch: pytest.MonkeyPatch):
    """A bar shows numbers and percentage; a log line written meanwhile is a line of its own, and so is one after."""
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm-256color")
    with terminal() as screen:
        monkeypatch.setattr(sys, "stderr", screen.stream)
        handler = logging.StreamHandler(screen.stream)
        logging.getLogger().addHandler(handler)
        try:
            with progress_bars() as tell:
                assert tell is not None
                tell(Advance("reading Marketo", 3, 12, "extracts", 60.0))
                logging.getLogger("x").warning("a line while bars stand")
                tell(Advance("reading leads", 15_000, None, "rows", 60.0))
            assert handler.stream is sys.stderr is screen.stream
            logging.getLogger("x").warning("a line afterwards")
        finally:
            logging.getLogger().removeHandler(handler)
    text = screen.text

    assert "3 of 12 extracts, 25 %, about 3 min left" in text
    assert "15 000 rows so far" in text
    assert "a line while bars stand\r\n" in text
    assert text.endswith("a line afterwards\r\n")


def test_there_are_no_bars_without_a_terminal(capsys: pytest.CaptureFixture[str]):
    """Into a file or a task's log no bar is drawn: nothing is handed out, and the log does the telling."""
    with progress_bars() as tell:
        assert tell is None

    assert capsys.readouterr().err == ""
