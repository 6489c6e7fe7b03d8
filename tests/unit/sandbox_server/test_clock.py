"""The sandbox's clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.sandbox.clock import Clock


def test_clock_tells_the_present_in_utc():
    """An untouched clock agrees with the machine."""
    assert abs(Clock().now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert Clock().now().tzinfo is UTC


@pytest.mark.parametrize("step", [3600, timedelta(hours=1)])
def test_clock_moves_forward(step):
    """Seconds and timedeltas both move it, and it goes on running from there."""
    clock = Clock()

    clock.advance(step)

    assert abs(clock.now() - datetime.now(UTC) - timedelta(hours=1)) < timedelta(seconds=1)
    assert clock.offset_s == 3600


def test_clock_does_not_go_back():
    """Time that went back would break every window and token."""
    with pytest.raises(ValueError, match="forward"):
        Clock().advance(-1)
