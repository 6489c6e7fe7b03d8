"""
Stage apply_dynamics: carry out the plan's changes to Dynamics.

Each update names the row version its decision was based on. Where the row has moved, it is read and merged again, a few
times at most; what can't be settled is left to the next run. Outcomes are stored batch by batch, so that a killed run
knows what it did.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from include.dynamics import Operation, OperationResult
from include.person_sync.core.canonical import canonical_dynamics
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.merge import merge
from include.person_sync.core.plan import VALUE_COLUMNS, Plan, payloads
from include.person_sync.core.remerge import DEFERRED, Remerged, remerge, wide
from include.person_sync.core.values import MISSING, uniform_frame
from include.person_sync.state import RunStatus
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.rows import rows_frame
from include.person_sync.systems.schema import load_schema, mark_stale

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.schema import EffectiveField, ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.state import StoredPlan

log = logging.getLogger(__name__)

REMERGE_ROUNDS = 3

STATUS = {
    "done": "applied",
    "refused": "refused",
    "unknown": "unknown",
    "missing": "stale",
    "stale": "stale",
    "exists": "stale",
}


def apply_dynamics(ctx: SyncContext, run_id: str) -> None:
    """
    Write the run's changes to Dynamics and record an outcome per change.

    May be repeated: changes with an outcome are left alone. Raises RetryableError when the vendor stays unavailable,
    LeaseHeld when another run writes.
    """
    run = ctx.store.require_run(run_id)
    if run.status in {RunStatus.COMMITTED, RunStatus.DRY_RUN}:
        log.info("run %s is %s already; nothing is written to Dynamics", run_id, run.status.value)
        return
    with ctx.lease(run_id):
        schema = load_schema(ctx)
        plan = ctx.store.load_plan(run_id, direction="to_dynamics", statuses=["planned", "unknown"])
        if plan.changes.empty:
            return
        ctx.store.update_run(run_id, status=RunStatus.APPLYING)
        values = plan.values.merge(plan.changes[["change_no", "link_id", "dynamics_table"]], on="change_no")
        DynamicsWriter(ctx, run_id, schema).write(plan.changes, values)
        take_over_defaults(ctx, run_id, schema)


class DynamicsWriter:
    """Writes changes of one run; holds what the rounds share."""

    def __init__(self, ctx: SyncContext, run_id: str, schema: ResolvedSchema) -> None:
        self._ctx = ctx
        self._run_id = run_id
        self._schema = schema
        self._owners = OwnerIds(ctx)

    def write(self, changes: pd.DataFrame, values: pd.DataFrame) -> None:
        """Write changes; rows that moved are merged again and written with their new version, in bounded rounds."""
        for _ in range(REMERGE_ROUNDS):
            moved = self._send(changes, values)
            if moved.empty:
                return
            changes, values = self._merge_again(moved, values[values["change_no"].isin(moved["change_no"])])
            if changes.empty:
                return
        self._give_up(changes)

    def _send(self, changes: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
        """Send one operation per change; record outcomes; return the changes whose row had moved."""
        operations, sent = self._operations(changes, values)
        moved: list[pd.DataFrame] = []

        def record(offsets: Sequence[int], results: Sequence[OperationResult]) -> None:
            outcome = outcomes(sent.iloc[list(offsets)], results)
            again = outcome["outcome"].isin(["stale", "exists"]) & (outcome["action"] != "delete")
            moved.append(outcome[again])
            self._ctx.store.record_outcomes(self._run_id, outcome[~again])
            if any(result.about_schema for result in results):
                mark_stale(self._ctx)

        self._ctx.dynamics.apply(operations, on_batch=record)
        if not moved:
            return changes.iloc[:0]
        numbers = pd.concat(moved)["change_no"]
        return changes[changes["change_no"].isin(numbers)]

    def _operations(self, changes: pd.DataFrame, values: pd.DataFrame) -> tuple[list[Operation], pd.DataFrame]:
        """
        Return the operations and the changes they belong to, in the same order; a change that can't be expressed is
        refused here.
        """
        bodies = self._bodies(changes, values)
        changes = changes[changes["change_no"].isin(bodies.index)]
        refused = self._owners.refused(changes)
        self._ctx.store.record_outcomes(self._run_id, refused)
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

    def _bodies(self, changes: pd.DataFrame, values: pd.DataFrame) -> pd.Series:
        return payloads(Plan(changes, values), self._schema.effective, Side.DYNAMICS).bodies

    def _merge_again(self, moved: pd.DataFrame, values: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Read the moved rows and merge them again; return what is still to be written, with the new versions."""
        changes_left, values_left = [], []
        for table_name, changes in moved.groupby("dynamics_table"):
            table = Table(str(table_name))
            rows = read_rows(self._ctx, self._schema, table, changes["dynamics_id"].tolist())
            of_table = values[values["change_no"].isin(changes["change_no"])]
            by_link = changes.set_index("dynamics_id")["link_id"]
            found = rows[rows.index.isin(by_link.index)]
            current = canonical_dynamics(found, self._schema.fields(table)).values
            current.index = pd.Index(by_link.loc[current.index], name="link_id")
            verdict = remerge(of_table, current, self._schema.fields(table), table, Side.DYNAMICS)
            self._record(changes, verdict)
            left = changes[changes["change_no"].isin(verdict.write["change_no"])]
            changes_left.append(left.assign(if_match=left["dynamics_id"].map(found["version"]), action="update"))
            values_left.append(verdict.write.assign(dynamics_table=table_name))
        return pd.concat(changes_left), pd.concat(values_left)

    def _record(self, changes: pd.DataFrame, verdict: Remerged) -> None:
        """
        Store the verdicts: deferred cells keep their base; a change with nothing left to write is applied if it agreed,
        else stale.
        """
        amend_values(self._ctx, self._run_id, verdict)
        ended = changes[~changes["change_no"].isin(verdict.write["change_no"])]
        agreed = ended["change_no"].isin(verdict.adopted["change_no"])
        outcome = pd.DataFrame({"change_no": ended["change_no"], "status": np.where(agreed, "applied", "stale")})
        outcome["message"] = np.where(agreed, "already there", "the row was changed meanwhile; left to the next run")
        self._ctx.store.record_outcomes(self._run_id, outcome)

    def _give_up(self, changes: pd.DataFrame) -> None:
        outcome = changes[["change_no"]].assign(status="stale", message="the row keeps changing; left to the next run")
        self._ctx.store.record_outcomes(self._run_id, outcome)


def read_rows(ctx: SyncContext, schema: ResolvedSchema, table: Table, ids: list[str]) -> pd.DataFrame:
    """Return rows as they are now: index dynamics_id, text columns."""
    rows = ctx.dynamics.rows_by_id(table.value, ids, schema.columns[table])
    return rows_frame(rows, schema, table, LookupNames(ctx)).set_index("dynamics_id")


def take_over_defaults(ctx: SyncContext, run_id: str, schema: ResolvedSchema) -> None:
    """
    Read the rows this run created and add to the plan what Dynamics filled in by itself: defaults, states, computed
    values.

    Marketo then gets them in this very run, together with the ids, and the row's version is known from the start.
    """
    made = ctx.store.load_plan(run_id, direction="to_dynamics", statuses=["applied"], actions=["create"]).changes
    if made.empty:
        return
    plan = ctx.store.load_plan(run_id)
    changes = plan.changes
    answers = changes[changes["direction"] == "to_marketo"].set_index("link_id")["change_no"]
    for table_name, created in made.groupby("dynamics_table"):
        table = Table(str(table_name))
        rows = read_rows(ctx, schema, table, created["dynamics_id"].tolist())
        version = created["dynamics_id"].map(rows["version"])
        ctx.store.record_outcomes(
            run_id, created[["change_no", "status", "request_id"]].assign(dynamics_version=version)
        )
        found = default_values(plan, created, rows, schema.fields(table), table)
        found = found.assign(change_no=found["link_id"].map(answers)).dropna(subset=["change_no"])
        ctx.store.add_values(run_id, found.astype({"change_no": "int64"})[list(VALUE_COLUMNS)])


def default_values(
    plan: StoredPlan, created: pd.DataFrame, rows: pd.DataFrame, fields: Sequence[EffectiveField], table: Table
) -> pd.DataFrame:
    """Return decisions to write to Marketo what the created rows hold beyond what they were created with. Pure."""
    names = [one.name for one in fields]
    links = created.set_index("dynamics_id")["link_id"]
    present = rows[rows.index.isin(links.index)]
    index = pd.Index(links.loc[present.index], name="link_id")
    sent = plan.values.merge(created[["change_no", "link_id"]], on="change_no")
    sent = sent[sent["link_id"].isin(index) & sent["field"].isin(names)]
    marketo = uniform_frame(index, names, None)
    base = uniform_frame(index, names, MISSING)
    if len(sent):
        planned = wide(sent, "planned", names).reindex(index)
        known = wide(sent.assign(known="yes"), "known", names).reindex(index).notna()
        marketo, base = planned.where(known, marketo), planned.where(known, base)
    dynamics = canonical_dynamics(present, fields).values.set_axis(index)
    decisions = merge(base.astype("str"), marketo.astype("str"), dynamics, fields, table)
    return decisions[decisions["outcome"] == "to_marketo"]


def amend_values(ctx: SyncContext, run_id: str, verdict: Remerged) -> None:
    """Store what a second merge decided about planned cells."""
    amended = [
        verdict.deferred.assign(outcome=DEFERRED),
        verdict.adopted.assign(outcome="adopt"),
        verdict.write[["change_no", "field", "outcome"]],
    ]
    ctx.store.amend_values(run_id, pd.concat(amended, ignore_index=True))


def outcomes(changes: pd.DataFrame, results: Sequence[OperationResult]) -> pd.DataFrame:
    """Return results as outcome rows of the changes they belong to."""
    return pd.DataFrame(
        {
            "change_no": changes["change_no"].to_numpy(),
            "action": changes["action"].to_numpy(),
            "outcome": [one.outcome for one in results],
            "status": [STATUS[one.outcome] for one in results],
            "code": pd.Series([one.code for one in results], dtype="str"),
            "message": pd.Series([one.message for one in results], dtype="str"),
            "request_id": pd.Series([one.request_id for one in results], dtype="str"),
            "dynamics_version": pd.Series([one.etag for one in results], dtype="str"),
        }
    )


class OwnerIds:
    """Users a create request names as owner, found by e-mail once per run."""

    def __init__(self, ctx: SyncContext) -> None:
        self._ctx = ctx
        self._known: dict[str, str | None] = {}

    def bindings(self, changes: pd.DataFrame) -> dict[int, dict[str, Any]]:
        """Return the owner binding per change_no that has one."""
        named = self._named(changes)
        return {
            number: {"ownerid@odata.bind": f"/systemusers({self._known[email]})"}
            for number, email in zip(named["change_no"], named["note"], strict=True)
        }

    def refused(self, changes: pd.DataFrame) -> pd.DataFrame:
        """Return an outcome for each change whose owner does not exist: without its owner it is not made."""
        named = self._named(changes)
        self._look_up(set(named["note"]) - set(self._known))
        unknown = named[named["note"].map(self._known).isna()]
        return unknown[["change_no"]].assign(
            status="refused",
            code="UNKNOWN_OWNER",
            message="no Dynamics user has the e-mail address the request names as owner",
        )

    def _named(self, changes: pd.DataFrame) -> pd.DataFrame:
        return changes[(changes["action"] == "create") & changes["note"].notna()]

    def _look_up(self, emails: set[str]) -> None:
        if not emails:
            return
        rows = self._ctx.dynamics.rows_by_value(
            "systemuser", "internalemailaddress", sorted(emails), ["internalemailaddress"]
        )
        found = {str(row["internalemailaddress"]).lower(): str(row["systemuserid"]) for row in rows}
        self._known.update({email: found.get(email.lower()) for email in emails})
