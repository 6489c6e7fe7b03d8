"""The values that go into and come out of the store."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from include.person_sync.core.vocabulary import ActivityState, ChangeStatus, DeadLetterKind, LinkState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import datetime

    import pandas as pd

__all__ = [
    "OPEN",
    "RESOLVED",
    "ActivityState",
    "ChangeStatus",
    "Commit",
    "DeadLetterKind",
    "Lease",
    "LinkState",
    "Run",
    "RunStatus",
    "SavedPlan",
    "StoredPlan",
]

OPEN, RESOLVED = "open", "resolved"
"""The states of a dead letter: it still waits for something, or needs nobody any more."""


class RunStatus(StrEnum):
    """How far a run has come. `committed`, `failed`, `stopped` and `dry_run` are ends."""

    RUNNING = "running"
    PLANNED = "planned"
    APPLYING = "applying"
    COMMITTED = "committed"
    FAILED = "failed"
    STOPPED = "stopped"
    DRY_RUN = "dry_run"


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the store knows it. `attempt` counts how often it was started (a cleared task starts it again)."""

    run_id: str
    kind: str
    mode: str
    status: RunStatus
    origin: Mapping[str, Any]
    params: Mapping[str, Any]
    attempt: int
    started_at: datetime
    finished_at: datetime | None = None
    counts: Mapping[str, Any] | None = None
    api_calls: Mapping[str, Any] | None = None
    brake: str | None = None
    overrides: Mapping[str, Any] | None = None
    error: str | None = None
    notes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who may write, and until when if nobody renews it."""

    name: str
    run_id: str
    host: str
    pid: int | None
    acquired_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """What storing a plan gave: its attempt within the run, and the lasting link id of each provisional one."""

    attempt: int
    link_ids: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class StoredPlan:
    """
    A plan read back from the store.

    `changes`: change_no int64, link_id int64, direction, action str, marketo_id Int64, dynamics_table, dynamics_id str,
    generation int64, if_match, note, status, code, message, request_id, dynamics_version str; ordered by change_no.
    `values`: change_no int64, field, outcome, winner, base, marketo, dynamics, planned, rule, code, message, request_id
    str; ordered by change_no and field. A field whose outcome is `refused` was not written, whatever became of its
    change; code, message and request_id tell why and are empty for all others.
    """

    attempt: int
    changes: pd.DataFrame
    values: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Commit:
    """
    Everything that becomes visible together at the end of a run.

    * `links`: new links, and known ones (same link_id) that now point elsewhere: link_id, marketo_id, dynamics_table,
      dynamics_id, generation and, optionally, dynamics_version.
    * `closed_links`: link id → reason. They are closed before `links` are stored, so an id may pass from one to the
      other.
    * `base_moves`: link_id, field, value; NaN is *empty*, the mark MISSING forgets the field.
    * `versions`: link_id, dynamics_version.
    * `recheck`, `rechecked`: links the next run must look at even if no feed names them, and those it has looked at.
    * `filtered`, `unfiltered`: links whose row the sync filter keeps out now, and those it lets through again.
    * `backlog`, `taken_up`: source → record ids that wait for a later run, and those this run has dealt with.
    * `dead_letters`: kind, link_id, marketo_id, dynamics_table, dynamics_id, direction, action, fingerprint, code,
      message, payload (a dict; the key `fields` maps field → planned value), activity_state.
    * `resolved_dead_letters`: ids of dead letters that need nobody any more. Those whose fields were applied are
      found by the store itself.
    * `watermarks`: feed → JSON value.
    * `settles`: True when this run has taken all unsettled plans into account, which is what `unsettled` is for.
    """

    links: pd.DataFrame | None = None
    closed_links: Mapping[int, str] = field(default_factory=dict)
    base_moves: pd.DataFrame | None = None
    versions: pd.DataFrame | None = None
    recheck: Collection[int] = ()
    rechecked: Collection[int] = ()
    filtered: Collection[int] = ()
    unfiltered: Collection[int] = ()
    backlog: Mapping[str, Collection[str]] = field(default_factory=dict)
    taken_up: Mapping[str, Collection[str]] = field(default_factory=dict)
    dead_letters: pd.DataFrame | None = None
    resolved_dead_letters: Collection[int] = ()
    watermarks: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, Any] = field(default_factory=dict)
    api_calls: Mapping[str, Any] = field(default_factory=dict)
    settles: bool = True
