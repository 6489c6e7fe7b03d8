"""A value that is made when it is first asked for: a client nobody needs signs in nowhere and imports nothing."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Lazy(Generic[T]):
    """
    The value of `make`, made once, also when several threads ask at the same time; call it to have the value.

    What `make` raises is raised to whoever asks, and the next one who asks tries again.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: list[T] = []
        self._making = threading.RLock()

    @classmethod
    def ready(cls, value: T) -> Lazy[T]:
        """Return one whose value is there already."""
        lazy = cls(lambda: value)
        lazy()
        return lazy

    @property
    def made(self) -> T | None:
        """The value if anybody has asked for it, else None."""
        return self._made[0] if self._made else None

    def __call__(self) -> T:
        """Return the value, making it now if it was not there."""
        with self._making:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]
