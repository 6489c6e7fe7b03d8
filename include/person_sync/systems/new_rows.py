"""
What Dynamics filled in by itself in rows that were just created: defaults, states, computed values.

Marketo then gets them in the very run that made the rows, together with the ids.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.canonical import canonical_dynamics
from include.person_sync.core.fields import Table
from include.person_sync.core.merge import merge
from include.person_sync.core.relations import PLAN_VALUES
from include.person_sync.core.remerge import wide
from include.person_sync.core.values import MISSING, uniform_frame
from include.person_sync.systems.rows import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.schema import EffectiveField, ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.state import StoredPlan


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
        ctx.store.add_values(run_id, found.astype({"change_no": "int64"})[PLAN_VALUES.columns])


def default_values(
    plan: StoredPlan, created: pd.DataFrame, rows: pd.DataFrame, fields: Sequence[EffectiveField], table: Table
) -> pd.DataFrame:
    """Return decisions to write to Marketo what the created rows hold beyond what they were created with. Pure."""
    names = [field.name for field in fields]
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
