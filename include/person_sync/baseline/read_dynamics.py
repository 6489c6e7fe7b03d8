"""
Step read_dynamics: stage every contact and lead, page by page, and the delta link from which cycles continue.

Paging is no snapshot, and whether a first pass' delta link counts from its beginning or its end is not documented. So
rows modified while the pages were read are read once more at the end.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.dynamics import FeedExpired
from include.person_sync.baseline.progress import DYNAMICS, Progress, unchanged_schema
from include.person_sync.core.schema import TABLES
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.person_sync.baseline.advance import Advance
    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

CLOCK_MARGIN = timedelta(minutes=2)
PAGES_PER_NAMES = 20
"""Names of owners and accounts are forgotten after so many pages, so that memory does not grow with their number."""


def document_name(table: Table) -> str:
    """Return the part of the progress that a table's reading is stored under."""
    return f"{DYNAMICS}.{table.value}"


def read_dynamics(ctx: SyncContext, baseline_id: str, *, tell: Callable[[Advance], None] | None = None) -> None:
    """
    Stage both tables. May be repeated; resumes behind the last page that was staged. Sends reads only.

    `tell` takes how far it has come, page by page; by default the log does.
    """
    progress = Progress(ctx, baseline_id, tell)
    schema = unchanged_schema(ctx, progress.opened())
    with progress.counting_calls(ctx, "dynamics"):
        for table in TABLES:
            TableReading(ctx, schema, progress, table).complete()


class TableReading:
    """The reading of one table; its document is stored after every page."""

    def __init__(self, ctx: SyncContext, schema: ResolvedSchema, progress: Progress, table: Table) -> None:
        self._ctx = ctx
        self._schema = schema
        self._progress = progress
        self._table = table
        self._name = document_name(table)
        self._names = LookupNames(ctx)
        self._document = progress.load(self._name) or self._begin()

    def _begin(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "started_at": self._ctx.now().isoformat(),
            "next_link": None,
            "delta_link": None,
            "columns": list(self._schema.columns[self._table]),
            "parts": [],
            "late": None,
            "rows": 0,
        }
        self._progress.save(document, self._name)
        return document

    def complete(self) -> None:
        """Read what is not staged yet."""
        if self._document["delta_link"] is None:
            self._read_pages()
        if self._document["late"] is None:
            self._document["late"] = self._read_late()
            self._progress.save(self._document, self._name)
        log.info("dynamics %s: %d rows read", self._table.value, self._document["rows"])

    def _read_pages(self) -> None:
        try:
            self._follow(self._document["next_link"])
        except FeedExpired as error:
            log.warning("dynamics %s: reading can't be taken up (%s); it begins anew", self._table.value, error.message)
            self._document = self._begin()
            self._follow(None)

    def _follow(self, link: str | None) -> None:
        pages = self._ctx.dynamics.track_changes(
            self._table.value,
            self._schema.columns[self._table],
            delta_link=link,
            page_size=self._ctx.settings.dynamics.page_size,
        )
        for page in pages:
            if page.rows:
                self._document["parts"].append(self._stage(page.rows, f"{len(self._document['parts']):06d}"))
                self._document["rows"] += len(page.rows)
            self._document["next_link"], self._document["delta_link"] = page.next_link, page.delta_link
            self._progress.save(self._document, self._name)

    def _stage(self, rows: list[dict[str, Any]], name: str) -> str:
        if len(self._document["parts"]) % PAGES_PER_NAMES == 0:
            self._names = LookupNames(self._ctx)
        frame = rows_frame(rows, self._schema, self._table, self._names)
        return self._progress.folder.write_frame(f"dynamics-{self._table.value}-{name}", frame)

    def _read_late(self) -> list[str]:
        """Stage the rows that were modified since reading began; they replace what the pages said."""
        start = datetime.fromisoformat(self._document["started_at"]) - CLOCK_MARGIN
        columns = self._schema.columns[self._table]
        pages = self._ctx.dynamics.rows_modified_between(
            self._table.value, columns, start, self._ctx.now() + CLOCK_MARGIN
        )
        return [self._stage(rows, f"late-{number:06d}") for number, rows in enumerate(pages) if rows]
