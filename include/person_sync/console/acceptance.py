"""
Whether a request to create a person starts a run, joins one, or is turned away.

The rules follow Marketo's own flow action: it is for the first insert only, a person who is synced already is told so
and left alone, and asking twice is harmless. Source: Adobe knowledge base on "Sync Person to Microsoft" ("lead id is
already in the sync process"). Here a repeated call gets the answer of the first one while that is still at work.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from include.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.console.ports import CreateRun, RunLauncher
    from include.person_sync.console.sync_request import SyncRequest

log = logging.getLogger(__name__)

ACCEPTED, CONFLICT = 202, 409
_TRIES: Final = 3


@dataclass(frozen=True)
class Answer:
    """What the caller is told: an HTTP status and a flat JSON object, which a response mapping can read."""

    status: int
    body: dict[str, Any]


def accept_request(request: SyncRequest, launcher: RunLauncher) -> Answer:
    """
    Return the answer to a request, having started a run when none is at work for the person and no row is linked.

    Runs are looked at before the link: a run that ends in between has left a link. Two calls at the same moment agree
    on the id of the run to start, and the one that comes second joins it.
    """
    prefix = run_prefix(request.marketo_id)
    for _ in range(_TRIES):
        runs = [run for run in launcher.runs(prefix) if _number(run, prefix)]
        active = [run for run in runs if run.active]
        if active:
            return _joined(request, max(active, key=lambda run: _number(run, prefix)))
        row = launcher.row_of(request.marketo_id)
        if row is not None:
            return _already_synced(request, row.table, row.row_id)
        run_id = f"{prefix}{1 + max((_number(run, prefix) for run in runs), default=0)}"
        if launcher.start(run_id, request.params()):
            log.info("person %s is to be created as %s: run %s", request.marketo_id, request.table, run_id)
            return _queued(request, run_id)
    raise RetryableError(f"No run could be started for person {request.marketo_id}; others keep starting some.")


def run_prefix(marketo_id: int) -> str:
    """Return what the ids of a person's runs begin with; a number follows."""
    return f"sync_person__{marketo_id}__"


def _number(run: CreateRun, prefix: str) -> int:
    tail = run.run_id.removeprefix(prefix)
    return int(tail) if tail.isascii() and tail.isdigit() else 0


def newest_first(runs: Sequence[CreateRun], marketo_id: int) -> list[CreateRun]:
    """Return a person's runs, the newest first."""
    prefix = run_prefix(marketo_id)
    return sorted((run for run in runs if _number(run, prefix)), key=lambda run: -_number(run, prefix))


def _queued(request: SyncRequest, run_id: str) -> Answer:
    return _answer(ACCEPTED, "queued", request, "The person is going to be created in Dynamics.", runId=run_id)


def _joined(request: SyncRequest, run: CreateRun) -> Answer:
    """Return the first call's answer when this one asks for the same, else a conflict: there can be only one row."""
    wanted = request.params()
    if all(run.params.get(name) == value for name, value in wanted.items()):
        return _queued(request, run.run_id)
    message = "The person is being created already, as something else; ask again when that has ended."
    return _answer(CONFLICT, "already_queued", request, message, runId=run.run_id)


def _already_synced(request: SyncRequest, table: str, row_id: str) -> Answer:
    message = "The person is synced already; its changes travel with the regular runs."
    return _answer(CONFLICT, "already_synced", request, message, dynamicsType=table, dynamicsId=row_id)


def _answer(status: int, word: str, request: SyncRequest, message: str, **more: str) -> Answer:
    return Answer(
        status,
        {"status": word, "marketoId": request.marketo_id, "syncAs": request.table, **more, "message": message},
    )
