"""The lease lets exactly one run write, and frees itself when its holder is gone."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from include.errors import LeaseHeld
from include.person_sync.state import Store, tables
from include.person_sync.state.engine import open_engine, parse_url, writing

if TYPE_CHECKING:
    from tests.integration.state.conftest import Clock

PROJECT = Path(__file__).resolve().parents[3]
NAME = "person_sync"


def acquire(store: Store, run_id: str, *, pid: int | None = None, host: str = "host-a", ttl_s: float = 60) -> None:
    """Take the lease as a process of a host."""
    store.acquire_lease(NAME, run_id, ttl_s=ttl_s, host=host, pid=pid)


def gone_pid() -> int:
    """Return the id of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_held_lease_is_refused_naming_its_holder(store: Store, clock: Clock) -> None:
    """The second run learns who writes, where, and until when to wait (S-15, T-28)."""
    acquire(store, "first", pid=os.getpid())
    clock.advance(seconds=20)

    with pytest.raises(LeaseHeld, match=r"first on host-a.*12:01:00") as caught:
        acquire(store, "second", pid=os.getpid())

    assert caught.value.retry_after_s == 40
    assert caught.value.exit_code == 6
    assert store.current_lease(NAME).run_id == "first"


def test_same_run_enters_again(store: Store, clock: Clock) -> None:
    """The stages of one run each take the lease; taking it again renews it."""
    acquire(store, "first")
    clock.advance(seconds=50)

    acquire(store, "first", host="host-b")

    clock.advance(seconds=50)
    with pytest.raises(LeaseHeld):
        acquire(store, "second")


def test_expired_lease_is_taken_over(store: Store, clock: Clock) -> None:
    """A run that was killed holds up the others until its lease expires, and no longer (S-15)."""
    acquire(store, "killed")
    clock.advance(seconds=60)

    acquire(store, "next")

    with pytest.raises(LeaseHeld, match="next"):
        store.renew_lease(NAME, "killed", ttl_s=60)
    with pytest.raises(LeaseHeld, match="next"):
        acquire(store, "killed")


def test_lease_of_a_vanished_process_is_taken_over_at_once(store: Store) -> None:
    """On the same host nobody waits for a process that no longer exists (S-15)."""
    acquire(store, "killed", pid=gone_pid())

    acquire(store, "next")

    assert store.current_lease(NAME).run_id == "next"


def test_lease_of_a_process_elsewhere_is_respected(store: Store) -> None:
    """A process id says nothing on another host, nor where the holder gave none."""
    acquire(store, "remote", pid=gone_pid(), host="host-b")
    with pytest.raises(LeaseHeld):
        acquire(store, "next", host="host-a")
    store.release_lease(NAME, "remote")

    acquire(store, "unwatched", pid=None)
    with pytest.raises(LeaseHeld):
        acquire(store, "next")


def test_lease_of_a_process_in_another_container_is_respected(store: Store, migrated_url: str) -> None:
    """Containers may share a host's name and not its process ids: an id that can't be seen is not gone."""
    acquire(store, "contained", pid=gone_pid())
    engine = open_engine(parse_url(migrated_url))
    with writing(engine) as connection:
        connection.execute(update(tables.lease).values(process_space="another boot, another namespace"))
    engine.dispose()

    with pytest.raises(LeaseHeld):
        acquire(store, "next")


def test_renewed_lease_lasts_longer(store: Store, clock: Clock) -> None:
    """A long stage keeps its lease by renewing it (T-28)."""
    acquire(store, "long")
    clock.advance(seconds=50)
    store.renew_lease(NAME, "long", ttl_s=60)
    clock.advance(seconds=50)

    with pytest.raises(LeaseHeld):
        acquire(store, "next")


def test_released_lease_is_free(store: Store) -> None:
    """A run that is done lets the next one in; releasing somebody else's lease does nothing."""
    acquire(store, "first")
    store.release_lease(NAME, "other")
    with pytest.raises(LeaseHeld):
        acquire(store, "second")

    store.release_lease(NAME, "first")

    acquire(store, "second")
    assert store.current_lease("unknown") is None
    with pytest.raises(LeaseHeld, match="first does not hold"):
        store.renew_lease("unknown", "first", ttl_s=60)


@pytest.mark.parametrize("before", ["free", "expired", "vanished"])
def test_racing_threads_get_one_winner(migrated_url: str, store: Store, clock: Clock, before: str) -> None:
    """However the lease became free, of many that ask at once exactly one gets it (S-15)."""
    if before != "free":
        acquire(store, "old", pid=gone_pid() if before == "vanished" else None)
    if before == "expired":
        clock.advance(minutes=2)
    stores = [Store.open(migrated_url, now=clock) for _ in range(8)]

    def race(number: int) -> bool:
        try:
            acquire(stores[number], f"racer-{number}", pid=os.getpid())
        except LeaseHeld:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(race, range(8)))

    assert won.count(True) == 1
    assert store.current_lease(NAME).run_id == f"racer-{won.index(True)}"
    for one in stores:
        one.close()


def test_racing_processes_get_one_winner(database_url: str) -> None:
    """Processes that share nothing but the database agree on one of them (S-15)."""
    Store.open(database_url).close()
    code = (
        "import sys, time\n"
        "from include.errors import LeaseHeld\n"
        "from include.person_sync.state import Store\n"
        f"store = Store.open({database_url!r})\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "try:\n"
        f"    store.acquire_lease({NAME!r}, sys.argv[1], ttl_s=60, host='h', pid=None)\n"
        "    print('won')\n"
        "except LeaseHeld:\n"
        "    print('lost')\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", code, f"racer-{number}"],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"

    for racer in racers:
        racer.stdin.write("go\n")
        racer.stdin.flush()

    assert sorted(racer.communicate(timeout=60)[0] for racer in racers) == ["lost\n", "won\n"]


def test_a_holder_nobody_collected_is_gone(store: Store) -> None:
    """A killed process stays listed until its parent asks for it; the next run need not wait for that."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        acquire(store, "first", pid=process.pid)
        with pytest.raises(LeaseHeld):
            acquire(store, "second", pid=os.getpid())
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        acquire(store, "second", pid=os.getpid())

    assert store.current_lease(NAME).run_id == "second"
