"""A small client of Airflow's own REST API (version 2): sign in, wait until healthy, trigger a run, watch it."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["AirflowApi", "AirflowApiError", "TaskRun"]

_POLL_S: Final = 0.5
_COMPONENTS: Final = ("metadatabase", "scheduler", "triggerer", "dag_processor")
_FINAL_STATES: Final = ("success", "failed")


class AirflowApiError(RuntimeError):
    """Airflow refused a request, or something did not happen in time."""


@dataclass(frozen=True, slots=True)
class TaskRun:
    """One task of a DAG run: where it ran and how it ended."""

    task_id: str
    map_index: int
    state: str | None
    hostname: str


class AirflowApi:
    """
    The API server at `url`; most of it needs `sign_in` first.

    `check` is called while waiting and may raise to end the wait.
    """

    def __init__(self, url: str, *, check: Callable[[], None] = lambda: None) -> None:
        self.url = url.rstrip("/")
        self._check = check
        self._token = ""

    def wait_until_healthy(self, *, timeout_s: float = 120) -> None:
        """Return once every component says that it is healthy."""
        self._until(self._healthy, f"Airflow at {self.url} to become healthy", timeout_s)

    def sign_in(self, username: str, password: str) -> None:
        """Fetch a token, used from then on."""
        answer = self._call("POST", "/auth/token", {"username": username, "password": password})
        self._token = answer["access_token"]

    def wait_for_dag(self, dag_id: str, *, timeout_s: float = 120) -> None:
        """Return once the DAG processor has read the DAG."""
        self._until(lambda: self._exists(f"/api/v2/dags/{quote(dag_id)}"), f"DAG {dag_id} to appear", timeout_s)

    def unpause(self, dag_id: str) -> None:
        """Let runs of the DAG start."""
        self._call("PATCH", f"/api/v2/dags/{quote(dag_id)}", {"is_paused": False})

    def trigger(self, dag_id: str, conf: Mapping[str, Any] | None = None) -> str:
        """Start a run and return its id."""
        body = {"logical_date": None, "conf": dict(conf or {})}
        return str(self._call("POST", f"/api/v2/dags/{quote(dag_id)}/dagRuns", body)["dag_run_id"])

    def run_ids(self, dag_id: str) -> list[str]:
        """Return the ids of the DAG's runs."""
        answer = self._call("GET", f"/api/v2/dags/{quote(dag_id)}/dagRuns?limit=100")
        return [str(each["dag_run_id"]) for each in answer["dag_runs"]]

    def wait_for_run(self, dag_id: str, run_id: str, *, timeout_s: float = 300) -> str:
        """Return the state in which the run ended."""
        self._until(
            lambda: self.run_state(dag_id, run_id) in _FINAL_STATES, f"run {run_id} of {dag_id} to end", timeout_s
        )
        return self.run_state(dag_id, run_id)

    def run_state(self, dag_id: str, run_id: str) -> str:
        """Return the state of a run now."""
        return str(self._call("GET", _run_path(dag_id, run_id))["state"])

    def task_runs(self, dag_id: str, run_id: str) -> list[TaskRun]:
        """Return the tasks of a run, mapped ones one by one."""
        answer = self._call("GET", f"{_run_path(dag_id, run_id)}/taskInstances?limit=1000")
        return [
            TaskRun(each["task_id"], each["map_index"], each["state"], each["hostname"] or "")
            for each in answer["task_instances"]
        ]

    def import_errors(self) -> list[str]:
        """Return the files that Airflow could not read, DAG files and plugins alike."""
        dags = self._call("GET", "/api/v2/importErrors")["import_errors"]
        plugins = self._call("GET", "/api/v2/plugins/importErrors")["import_errors"]
        return [str(each.get("filename") or each.get("source")) for each in [*dags, *plugins]]

    def _healthy(self) -> bool:
        try:
            health = self._call("GET", "/api/v2/monitor/health")
        except (AirflowApiError, OSError):
            return False
        return all(health.get(component, {}).get("status") == "healthy" for component in _COMPONENTS)

    def _exists(self, path: str) -> bool:
        try:
            self._call("GET", path)
        except AirflowApiError:
            return False
        return True

    def _until(self, done: Callable[[], bool], what: str, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while not done():
            self._check()
            if time.monotonic() > deadline:
                raise AirflowApiError(f"Waited {timeout_s:.0f} s in vain for {what}")
            time.sleep(_POLL_S)

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self._token}"} if self._token else {}
        )
        data = None if body is None else json.dumps(body).encode()
        # S310: the address is our own, on this machine
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            raise AirflowApiError(f"{method} {path} answered {error.code}: {error.read(500).decode()}") from None


def _run_path(dag_id: str, run_id: str) -> str:
    return f"/api/v2/dags/{quote(dag_id)}/dagRuns/{quote(run_id, safe='')}"
