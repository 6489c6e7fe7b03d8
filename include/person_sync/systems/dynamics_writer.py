"""
Writing changes to Dynamics.

Each update names the row version its decision was based on. Where the row has moved, it is read and merged again, a few
times at most; what can't be settled is left to the next run. An update that is refused for one of its values is sent
again in parts, each with the version that the part before it made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from include.dynamics import Operation, OperationResult, Outcome
from include.person_sync.core.canonical import canonical_dynamics
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.payloads import payloads
from include.person_sync.core.remerge import Remerged, remerge
from include.person_sync.systems.answers import MOVED, dynamics_answers
from include.person_sync.systems.owners import OwnerIds
from include.person_sync.systems.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.systems.outcomes import OutcomeRecorder

REMERGE_ROUNDS = 3


class DynamicsWriter:
    """Writes changes of one run; holds what the rounds share."""

    def __init__(self, ctx: SyncContext, schema: ResolvedSchema, recorder: OutcomeRecorder) -> None:
        self._ctx = ctx
        self._schema = schema
        self._recorder = recorder
        self._owners = OwnerIds(ctx)
        self._versions: dict[int, str | None] = {}  # newer than the plan's, by change_no; None: written, and not told

    def write(self, changes: pd.DataFrame) -> None:
        """Write changes, a part of each per round; most are written whole, in the first."""
        while len(changes):
            self._write_round(changes)
            left = changes[changes["change_no"].isin(self._recorder.take_open())]
            versions = left["change_no"].map(self._versions).astype("str")
            newer = left["change_no"].isin(list(self._versions))
            untold = newer & versions.isna()
            left = left.assign(if_match=left["if_match"].where(~newer, versions))
            changes = pd.concat([left[~untold], self._merge_again(left[untold])])

    def _write_round(self, changes: pd.DataFrame) -> None:
        """Write once; rows that moved are merged again and written with their new version, in bounded rounds."""
        for _ in range(REMERGE_ROUNDS):
            moved = self._send(changes)
            changes = self._merge_again(moved)
            if changes.empty:
                return
        self._end(changes, "stale", "the row keeps changing; left to the next run")

    def _send(self, changes: pd.DataFrame) -> pd.DataFrame:
        """Send one operation per change; record outcomes; return the changes whose row had moved."""
        operations, sent = self._operations(changes)
        moved = [changes.iloc[:0]]

        def record(offsets: Sequence[int], results: Sequence[OperationResult]) -> None:
            batch = sent.iloc[list(offsets)]
            answers = dynamics_answers(batch, results)
            again = answers["outcome"].isin(MOVED) & (answers["action"] != "delete")
            moved.append(batch[again.to_numpy()])
            self._note_versions(answers[answers["outcome"] == Outcome.DONE], "dynamics_version")
            self._recorder.take(answers[~again])

        self._ctx.dynamics.apply(operations, on_batch=record)
        return pd.concat(moved)

    def _note_versions(self, changes: pd.DataFrame, column: str) -> None:
        versions = changes[column].astype(object).where(changes[column].notna(), None)
        self._versions.update(zip(changes["change_no"], versions, strict=True))

    def _operations(self, changes: pd.DataFrame) -> tuple[list[Operation], pd.DataFrame]:
        """
        Return the operations and the changes they belong to, in the same order; a change that can't be expressed is
        refused here.
        """
        bodies = payloads(changes, self._recorder.part(changes), self._schema.effective, Side.DYNAMICS).bodies
        changes = changes[changes["change_no"].isin(bodies.index)]
        refused = self._owners.refused(changes)
        self._recorder.take(refused)
        changes = changes[~changes["change_no"].isin(refused["change_no"])]
        owners = self._owners.bindings(changes)
        operations = [
            Operation(
                kind=action,
                table=table,
                row_id=row_id,
                body={**bodies[number], **owners.get(number, {})},
                if_match=etag,
            )
            for number, action, table, row_id, etag in zip(
                changes["change_no"],
                changes["action"].where(changes["action"].isin(["create", "delete"]), "update"),
                changes["dynamics_table"],
                changes["dynamics_id"],
                changes["if_match"].astype(object).where(changes["if_match"].notna(), None),
                strict=True,
            )
        ]
        return operations, changes

    def _merge_again(self, moved: pd.DataFrame) -> pd.DataFrame:
        """
        Read the moved rows and merge all again that is to be written to them; return the changes of which something
        still is, with the rows' versions as read.
        """
        left = [moved.iloc[:0]]
        for table_name, changes in moved.groupby("dynamics_table"):
            table = Table(str(table_name))
            rows = read_rows(self._ctx, self._schema, table, changes["dynamics_id"].tolist())
            by_link = changes.set_index("dynamics_id")["link_id"]
            found = rows[rows.index.isin(by_link.index)]
            current = canonical_dynamics(found, self._schema.fields(table)).values
            current.index = pd.Index(by_link.loc[current.index], name="link_id")
            remaining = self._recorder.remaining(changes)
            verdict = remerge(remaining, current, self._schema.fields(table), table, Side.DYNAMICS)
            self._recorder.amend(verdict)
            self._end_without_rest(changes, verdict)
            kept = changes[changes["change_no"].isin(verdict.write["change_no"])]
            kept = kept.assign(if_match=kept["dynamics_id"].map(found["version"]), action="update")
            self._note_versions(kept, "if_match")
            left.append(kept)
        return pd.concat(left)

    def _end_without_rest(self, changes: pd.DataFrame, verdict: Remerged) -> None:
        """End the changes with nothing left to write: as applied where the row agrees, else to be looked at again."""
        ended = changes[~changes["change_no"].isin(verdict.write["change_no"])]
        agreed = ended["change_no"].isin(verdict.adopted["change_no"])
        self._end(ended[agreed], "applied", "already there")
        self._end(ended[~agreed], "stale", "the row was changed meanwhile; left to the next run")

    def _end(self, changes: pd.DataFrame, status: str, message: str) -> None:
        self._recorder.take(changes[["change_no", "action"]].assign(status=status, message=message))
