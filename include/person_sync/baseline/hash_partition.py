"""
Hash partitioning: rows are buffered, then written as a part per partition, so that memory holds the buffer only.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.person_sync.core.rows import email_key
from include.person_sync.core.values import UNREADABLE

if TYPE_CHECKING:
    from include.person_sync.run.staging import RunFolder

BUFFERED_ROWS = 50_000


class Partitioner:
    """Writes rows of one kind to numbered partitions; `parts` names the files of each once `finish` was called."""

    def __init__(self, folder: RunFolder, kind: str, count: int) -> None:
        self._folder = folder
        self._kind = kind
        self._count = count
        self._buffer: list[pd.DataFrame] = []
        self._numbers: list[np.ndarray] = []
        self._buffered = 0
        self._flushes = 0
        self.parts: dict[int, list[str]] = defaultdict(list)
        self.rows: dict[int, int] = defaultdict(int)

    def add(self, frame: pd.DataFrame, numbers: np.ndarray) -> None:
        """Put each row into the partition of its number."""
        if frame.empty:
            return
        self._buffer.append(frame)
        self._numbers.append(numbers)
        self._buffered += len(frame)
        if self._buffered >= BUFFERED_ROWS:
            self.finish()

    def finish(self) -> None:
        """Write what is buffered."""
        if not self._buffer:
            return
        rows = pd.concat(self._buffer, ignore_index=True)
        numbers = np.concatenate(self._numbers)
        for number in np.unique(numbers):
            mine = rows[numbers == number]
            name = f"{self._kind}-p{number:04d}-{self._flushes:04d}"
            self.parts[int(number)].append(self._folder.write_frame(name, mine))
            self.rows[int(number)] += len(mine)
        self._buffer, self._numbers, self._buffered = [], [], 0
        self._flushes += 1


def hash_partition(emails: pd.Series, ids: pd.Series, count: int) -> np.ndarray:
    """
    Return each row's partition: by e-mail address as it is compared, so that equal ones meet; without one, by id.
    """
    key = email_key(emails.mask(emails == UNREADABLE))
    key = key.mask(key == "").fillna("id " + ids.astype("str"))
    return hash_numbers(key, count)


def hash_numbers(keys: pd.Series, count: int) -> np.ndarray:
    """Return a number below `count` per key; equal keys give equal numbers in every process."""
    hashes = pd.util.hash_array(keys.to_numpy(dtype=object), categorize=False)
    return (hashes % np.uint64(count)).astype("int64")
