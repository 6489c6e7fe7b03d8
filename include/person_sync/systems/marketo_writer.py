"""
Writing changes to Marketo.

Marketo has no row versions. So the people of a batch are read again immediately before it is written; where somebody
changed a value meanwhile, it is merged again with what was just read, and what the other side should now get is left to
the next run. A record that is refused for one of its values is sent again in parts, each after a reading of its own.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pandas as pd

from include.errors import LostAnswer
from include.marketo import LARGEST_BATCH
from include.person_sync.core.canonical import canonical_marketo
from include.person_sync.core.control_fields import is_control
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.remerge import remerge
from include.person_sync.systems.answers import marketo_answers
from include.person_sync.systems.marketo_records import MarketoRecords, moved_cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.marketo import RowResult
    from include.marketo.leads import SyncAction
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.systems.outcomes import OutcomeRecorder

log = logging.getLogger(__name__)


def batches(changes: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the changes in groups of at most one call's records."""
    return [changes.iloc[start : start + LARGEST_BATCH] for start in range(0, len(changes), LARGEST_BATCH)]


class MarketoWriter:
    """Writes changes of one run, batch by batch."""

    def __init__(self, ctx: SyncContext, run_id: str, schema: ResolvedSchema, recorder: OutcomeRecorder) -> None:
        self._ctx = ctx
        self._run_id = run_id
        self._schema = schema
        self._recorder = recorder
        self._records = MarketoRecords(ctx, schema)
        self._key = ctx.settings.custom_fields.dynamics_id

    def update(self, changes: pd.DataFrame) -> None:
        """Update people, a part of each change per round; most are written whole, in the first."""
        while len(changes):
            for batch in batches(changes):
                self._update(batch)
            changes = changes[changes["change_no"].isin(self._recorder.take_open())]

    def _update(self, changes: pd.DataFrame) -> None:
        """Read the people again, merge again what moved, and write the rest by id."""
        values = self._recorder.part(changes)
        people = self._records.read(changes, values)
        gone = ~changes["marketo_id"].isin(people.index)
        self._end(changes[gone], "stale", "the person is no longer in Marketo")
        changes = changes[~gone]
        values = self._without_moved(changes, values[values["change_no"].isin(changes["change_no"])], people)
        bodies = self._records.bodies(changes, values)
        empty = ~changes["change_no"].isin(bodies.index)
        self._end(changes[empty], "applied", "already there or left to the next run")
        self._send(changes[~empty], bodies, action="updateOnly", lookup_field="id")

    def create(self, changes: pd.DataFrame) -> None:
        """Create people on their `dynamicsId`; after a lost answer, look for them before asking again."""
        for batch in batches(changes):
            self._create(batch)

    def _create(self, changes: pd.DataFrame) -> None:
        bodies = self._records.bodies(changes, self._recorder.part(changes))
        changes = changes[changes["change_no"].isin(bodies.index)]
        try:
            self._send(changes, bodies, action="createOrUpdate", lookup_field=self._key)
        except LostAnswer:
            log.warning("marketo: the answer to a create was lost; looking for the people before asking again")
            left = self._without_created(changes)
            self._send(left, bodies, action="createOrUpdate", lookup_field=self._key)

    def _without_created(self, changes: pd.DataFrame) -> pd.DataFrame:
        """Record creates that arrived although their answer was lost; return the others that have no outcome yet."""
        planned = self._ctx.store.load_plan(self._run_id, direction="to_marketo", statuses=["planned"]).changes
        changes = changes[changes["change_no"].isin(planned["change_no"])]
        found = {
            str(row[self._key]).lower(): int(row["id"])
            for page in self._ctx.marketo.leads_by(self._key, changes["dynamics_id"].tolist(), ["id", self._key])
            for row in page
        }
        there = changes["dynamics_id"].isin(found)
        outcome = changes.loc[there, ["change_no"]].assign(
            status="applied", message="found after a lost answer", marketo_id=changes["dynamics_id"].map(found)
        )
        self._ctx.store.record_outcomes(self._run_id, outcome)
        return changes[~there]

    def _without_moved(self, changes: pd.DataFrame, values: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
        """
        Return the values still to be written, after merging those again that somebody changed since they were read.
        """
        control = is_control(values)
        kept = [values[control]]
        for table_name, of_table in values[~control].groupby("dynamics_table"):
            table = Table(str(table_name))
            fields = [one for one in self._schema.fields(table) if one.name in set(of_table["field"])]
            links = changes.loc[changes["dynamics_table"] == table_name].set_index("marketo_id")["link_id"]
            present = people[people.index.isin(links.index)]
            current = canonical_marketo(present, fields).values.set_axis(
                pd.Index(links.loc[present.index], name="link_id")
            )
            moved = moved_cells(of_table, current)
            kept.append(of_table[~moved])
            if moved.any():
                verdict = remerge(of_table[moved], current, fields, table, Side.MARKETO)
                self._recorder.amend(verdict)
                kept.append(verdict.write)
        return pd.concat(kept, ignore_index=True)

    def _send(self, changes: pd.DataFrame, bodies: pd.Series, *, action: SyncAction, lookup_field: str) -> None:
        """Send records and store an outcome per change after each call."""
        keys = changes["marketo_id"] if lookup_field == "id" else changes["dynamics_id"]
        key_name = "id" if lookup_field == "id" else lookup_field
        records = [
            {**bodies[number], key_name: int(key) if lookup_field == "id" else key}
            for number, key in zip(changes["change_no"], keys, strict=True)
        ]

        def record(offset: int, results: Sequence[RowResult]) -> None:
            self._recorder.take(marketo_answers(changes.iloc[offset : offset + len(results)], results))

        self._ctx.marketo.sync_leads(records, action=action, lookup_field=lookup_field, on_batch=record)

    def _end(self, changes: pd.DataFrame, status: str, message: str) -> None:
        self._recorder.take(changes[["change_no", "action"]].assign(status=status, message=message))
