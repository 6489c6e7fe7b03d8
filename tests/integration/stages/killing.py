"""Runs that die at a chosen write to the state database, as a process does that is killed there."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from include.person_sync.run.lazy import Lazy

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext
    from include.person_sync.state import Store

WRITES = (
    "start_run",
    "acquire_lease",
    "save_document",
    "reserve_link_ids",
    "save_plan",
    "update_run",
    "record_outcomes",
    "amend_values",
    "add_values",
    "commit",
    "finish_run",
    "set_activity_state",
    "release_lease",
)


class Killed(BaseException):
    """The process is gone; nothing of it may act any more."""


class Tripwire:
    """
    A store whose `number`-th write (from 1; of those called `only`, if given) is the last thing its process sees.

    `after` lets that write happen first. Storing no outcome at all is no write. Without a number every write is only
    noted in `writes`. Once tripped, every use raises Killed: a dead process gives no lease back and notes no failure.
    """

    def __init__(self, store: Store, number: int | None = None, *, after: bool = False, only: str = "") -> None:
        self.writes: list[str] = []
        self._store = store
        self._number = number
        self._after = after
        self._only = only
        self._dead = threading.Event()

    def __getattr__(self, name: str) -> Any:
        if self._dead.is_set():
            raise Killed(name)
        reached = getattr(self._store, name)
        return self._counted(name, reached) if name in WRITES else reached

    def _counted(self, name: str, write: Any) -> Any:
        def counted(*args: Any, **options: Any) -> Any:
            if name == "record_outcomes" and args[1].empty:
                return None
            last = self._is_last(name)
            if last and not self._after:
                self._die(name)
            result = write(*args, **options)
            if last:
                self._die(name)
            return result

        return counted

    def _is_last(self, name: str) -> bool:
        self.writes.append(name)
        if self._only:
            return name == self._only and self.writes.count(name) == self._number
        return len(self.writes) == self._number

    def _die(self, name: str) -> None:
        self._dead.set()
        raise Killed(name)


def trip(context: SyncContext, number: int | None = None, *, after: bool = False, only: str = "") -> Tripwire:
    """Put a tripwire into a context's way to the state database, and return it."""
    wire = Tripwire(context.store, number, after=after, only=only)
    context.open_store = Lazy(lambda: cast("Store", wire))
    return wire


@cache
def dead_process() -> int:
    """Return the id of a process that is no more."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid
