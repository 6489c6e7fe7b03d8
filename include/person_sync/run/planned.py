"""The plan of a run, from where the writing stages read it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from include.person_sync.run.manifests import load_plan_files

if TYPE_CHECKING:
    from include.person_sync.core.plan import Plan
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.manifests import Reconciled
    from include.person_sync.run.staging import RunFolder

__all__ = ["load_planned"]


def load_planned(ctx: SyncContext, run_id: str, folder: RunFolder, manifest: Reconciled) -> Plan:
    """Return the plan with its changes: from the state database, or, of a dry run, from its files, the only place."""
    plan = load_plan_files(folder, manifest)
    if "changes" in manifest.files:
        return plan
    stored = ctx.store.load_plan(run_id)
    return replace(plan, changes=stored.changes, values=stored.values)
