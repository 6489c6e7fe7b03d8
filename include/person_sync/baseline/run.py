"""One whole baseline without Airflow: the same steps in the same order as the DAG."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from include.errors import SyncError
from include.person_sync.baseline.advance import AdvanceLog
from include.person_sync.baseline.closing import close_baseline
from include.person_sync.baseline.opening import open_baseline
from include.person_sync.baseline.partitions import partition
from include.person_sync.baseline.progress import KIND
from include.person_sync.baseline.read_dynamics import read_dynamics
from include.person_sync.baseline.read_marketo import read_marketo
from include.person_sync.baseline.sync_partition import report_partition, sync_partition
from include.person_sync.run.cycle import new_run_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.person_sync.baseline.advance import Advance
    from include.person_sync.baseline.request import BaselineRequest
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

LEASE_WAIT_S = 1_800.0
"""How long a partition waits for a cycle that is writing."""


def run_baseline(
    ctx: SyncContext,
    request: BaselineRequest,
    *,
    resume: str | None = None,
    sleep: Callable[[float], None] = time.sleep,
    tell: Callable[[Advance], None] | None = None,
) -> dict[str, Any]:
    """
    Run a baseline to its end and return its summary (run_id, status, read, counts, api_calls).

    `resume` names an interrupted one, which resumes with its first request. `tell` takes how far each step has come; by
    default the log does. Raises what the steps raise; `details` of the error then name the baseline, to be resumed.
    """
    tell = tell or AdvanceLog()
    baseline_id = resume or new_run_id(ctx, KIND)
    log.info("baseline %s; to resume after an interruption: person-sync baseline --resume %s", baseline_id, baseline_id)
    try:
        open_baseline(ctx, baseline_id, request)
        while waiting := read_marketo(ctx, baseline_id, tell=tell):
            log.info("waiting for %d extracts", len(waiting.jobs))
            sleep(waiting.poll_s)
        read_dynamics(ctx, baseline_id, tell=tell)
        for number in partition(ctx, baseline_id):
            sync_partition(ctx, baseline_id, number, wait_s=LEASE_WAIT_S, tell=tell)
            report_partition(ctx, baseline_id, number)
        return close_baseline(ctx, baseline_id)
    except SyncError as error:
        error.details = {
            **error.details,
            "run_id": baseline_id,
            "resume": f"person-sync baseline --resume {baseline_id}",
        }
        raise
