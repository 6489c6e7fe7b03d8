from __future__ import annotations

from include.http.rate_limit import RateLimit, SlidingWindow


def test_window_lets_the_allowed_calls_pass_when_it_is_empty():
    """Up to the limit nobody waits."""
    window = SlidingWindow(RateLimit(3, 20.0))

    assert [window.reserve(100.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_window_makes_the_next_call_wait_when_it_is_full():
    """The call after the limit waits until the oldest one has left the window."""
    window = SlidingWindow(RateLimit(2, 20.0))
    window.reserve(100.0)
    window.reserve(105.0)

    assert window.reserve(106.0) == 14.0
    assert window.reserve(106.0) == 19.0


def test_window_never_exceeds_the_limit_when_callers_come_at_any_time():
    """In every stretch of the window's length there are at most as many sending times as allowed."""
    window = SlidingWindow(RateLimit(5, 10.0))
    times = sorted(now + window.reserve(now) for now in (0, 0, 1, 1, 1, 1, 2, 3, 9, 10, 10, 11, 30, 30, 30, 30, 30, 30))

    assert all(later - earlier >= 10.0 for earlier, later in zip(times, times[5:], strict=False))


def test_window_holds_everybody_back_when_the_server_has_asked_for_quiet():
    """After a throttled answer no thread sends before the advised moment."""
    window = SlidingWindow(None)
    window.hold(130.0)

    assert window.reserve(100.0) == 30.0
    assert window.still_held(129.0) == 1.0
    assert window.reserve(131.0) == 0.0
