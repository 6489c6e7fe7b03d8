"""What is remembered of a stage that failed: its cause, until another try succeeds or the run is closed."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from include.errors import SafetyStop, SyncError

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)


def cause_of(error: BaseException) -> tuple[str, str | None]:
    """
    Return the cause as it may be stored, and the brake's name if it was one.

    The text of an exception that is not ours may hold values of people, so only its type is told.
    """
    text = str(error) if isinstance(error, SyncError) else type(error).__name__
    return text, error.brake if isinstance(error, SafetyStop) else None


def note_cause(ctx: SyncContext, run_id: str, error: BaseException) -> None:
    """Note on the run why a stage failed; never hides the error itself, and leaves a run that is unknown alone."""
    text, brake = cause_of(error)
    try:
        if ctx.store.run(run_id) is not None:
            ctx.store.update_run(run_id, error=text, brake=brake)
    except SyncError:
        log.exception("why run %s failed could not be noted", run_id)


def forget_cause(ctx: SyncContext, run_id: str) -> None:
    """Take back what `note_cause` noted: the stage was tried again and succeeded."""
    ctx.store.update_run(run_id, error=None, brake=None)
