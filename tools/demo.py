"""
Show the sync at work: a real Airflow, a real PostgreSQL, and a Marketo and a Dynamics that live on this machine.

Sets both systems up, syncs two thousand people for the first time, lets people change things on both sides (collisions,
a refusal, a request to create), runs the DAG again and prints what happened to each and who won. Ends everything it
started, unless told to stay up.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pandas as pd

from include.person_sync.state import Store
from include.sandbox import Sandbox
from include.sandbox.seed import Seed
from tools.airflow_api import AirflowApi, AirflowApiError
from tools.containers import PROJECT
from tools.postgres import EmbeddedPostgres, embedded_postgres
from tools.processes import Processes, ProgramFailed, free_ports

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main", "standalone_environment"]

PEOPLE: Final = 2_000
SYNC, SETUP = "person_sync", "person_sync_setup"
USER: Final = "admin"


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when everything the demo shows came out as promised, else 1."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="person-sync-demo-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        home.chmod(0o755)  # PostgreSQL, started by root, runs as another user and has to pass through
        try:
            return _run(home, options)
        except (ProgramFailed, AirflowApiError) as error:
            print(f"FAILED: {error}", file=sys.stderr)
            kept = PROJECT / ".demo" / "logs"
            shutil.copytree(home / "output", kept, dirs_exist_ok=True)
            print(f"The logs are in {kept}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__.strip().splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="stay up afterwards, until interrupted")
    parser.add_argument("--people", type=int, default=PEOPLE, help=f"people in the two systems (default {PEOPLE})")
    return parser.parse_args(arguments)


def _run(home: Path, options: argparse.Namespace) -> int:
    _say("Starting PostgreSQL, Marketo, Dynamics and Entra ID on this machine")
    with (
        embedded_postgres(home / "postgres") as database,
        Sandbox.start(seed=Seed(people=options.people), directory=home / "sandbox") as sandbox,
        Processes(home / "output", directory=PROJECT) as processes,
    ):
        for name in ("airflow", "person_sync"):
            database.create_database(name)
        password = secrets.token_urlsafe(9)
        port, worker_log, trigger_log = free_ports(3)
        environment = standalone_environment(home, database, sandbox, (port, worker_log, trigger_log), password)
        processes.start("airflow", [str(Path(sys.executable).parent / "airflow"), "standalone"], environment)
        api = AirflowApi(f"http://127.0.0.1:{port}", check=processes.check)
        _say("Starting Airflow (about 20 s)")
        api.wait_until_healthy(timeout_s=240)
        api.sign_in(USER, password)
        store = Store.open(database.url("person_sync", driver="postgresql+psycopg"))
        outcome = Story(api, sandbox, store).tell()
        print(f"\nAirflow: {api.url}   user {USER}, password {password}")
        if options.keep:
            _stay(sandbox)
        else:
            print("Everything is stopped again; `make demo KEEP=1` leaves it running to look around.")
        store.close()
        return outcome


def _stay(sandbox: Sandbox) -> None:
    print(f"Sandbox control: {sandbox.control_url} (CA {sandbox.ca_bundle}). The DAG runs every 5 minutes.")
    print("Press Ctrl-C to stop everything.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print("Stopping")


def standalone_environment(
    home: Path, database: EmbeddedPostgres, sandbox: Sandbox, ports: tuple[int, int, int], password: str
) -> dict[str, str]:
    """
    Return the environment of Airflow: what production sets, with everything on this machine and ports that are free.
    """
    port, worker_log, trigger_log = ports
    passwords = home / "passwords.json"
    passwords.write_text(json.dumps({USER: password}))
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}",
        "HOME": os.environ.get("HOME", str(home)),
        "LANG": "C.UTF-8",
        "PYTHONPATH": f"{PROJECT}:{PROJECT / 'plugins'}",
        "AIRFLOW_HOME": str(home / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",
        "AIRFLOW__CORE__TEST_CONNECTION": "Enabled",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://localhost:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://localhost:{port}",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(48),
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(worker_log),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(trigger_log),
        "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database.url("airflow", driver="postgresql+psycopg2"),
        "AIRFLOW_CONN_PERSON_SYNC_STATE": database.url("person_sync", driver="postgresql+psycopg"),
        "PERSON_SYNC_STAGING": f"file://{home / 'staging'}",
        **sandbox.environment(),
    }


@dataclass(frozen=True)
class Pair:
    """Two halves of one person, chosen from those the first sync linked."""

    marketo_id: int
    table: str
    row_id: str


@dataclass(frozen=True)
class Check:
    """One thing that happened: what people did, what should be true afterwards, and whether it is."""

    what: str
    expected: str
    seen: str

    @property
    def holds(self) -> bool:
        """True when what was promised is what is there."""
        return self.expected == self.seen


class Story:
    """What the demo does and shows, in order."""

    def __init__(self, api: AirflowApi, sandbox: Sandbox, store: Store) -> None:
        self._api = api
        self._sandbox = sandbox
        self._store = store
        self._counted: set[str] = set()

    def tell(self) -> int:
        """Run the story and return 0 when everything came out as promised."""
        for dag in (SETUP, SYNC):
            self._api.wait_for_dag(dag)
        self._run("person_sync_setup: custom fields, activity type and checks", SETUP)
        self._first_sync()
        print(_counts_table(self._counts()))
        lead, contact, title, long, asked = self._people()
        self._edit(lead, contact, title, long, asked)
        self._run("person_sync: after people edited on both sides", SYNC)
        print(_counts_table(self._counts()))
        checks = self._checks(lead, contact, title, long, asked)
        print(_checks_table(checks))
        self._run("person_sync: nobody did anything", SYNC)
        self._counts()
        self._run("person_sync: nobody did anything, once more", SYNC)
        idle = self._counts()
        written = sum(counted[name] for counted in idle.values() for name in ("created", "updated"))
        checks.append(Check("An idle cycle", "0 writes", f"{written} writes"))
        print(_checks_table(checks[-1:]))
        failed = [check for check in checks if not check.holds]
        print(f"\n{len(checks) - len(failed)} of {len(checks)} as promised")
        return 1 if failed else 0

    def _first_sync(self) -> None:
        """Switch the DAG on: Airflow starts the run of the last 5 minutes by itself."""
        started = time.monotonic()
        self._api.unpause(SYNC)
        while not self._api.run_ids(SYNC):
            time.sleep(0.5)
        (run_id,) = self._api.run_ids(SYNC)
        self._ended("person_sync: first sync, of people who are on both sides already", SYNC, run_id, started)

    def _run(self, what: str, dag: str) -> None:
        """Trigger a run through Airflow's REST API and wait for its end."""
        started = time.monotonic()
        self._api.unpause(dag)
        self._ended(what, dag, self._api.trigger(dag), started)

    def _ended(self, what: str, dag: str, run_id: str, started: float) -> None:
        state = self._api.wait_for_run(dag, run_id, timeout_s=900)
        _say(f"{what}: {state} in {time.monotonic() - started:.0f} s")
        if state != "success":
            tasks = ", ".join(f"{one.task_id} {one.state}" for one in self._api.task_runs(dag, run_id))
            raise AirflowApiError(f"run {run_id} of {dag} ended as {state} ({tasks})")

    def _counts(self) -> dict[str, dict[str, int]]:
        """Return the sum of the counts since the last call: the schedule may have run in between as well."""
        runs = [one for one in self._store.latest_runs(20) if one.counts and one.run_id not in self._counted]
        self._counted |= {one.run_id for one in runs}
        total = pd.concat([pd.DataFrame(one.counts) for one in runs]) if runs else pd.DataFrame()
        summed = total.groupby(level=0, sort=False).sum()
        return {
            str(direction): {str(name): int(count) for name, count in summed[direction].items()} for direction in summed
        }

    def _people(self) -> tuple[Pair, Pair, Pair, Pair, int]:
        """Choose a lead and a contact to collide on, two to edit on one side, and somebody who is in Marketo only."""
        links = self._store.load_links().sort_values("link_id")
        leads, contacts = (_pairs(links[links["dynamics_table"] == table]) for table in ("lead", "contact"))
        linked = set(links["marketo_id"])
        alone = next(
            one["id"] for one in self._sandbox.marketo.leads() if one["id"] not in linked and one.get("lastName")
        )
        return leads[0], contacts[0], contacts[1], leads[1], int(alone)

    def _edit(self, lead: Pair, contact: Pair, title: Pair, long: Pair, asked: int) -> None:
        marketo, dynamics = self._sandbox.marketo, self._sandbox.dynamics
        for pair in (lead, contact):
            marketo.edit(pair.marketo_id, {"title": "Chief Marketing Officer"})
            dynamics.edit(pair.table, pair.row_id, {"jobtitle": "Chief Sales Officer"})
        marketo.edit(title.marketo_id, {"city": "Zürich"})
        dynamics.edit(title.table, title.row_id, {"mobilephone": "+41 44 555 01 23"})
        marketo.edit(long.marketo_id, {"mobilePhone": "+41 44 555 01 23 extension 4567"})
        marketo.edit(asked, {"syncToDynamics": "lead"})

    def _checks(self, lead: Pair, contact: Pair, title: Pair, long: Pair, asked: int) -> list[Check]:
        marketo, _dynamics = self._sandbox.marketo, self._sandbox.dynamics
        links = self._store.load_links(marketo_ids=[asked])
        letters = self._store.dead_letters(marketo_ids=[long.marketo_id])
        activities = [one for one in marketo.activities(long.marketo_id) if one.type_id >= 100_000]
        return [
            Check(
                "Title changed on both sides of a lead: Marketo wins",
                *_both("Chief Marketing Officer", self._title(lead)),
            ),
            Check(
                "Title changed on both sides of a contact: Dynamics wins",
                *_both("Chief Sales Officer", self._title(contact)),
            ),
            Check("City changed in Marketo", "Zürich", self._cell(title, "address1_city")),
            Check("Mobile changed in Dynamics", "+41 44 555 01 23", str(marketo.lead(title.marketo_id)["mobilePhone"])),
            Check("Mobile too long for a lead in Dynamics: refused", "too_long", ", ".join(letters["code"])),
            Check("… and logged in the person's activity log", "1 activity", f"{len(activities)} activity"),
            Check("A campaign asked for a lead: created", "lead", ", ".join(links["dynamics_table"])),
            Check(
                "… its id stored in Marketo", ", ".join(links["dynamics_id"]), str(marketo.lead(asked)["dynamicsId"])
            ),
        ]

    def _title(self, pair: Pair) -> tuple[str, str]:
        return str(self._sandbox.marketo.lead(pair.marketo_id)["title"]), self._cell(pair, "jobtitle")

    def _cell(self, pair: Pair, column: str) -> str:
        row = self._sandbox.dynamics.row(pair.table, pair.row_id) or {}
        return str(row.get(column))


def _both(expected: str, seen: tuple[str, str]) -> tuple[str, str]:
    return f"{expected} / {expected}", " / ".join(seen)


def _pairs(links: pd.DataFrame) -> list[Pair]:
    rows = links[["marketo_id", "dynamics_table", "dynamics_id"]].head(10).itertuples(index=False)
    return [Pair(int(marketo_id), str(table), str(row_id)) for marketo_id, table, row_id in rows]


def _counts_table(counts: dict[str, dict[str, int]]) -> str:
    frame = pd.DataFrame(counts).T
    return "\n" + frame.to_string() + "\n"


def _checks_table(checks: Sequence[Check]) -> str:
    lines = [f"  {'✓' if one.holds else '✗'} {one.what}: {one.seen}" for one in checks]
    lines += [f"      promised: {one.expected}" for one in checks if not one.holds]
    return "\n".join(lines)


def _say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
