"""Cutting people into partitions: equal addresses meet, nobody is lost, memory holds the buffer only."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.baseline import hash_partition as module
from include.person_sync.baseline.hash_partition import Partitioner, hash_partition
from include.person_sync.core.values import UNREADABLE
from include.person_sync.run.staging import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def numbers(emails: list[str | None], ids: list[int], count: int = 1_000) -> list[int]:
    """Return the partitions of people."""
    return hash_partition(pd.Series(emails, dtype="str"), pd.Series(ids), count).tolist()


def test_addresses_that_are_compared_as_equal_meet() -> None:
    """Case and surrounding blanks make no difference, on whichever side; other addresses go elsewhere."""
    first, second, third, other = numbers(
        ["Ada@Example.com", " ada@example.com ", "ADA@EXAMPLE.COM", "b@x"], [1, 2, 3, 4]
    )

    assert first == second == third != other


def test_people_without_an_address_are_spread_by_id() -> None:
    """Empty and unreadable addresses do not all meet in one partition, which would bound no memory."""
    spread = numbers([None, "", "  ", UNREADABLE] * 100, list(range(400)), 10)

    assert len(set(spread)) == 10
    assert numbers([None], [7]) == numbers([UNREADABLE], [7])


def test_numbers_are_the_same_in_every_process() -> None:
    """A baseline that resumes in another process, or on another day, partitions alike."""
    assert numbers(["ada@example.com", "bob@example.com", None], [1, 2, 3], 97) == [20, 16, 63]


def test_everybody_is_in_one_partition_and_the_buffer_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """
    Parts are written whenever the buffer is full, so that it never holds more than a frame beyond its size (S-42).
    """
    monkeypatch.setattr(module, "BUFFERED_ROWS", 25)
    folder = RunFolder(tmp_path, "baseline")
    partitioner = Partitioner(folder, "people", 4)
    largest = 0
    for start in range(0, 200, 10):
        frame = pd.DataFrame({"marketo_id": range(start, start + 10)})
        partitioner.add(frame, frame["marketo_id"].to_numpy() % 4)
        largest = max(largest, sum(len(frame) for frame in partitioner._buffer))
    partitioner.finish()

    assert largest < 25 + 10
    for number in range(4):
        ids = folder.read_frames(partitioner.parts[number])["marketo_id"].tolist()
        assert ids == list(range(number, 200, 4))
    assert sum(partitioner.rows.values()) == 200
