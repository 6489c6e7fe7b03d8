"""Repeatable identifiers: the same number gives the same ids, so that a failing run can be played again."""

from __future__ import annotations

import random
import threading
import uuid

__all__ = ["Identifiers"]


class Identifiers:
    """A seeded source of GUIDs and random letters. Safe to share between threads; not for secrets."""

    def __init__(self, number: int = 0) -> None:
        self._random = random.Random(number)  # noqa: S311 - repeatable on purpose, never a secret
        self._lock = threading.Lock()

    def guid(self) -> str:
        """Return a fresh version-4 GUID in lower case."""
        with self._lock:
            return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def letters(self, count: int, alphabet: str = "0123456789abcdef") -> str:
        """Return `count` letters drawn from `alphabet`."""
        with self._lock:
            return "".join(self._random.choices(alphabet, k=count))
