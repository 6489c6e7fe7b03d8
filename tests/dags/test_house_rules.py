"""Every DAG file keeps the rules of the house; each message names the DAG and the way out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk import CronTriggerTimetable

from dynamics.operators.base import DynamicsOperator
from dynamics.operators.dynamics import DynamicsExtractOperator
from dynamics.operators.person_sync import ExtractFromDynamicsOperator, LoadIntoDynamicsOperator
from marketo.operators.base import MarketoOperator
from marketo.operators.marketo import MarketoExtractOperator
from marketo.operators.person_sync import ExtractFromMarketoOperator, LoadIntoMarketoOperator
from person_sync_airflow.alerts import FailureAlert
from person_sync_airflow.retries import HonourRetryAfter

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from person_sync_airflow.operators.stage import StageOperator

PROJECT = Path(__file__).resolve().parents[2]
FILES = sorted((PROJECT / "dags").glob("*.py"))
TAGS = {"person-sync", "marketo", "dynamics-365"}

# What the DAG processor does every few seconds, with the network and every secret taken away. Each file is read by a
# process of its own, forked after Airflow is loaded, which takes longer than everything else here.
PARSE = """
import json, os, runpy, socket, sys, time
import airflow.sdk
import airflow.providers.smtp.notifications.smtp, airflow.providers.apprise.notifications.apprise
def refuse(*arguments, **named):
    raise RuntimeError("a DAG file must not open connections")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
failed = 0
for file in sys.argv[1:]:
    child = os.fork()
    if child == 0:
        before, started = set(sys.modules), time.process_time()
        runpy.run_path(file)
        seconds = time.process_time() - started
        print(json.dumps({"file": file, "seconds": seconds, "modules": sorted(set(sys.modules) - before)}))
        sys.exit(0)
    failed |= os.waitpid(child, 0)[1]
sys.exit(bool(failed))
"""


@pytest.fixture(scope="module")
def bag() -> DagBag:
    """Return all DAGs of the project, read the way Airflow reads them."""
    return DagBag(dag_folder=str(PROJECT / "dags"))


@pytest.fixture(params=[file.stem for file in FILES])
def dag(request: pytest.FixtureRequest, bag: DagBag) -> DAG:
    """Return the DAGs one after the other."""
    assert bag.import_errors == {}
    return bag.dags[request.param]


@pytest.fixture(scope="module")
def parsed() -> dict[str, Any]:
    """Return what reading each DAG file took, by the file's name."""
    return _parse(*FILES)


def _parse(*files: Path) -> dict[str, Any]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_CONN_")}
    shown = subprocess.run(
        [sys.executable, "-c", PARSE, *map(str, files)],
        env=environment | {"PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'plugins'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr[-2000:]
    results = [json.loads(line) for line in shown.stdout.splitlines() if line.startswith('{"file"')]
    return {Path(one["file"]).stem: one for one in results}


def test_dags_load_without_errors(bag: DagBag):
    """Airflow can read every DAG file, and each holds the DAG it is named after."""
    assert bag.import_errors == {}
    assert set(bag.dags) == {file.stem for file in FILES}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_parsing_needs_no_network_and_loads_nothing_heavy(file: Path, parsed: dict[str, Any]):
    """Reading a DAG file opens no connection, loads neither pandas nor a database driver, and costs under a second."""
    seconds, modules = parsed[file.stem]["seconds"], set(parsed[file.stem]["modules"])

    heavy = {"pandas", "pyarrow", "sqlalchemy", "psycopg", "msal", "requests", "fastapi"}
    heavy |= {"include.person_sync.state", "include.person_sync.stages", "include.person_sync.console"}
    assert heavy & modules == set(), f"{file.name}: import it where the task runs"
    assert seconds < 1.0, f"{file.name} takes {seconds:.1f} s of CPU to read"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_dag_file_reads_like_a_table_of_contents(file: Path):
    """A DAG file is short and defines no function: what is to be done lives in stages and operators."""
    text = file.read_text()

    assert len(text.splitlines()) < 150, f"{file.name}: move work into a stage"
    assert re.findall(r"^\s*(?:def|class) \w+", text, re.MULTILINE) == [], f"{file.name}: move it into an operator"


def test_dag_explains_itself(dag: DAG):
    """The UI shows what the DAG does: a description, documentation, its tags and an owner."""
    assert dag.description, f"{dag.dag_id} needs a description"
    assert dag.doc_md, f"{dag.dag_id} needs doc_md"
    assert set(dag.tags) >= TAGS, f"{dag.dag_id} needs the tags {', '.join(sorted(TAGS))}"
    assert "airflow" not in {task.owner for task in dag.tasks}, f"{dag.dag_id}: set owner in default_args"


def test_task_explains_itself(dag: DAG):
    """The page of each task says what it does and what to do when it fails."""
    silent = [task.task_id for task in dag.tasks if "**When it fails**" not in (task.doc_md or "")]

    assert silent == [], f"{dag.dag_id}: give the operators of these tasks a task_doc"


def test_tasks_of_the_cycle_are_named_for_their_job(bag: DagBag):
    """The main DAG shows its job: each stage has an operator of its own, in the colour of the system it speaks to."""
    tasks = {task.task_id: task for task in bag.dags["person_sync"].tasks}

    assert {name: task.task_type for name, task in tasks.items()} == {
        "open_run": "OpenRunOperator",
        "extract_marketo": "ExtractFromMarketoOperator",
        "extract_dynamics": "ExtractFromDynamicsOperator",
        "reconcile": "DiffAndResolveOperator",
        "guard": "GuardOperator",
        "apply_dynamics": "LoadIntoDynamicsOperator",
        "apply_marketo": "LoadIntoMarketoOperator",
        "commit": "CommitOperator",
        "report": "ReportOperator",
        "close_run": "CloseRunOperator",
    }
    assert {tasks[name].operator_name for name in ("extract_marketo", "reconcile", "apply_dynamics")} == {
        "Extract from Marketo", "Diff and resolve", "Load into Dynamics",
    }  # fmt: skip
    assert tasks["extract_marketo"].ui_color == tasks["apply_marketo"].ui_color == MarketoOperator.ui_color
    assert tasks["extract_dynamics"].ui_color == tasks["apply_dynamics"].ui_color == DynamicsOperator.ui_color
    assert len({MarketoOperator.ui_color, DynamicsOperator.ui_color, tasks["guard"].ui_color}) == 3


def test_tasks_that_count_show_what_they_counted(bag: DagBag):
    """Each stage between opening and closing a run shows its numbers, and has Airflow store them when it ends."""
    for task in bag.dags["person_sync"].tasks:
        if task.task_id not in {"open_run", "close_run"}:
            assert "counted" in task.template_fields, f"{task.task_id}: add counted to template_fields"
            assert task.overwrite_rtif_after_execution, f"{task.task_id}: stand on CountingOperator"


def test_operators_of_the_sync_share_the_code_of_the_api_operators():
    """The sync's tasks and the operators for DAGs of one's own stand on one base: connection, hook, colour, counts."""
    for base, operators in (
        (MarketoOperator, (ExtractFromMarketoOperator, LoadIntoMarketoOperator, MarketoExtractOperator)),
        (DynamicsOperator, (ExtractFromDynamicsOperator, LoadIntoDynamicsOperator, DynamicsExtractOperator)),
    ):
        for operator in operators:
            assert issubclass(operator, base), f"{operator.__name__}: stand on {base.__name__}"


@pytest.mark.parametrize("operator", [ExtractFromMarketoOperator, LoadIntoDynamicsOperator])
def test_connections_of_a_task_can_be_named(operator: type[StageOperator]):
    """Each of the three connections can be another than the default, whatever base the operator takes it from."""
    ids = {"marketo_conn_id": "m", "dynamics_conn_id": "d", "state_conn_id": "s"}

    task = operator(task_id="t", **ids)

    assert {name: getattr(task, name) for name in ids} == ids


def test_dag_runs_one_at_a_time_and_does_not_catch_up(dag: DAG):
    """Two runs of a DAG never overlap by plan, and an unpaused DAG does not replay the past (T-28)."""
    assert dag.max_active_runs == 1, f"{dag.dag_id}: set max_active_runs=1"
    assert dag.catchup is False, f"{dag.dag_id}: set catchup=False"


def test_schedule_has_a_data_interval(dag: DAG):
    """A plain cron string would give empty intervals, in which a backfill finds nobody."""
    assert not isinstance(dag.timetable, CronTriggerTimetable), f"{dag.dag_id}: use CronDataIntervalTimetable"


def test_every_param_has_help_and_a_type(dag: DAG):
    """The trigger form explains each parameter and checks its type."""
    schemas = {name: dag.params.get_param(name) for name in dag.params}

    unexplained = [name for name, param in schemas.items() if not param.description or "type" not in param.schema]
    assert unexplained == [], f"{dag.dag_id}: give these params a type and a description"


def test_failures_are_told_from_tasks(dag: DAG):
    """Each task tells people when it fails for good; the DAG has no callback, which would lack the exception."""
    silent = [task.task_id for task in dag.tasks if not _alerts(task)]

    assert silent == [], f"{dag.dag_id}: set on_failure_callback in default_args"
    assert not dag.has_on_failure_callback, f"{dag.dag_id}: put the callback on tasks"


def _alerts(task: Any) -> bool:
    callbacks = task.on_failure_callback or []
    return any(isinstance(each, FailureAlert) for each in (callbacks if isinstance(callbacks, list) else [callbacks]))


def test_tasks_that_retry_honour_the_servers_advice(dag: DAG):
    """A task with retries waits as long as the server asked for, and does not repeat what needs a person (S-21)."""
    careless = [
        task.task_id for task in dag.tasks if task.retries and not isinstance(task.retry_policy, HonourRetryAfter)
    ]

    assert careless == [], f"{dag.dag_id}: set retry_policy=HonourRetryAfter() in default_args"


def test_templated_arguments_exist(dag: DAG):
    """Each name in template_fields is an attribute of its operator, so that templates are really rendered."""
    missing = [
        f"{task.task_id}.{name}" for task in dag.tasks for name in task.template_fields if not hasattr(task, name)
    ]

    assert missing == []


def test_parse_check_notices_a_connection(tmp_path: Path):
    """The parse check can fail: a DAG file that opens a connection is refused."""
    file = tmp_path / "talkative.py"
    file.write_text("import socket\nsocket.create_connection(('127.0.0.1', 9))\n")

    with pytest.raises(AssertionError, match="must not open connections"):
        _parse(file)
