"""
Going over both systems once, chunk by chunk, with a second look at everything in doubt.

Cycles run while an audit reads, so the two sides of a pair are read at different moments. Whoever seems to differ is
therefore read again, both sides and the base, and then the feeds are asked what is on its way; when a cycle committed
in between, once more. Memory holds one chunk, and a bit per link.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from include.person_sync.audit.examine import Examined, examine
from include.person_sync.audit.explain import explain_differences, explain_findings, gather_facts
from include.person_sync.audit.findings import Kind, findings_frame
from include.person_sync.audit.looking import Observer
from include.person_sync.audit.pending import Pending, read_pending
from include.person_sync.core.create_request import CreateRequest, parse_request
from include.person_sync.core.schema import TABLES
from include.person_sync.systems.people import requested_people

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from include.person_sync.audit.tally import Tally
    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.staging import RunFolder

log = logging.getLogger(__name__)

LOOKS = 3
"""Second looks before what was seen is taken as it is although cycles keep committing."""


class SeenLinks:
    """Which links were looked at: one bit each."""

    def __init__(self, highest: int) -> None:
        self._bits = np.zeros(highest // 8 + 1, dtype=np.uint8)

    def mark(self, link_ids: np.ndarray) -> None:
        """Note links as looked at; those made since the audit began are none of its business."""
        known = link_ids[link_ids < len(self._bits) * 8]
        np.bitwise_or.at(self._bits, known // 8, (1 << (known % 8)).astype(np.uint8))

    def unseen(self, link_ids: np.ndarray) -> np.ndarray:
        """Return those of the links that were not looked at."""
        flags = (self._bits[link_ids // 8] >> (link_ids % 8)) & 1
        return np.asarray(link_ids[flags == 0])


@dataclass
class Sweep:
    """One pass over everything; what it finds goes to files and to the tally."""

    ctx: SyncContext
    schema: ResolvedSchema
    folder: RunFolder
    tally: Tally
    files: dict[str, list[str]] = field(default_factory=lambda: {"differences": [], "findings": []})

    def run(self) -> None:
        """Look at all rows, then at links whose row did not show up, then at requests."""
        highest = self.ctx.store.highest_link_id()
        seen = SeenLinks(highest)
        observer = Observer(self.ctx, self.schema)
        for table in TABLES:
            for rows in observer.chunks(table):
                for examined in self._chunk(observer, table, rows):
                    seen.mark(examined.linked)
                    self._keep(examined)
            log.info("audit: %s: %s", table.value, dict(self.tally.rows))
        for table, row_ids in self._rows_of_unseen(seen, highest):
            self._keep(self._look_again(observer, table, row_ids))
        self._requests()

    def _chunk(self, observer: Observer, table: Table, rows: pd.DataFrame) -> Iterator[Examined]:
        """Yield what a chunk shows: the calm part as first seen, the doubtful one as seen again."""
        look = observer.look(table, rows, rows.index)
        first = examine(look, self.schema, self.ctx.settings)
        doubtful = first.doubtful()
        if not doubtful:
            yield first
            return
        yield examine(look.without(doubtful), self.schema, self.ctx.settings)
        del look, first
        yield self._look_again(observer, table, doubtful)

    def _look_again(self, observer: Observer, table: Table, row_ids: Collection[str]) -> Examined:
        """Return what some rows show when read anew, explained by what is on its way at that moment."""
        for _ in range(LOOKS):
            before = self.ctx.store.watermarks()
            look = observer.look(table, observer.reread(table, row_ids), row_ids)
            seen = examine(look, self.schema, self.ctx.settings)
            pending = read_pending(self.ctx, self.schema) if seen.doubtful() else Pending()
            if self.ctx.store.watermarks() == before:
                break
        people = {*look.links["marketo_id"], *seen.findings["marketo_id"].dropna()}
        facts = gather_facts(self.ctx, pending, people, row_ids)
        return replace(
            seen,
            differences=explain_differences(seen.differences, facts),
            findings=explain_findings(seen.findings, facts),
        )

    def _rows_of_unseen(self, seen: SeenLinks, highest: int) -> Iterator[tuple[Table, list[str]]]:
        """Yield the rows of open links that reading everything did not show, a chunk at a time."""
        size = self.ctx.settings.chunk_people
        for start in range(1, highest + 1, size):
            unseen = seen.unseen(np.arange(start, min(start + size, highest + 1), dtype=np.int64))
            if not len(unseen):
                continue
            links = self.ctx.store.load_links(link_ids=unseen.tolist())
            for table in TABLES:
                ids = links.loc[links["dynamics_table"] == table.value, "dynamics_id"].tolist()
                if ids:
                    yield table, ids

    def _requests(self) -> None:
        """Look for people who are asked for and have no row."""
        asks = self.ctx.settings.custom_fields.sync_to_dynamics
        for page in requested_people(self.ctx, self.schema):
            people = [int(row["id"]) for row in page if isinstance(parse_request(str(row[asks])), CreateRequest)]
            unlinked = self._unlinked(people)
            if unlinked:
                pending = read_pending(self.ctx, self.schema)
                still = self._unlinked(unlinked)
                found = findings_frame(pd.DataFrame({"marketo_id": still}), Kind.REQUEST_WITHOUT_ROW)
                self._keep_findings(explain_findings(found, gather_facts(self.ctx, pending, still, [])))

    def _unlinked(self, people: list[int]) -> list[int]:
        links = self.ctx.store.load_links(marketo_ids=people) if people else None
        return [] if links is None else sorted(set(people).difference(links["marketo_id"]))

    def _keep(self, examined: Examined) -> None:
        """Add to numbers and files."""
        self.tally.add(examined)
        self._write("differences", examined.differences)
        self._write("findings", examined.findings)

    def _keep_findings(self, findings: pd.DataFrame) -> None:
        self.tally.add_findings(findings)
        self._write("findings", findings)

    def _write(self, name: str, frame: pd.DataFrame) -> None:
        if len(frame):
            number = len(self.files[name])
            self.files[name].append(self.folder.write_frame(f"{name}/part-{number:04d}", frame))

    def manifest(self) -> dict[str, Any]:
        """Return what the later stages need: files and numbers."""
        return {"files": self.files, **self.tally.summary()}
