"""A running sandbox, and a plain HTTPS client that sees exactly what goes over the wire."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import requests

from include.sandbox import Sandbox
from include.sandbox.dataverse.settings import DynamicsSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

API = "/api/data/v9.2/"


@dataclass
class Wire:
    """An HTTPS client of the organisation that adds the bearer token, and nothing else of its own."""

    sandbox: Sandbox
    session: requests.Session
    token: str

    def send(
        self,
        method: str,
        path: str,
        *,
        json_body: Any = None,
        prefer: str = "",
        data: bytes | None = None,
        **headers: str,
    ) -> requests.Response:
        """Send a request below the service's root, or to a whole address; header names are written with `_` for `-`."""
        url = path if path.startswith("https://") else f"{self.sandbox.dynamics_url}{API}{path}"
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-"): text for name, text in headers.items()
        }
        if prefer:
            sent["Prefer"] = prefer
        if json_body is not None:
            sent["Content-Type"] = "application/json; charset=utf-8"
            data = json.dumps(json_body).encode()
        return self.session.request(method, url, data=data, headers=sent, timeout=30)

    def get(self, path: str, **options: Any) -> requests.Response:
        """Send a GET."""
        return self.send("GET", path, **options)

    def patch(self, path: str, body: Mapping[str, Any], **options: Any) -> requests.Response:
        """Send a PATCH with a JSON body."""
        return self.send("PATCH", path, json_body=body, **options)

    def post(self, path: str, body: Mapping[str, Any], **options: Any) -> requests.Response:
        """Send a POST with a JSON body."""
        return self.send("POST", path, json_body=body, **options)


def error_of(response: requests.Response) -> tuple[int, str]:
    """Return status and code of a refusal."""
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture(scope="session")
def _running() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_running: Sandbox) -> Iterator[Sandbox]:
    """Return the sandbox; rows, faults, switches and rights are as at the start when the next test begins."""
    dynamics = _running.dynamics
    privileges = dict(dynamics.privileges)
    columns = {table.name: dict(table.columns) for table in dynamics.organization.schema.tables.values()}
    yield _running
    _running.faults.clear()
    _running.reset_calls()
    dynamics.privileges.clear()
    dynamics.privileges.update(privileges)
    dynamics.organization.access.grants.clear()
    dynamics.plugin_refusals.clear()
    for name, value in vars_of(DynamicsSettings()).items():
        setattr(dynamics.settings, name, value)
    for table in dynamics.organization.schema.tables.values():
        table.columns = columns[table.name]
        table.keys.clear()
        table.reindex()
    for table in ("lead", "contact", "opportunity", "account"):
        dynamics.set_change_tracking(table, on=True)
        for row_id in dynamics.ids(table):
            if dynamics.row(table, row_id) is not None:
                dynamics.delete(table, row_id)


def vars_of(settings: DynamicsSettings) -> dict[str, Any]:
    """Return the switches by name."""
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}


@pytest.fixture
def wire(sandbox: Sandbox) -> Iterator[Wire]:
    """Return a client whose token is fresh."""
    with requests.Session() as session:
        session.verify = sandbox.ca_bundle
        session.trust_env = False
        token = sandbox.entra.issue(sandbox.credentials.dynamics_client_id, sandbox.dynamics_url)
        yield Wire(sandbox, session, token)
