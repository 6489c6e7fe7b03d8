"""
What stands behind lookups: the name of the account, the e-mail of the owner.

It is not part of the person's row and is read beside it, since change tracking allows neither joins nor annotations.
Source: Dataverse developer guide, "Use change tracking to synchronize data with external systems".
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.dynamics import SchemaChanged
from include.errors import ConfigError
from include.person_sync.core.values import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from include.person_sync.core.fields import ColumnSource
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


class LookupNames:
    """Columns of referenced rows; each row is read once, with every column of its table that is asked for together."""

    def __init__(self, ctx: SyncContext) -> None:
        self._ctx = ctx
        self._columns: dict[str, tuple[str, ...]] = {}
        self._rows: dict[str, dict[str, Mapping[str, Any]]] = {}
        self._closed: set[str] = set()

    def know(self, table: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in rows that were read elsewhere, with these columns."""
        known = self._table(table, columns)
        known.update({str(row[f"{table}id"]).lower(): row for row in rows})

    def resolve(self, frame: pd.DataFrame, sources: Mapping[str, ColumnSource]) -> dict[str, pd.Series]:
        """
        Return one text column per field of `sources`: the value behind the lookup column of `frame`.

        Empty where the lookup is, unreadable where its row can't be read: a customer lookup may point to a contact
        instead of an account, and then the account's name is unknown, not empty.
        """
        for table in {source.lookup_table or "": None for source in sources.values()}:
            own = [source for source in sources.values() if source.lookup_table == table]
            columns = sorted({source.lookup_column or "" for source in own})
            ids = {one for source in own for one in frame[source.column].dropna().str.lower().unique()}
            self._read(table, columns, ids - {UNREADABLE})
        return {name: self._values(frame[source.column], source) for name, source in sources.items()}

    def _values(self, ids: pd.Series, source: ColumnSource) -> pd.Series:
        rows, column = self._rows.get(source.lookup_table or "", {}), source.lookup_column or ""
        values = {one: row.get(column, UNREADABLE) for one, row in rows.items()}
        return ids.str.lower().map(lambda one: values.get(one, UNREADABLE), na_action="ignore").astype("str")

    def _table(self, table: str, columns: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """Return what is known of a table; nothing when more columns are wanted than were read."""
        wanted = {*self._columns.get(table, ()), *columns}
        if wanted != set(self._columns.get(table, ())):
            self._columns[table] = tuple(sorted(wanted))
            self._rows[table] = {}
        return self._rows.setdefault(table, {})

    def _read(self, table: str, columns: Sequence[str], ids: set[str]) -> None:
        known = self._table(table, columns)
        missing = sorted(ids - set(known))
        if not missing or table in self._closed:
            return
        try:
            rows = self._ctx.dynamics.rows_by_id(table, missing, self._columns[table])
        except SchemaChanged:
            raise
        except ConfigError as error:
            log.warning("rows of %s can't be read; what they hold stays as it is in Marketo: %s", table, error)
            self._closed.add(table)
            return
        known.update({one: {} for one in missing})
        known.update({str(row[f"{table}id"]).lower(): row for row in rows})
