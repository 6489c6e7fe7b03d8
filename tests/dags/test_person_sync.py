"""The DAG `person_sync` as its users see it: runs, dry runs, windows, and single tasks run again."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException, ParamValidationError

from include.errors import ConfigError
from include.person_sync.state import RunStatus
from include.sandbox.seed import Seed
from tests.dags.conftest import TITLE, shown_fields, spoil, states

if TYPE_CHECKING:
    from airflow.sdk import DAG

    from tests.dags.conftest import World

REFERENCES = {"marketo", "dynamics", "plan"}
WRITING = ("apply_dynamics", "apply_marketo", "commit")
MOBILE = "+41 44 555 01 23"


@pytest.fixture
def seed() -> Seed:
    """Return forty people on each side, some of whom are the same."""
    return Seed(people=40, number=7)


@dataclass(frozen=True)
class DagRun:
    """The part of Airflow's DAG run that the operators read."""

    run_id: str
    run_type: str = "manual"
    run_after: datetime | None = None
    data_interval_start: datetime | None = None
    data_interval_end: datetime | None = None
    triggering_user_name: str | None = "ann"


@dataclass(frozen=True)
class Attempt:
    """The part of Airflow's task instance that the operators read."""

    try_number: int = 1
    pushed: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        """Keep what a task leaves beside its return value."""
        self.pushed[key] = value


def _context(dag: DAG, run: DagRun) -> Any:
    return {"dag": dag, "dag_run": run, "run_id": run.run_id, "ti": Attempt()}


def _execute(dag: DAG, context: Any, *, times: int = 1, last: str = "close_run", **run_params: Any) -> dict[str, Any]:
    """Execute the tasks in order up to `last`, several times each, handing on what they return; return it."""
    returned: dict[str, Any] = {}
    open_run: Any = dag.get_task("open_run")
    for name, value in {"plan_only": False, "mode": "incremental", **run_params}.items():
        setattr(open_run, name, value)
    for name in ("marketo_ids", "dynamics_ids", "override", "window_start", "window_end"):
        if name not in run_params:
            setattr(open_run, name, None if name.startswith("window") else [])
    for task in dag.topological_sort():
        operator: Any = task
        for name in REFERENCES & set(operator.template_fields):
            setattr(operator, name, returned[getattr(operator, name).operator.task_id])
        for _ in range(times):
            returned[operator.task_id] = operator.execute(context)
        if operator.task_id == last:
            break
    return returned


def test_setup_then_cycles_bring_edits_to_the_other_side(world: World):
    """
    Set up, synced once, edited on both sides and run again: the edits are there, and the next run writes nothing
    (S-16).
    """
    assert world.run("person_sync_setup", logical_date=None).state == "success"
    first = world.cycle()
    assert (first.state, set(states(first).values())) == ("success", {"success"})
    ((person, row),) = world.linked("lead")
    world.sandbox.marketo.edit(person, {"title": TITLE})
    world.sandbox.dynamics.edit("lead", row, {"mobilephone": MOBILE})

    second = world.cycle()

    assert second.state == "success"
    assert world.sandbox.dynamics.row("lead", row)["jobtitle"] == TITLE
    assert world.sandbox.marketo.lead(person)["mobilePhone"] == MOBILE
    assert world.newest.status is RunStatus.COMMITTED
    assert world.newest.origin["by"] == "dag_test"
    assert world.store.current_lease("person_sync") is None
    world.cycle()
    world.sandbox.reset_calls()
    assert world.cycle().state == "success"
    assert world.writes() == []


def test_what_was_counted_is_seen_on_the_page_of_each_task(synced: World):
    """After a run with an edit on either side each task shows its numbers, and nothing of anybody."""
    ((person, row),) = synced.linked("lead")
    synced.sandbox.marketo.edit(person, {"title": TITLE})
    synced.sandbox.dynamics.edit("lead", row, {"mobilephone": MOBILE})

    run = synced.cycle()

    shown = shown_fields(run)
    assert shown["open_run"]["mode"] == "incremental"
    counted = {task: fields["counted"] for task, fields in shown.items() if "counted" in fields}
    assert counted["extract_marketo"]["people"] >= 1
    assert counted["extract_dynamics"]["lead"]["rows"] >= 1
    assert counted["reconcile"]["to_dynamics"] == counted["reconcile"]["to_marketo"] == {"update": 1}
    assert counted["guard"]["to_dynamics"] == {"changed": 1, "created": 0, "emptied": 0, "deleted": 0}
    assert counted["apply_dynamics"] == counted["apply_marketo"] == {"update": {"applied": 1}}
    assert counted["commit"]["to_dynamics"]["updated"] == counted["report"]["to_marketo"]["updated"] == 1
    assert counted["commit"]["linked_people"] == synced.store.count_links()
    assert not re.search(rf"{TITLE}|{re.escape(MOBILE)}|@", json.dumps(counted))


def test_what_a_load_wrote_is_seen_when_it_fails(synced: World, monkeypatch: pytest.MonkeyPatch):
    """A load that can't go on shows how many changes are left, beside the error."""
    ((person, _),) = synced.linked("lead")
    synced.sandbox.marketo.edit(person, {"title": TITLE})
    dag = synced.dag("person_sync")
    context = _context(dag, DagRun("manual__1"))
    _execute(dag, context, last="guard")
    spoil(monkeypatch, "dynamics_default", password="not-the-secret")
    load: Any = dag.get_task("apply_dynamics")

    with pytest.raises(ConfigError):
        load.execute(context)

    assert load.counted == context["ti"].pushed["counted"] == {"update": {"planned": 1}}


def test_tasks_follow_the_cycle(world: World):
    """Both extracts run side by side between open_run and reconcile; everything after is one line to close_run."""
    dag = world.dag("person_sync")
    after = {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}

    assert after["open_run"] == ["extract_dynamics", "extract_marketo"]
    assert after["extract_marketo"] == after["extract_dynamics"] == ["reconcile"]
    assert set(after["reconcile"]) == {"guard", "commit", "report"}
    assert [after[name] for name in ("guard", *WRITING)] == [
        ["apply_dynamics"], ["apply_marketo"], ["commit"], ["report"],
    ]  # fmt: skip
    assert (after["report"], after["close_run"]) == (["close_run"], [])
    assert dag.get_task("close_run").is_teardown


def test_dry_run_plans_everything_and_writes_nothing(ready: World):
    """
    A dry run skips the writing tasks and succeeds; its plan is a file, and systems and state are as before (S-32).
    """
    ready.sandbox.reset_calls()

    run = ready.cycle(dry_run=True)

    ended = states(run)
    assert run.state == "success"
    assert {ended[name] for name in WRITING} == {"skipped"}
    assert {ended[name] for name in ("guard", "report", "close_run")} == {"skipped", "success"}
    assert (ended["report"], ended["close_run"]) == ("success", "success")
    assert ready.writes() == []
    assert (ready.newest.status, ready.store.count_links(), ready.store.watermarks()) == (RunStatus.DRY_RUN, 0, {})
    assert ready.newest.counts["to_marketo"]["created"] > 0
    (plan,) = ready.staging.glob("*/plan.json")
    entry = json.loads(plan.read_text())["plan"][0]
    assert {"marketo_id", "dynamics_id", "direction", "action", "fields"} <= set(entry)


def test_task_logs_carry_ids_and_no_people(
    ready: World, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
):
    """
    What the tasks of a first sync and of a run with edits log names ids and counts, and nobody's name or address
    (S-43).
    """
    caplog.set_level(logging.INFO)
    assert ready.cycle().state == "success"
    ((person, row),) = ready.linked("contact")
    ready.sandbox.dynamics.edit("contact", row, {"jobtitle": TITLE})
    ready.cycle()

    log = (caplog.text + "".join(capfd.readouterr())).lower()
    assert "planned update to_marketo: 1 people" in log, "the tasks' log was not captured"
    assert ready.sandbox.marketo.lead(person)["title"] == TITLE
    people = [*ready.sandbox.marketo.leads(), *ready.sandbox.dynamics.rows("contact")]
    names = ("email", "emailaddress1", "lastName", "lastname", "title", "jobtitle", "mobilePhone")
    told = {str(one[name]).strip().lower() for one in people for name in names if one.get(name)}
    assert len(told) > 60
    assert {one for one in told if len(one) > 4 and re.search(rf"(?<!\w){re.escape(one)}(?!\w)", log)} == set()


def test_people_run_takes_real_lists_and_touches_nobody_else(synced: World):
    """
    Params arrive as what they are (true lists and booleans), and a run for one person leaves the others alone (S-33).
    """
    (asked, row), (_, other) = synced.linked("contact", 2)
    for one in (row, other):
        synced.sandbox.dynamics.edit("contact", one, {"jobtitle": TITLE})
    before = synced.store.watermarks()

    run = synced.cycle(mode="people", marketo_ids=[asked], dynamics_ids=[row.upper()])

    assert run.state == "success"
    params = synced.newest.params
    assert (params["dry_run"], params["marketo_ids"], params["dynamics_ids"]) == (False, [asked], [row])
    titled = [one["id"] for one in synced.sandbox.marketo.leads() if one.get("title") == TITLE]
    assert titled == [asked]
    assert synced.store.watermarks() == before


def test_window_run_by_hand_takes_its_bounds_from_the_params(synced: World):
    """
    A manual run in mode window re-examines the people touched between the two times and moves no watermark (S-33).
    """
    ((person, row),) = synced.linked("contact")
    synced.sandbox.dynamics.edit("contact", row, {"jobtitle": TITLE})
    before, now = synced.store.watermarks(), datetime.now(tz=UTC)
    bounds = {
        "window_start": (now - timedelta(hours=1)).isoformat(),
        "window_end": (now + timedelta(hours=1)).isoformat(),
    }

    run = synced.cycle(mode="window", **bounds)

    assert run.state == "success"
    assert {name: synced.newest.params[name] for name in ("start", "end")} == {
        "start": bounds["window_start"], "end": bounds["window_end"],
    }  # fmt: skip
    assert synced.sandbox.marketo.lead(person)["title"] == TITLE
    assert synced.store.watermarks() == before


def test_backfill_run_is_a_window_over_its_data_interval(synced: World):
    """A run that a backfill made is a window run whatever its params say, and moves no watermark (S-33)."""
    ((person, row),) = synced.linked("contact")
    synced.sandbox.dynamics.edit("contact", row, {"jobtitle": TITLE})
    before, now = synced.store.watermarks(), datetime.now(tz=UTC)
    start, end = now - timedelta(minutes=10), now + timedelta(minutes=10)
    dag = synced.dag("person_sync")
    run = DagRun("backfill__1", "backfill", now, start, end)

    returned = _execute(dag, _context(dag, run))

    assert returned["open_run"] == "person_sync__backfill__1"
    params = synced.newest.params
    assert (params["mode"], params["start"], params["end"]) == ("window", start.isoformat(), end.isoformat())
    assert synced.sandbox.marketo.lead(person)["title"] == TITLE
    assert synced.store.watermarks() == before


def test_tasks_may_be_run_again_at_any_time(synced: World):
    """
    Each task executed twice, and the whole chain once more after its commit: one effect, and no further write (S-12).
    """
    ((person, row),) = synced.linked("contact")
    synced.sandbox.dynamics.edit("contact", row, {"jobtitle": TITLE})
    asked = synced.sandbox.marketo.create(
        {"lastName": "Okonkwo", "email": "okonkwo@example.com", "syncToDynamics": "lead"}
    )
    dag = synced.dag("person_sync")
    context = _context(dag, DagRun("manual__1"))

    _execute(dag, context, times=2)

    assert synced.sandbox.marketo.lead(person)["title"] == TITLE
    assert len(synced.sandbox.dynamics.find("lead", emailaddress1="okonkwo@example.com")) == 1
    assert synced.store.load_links(marketo_ids=[asked])["dynamics_table"].tolist() == ["lead"]
    synced.sandbox.reset_calls()
    _execute(synced.dag("person_sync"), context)
    assert synced.writes() == []
    assert synced.newest.status is RunStatus.COMMITTED


def test_guard_skips_a_dry_run(synced: World):
    """In a dry run the task guard ends as skipped, which keeps Airflow from starting the writing tasks."""
    dag = synced.dag("person_sync")

    with pytest.raises(AirflowSkipException, match="nothing is written"):
        _execute(dag, _context(dag, DagRun("manual__1")), plan_only=True)


@pytest.mark.parametrize(
    ("run_params", "complaint"),
    [
        ({"mode": "window"}, "window_start"),
        ({"mode": "window", "window_start": "yesterday"}, "'window_start' is not a time"),
        ({"mode": "window", "window_start": "2026-05-01T00:00:00"}, "no time zone"),
        ({"mode": "window", "window_start": "2026-05-02T00:00:00Z", "window_end": "2026-05-01T00:00:00Z"}, "is later"),
        ({"window_start": "2026-05-01T00:00:00Z"}, "mean nothing in mode incremental"),
        ({"mode": "people"}, "needs ids"),
        ({"marketo_ids": [1]}, "takes no ids"),
        ({"mode": "often"}, "valid modes: incremental, window, people"),
        ({"plan_only": "False"}, "dry_run is str, not a boolean"),
        ({"mode": "people", "marketo_ids": "[1, 2]"}, "marketo_ids is str, not a list"),
        ({"mode": "people", "marketo_ids": ["one"]}, "marketo_ids holds something that is no number"),
    ],
)
def test_params_that_make_no_sense_are_refused_by_name(world: World, run_params: dict[str, Any], complaint: str):
    """A run that was asked for in a way that means nothing says which param is wrong, before it is registered."""
    dag = world.dag("person_sync")
    run = DagRun("manual__1", run_after=datetime(2026, 6, 1, tzinfo=UTC))

    with pytest.raises(ConfigError, match=re.escape(complaint)):
        _execute(dag, _context(dag, run), **run_params)

    assert world.store.latest_runs() == []


def test_params_of_the_wrong_type_are_refused_by_airflow(world: World):
    """A text where a boolean or a list belongs never reaches the tasks."""
    params = world.dag("person_sync").params
    with pytest.raises(ParamValidationError, match="is not of type 'boolean'"):
        params["dry_run"] = "False"
    with pytest.raises(ParamValidationError, match="is not of type 'array'"):
        params["marketo_ids"] = "[1]"
