"""
Stage reconcile: from what both sides hold to a plan of what to write where.

In two halves that never mix. *Read*: one frozen snapshot of what the extracts staged and what the store remembers;
what else is needed is named by pure functions and read in batches. *Decide*: one pure function. The plan is stored
before anything is written (write-ahead).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.errors import SyncError
from include.person_sync.core.decide import decide, needs
from include.person_sync.core.field_lifecycle import newly
from include.person_sync.run.manifests import DynamicsExtract, MarketoExtract, Reconciled, save_plan_files
from include.person_sync.run.request import RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.state import RunStatus
from include.person_sync.systems.current_schema import with_current_schema
from include.person_sync.systems.hidden_columns import require_current
from include.person_sync.systems.policy import policy_of
from include.person_sync.systems.reading import read
from include.person_sync.systems.snapshot import load_snapshot

if TYPE_CHECKING:
    from include.person_sync.core.field_lifecycle import FieldStates
    from include.person_sync.core.plan import Plan
    from include.person_sync.core.policy import Policy
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.core.snapshot import Snapshot
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

MOST_READINGS = 60
"""Chains of merged rows are read link by link; longer ones than any organisation has are taken for an error."""


def reconcile(ctx: SyncContext, run_id: str, marketo: str, dynamics: str) -> str:
    """
    Plan the run and return the reference of its manifest; the plan itself goes to the state database (not in a dry
    run).

    `marketo` and `dynamics` are the extracts' manifests. Reads counterparts from both systems, writes to neither. May
    be repeated: a plan that has begun to be carried out is settled first.
    """
    run = ctx.store.require_run(run_id)
    folder = RunFolder(ctx.staging, run_id)
    if run.status is RunStatus.COMMITTED:
        log.info("run %s is committed already; its plan stands", run_id)
        return f"{folder.name}/{Reconciled.NAME}.json"
    request = RunRequest.from_json(dict(run.params))
    people, rows = MarketoExtract.read(folder, marketo), DynamicsExtract.read(folder, dynamics)

    def work(schema: ResolvedSchema, may_refresh: bool) -> tuple[Plan, str]:  # noqa: FBT001 - the interface of a work
        policy = policy_of(ctx, schema.limited_to(people.schema_fields, rows.schema_fields), request)
        snapshot = completed(ctx, load_snapshot(ctx, policy.schema, folder, people, rows), policy)
        plan = decide(snapshot, policy).check()
        if may_refresh:
            require_current(ctx, policy.schema, plan)
        log_field_news(snapshot.fields, plan)
        return plan, policy.schema.digest

    plan, digest = with_current_schema(ctx, work)
    plan = numbered(ctx, plan) if request.dry_run else stored(ctx, run_id, plan)
    ctx.store.update_run(run_id, notes=notes_of(plan, people, rows))
    log_plan(plan)
    manifest = Reconciled(
        marketo=marketo,
        dynamics=dynamics,
        files=save_plan_files(folder, plan, whole=request.dry_run),
        closed={str(link_id): reason for link_id, reason in plan.closed.items()},
        relinked=list(plan.relinked),
        requeued=list(plan.requeued),
        filtered=list(plan.filtered),
        unfiltered=list(plan.unfiltered),
        withheld=dict(plan.withheld),
        skipped=dict(plan.skipped),
        field_states=plan.fields.as_json(),
        schema_digest=digest,
        first_run=people.resumed == "first",
        known_links=ctx.store.count_links() if people.known_links is None else people.known_links,
    )
    return manifest.write(folder)


def completed(ctx: SyncContext, snapshot: Snapshot, policy: Policy) -> Snapshot:
    """Return the snapshot with everything that deciding needs, read in batches, round by round."""
    for _ in range(MOST_READINGS):
        wanted = needs(snapshot, policy)
        if not wanted:
            return snapshot
        snapshot = read(ctx, policy.schema, snapshot, wanted)
    raise SyncError(
        f"After {MOST_READINGS} rounds of reading there is still more to be read.",
        remedy="look for rows merged in a very long chain; their masters are named by `masterid`.",
    )


def stored(ctx: SyncContext, run_id: str, plan: Plan) -> Plan:
    """Store the plan and return it with the link ids its new pairs were given in the same transaction."""
    saved = ctx.store.save_plan(run_id, plan.changes, plan.values, plan.provisional_ids())
    ctx.store.update_run(run_id, status=RunStatus.PLANNED)
    return plan.numbered(saved.link_ids)


def numbered(ctx: SyncContext, plan: Plan) -> Plan:
    """Return a plan that is not stored with link ids as a stored one would have them."""
    provisional = plan.provisional_ids()
    reserved = ctx.store.reserve_link_ids(len(provisional))
    return plan.numbered(dict(zip(provisional, reserved, strict=True)))


def notes_of(plan: Plan, people: MarketoExtract, rows: DynamicsExtract) -> dict[str, object]:
    """Return what the run has to say beside its counts: of fields, of the filter, and of gaps in the feeds."""
    gaps = [*people.gaps, *rows.gaps, *(gap for table in rows.tables.values() for gap in table.gaps)]
    return {**plan.notes, **({"gaps": gaps} if gaps else {})}


def log_field_news(before: FieldStates, plan: Plan) -> None:
    """Say which fields are filled in from now on, and which are isolated."""
    for table, name in newly(before.backfill, plan.states.backfill):
        log.info("field %s of %s takes part from now on: it is filled in for everybody linked already", name, table)
    for table, name in newly(before.isolated, plan.states.isolated):
        log.warning("field %s of %s is isolated; everything else goes on", name, table)


def log_plan(plan: Plan) -> None:
    """Say what was decided, one line per decision class, in numbers and ids only."""
    values = plan.values.merge(plan.changes[["change_no", "dynamics_table"]], on="change_no")
    decided = values.value_counts(["dynamics_table", "outcome"]).reset_index()
    for table, outcome, count in decided.itertuples(index=False):
        log.info("decided %s on %s: %d fields", outcome, table, count)
    planned = plan.changes.value_counts(["direction", "action"]).reset_index()
    for direction, action, count in planned.itertuples(index=False):
        log.info("planned %s %s: %d people", action, direction, count)
    log.info("problems: %d values; held: %d entries", len(plan.problems), len(plan.holds))
    for person in plan.already_synced:
        log.info("person %s asks to be synced and is linked already; nothing to do", person)
