"""Looking at both sides of a bounded number of people: rows, links, people, bases."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.core.snapshot import latest
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.people import people_frame, person_columns, read_people
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext


@dataclass(frozen=True)
class Look:
    """
    One table's rows with everything that belongs to them, as read at one moment.

    `row_ids`: whom the look is about. `rows`: index dynamics_id, those that exist. `links`: their open links. `closed`:
    row ids whose link was closed. `people`: index marketo_id, everybody linked to the rows or naming one of them.
    `base`: index link_id.
    """

    table: Table
    row_ids: frozenset[str]
    rows: pd.DataFrame
    links: pd.DataFrame
    closed: frozenset[str]
    people: pd.DataFrame
    base: pd.DataFrame

    def without(self, row_ids: Collection[str]) -> Look:
        """Return the look without some rows, their links and bases; people stay, they harm nothing."""
        links = self.links[~self.links["dynamics_id"].isin(row_ids)]
        return replace(
            self,
            row_ids=self.row_ids.difference(row_ids),
            rows=self.rows[~self.rows.index.isin(row_ids)],
            links=links,
            base=self.base[self.base.index.isin(links["link_id"])],
        )


class Observer:
    """Reads both systems and the state for a look; keeps the names behind lookups, and nothing of any person."""

    def __init__(self, ctx: SyncContext, schema: ResolvedSchema) -> None:
        self._ctx = ctx
        self._schema = schema
        self._names = LookupNames(ctx)

    def chunks(self, table: Table) -> Iterator[pd.DataFrame]:
        """Yield all rows of a table as frames (index dynamics_id) of at most `chunk_people` rows."""
        pages = self._ctx.dynamics.all_rows(table.value, self._schema.columns[table])
        for rows in in_chunks(pages, self._ctx.settings.chunk_people):
            yield self._frame(table, rows)

    def reread(self, table: Table, row_ids: Collection[str]) -> pd.DataFrame:
        """Return the rows that exist among some ids, as they are now."""
        found = self._ctx.dynamics.rows_by_id(table.value, sorted(row_ids), self._schema.columns[table])
        return self._frame(table, found)

    def look(self, table: Table, rows: pd.DataFrame, row_ids: Collection[str]) -> Look:
        """Return the rows with their links, people and bases."""
        store, ids = self._ctx.store, list(row_ids)
        links = store.load_links(dynamics_ids={table.value: ids})
        unlinked = sorted(set(ids).difference(links["dynamics_id"]))
        closed = store.load_links(dynamics_ids={table.value: unlinked}, state="closed") if unlinked else links[:0]
        fields = [field.name for field in self._schema.fields(table)]
        return Look(
            table=table,
            row_ids=frozenset(ids),
            rows=rows,
            links=links,
            closed=frozenset(closed["dynamics_id"]),
            people=self._people(ids, links),
            base=store.load_base(links["link_id"].tolist(), fields),
        )

    def _frame(self, table: Table, rows: list[dict[str, Any]]) -> pd.DataFrame:
        return rows_frame(rows, self._schema, table, self._names).set_index("dynamics_id")

    def _people(self, row_ids: list[str], links: pd.DataFrame) -> pd.DataFrame:
        """
        Return everybody who names one of the rows, and by id those linked to one who name another or none.

        In step, both are the same people and cost one call for 300; whoever names a row without being linked to it is
        seen only this way.
        """
        claimants = self._read(self._ctx.settings.custom_fields.dynamics_id, row_ids)
        others = links.loc[~links["marketo_id"].isin(claimants.index), "marketo_id"]
        return latest(claimants, self._read("id", others.tolist()))

    def _read(self, filter_type: str, values: list[Any]) -> pd.DataFrame:
        columns = person_columns(self._ctx, self._schema)
        pages = [people_frame(page, columns) for page in read_people(self._ctx, self._schema, filter_type, values)]
        people = pd.concat([people_frame([], columns), *pages], ignore_index=True)
        return people.drop_duplicates("marketo_id", keep="last").set_index("marketo_id")


def in_chunks(pages: Iterable[list[dict[str, Any]]], size: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the rows of pages in lists of `size`, the last one shorter; holds no more than a chunk and a page."""
    held: list[dict[str, Any]] = []
    for page in pages:
        held += page
        while len(held) >= size:
            yield held[:size]
            held = held[size:]
    if held:
        yield held
