"""
Rows in memory, with the indexes that keep the service quick at 200,000 rows a table.

A row is a dict from column name to stored value; empty columns are absent. Stored values are ready for JSON (texts,
numbers, booleans, ISO dates), lookups are `Reference`. Rows are replaced, never changed in place, so that a reader
keeps a consistent one and a transaction can put the old one back.

Nothing here locks: the organisation's lock (see `world`) is held by whoever calls.
"""

from __future__ import annotations

from bisect import bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

__all__ = ["Deletion", "Reference", "Row", "Store", "TableRows", "Transaction", "comparison_key"]

Row = dict[str, Any]


class Reference(NamedTuple):
    """A lookup's value: the table and the id of the row it refers to."""

    table: str
    row_id: str


class Deletion(NamedTuple):
    """A deleted row, as the change feed reports it."""

    version: int
    row_id: str
    at: datetime


def comparison_key(value: Any) -> Any:
    """Return the form in which the database compares values: texts without regard to case or trailing blanks."""
    if isinstance(value, str):
        return value.casefold().rstrip(" ")
    return value.row_id if isinstance(value, Reference) else value


class TableRows:
    """The rows of one table: by id, in the order of their keys, in the order of their versions, and by value."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._sorted: list[str] = []
        self._unsorted: list[str] = []
        self._versions: list[int] = []
        self._version_ids: list[str] = []
        self._by_value: dict[str, dict[Any, set[str]]] = {}
        self.deletions: list[Deletion] = []

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, row_id: str) -> Row | None:
        """Return the row (not a copy: do not change it), or None."""
        return self._rows.get(row_id)

    def put(self, row_id: str, row: Row) -> None:
        """Store a row that carries its `versionnumber`. The newest version has to be the highest."""
        before = self._rows.get(row_id)
        if before is None:
            self._unsorted.append(row_id)
        self._rows[row_id] = row
        self._versions.append(row["versionnumber"])
        self._version_ids.append(row_id)
        self._move_in_indexes(row_id, before, row)

    def put_back(self, row_id: str, row: Row | None) -> None:
        """
        Undo the last change of a row: restore its former content, or its absence.

        The row's former place in the order of versions is still there, since only readers of the feed tidy it up.
        """
        present = self._rows.pop(row_id, None)
        if row is not None:
            self._rows[row_id] = row
            if present is None:
                self._unsorted.append(row_id)
        self._move_in_indexes(row_id, present, row)

    def remove(self, row_id: str, version: int, at: datetime) -> None:
        """Delete a row and remember its deletion."""
        before = self._rows.pop(row_id)
        self.deletions.append(Deletion(version, row_id, at))
        self._move_in_indexes(row_id, before, None)

    def ids_after(self, row_id: str = "") -> Iterator[str]:
        """Yield ids in ascending order, beginning behind `row_id`."""
        if self._unsorted or len(self._sorted) > 2 * len(self._rows) + 100:
            self._sorted = sorted(self._rows)
            self._unsorted.clear()
        ids, rows = self._sorted, self._rows
        for position in range(bisect_right(ids, row_id), len(ids)):
            if ids[position] in rows:
                yield ids[position]

    def changed_after(self, version: int) -> Iterator[tuple[int, str]]:
        """Yield (version, id) of living rows whose last change is newer than `version`, oldest change first."""
        if len(self._versions) > 2 * len(self._rows) + 100:
            self._compact()
        versions, ids, rows = self._versions, self._version_ids, self._rows
        last = 0
        for position in range(bisect_right(versions, version), len(versions)):
            row = rows.get(ids[position])
            if row is not None and row["versionnumber"] == versions[position] != last:
                last = versions[position]
                yield last, ids[position]

    def _compact(self) -> None:
        current = [
            (version, row_id)
            for version, row_id in zip(self._versions, self._version_ids, strict=True)
            if (row := self._rows.get(row_id)) is not None and row["versionnumber"] == version
        ]
        self._versions = [version for version, _ in current]
        self._version_ids = [row_id for _, row_id in current]

    def deleted_after(self, version: int) -> list[Deletion]:
        """Return the deletions newer than `version`, oldest first."""
        position = bisect_right(self.deletions, version, key=lambda deletion: deletion.version)
        return self.deletions[position:]

    def ids_with(self, column: str, values: Iterable[Any]) -> list[str]:
        """Return the ids of rows whose column equals one of the values, in ascending order."""
        index = self._by_value.get(column)
        if index is None:
            index = self._by_value[column] = self._build_index(column)
        found: set[str] = set()
        for value in values:
            found |= index.get(comparison_key(value), set())
        return sorted(found)

    def _build_index(self, column: str) -> dict[Any, set[str]]:
        index: dict[Any, set[str]] = {}
        for row_id, row in self._rows.items():
            if column in row:
                index.setdefault(comparison_key(row[column]), set()).add(row_id)
        return index

    def _move_in_indexes(self, row_id: str, before: Row | None, after: Row | None) -> None:
        for column, index in self._by_value.items():
            old = None if before is None else before.get(column)
            new = None if after is None else after.get(column)
            if old == new:
                continue
            if old is not None:
                index[comparison_key(old)].discard(row_id)
            if new is not None:
                index.setdefault(comparison_key(new), set()).add(row_id)

    def forget_index(self, column: str) -> None:
        """Drop the index of a column whose stored values are about to be changed wholesale."""
        self._by_value.pop(column, None)

    def items(self) -> Iterator[tuple[str, Row]]:
        """Yield every id with its row."""
        yield from self._rows.items()


@dataclass(slots=True)
class Transaction:
    """Changes that can be taken back together, newest first."""

    store: Store
    _before: list[tuple[str, str, Row | None, int]] = field(default_factory=list)

    def note(self, table: str, row_id: str) -> None:
        """Remember a row as it is now, just before it is changed."""
        rows = self.store.table(table)
        self._before.append((table, row_id, rows.get(row_id), len(rows.deletions)))

    def roll_back(self) -> None:
        """Put every noted row back as it was."""
        for table, row_id, row, deletions in reversed(self._before):
            rows = self.store.table(table)
            rows.put_back(row_id, row)
            del rows.deletions[deletions:]
        self._before.clear()


class Store:
    """All tables of an organisation, sharing one version counter as the vendor's database does."""

    def __init__(self, tables: Iterable[str], *, first_version: int = 918_000) -> None:
        self._tables = {name: TableRows() for name in tables}
        self.version = first_version
        self._transaction: Transaction | None = None

    def table(self, name: str) -> TableRows:
        """Return the rows of a table. Raises KeyError for an unknown table."""
        return self._tables[name]

    def next_version(self) -> int:
        """Return a version higher than every one before."""
        self.version += 1
        return self.version

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep what happens inside, or take it all back when an exception leaves. An inner one adds to the outer."""
        if self._transaction is not None:
            yield
            return
        transaction = self._transaction = Transaction(self)
        try:
            yield
        except BaseException:
            transaction.roll_back()
            raise
        finally:
            self._transaction = None

    def put(self, table: str, row_id: str, row: Row) -> None:
        """Store a row under a new version."""
        if self._transaction is not None:
            self._transaction.note(table, row_id)
        row["versionnumber"] = self.next_version()
        self._tables[table].put(row_id, row)

    def remove(self, table: str, row_id: str, at: datetime) -> None:
        """Delete a row under a new version."""
        if self._transaction is not None:
            self._transaction.note(table, row_id)
        self._tables[table].remove(row_id, self.next_version(), at)
