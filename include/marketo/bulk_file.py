"""
Reading the file of a bulk extract: CSV in which the bare word `null` stands for nothing.

Source: Marketo developer guide, "Bulk Lead Extract". A quoted "null" cannot be told from it. NUL bytes have been seen
in real files; no field can hold them, so they are dropped.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Final

from include.errors import ContractViolation

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from _typeshed import WriteableBuffer

__all__ = ["read_people"]

Person = dict[str, str | None]

_NOTHING: Final = frozenset({"null", ""})
_PAGE: Final = 5_000


def read_people(chunks: Iterable[bytes], fields: Sequence[str], *, page: int = _PAGE) -> Iterator[list[Person]]:
    """
    Yield the people of a file in pages of at most `page`: dicts of `fields` with texts as they stand in the file.

    `chunks` are consecutive bytes of any size. Raises ContractViolation when the header lacks a field, a row has more
    or fewer cells than the header, or the bytes are not UTF-8.
    """
    text = io.TextIOWrapper(io.BufferedReader(_Chunks(chunks)), encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    people: list[Person] = []
    try:
        header = next(reader, [])
        places = _places(header, fields)
        for cells in reader:
            if not cells:
                continue
            _require_whole(cells, header, reader.line_num)
            people.append({name: None if cells[place] in _NOTHING else cells[place] for name, place in places})
            if len(people) >= page:
                yield people
                people = []
    except (UnicodeDecodeError, csv.Error) as error:
        # The error's own text may quote the file.
        raise ContractViolation(f"marketo bulk file: unreadable near line {reader.line_num}.") from error
    if people:
        yield people


def _places(header: Sequence[str], fields: Sequence[str]) -> list[tuple[str, int]]:
    missing = [name for name in fields if name not in header]
    if missing:
        raise ContractViolation(f"marketo bulk file: its header lacks {', '.join(missing)}.")
    return [(name, header.index(name)) for name in fields]


def _require_whole(cells: Sequence[str], header: Sequence[str], line: int) -> None:
    if len(cells) != len(header):
        raise ContractViolation(
            f"marketo bulk file: line {line} has {len(cells)} cells, its header {len(header)}.",
            remedy="The file is incomplete; it is extracted again.",
        )


class _Chunks(io.RawIOBase):
    """Consecutive bytes as a file to read, without NUL bytes."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the buffer with the next bytes; 0 at the end."""
        view = memoryview(buffer).cast("B")
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = chunk.replace(b"\x00", b"")
        taken, self._rest = self._rest[: len(view)], self._rest[len(view) :]
        view[: len(taken)] = taken
        return len(taken)
