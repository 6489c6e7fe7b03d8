"""Stage open_run: take the lease, refresh what is known of the schemas, and see whether today's calls will do."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from include.errors import LeaseHeld, QuotaExhausted
from include.person_sync.core.brake_names import check_overrides
from include.person_sync.state import RunStatus
from include.person_sync.systems.api_budget import marketo_calls_today, next_reset
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.request import RunRequest

log = logging.getLogger(__name__)

LEASE_POLL_S = 0.5


def open_run(ctx: SyncContext, run_id: str, request: RunRequest, *, kind: str = "cycle", wait_s: float = 0.0) -> str:
    """
    Register the run and return its id; a run that is committed already is left alone.

    Raises ConfigError for an override no brake has, LeaseHeld when another run is still writing after `wait_s` seconds,
    ConfigError when an instance is not provisioned, QuotaExhausted when today's Marketo calls are used up. A dry run
    takes no lease, since it writes nothing.
    """
    check_overrides(request.overrides)
    known = ctx.store.run(run_id)
    if known is not None and known.status is RunStatus.COMMITTED:
        log.info("run %s is committed already; nothing to do", run_id)
        return run_id
    ctx.store.start_run(run_id, kind=kind, mode=request.mode.value, params=request.as_json(), origin=request.origin)
    if request.dry_run:
        prepare(ctx)
    else:
        wait_for_lease(ctx, run_id, wait_s)
        with ctx.lease(run_id):
            prepare(ctx)
    log.info("run %s opened: mode %s%s", run_id, request.mode, ", dry run" if request.dry_run else "")
    return run_id


def wait_for_lease(ctx: SyncContext, run_id: str, wait_s: float) -> None:
    """Take the lease, waiting for another run to give it back. Raises LeaseHeld when it has not after `wait_s`."""
    deadline = time.monotonic() + wait_s
    waiting = False
    while True:
        try:
            with ctx.lease(run_id):
                return
        except LeaseHeld as held:
            if time.monotonic() >= deadline:
                raise
            if not waiting:
                log.info("run %s waits up to %.0f s: %s", run_id, wait_s, held.message)
            waiting = True
            time.sleep(LEASE_POLL_S)


def prepare(ctx: SyncContext) -> None:
    """Refresh the schema cache when stale, and stop when the day's calls are used up."""
    load_schema(ctx)
    used = marketo_calls_today(ctx)
    quota = ctx.settings.marketo.daily_quota
    if used >= quota:
        raise QuotaExhausted(
            f"Marketo's daily quota of {quota} calls is used up ({used} used).",
            resets_at=next_reset(ctx.now()),
            remedy="wait for the reset, or set marketo.daily_quota to what the subscription allows.",
        )
