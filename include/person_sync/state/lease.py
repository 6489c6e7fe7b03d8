"""
The single-writer lease: one row per name, taken by one statement that either wins or changes nothing.

A lease is free when nobody holds it, when it has expired, when the same run asks again, or when its holder was a
process of this host that is gone. Both databases decide a race on the row itself; there is no look-then-write.
"""

from __future__ import annotations

import os
from dataclasses import fields
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, delete, or_, select, update

from include.errors import LeaseHeld
from include.person_sync.state.dialects import upsert
from include.person_sync.state.records import Lease
from include.person_sync.state.tables import lease

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

__all__ = ["acquire", "current", "process_space", "release", "renew"]


def acquire(
    connection: Connection, name: str, run_id: str, *, ttl_s: float, host: str, pid: int | None, now: datetime
) -> Lease:
    """Take the lease or raise LeaseHeld saying who has it and until when."""
    wanted = {
        "name": name,
        "run_id": run_id,
        "host": host,
        "process_space": process_space(),
        "pid": pid,
        "acquired_at": now,
        "expires_at": now + timedelta(seconds=ttl_s),
    }
    free = or_(lease.c.run_id == run_id, lease.c.expires_at <= now)
    if not _take(connection, wanted, free):
        holder = connection.execute(select(lease).where(lease.c.name == name)).mappings().first()
        if holder is None or not _is_gone(dict(holder), host) or not _take(connection, wanted, _same(dict(holder))):
            raise _held(connection, name, run_id, now)
    return _lease(wanted)


def _take(connection: Connection, wanted: dict[str, Any], free: ColumnElement[bool]) -> bool:
    statement = upsert(connection, lease).values(**wanted)
    changed = {column: statement.excluded[column] for column in wanted if column != "name"}
    statement = statement.on_conflict_do_update(index_elements=["name"], set_=changed, where=free)
    return connection.execute(statement.returning(lease.c.name)).first() is not None


def _same(holder: dict[str, Any]) -> ColumnElement[bool]:
    """Match the very holding that was looked at, so that a quicker rival's take-over is not taken over again."""
    return and_(*(lease.c[name] == holder[name] for name in ("run_id", "pid", "acquired_at")))


def _is_gone(holder: dict[str, Any], host: str) -> bool:
    """Return True when the holder was a process that this process could see, and it no longer exists."""
    if holder["pid"] is None or holder["host"] != host or holder["process_space"] != process_space():
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return _is_zombie(holder["pid"])


def _is_zombie(pid: int) -> bool:
    """Return True for a process that has ended and that nobody has collected yet, as in a container without an init."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[:1] in (["Z"], ["X"])


def process_space() -> str | None:
    """Return what tells apart process ids of the same host name: boots, and containers that share the name."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return None


def renew(connection: Connection, name: str, run_id: str, *, ttl_s: float, now: datetime) -> None:
    """Push the expiry out. Raises LeaseHeld when the lease is no longer this run's."""
    statement = update(lease).where(lease.c.name == name, lease.c.run_id == run_id)
    if connection.execute(statement.values(expires_at=now + timedelta(seconds=ttl_s))).rowcount == 0:
        raise _held(connection, name, run_id, now)


def release(connection: Connection, name: str, run_id: str) -> None:
    """Give the lease back; does nothing when this run does not hold it."""
    connection.execute(delete(lease).where(lease.c.name == name, lease.c.run_id == run_id))


def current(connection: Connection, name: str, *, lock: bool = False) -> Lease | None:
    """Return who holds the lease, expired or not. `lock` keeps the row as it is until the transaction ends."""
    statement = select(lease).where(lease.c.name == name)
    row = connection.execute(statement.with_for_update() if lock else statement).mappings().first()
    return None if row is None else _lease(dict(row))


def _lease(row: dict[str, Any]) -> Lease:
    return Lease(**{part.name: row[part.name] for part in fields(Lease)})


def _held(connection: Connection, name: str, run_id: str, now: datetime) -> LeaseHeld:
    holder = current(connection, name)
    if holder is None:
        return LeaseHeld(f"Run {run_id} does not hold the lease {name}.", remedy="Start the run again.")
    until = f"{holder.expires_at:%Y-%m-%d %H:%M:%S}"
    process = "" if holder.pid is None else f" (process {holder.pid})"
    return LeaseHeld(
        f"Run {holder.run_id} on {holder.host}{process} holds the lease {name} until {until} UTC.",
        retry_after_s=max(0.0, (holder.expires_at - now).total_seconds()),
        remedy="Wait for that run to end; if it was killed, the lease frees itself at that time.",
    )
