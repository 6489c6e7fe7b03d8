"""
Faults that a test orders in advance and that the sandbox then lives through.

Two families share one order book. *Generic* faults are carried out by the server layer, whatever the service:

```text
status        answer `status` (default 503) without running the handler; `retry_after`, `body`, `content_type` optional
slow          run the handler after `seconds` (default 1)
truncated     run the handler, send half of the body (of the status line when there is none), close the connection
lost_before   close the connection without running the handler
lost_after    run the handler, then close the connection without an answer: the write *was* applied
```

*Vendor* faults (an expired token, a quota error, a stale version) are asked for by the services under kinds of their
own, with `Faults.take`.

A fault is aimed at a service and, with `match`, at a route: the text `METHOD /path?query` has to start with it, and
`*` in it stands for any run of characters. So `match="PATCH *contacts(*"` meets every update of a contact.
"""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GENERIC_KINDS", "Fault", "Faults"]

GENERIC_KINDS: Final = ("status", "slow", "truncated", "lost_before", "lost_after")


@dataclass(slots=True, eq=False)
class Fault:
    """One order: what should go wrong, where, and how many times it is still due (`times`) after `skip` matches."""

    service: str
    kind: str
    match: str = ""
    times: int = 1
    skip: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)

    def meets(self, service: str, kind: str, route: str) -> bool:
        """Whether this order is aimed at the given service, kind and route."""
        if self.kind != kind or self.service not in {service, "*"}:
            return False
        return not self.match or _pattern(self.match).match(route) is not None


class Faults:
    """The order book of faults, shared by the server layer, the services and the tests. Thread-safe."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []
        self._taken: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, service: str, kind: str, times: int = 1, match: str = "", skip: int = 0, **details: Any) -> Fault:
        """Order a fault and return it. `service` is a service's name or `*`; the rest is described by the module."""
        if times < 1 or skip < 0:
            raise ValueError("a fault has to happen at least once, and cannot skip fewer than no requests")
        fault = Fault(service, kind, match, times, skip, details)
        with self._lock:
            self._orders.append(fault)
        return fault

    def take(self, service: str, kind: str, route: str) -> Fault | None:
        """Use up one order of this kind that meets the route and return it, or None: nothing goes wrong here."""
        if not self._orders:
            return None
        with self._lock:
            for fault in self._orders:
                if fault.meets(service, kind, route):
                    return self._use(fault)
        return None

    def _use(self, fault: Fault) -> Fault | None:
        if fault.skip:
            fault.skip -= 1
            return None
        fault.times -= 1
        if not fault.times:
            self._orders.remove(fault)
        self._taken.append(fault)
        return fault

    def pending(self) -> list[Fault]:
        """Orders that still have to happen."""
        with self._lock:
            return list(self._orders)

    def taken(self) -> list[Fault]:
        """Faults that happened since the last `clear`, once per time."""
        with self._lock:
            return list(self._taken)

    def clear(self) -> None:
        """Cancel every order and forget what happened."""
        with self._lock:
            self._orders.clear()
            self._taken.clear()


@lru_cache(maxsize=256)
def _pattern(match: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(piece) for piece in match.split("*")))
