"""The stages of an audit that only read: open, compare, publish."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError, QuotaExhausted
from include.marketo import LARGEST_BATCH
from include.person_sync.audit.archive import expire_reports, report_folder
from include.person_sync.audit.findings import MEANING
from include.person_sync.audit.sweep import Sweep
from include.person_sync.audit.tally import Tally
from include.person_sync.present.audit_page import build_page
from include.person_sync.stages.open_run import prepare
from include.person_sync.state import RunStatus
from include.person_sync.systems.api_budget import marketo_calls_today, next_reset, note_calls
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

KIND = "audit"


@dataclass(frozen=True)
class AuditRequest:
    """
    One audit's request; stored with the run. `sample`: most entries the report shows per kind of finding and per field.
    `overrides` lift brakes of the repair, by name.
    """

    repair: bool = False
    sample: int = 20
    overrides: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.sample < 0:
            raise ConfigError(f"An audit can't show {self.sample} entries.", remedy="give a sample of 0 or more.")
        if self.overrides and not self.repair:
            raise ConfigError("An audit that repairs nothing has no brakes.", remedy="leave the overrides out.")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> AuditRequest:
        """Return the request a stored run carries."""
        return cls(**{**value, "overrides": tuple(value.get("overrides", ()))})


def open_audit(ctx: SyncContext, run_id: str, request: AuditRequest) -> str:
    """
    Register the run and return its id. An audit takes no lease: cycles run meanwhile.

    Raises QuotaExhausted when what is left of today's Marketo calls would not do for reading everybody.
    """
    ctx.store.start_run(run_id, kind=KIND, mode="full", params=asdict(request), origin=request.origin)
    prepare(ctx)
    needed = ceil(ctx.store.count_links() / LARGEST_BATCH)
    left = ctx.settings.marketo.daily_quota - marketo_calls_today(ctx)
    if needed > left:
        raise QuotaExhausted(
            f"An audit needs about {needed} Marketo calls and {left} of today's quota are left.",
            resets_at=next_reset(ctx.now()),
            remedy="run it after the reset, or raise marketo.daily_quota if more is allowed.",
        )
    log.info("audit %s opened: about %d Marketo calls", run_id, needed)
    return run_id


def compare_sides(ctx: SyncContext, run_id: str) -> str:
    """
    Compare everything on both sides and return the manifest's reference, below the place of the reports.

    Sends reads only. May be repeated: what an earlier try left is replaced.
    """
    request = AuditRequest.from_json(dict(ctx.store.require_run(run_id).params))
    folder = report_folder(ctx, run_id)
    folder.remove()
    started = ctx.now()
    sweep = Sweep(ctx, load_schema(ctx), folder, Tally(request.sample))
    sweep.run()
    moments = {"started_at": started.isoformat(), "finished_at": ctx.now().isoformat()}
    found = sweep.manifest()
    found["counts"]["backlog"] = {name: feed["waiting"] for name, feed in ctx.store.backlog_overview().items()}
    return folder.write_manifest("audit", {**moments, **found, "api_calls": ctx.api_calls()})


def publish(ctx: SyncContext, run_id: str, compared: str) -> dict[str, Any]:
    """
    Write the report's page, store the counts with the run, and return the audit's summary.

    Old reports beyond `audit.keep_reports` are removed: they hold values of people.
    """
    folder = report_folder(ctx, run_id)
    manifest = folder.read_manifest(compared)
    page = folder.write_text("report.html", build_page(run_id, manifest, MEANING))
    calls = manifest["api_calls"]
    ctx.store.finish_run(run_id, RunStatus.COMMITTED, counts=manifest["counts"], api_calls=calls)
    note_calls(ctx, calls["marketo"])
    expire_reports(ctx, KIND)
    log.info("audit %s: %s; report: %s", run_id, manifest["counts"]["shares"], page)
    return {
        "run_id": run_id,
        "status": "done",
        "mode": "full",
        "counts": manifest["counts"],
        "by_field": manifest["by_field"],
        "reports": {
            "page": folder.locate(page),
            "summary": folder.locate(compared),
            **{name: folder.locate(f"{folder.name}/{name}") for name, files in manifest["files"].items() if files},
        },
        "api_calls": calls,
    }
