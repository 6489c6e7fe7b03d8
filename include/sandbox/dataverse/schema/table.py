"""Tables: a set of columns, and the ways in which addresses and bodies may name them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.schema.columns import ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.sandbox.dataverse.schema.columns import Column

__all__ = ["AlternateKey", "Table", "metadata_id"]

_METADATA_NAMESPACE: Final = uuid.UUID("6c1d3a52-8f0e-4c0c-9a55-2d9b0f5f7e11")


@dataclass(frozen=True, slots=True)
class AlternateKey:
    """Columns whose values together are unique in a table."""

    name: str
    columns: tuple[str, ...]


@dataclass(slots=True)
class Table:
    """
    One table. `set_up` tables (users, teams, currencies, …) can be read but not written through the API here.

    `properties` maps the names that queries use to columns; `navigations` maps navigation properties to the column and
    the tables they bind to; `amounts` pairs money columns with their shadows; `defaults` is what a new row starts with.
    """

    name: str
    entity_set: str
    primary_key: str
    primary_name: str
    object_type_code: int
    columns: dict[str, Column]
    set_up: bool = False
    owned: bool = True
    change_tracking: bool = True
    optimistic_concurrency: bool = True
    keys: list[AlternateKey] = field(default_factory=list)
    properties: dict[str, Column] = field(default_factory=dict)
    amounts: list[tuple[str, str]] = field(default_factory=list)
    defaults: dict[str, object] = field(default_factory=dict)
    navigations: dict[str, tuple[Column, tuple[str, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reindex()

    def reindex(self) -> None:
        """Rebuild the name indexes after a column was added, changed or removed."""
        self.properties = {
            column.property_name: column for column in self.columns.values() if column.type is not ColumnType.VIRTUAL
        }
        self.amounts = [(column.money_of, column.name) for column in self.columns.values() if column.money_of]
        self.defaults = {column.name: column.default for column in self.columns.values() if column.default is not None}
        self.navigations = {}
        for column in self.columns.values():
            for target, name in column.navigations:
                _, targets = self.navigations.get(name, (column, ()))
                self.navigations[name] = (column, (*targets, target))

    def put_column(self, column: Column) -> None:
        """Add or replace a column."""
        self.columns[column.name] = column
        self.reindex()

    def remove_column(self, name: str) -> None:
        """Remove a column. Raises KeyError when there is none."""
        del self.columns[name]
        self.reindex()


def columns_by_name(columns: Iterable[Column | tuple[Column, ...]]) -> dict[str, Column]:
    """Return columns by name, with pairs (money and its shadow) laid out flat."""
    flat: list[Column] = []
    for entry in columns:
        flat.extend(entry if isinstance(entry, tuple) else (entry,))
    return {column.name: column for column in flat}


def metadata_id(table: str, column: str = "") -> str:
    """Return the MetadataId of a table or of one of its columns: always the same for the same names."""
    return str(uuid.uuid5(_METADATA_NAMESPACE, f"{table}.{column}"))
