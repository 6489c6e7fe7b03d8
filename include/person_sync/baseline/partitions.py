"""
Step partition: cut everybody into partitions so that whoever may belong together meets in one.

Dynamics rows go by their e-mail address. A person that is linked to a row, or names one that may still get a person,
goes where that row went; everybody else goes by address. To find the rows by id without holding all of them in memory,
a narrow index of rows and the people concerned are first partitioned by row id and joined bucket by bucket.
"""

from __future__ import annotations

import logging
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from include.person_sync.baseline.hash_partition import Partitioner, hash_numbers, hash_partition
from include.person_sync.baseline.people import CREATED_AT
from include.person_sync.baseline.progress import MARKETO, PARTITIONS, Progress, unchanged_schema
from include.person_sync.baseline.read_dynamics import document_name
from include.person_sync.baseline.read_marketo import BULK, people_parts
from include.person_sync.core.claims import named_rows
from include.person_sync.core.pairing import free_rows
from include.person_sync.core.policy import DeletedPerson
from include.person_sync.core.rows import EMAIL_COLUMN, ids_by_table
from include.person_sync.core.schema import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.person_sync.baseline.progress import Opened
    from include.person_sync.core.fields import Table
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

CLAIM, IS_LINK, ROW_ID = "_claim", "_is_link", "dynamics_id"
INDEX_COLUMNS = ["dynamics_id", "number", "is_free"]


def partition(ctx: SyncContext, baseline_id: str) -> list[int]:
    """
    Write the partitions and return their numbers. May be repeated; once they are written they stay as they are.

    Staged frames are those of any run, without duplicates of a later reading. Sends nothing.
    """
    progress = Progress(ctx, baseline_id)
    document = progress.load(PARTITIONS)
    if document is None:
        opened = progress.opened()
        unchanged_schema(ctx, opened)
        document = Partitioning(ctx, progress, opened).write()
        progress.save(document, PARTITIONS)
    return list(range(int(document["count"])))


class Partitioning:
    """The partitioning of one baseline."""

    def __init__(self, ctx: SyncContext, progress: Progress, opened: Opened) -> None:
        self._ctx = ctx
        self._folder = progress.folder
        self._marketo = progress.load(MARKETO) or {}
        self._tables = {table: progress.load(document_name(table)) or {} for table in TABLES}
        self.count = opened.request.partitions or self._suggested()
        self._people = Partitioner(self._folder, "people", self.count)
        self._rows = {table: Partitioner(self._folder, f"rows-{table.value}", self.count) for table in TABLES}
        self._index = Partitioner(self._folder, "index", self.count)
        self._claims = Partitioner(self._folder, "claims", self.count)

    def _suggested(self) -> int:
        """Return how many partitions keep each below the configured number of people on its larger side."""
        rows = sum(self._folder.count_rows(document["parts"]) for document in self._tables.values())
        people = sum(self._folder.count_rows(parts) for parts in people_parts(self._marketo))
        return max(1, ceil(max(rows, people) / self._ctx.settings.baseline.partition_people))

    def write(self) -> dict[str, Any]:
        """Write everybody to a partition and return what the progress says of it."""
        for table in TABLES:
            for frame in self._table_frames(table):
                self._partition_rows(table, frame)
            self._rows[table].finish()
        self._index.finish()
        for frame in self._people_frames():
            self._partition_people(frame)
        self._claims.finish()
        for bucket in range(self.count):
            self._join(bucket)
        self._people.finish()
        manifest = {
            "people": self._people.parts,
            **{table.value: partitioner.parts for table, partitioner in self._rows.items()},
        }
        sizes = {"people": sum(self._people.rows.values())}
        sizes |= {table.value: sum(partitioner.rows.values()) for table, partitioner in self._rows.items()}
        log.info("%d partitions written: %s", self.count, sizes)
        for partitioner in (self._index, self._claims):
            self._folder.discard(reference for parts in partitioner.parts.values() for reference in parts)
        return {"count": self.count, "manifest": self._folder.write_manifest("partitions", manifest), "sizes": sizes}

    # rows

    def _table_frames(self, table: Table) -> Iterator[pd.DataFrame]:
        """Yield a table's parts; rows read again later are left out of what was read before."""
        document = self._tables[table]
        replaced = {row_id for reference in document["late"] for row_id in self._folder.read_column(reference, ROW_ID)}
        for reference in document["parts"]:
            frame = self._folder.read_frames([reference])
            yield frame[~frame[ROW_ID].isin(replaced)]
        for reference in document["late"]:
            yield self._folder.read_frames([reference])

    def _partition_rows(self, table: Table, frame: pd.DataFrame) -> None:
        numbers = hash_partition(frame[EMAIL_COLUMN], frame["dynamics_id"], self.count)
        self._rows[table].add(frame, numbers)
        free = self._free_rows(table, frame)
        index = pd.DataFrame({"dynamics_id": frame["dynamics_id"], "number": numbers}).assign(
            is_free=frame["dynamics_id"].isin(free)
        )
        self._index.add(index, hash_numbers(index["dynamics_id"], self.count))

    def _free_rows(self, table: Table, frame: pd.DataFrame) -> set[str]:
        """Return the rows that may get a person, by the very rule of any run."""
        rows = frame.assign(dynamics_table=table.value)
        links = self._ctx.store.load_links(dynamics_ids=ids_by_table(rows), state=None)
        is_open = links["state"] == "open"
        unlinked = rows[~rows["dynamics_id"].isin(links.loc[is_open, "dynamics_id"])]
        settings = self._ctx.settings
        free = free_rows(
            unlinked,
            links[~is_open],
            settings.sync_filter_column,
            recreate=settings.deleted_in_marketo != DeletedPerson.IGNORE,
        )
        return set(free["dynamics_id"])

    # people

    def _people_frames(self) -> Iterator[pd.DataFrame]:
        """
        Yield the staged people; ranges of creation overlap by a second, and whoever is in that second comes once.
        """
        seen: set[int] = set()
        for number, parts in enumerate(people_parts(self._marketo)):
            boundary: set[int] = set()
            for reference in parts:
                frame = self._folder.read_frames([reference])
                frame = frame[~frame["marketo_id"].isin(seen)]
                if self._marketo["route"] == BULK:
                    boundary |= set(self._near_the_end(frame, number))
                yield frame.drop(columns=[CREATED_AT])
            seen = boundary

    def _near_the_end(self, frame: pd.DataFrame, number: int) -> list[int]:
        """Return who was created in the last two seconds of a range."""
        end = pd.Timestamp(self._marketo["windows"][number]["end"])
        created = pd.to_datetime(frame[CREATED_AT], utc=True, format="ISO8601")
        return [int(person) for person in frame.loc[created >= end - pd.Timedelta(seconds=2), "marketo_id"]]

    def _partition_people(self, frame: pd.DataFrame) -> None:
        """Partition people without a row to meet; set the others aside by the id of that row."""
        links = self._ctx.store.load_links(marketo_ids=[int(person) for person in frame["marketo_id"]])
        linked = frame["marketo_id"].map(links.drop_duplicates("marketo_id").set_index("marketo_id")["dynamics_id"])
        named = named_rows(frame, self._ctx.settings.custom_fields)
        claim = linked.astype("str").fillna(named)
        self._partition_by_address(frame[claim.isna()])
        claiming = frame.copy()
        claiming[CLAIM], claiming[IS_LINK] = claim, linked.notna()
        claiming = claiming[claim.notna()]
        self._claims.add(claiming, hash_numbers(claiming[CLAIM], self.count))

    def _partition_by_address(self, frame: pd.DataFrame) -> None:
        self._people.add(frame, hash_partition(frame["email"], frame["marketo_id"], self.count))

    def _join(self, bucket: int) -> None:
        """Partition the people set aside in a bucket: with their row where they may have it, else by address."""
        claims = self._folder.read_frames(self._claims.parts.get(bucket, []))
        if claims.empty:
            return
        index = self._folder.read_frames(self._index.parts.get(bucket, [])).reindex(columns=INDEX_COLUMNS)
        index = index.drop_duplicates("dynamics_id", keep="last").set_index("dynamics_id")
        number = claims[CLAIM].map(index["number"])
        free = claims[CLAIM].map(index["is_free"]).eq(True)
        goes_along = (number.notna() & (claims[IS_LINK] | free)).to_numpy(dtype=bool)
        people = claims.drop(columns=[CLAIM, IS_LINK])
        self._people.add(people[goes_along], number[goes_along].to_numpy(dtype=np.int64))
        self._partition_by_address(people[~goes_along])
