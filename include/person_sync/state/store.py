"""The state store: the one door to the state database."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from include.errors import SyncError
from include.late import late_module
from include.person_sync.state import counting, engine, lease, runs
from include.person_sync.state.dialects import upsert
from include.person_sync.state.migrate import migrate_to_head
from include.person_sync.state.records import OPEN, ActivityState, LinkState
from include.person_sync.state.tables import document

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import pandas as pd
    from sqlalchemy import Connection, Engine

    from include.person_sync.state import backlog, commits, dead_letters, history, links, plans, snapshots
    from include.person_sync.state.records import Commit, Lease, Run, SavedPlan, StoredPlan
else:  # these move frames and bring pandas along, which opening the store and looking at runs and leases does not need
    backlog, commits, dead_letters, history, links, plans, snapshots = (
        late_module(f"{__package__}.{name}")
        for name in ("backlog", "commits", "dead_letters", "history", "links", "plans", "snapshots")
    )

__all__ = ["Store"]


def _utc_now() -> datetime:
    return datetime.now(tz=UTC)


class Store:
    """
    Links, base snapshots, watermarks, runs, plans, history, dead letters and the lease.

    Every method is one transaction. All raise RetryableError when the database does not answer and ConfigError when its
    connection is wrong, both naming `person_sync_state`. A store may be used by several threads; a process opens
    its own.
    """

    def __init__(self, engine_: Engine, now: Callable[[], datetime]) -> None:
        self._engine = engine_
        self._now = now

    @staticmethod
    def open(url: str, *, now: Callable[[], datetime] = _utc_now) -> Store:
        """
        Return the store at a database URL, its schema brought to the newest version.

        `url`: `postgresql://`, `postgresql+psycopg://`, `postgres://` or `sqlite:////absolute/path`. Writes tables when
        they are missing or old, under a lock, so that several processes may start at once.
        """
        opened = engine.open_engine(engine.parse_url(url))
        migrate_to_head(opened)
        return Store(opened, now)

    def close(self) -> None:
        """Give back all connections."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with engine.reading(self._engine) as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with engine.writing(self._engine) as connection:
            yield connection

    # links and base

    def load_links(
        self,
        *,
        link_ids: Collection[int] | None = None,
        marketo_ids: Collection[int] | None = None,
        dynamics_ids: Mapping[str, Collection[str]] | None = None,
        state: str | None = LinkState.OPEN,
    ) -> pd.DataFrame:
        """
        Return links found by any of the ids given (`dynamics_ids`: table → ids), all links when none is given.

        Columns: link_id, marketo_id int64, dynamics_table, dynamics_id str, generation int64, state, dynamics_version
        str, needs_recheck bool; ordered by link_id. `state`: `open`, `closed`, or None for both.
        """
        with self._reading() as connection:
            return links.load_links(
                connection, link_ids=link_ids, marketo_ids=marketo_ids, dynamics_ids=dynamics_ids, state=state
            )

    def count_links(self) -> int:
        """Return how many links are open."""
        with self._reading() as connection:
            return links.count_links(connection)

    def highest_link_id(self) -> int:
        """Return the highest link id given out so far, 0 when there is none: links can be gone through in spans."""
        with self._reading() as connection:
            return links.highest_link_id(connection)

    def links_to_recheck(self) -> pd.DataFrame:
        """Return the open links the next run must look at even if no feed names them; columns as `load_links`."""
        with self._reading() as connection:
            return links.links_to_recheck(connection)

    def links_changed_since(self, moment: datetime) -> pd.DataFrame:
        """Return the open links that runs other than a baseline's have moved or agreed on since an aware moment."""
        with self._reading() as connection:
            return links.links_changed_since(connection, moment)

    def reserve_link_ids(self, count: int) -> range:
        """Return `count` link ids nobody was given before. Writes; ids that stay unused are never given again."""
        if count == 0:
            return range(0)
        with self._writing() as connection:
            return links.reserve(connection, "link", count)

    def load_base(self, link_ids: Collection[int], fields: Sequence[str]) -> pd.DataFrame:
        """
        Return the base snapshots: index link_id int64 as given (unique), one canonical column per field.

        Cells are a canonical text, NaN for *empty*, or MISSING where both sides never agreed.
        """
        with self._reading() as connection:
            return snapshots.load_base(connection, link_ids, fields)

    # feeds and schema

    def backlog(self, source: str, limit: int) -> list[str]:
        """Return up to `limit` records of a source that wait for their turn, the longest waiting first."""
        with self._reading() as connection:
            return backlog.waiting(connection, source, limit)

    def waiting_among(self, source: str, record_ids: Collection[str]) -> set[str]:
        """Return those of some records of a source that wait for their turn."""
        with self._reading() as connection:
            return backlog.among(connection, source, record_ids)

    def backlog_overview(self) -> dict[str, dict[str, Any]]:
        """Return per source how many records wait (`waiting`) and since when the oldest does (`oldest`)."""
        with self._reading() as connection:
            return backlog.overview(connection)

    def watermarks(self) -> dict[str, Any]:
        """Return how far each change feed has been consumed: feed name → JSON value."""
        with self._reading() as connection:
            return commits.load_watermarks(connection)

    def document(self, name: str) -> tuple[Any, datetime] | None:
        """Return a stored JSON value and when it was stored (aware UTC), or None."""
        statement = select(document.c.value, document.c.refreshed_at).where(document.c.name == name)
        with self._reading() as connection:
            found = connection.execute(statement).first()
        return None if found is None else (found[0], found[1])

    def save_document(self, name: str, value: Any) -> None:
        """Store a JSON value under a name, replacing what was there."""
        with self._writing() as connection:
            statement = upsert(connection, document).values(name=name, value=value, refreshed_at=self._now())
            changed = {"value": statement.excluded.value, "refreshed_at": statement.excluded.refreshed_at}
            connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=changed))

    # runs

    def start_run(
        self, run_id: str, *, kind: str, mode: str, params: Mapping[str, Any], origin: Mapping[str, Any]
    ) -> Run:
        """
        Return the run, stored as running.

        A run that is known already is started once more (`attempt` counts) unless it is committed: then it is returned
        as it is.
        """
        with self._writing() as connection:
            return runs.start_run(
                connection, run_id, kind=kind, mode=mode, params=params, origin=origin, now=self._now()
            )

    def run(self, run_id: str) -> Run | None:
        """Return the run, or None when it is unknown."""
        with self._reading() as connection:
            return runs.load_run(connection, run_id)

    def require_run(self, run_id: str) -> Run:
        """Return the run. Raises SyncError when it is unknown."""
        found = self.run(run_id)
        if found is None:
            raise SyncError(f"Run {run_id} is unknown to the state database.", remedy="Start it with its first stage.")
        return found

    def latest_runs(self, limit: int = 50, *, kind: str | None = None) -> list[Run]:
        """Return the runs started last, newest first."""
        with self._reading() as connection:
            return runs.latest_runs(connection, limit, kind)

    def update_run(self, run_id: str, **changes: Any) -> None:
        """
        Change status, mode, params, origin, counts, api_calls, brake, overrides, error or notes of a run.

        The status `applying` also marks the newest plan as started, so set it before the first write. Raises SyncError
        for an unknown run, and when a committed run is to get another status.
        """
        with self._writing() as connection:
            runs.update_run(connection, run_id, changes)

    def finish_run(self, run_id: str, status: str, **changes: Any) -> None:
        """Set the end of a run that is not committed (`failed`, `stopped`, `dry_run`), with further columns."""
        with self._writing() as connection:
            runs.finish_run(connection, run_id, status, changes, self._now())

    # plans

    def save_plan(
        self, run_id: str, changes: pd.DataFrame, values: pd.DataFrame, provisional: Sequence[int] = ()
    ) -> SavedPlan:
        """
        Store the write-ahead plan, in one transaction with the link ids that its new pairs are given.

        Replaces the run's previous attempt when no write of it can have left; else the previous one is kept and is part
        of `unsettled`. Columns of `changes` and `values`: see `StoredPlan` (without the columns of the outcome).
        `provisional`: link ids, ascending, in whose place lasting ones are reserved, in the same order.
        """
        with self._writing() as connection:
            return plans.save_plan(connection, run_id, changes, values, self._now(), provisional)

    def load_plan(
        self,
        run_id: str,
        *,
        direction: str | None = None,
        statuses: Collection[str] | None = None,
        actions: Collection[str] | None = None,
    ) -> StoredPlan:
        """Return the run's newest plan, or the part of it in one direction, in some statuses, with some actions."""
        with self._reading() as connection:
            return plans.load_plan(connection, run_id, direction=direction, statuses=statuses, actions=actions)

    def count_changes(self, run_id: str, direction: str) -> dict[str, dict[str, int]]:
        """Return the changes of the run's newest plan in one direction: action → status → number; {} without a plan."""
        with self._reading() as connection:
            return counting.count_changes(connection, run_id, direction)

    def has_changes(self, run_id: str, direction: str) -> bool:
        """Return whether the run's newest plan changes anything in a direction. Raises SyncError without a plan."""
        with self._reading() as connection:
            return counting.has_changes(connection, run_id, direction)

    def record_outcomes(self, run_id: str, outcomes: pd.DataFrame, fields: pd.DataFrame | None = None) -> None:
        """
        Store what became of changes of the run's newest plan and, in the same transaction, of some of their fields.

        `outcomes`: change_no, status and, as far as known, code, message, request_id, marketo_id (of a person just
        created), dynamics_version (of a row just written). `fields`, which fared otherwise than their change:
        change_no, field, outcome (`refused`, `deferred`), code, message, request_id.
        """
        with self._writing() as connection:
            plans.record_outcomes(connection, run_id, outcomes, self._now(), fields)

    def amend_values(self, run_id: str, amended: pd.DataFrame) -> None:
        """Store what was decided again about planned fields: change_no, field and the columns of `values` to change."""
        with self._writing() as connection:
            plans.amend_values(connection, run_id, amended)

    def add_values(self, run_id: str, values: pd.DataFrame) -> None:
        """Add fields to changes of a plan, replacing those there already; see `plans.add_values`."""
        with self._writing() as connection:
            plans.add_values(connection, run_id, values)

    def unsettled(self) -> pd.DataFrame:
        """
        Return the planned fields of every write that may have left without a commit, oldest plan first.

        Columns: run_id, attempt, change_no, link_id, direction, action, marketo_id, dynamics_table, dynamics_id,
        generation, status (`applied` or `unknown`), field, planned. Earlier attempts of a run that starts again are
        among them: their writes moved values and no base.
        """
        with self._reading() as connection:
            return plans.unsettled(connection)

    def commit(self, run_id: str, content: Commit) -> bool:
        """
        Make a run's outcome visible in one transaction; return False when it was committed before.

        Raises LeaseHeld, having written nothing, when the run does not hold the lease any more.
        """
        with self._writing() as connection:
            return commits.commit(connection, run_id, content, self._now())

    def history(
        self, *, marketo_id: int | None = None, dynamics_table: str | None = None, dynamics_id: str | None = None
    ) -> pd.DataFrame:
        """
        Return every decided field of a person, oldest first.

        Columns: run_id, at (aware UTC), field, base, marketo, dynamics, planned, outcome, rule, winner, direction,
        action, status, code, message, request_id. Give `marketo_id`, or `dynamics_id` with or without its table.
        """
        if (marketo_id is None) == (dynamics_id is None):
            raise SyncError("A history is asked for by a Marketo id or by a Dynamics id.")
        row_id = None if dynamics_id is None else dynamics_id.lower()
        with self._reading() as connection:
            return history.load_history(
                connection, marketo_id=marketo_id, dynamics_table=dynamics_table, dynamics_id=row_id
            )

    def purge(self, history_days: float) -> dict[str, int]:
        """
        Remove settled plans, ended runs, resolved dead letters and bases of closed links older than `history_days`.

        Returns how many rows of each kind went. Open dead letters and unsettled plans stay.
        """
        with self._writing() as connection:
            return history.purge(connection, self._now() - timedelta(days=history_days))

    # lease

    def acquire_lease(self, name: str, run_id: str, *, ttl_s: float, host: str, pid: int | None) -> Lease:
        """
        Take the single-writer lease for `ttl_s` seconds; the same run may take it again.

        `pid` names the process that lives as long as the run: when it is gone, others on `host` need not wait for the
        expiry. None when there is no such process. Raises LeaseHeld naming the holder and the time it expires.
        """
        with self._writing() as connection:
            return lease.acquire(connection, name, run_id, ttl_s=ttl_s, host=host, pid=pid, now=self._now())

    def renew_lease(self, name: str, run_id: str, *, ttl_s: float) -> None:
        """Push the expiry out to `ttl_s` seconds from now. Raises LeaseHeld when another run has the lease."""
        with self._writing() as connection:
            lease.renew(connection, name, run_id, ttl_s=ttl_s, now=self._now())

    def release_lease(self, name: str, run_id: str) -> None:
        """Give the lease back; does nothing when this run does not hold it."""
        with self._writing() as connection:
            lease.release(connection, name, run_id)

    def current_lease(self, name: str) -> Lease | None:
        """Return who holds the lease (it may have expired), or None."""
        with self._reading() as connection:
            return lease.current(connection, name)

    # dead letters

    def dead_letters(
        self,
        *,
        state: str | None = OPEN,
        kind: str | None = None,
        activity_state: str | None = None,
        dead_letter_ids: Collection[int] | None = None,
        link_ids: Collection[int] | None = None,
        marketo_ids: Collection[int] | None = None,
        dynamics_ids: Collection[str] | None = None,
        limit: int | None = None,
    ) -> pd.DataFrame:
        """
        Return dead letters, oldest first; `state=None` for resolved ones too.

        A letter is found by any of link_ids, marketo_ids, dynamics_ids; the other arguments narrow. Columns:
        dead_letter_id, kind, state, link_id, marketo_id, dynamics_table, dynamics_id, direction, action, fingerprint,
        code, message, payload (dict), first_run_id, last_run_id, first_at, last_at, attempts, activity_state.
        """
        chosen = dead_letters.Filter(state, kind, activity_state, dead_letter_ids, link_ids, marketo_ids, dynamics_ids)
        with self._reading() as connection:
            return dead_letters.load(connection, chosen, limit)

    def open_fingerprints(self, fingerprints: Collection[str] | None = None) -> set[str]:
        """Return the fingerprints of open dead letters, or those of the given ones that are open."""
        with self._reading() as connection:
            return dead_letters.open_fingerprints(connection, fingerprints)

    def resolve_dead_letters(self, dead_letter_ids: Collection[int], run_id: str) -> None:
        """Mark dead letters as needing nobody any more, outside a commit (a person decided so)."""
        with self._writing() as connection:
            dead_letters.resolve(connection, dead_letter_ids, run_id, self._now())

    def pending_activities(self, limit: int = 300) -> pd.DataFrame:
        """
        Return the dead letters whose activity-log entry is `pending`, or `sending`: its answer may have been lost.

        Oldest first, at most `limit`; resolved letters too, since the refusal did happen. Columns as `dead_letters`.
        """
        with self._reading() as connection:
            return dead_letters.load_pending(connection, limit)

    def has_pending_activities(self) -> bool:
        """Return whether `pending_activities` would return any."""
        with self._reading() as connection:
            return counting.has_pending_activities(connection)

    def set_activity_state(self, dead_letter_ids: Collection[int], state: str) -> list[int]:
        """
        Move activity-log entries on: `sending` before the request, `sent` after it, `pending` when it certainly failed.

        Returns the ids that moved. An entry that is `sent` stays so.
        """
        with self._writing() as connection:
            return dead_letters.set_activity_state(connection, dead_letter_ids, ActivityState(state))
