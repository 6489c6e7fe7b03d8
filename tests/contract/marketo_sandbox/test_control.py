"""The control service over TLS, and the sandbox as a program of its own."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from include.sandbox import Sandbox
from include.sandbox.seed import Seed

from .swagger import PROJECT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    """Return a sandbox with forty people."""
    with Sandbox.start(seed=Seed(people=40)) as sandbox:
        yield sandbox


@pytest.fixture
def control(running: Sandbox) -> Callable[..., tuple[int, Any]]:
    """Return a function that calls the control service and gives back status and JSON."""
    session = requests.Session()
    session.trust_env = False
    session.verify = running.ca_bundle
    session.headers["Authorization"] = f"Bearer {running.credentials.control_token}"

    def call(method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        response = session.request(method, f"{running.control_url}{path}", json=body, headers=headers, timeout=10)
        return response.status_code, response.json()

    return call


def test_control_needs_its_token(control: Callable[..., tuple[int, Any]]) -> None:
    """Only the health of the sandbox can be asked without the token."""
    assert control("GET", "/health", Authorization="")[0] == 200
    assert control("GET", "/marketo/people", Authorization="Bearer guess")[0] == 401


def test_person_is_entered_edited_and_deleted(running: Sandbox, control: Callable[..., tuple[int, Any]]) -> None:
    """What is done through the service is done by a human in Marketo."""
    status, made = control("POST", "/marketo/people", {"email": "zoe@x.example", "lastName": "O'Neil"})
    path = f"/marketo/people/{made['id']}"
    edited = control("PATCH", path, {"city": "Oslo"})
    found = control("GET", "/marketo/people?email=zoe@x.example")[1]
    activities = control("GET", f"{path}/activities")[1]
    refused = control("PATCH", path, {"nothing": 1})

    assert status == 201
    assert edited == (200, {"changed": 1})
    assert found[0]["city"] == "Oslo"
    assert [row["type_id"] for row in activities] == [12, 13]
    assert refused[0] == 400
    assert control("DELETE", path)[0] == 200
    assert control("GET", path)[0] == 404
    assert running.marketo.lead(made["id"]) is None


def test_people_are_merged(running: Sandbox, control: Callable[..., tuple[int, Any]]) -> None:
    """Merging by hand keeps the winner."""
    winner, loser = (control("POST", "/marketo/people", {"lastName": name})[1]["id"] for name in "AB")

    assert control("POST", f"/marketo/people/{winner}/merge", {"losers": [loser]})[0] == 201
    assert running.marketo.lead(loser) is None


def test_row_is_entered_edited_and_deleted(running: Sandbox, control: Callable[..., tuple[int, Any]]) -> None:
    """The same verbs work on the tables of Dynamics."""
    status, made = control("POST", "/dynamics/contact", {"lastname": "Ruiz", "emailaddress1": "ruiz@x.example"})
    path = f"/dynamics/contact/{made['id']}"

    assert status == 201
    assert control("PATCH", path, {"jobtitle": "CTO"})[0] == 200
    assert control("GET", path)[1]["jobtitle"] == "CTO"
    assert control("GET", "/dynamics/contact?emailaddress1=ruiz@x.example")[1][0]["lastname"] == "Ruiz"
    assert control("PATCH", path, {"nothing": 1})[0] == 400
    assert control("DELETE", path)[0] == 200
    assert control("GET", path)[0] == 404
    assert running.dynamics.row("contact", made["id"]) is None


def test_faults_clock_calls_settings_and_seed(running: Sandbox, control: Callable[..., tuple[int, Any]]) -> None:
    """Everything a test can switch, a program outside can switch too."""
    assert control("POST", "/faults", {"service": "marketo", "kind": "606", "times": 2})[0] == 201
    assert control("GET", "/faults")[1][0]["kind"] == "606"
    assert control("POST", "/faults", {"kind": "606"})[0] == 400
    assert control("DELETE", "/faults") == (200, {})
    assert running.faults.pending() == []

    before = running.clock.now()
    assert control("POST", "/clock", {"advance_s": 3600})[0] == 201
    assert (running.clock.now() - before).total_seconds() >= 3600
    assert control("GET", "/clock")[1]["offset_s"] >= 3600

    assert control("PATCH", "/settings/marketo", {"over_length": "truncate", "daily_quota": 9})[0] == 200
    assert (running.marketo.settings.over_length.name, running.marketo.settings.daily_quota) == ("TRUNCATE", 9)
    assert control("PATCH", "/settings/marketo", {"nothing": 1})[0] == 400
    assert control("PATCH", "/settings/marketo", {"over_length": "explode"})[0] == 400

    people = control("GET", "/health")[1]["marketo"]
    assert control("POST", "/seed", {"people": 12, "number": 99})[0] == 201
    assert control("GET", "/health")[1]["marketo"] > people
    assert any(call["path"] == "/clock" for call in control("GET", "/calls?service=control")[1])
    assert control("DELETE", "/calls")[0] == 200


def test_unknown_call_is_told(control: Callable[..., tuple[int, Any]]) -> None:
    """A wrong path and a wrong method are told apart, and so is a body that is no object."""
    assert control("GET", "/nothing")[0] == 404
    assert control("PUT", "/clock")[0] == 405
    assert control("POST", "/clock", [1])[0] == 400
    assert control("POST", "/clock", {})[0] == 404


def test_program_writes_its_environment_and_stops_on_a_signal(tmp_path: Path) -> None:
    """The program prints connections, writes them where only the owner can read them, and ends on SIGTERM."""
    command = [sys.executable, "-m", "include.sandbox", "--people", "20", "--directory", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as program:
        assert program.stdout is not None
        lines = [program.stdout.readline() for _ in range(5)]
        settings = tmp_path / "sandbox.env"
        found = dict(re.findall(r"^export (\w+)='?(.*?)'?$", settings.read_text(), flags=re.MULTILINE))
        health = requests.get(
            f"{found['PERSON_SYNC_SANDBOX_CONTROL_URL']}/health", verify=str(tmp_path / "ca.pem"), timeout=10
        )
        mode = stat.S_IMODE(settings.stat().st_mode)
        started = time.monotonic()
        program.send_signal(signal.SIGTERM)
        code = program.wait(timeout=20)

    assert {"AIRFLOW_CONN_MARKETO_DEFAULT", "AIRFLOW_CONN_DYNAMICS_DEFAULT"} <= set(found)
    assert "".join(lines) == settings.read_text()
    assert health.json()["marketo"] > 10
    assert mode == 0o600
    assert code == 0
    assert time.monotonic() - started < 10
