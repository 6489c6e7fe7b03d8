"""A sandbox that nobody has set up yet, and what setup needs to work on it."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from include.person_sync.setup import SetupParts, SetupReport, parts_from_environment, run_setup
from include.person_sync.setup.provisioning import ensure_activity_type, ensure_fields, identity_fields
from include.person_sync.state import Store
from include.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Installation:
    """A sandbox and the environment of a setup, to be spoiled by a test."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox = sandbox
        self.home = home
        self.environment = {
            **sandbox.environment(),
            "AIRFLOW_HOME": str(home),
            "PERSON_SYNC_STAGING": str(home / "staging"),
            "AIRFLOW_CONN_PERSON_SYNC_STATE": f"sqlite:///{home / 'state' / 'person_sync.db'}",
        }

    def change_connection(self, system: str, *, extra: dict[str, Any] | None = None, **parts: Any) -> None:
        """Change parts of a connection, and entries of its extra."""
        name = f"AIRFLOW_CONN_{system.upper()}_DEFAULT"
        connection = json.loads(self.environment[name])
        connection |= parts
        connection["extra"] |= extra or {}
        self.environment[name] = json.dumps(connection)

    def write_settings(self, text: str) -> None:
        """Put a YAML file in force."""
        path = self.home / "settings.yaml"
        path.write_text(text)
        self.environment["PERSON_SYNC_CONFIG"] = str(path)

    def parts(self) -> SetupParts:
        """Return new parts, as a new process would have them."""
        return parts_from_environment(self.environment)

    def run(self, **options: Any) -> SetupReport:
        """Run setup in a process of its own."""
        return run_setup(self.parts(), **options)

    def marketo_fields(self) -> set[str]:
        """Return the names of all Marketo fields."""
        return {one.name for one in self.sandbox.marketo.database.fields}

    def stored_schema(self) -> Any:
        """Return what the state database holds of the two schemas, or None."""
        with closing(Store.open(self.environment["AIRFLOW_CONN_PERSON_SYNC_STATE"])) as store:
            document = store.document("schema")
        return document and document[0]

    def writes(self) -> list[str]:
        """Return the calls since the last reset that asked for a change, but for trials on a lead that can't exist."""
        reading = ("GET /", "POST /rest/v1/leads.json", "POST /rest/v1/activities/external.json")
        calls = [*self.sandbox.calls("marketo"), *self.sandbox.calls("dynamics")]
        routes = [f"{one.method} {one.path}" for one in calls]
        return [route for route in routes if not route.startswith(reading)]


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Yield a fresh installation: both systems run, nothing is provisioned, all rights are granted."""
    with Sandbox.start() as sandbox:
        yield Installation(sandbox, tmp_path)


@pytest.fixture
def ready(installation: Installation) -> Installation:
    """Return an installation on which setup has made what it makes, without the time that its checks take."""
    context = installation.parts().context()
    names, kind = context.settings.custom_fields, context.settings.activity_type
    ensure_fields(context.marketo, identity_fields(names), schema={}, create=True, made=[], same_type=True)
    ensure_activity_type(context.marketo, kind, create=True, made=[])
    context.store.close()
    installation.sandbox.reset_calls()
    return installation


def assert_only_failure(report: SetupReport, name: str, *, saying: str = "") -> None:
    """Require that exactly this check failed, that it says what it should, and that it has a remedy."""
    assert [one.name for one in report.failed] == [name], report.as_text()
    check = report.check(name)
    assert saying.lower() in f"{check.detail} {check.remedy}".lower(), report.as_text()
    assert check.remedy
