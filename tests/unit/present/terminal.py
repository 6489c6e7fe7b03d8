"""A terminal to draw on, whose screen a test can read."""

from __future__ import annotations

import os
import pty
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator


class Screen:
    """The terminal as a stream to write to, and the text that has arrived at it, with its control sequences."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.text = ""


@contextmanager
def terminal() -> Iterator[Screen]:
    """Yield a pseudo-terminal that is read all the time; its text is complete once the block has ended."""
    reading, writing = pty.openpty()
    with os.fdopen(writing, "w") as stream:
        screen = Screen(stream)
        reader = threading.Thread(target=_read, args=(reading, screen))
        reader.start()
        yield screen
    reader.join()
    os.close(reading)


def _read(descriptor: int, screen: Screen) -> None:
    received = b""
    while True:
        try:
            received += os.read(descriptor, 65_536)
        except OSError:  # the other end was closed
            screen.text = received.decode()
            return
