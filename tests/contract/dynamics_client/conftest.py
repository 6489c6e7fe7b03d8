"""A client, a scripted organisation to talk to, and time that does not pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from include.dynamics import DynamicsClient, DynamicsConnection, DynamicsSettings
from include.sandbox.certificates import make_client_certificate, make_server_certificate
from include.sandbox.clock import Clock
from include.sandbox.entra import EntraDirectory, EntraService
from include.sandbox.faults import Faults
from include.sandbox.server import CallLog, Listener, ServiceGate
from tests.contract.dynamics_client.scripted import FakeTime, ScriptedOrganization

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.sandbox.certificates import ClientCertificate

CLIENT_ID = "2c9be2a4-6a0c-4f57-9d5d-0c1d2e3f4a5b"
TENANT_ID = "8a3c1c5e-2b1d-4c55-9d0b-6f1b0a7c9e21"
SECRET = "the secret of the tests"


@dataclass
class Stage:
    """Everything around one client: what it connects to, and what it can be made to live through."""

    organization: ScriptedOrganization
    entra: EntraDirectory
    faults: Faults
    log: CallLog
    connection: dict[str, Any]
    client_certificate: ClientCertificate
    time: FakeTime

    def client(self, settings: DynamicsSettings | None = None, **changes: Any) -> DynamicsClient:
        """Return a client of the organisation; `changes` replace fields of its connection."""
        connection = DynamicsConnection(**{**self.connection, **changes})
        return DynamicsClient(connection, settings=settings, sleep=self.time.sleep, clock=self.time.clock)


@pytest.fixture(scope="session")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    directory: Path = tmp_path_factory.mktemp("tls")
    certificate = make_server_certificate(directory)
    client_certificate = make_client_certificate(directory / "client.pem")
    clock, faults, log = Clock(), Faults(), CallLog()
    entra = EntraDirectory(TENANT_ID, "contoso.onmicrosoft.com", clock=clock)
    organization = ScriptedOrganization()
    context = certificate.server_context()
    services = (organization, EntraService(entra, clock=clock))
    listeners = [Listener(ServiceGate(each, clock=clock, faults=faults, log=log), context) for each in services]
    entra.url = listeners[1].url
    entra.add_resource(listeners[0].url)
    entra.add_application(CLIENT_ID, secret=SECRET)
    entra.add_certificate(CLIENT_ID, client_certificate.certificate)
    connection = {
        "host": listeners[0].url,
        "client_id": CLIENT_ID,
        "client_secret": SECRET,
        "tenant_id": TENANT_ID,
        "authority": entra.url,
        "ca_bundle": str(certificate.ca_file),
    }
    for listener in listeners:
        listener.start()
    yield Stage(organization, entra, faults, log, connection, client_certificate, FakeTime())
    for listener in listeners:
        listener.stop()


@pytest.fixture
def stage(_running: Stage) -> Stage:
    """Return the stage with an empty script, no faults and fresh time."""
    _running.organization.answers()
    _running.faults.clear()
    _running.log.clear()
    _running.time.now, _running.time.sleeps = 0.0, []
    return _running


@pytest.fixture
def organization(stage: Stage) -> ScriptedOrganization:
    """Return the scripted organisation."""
    return stage.organization


@pytest.fixture
def client(stage: Stage) -> Iterator[DynamicsClient]:
    """Return a client with default settings."""
    with stage.client() as client:
        yield client
