"""
Marketo, Dataverse and Entra ID on this machine: real HTTP over TLS, strict, stateful, in memory.

For tests, the demo and benchmarks. What the vendors refuse is refused with their status, envelope and code; what is
not built answers 501 and is listed in `GAPS.md`.

```python
with Sandbox.start(seed=Seed(people=200, number=7)) as sandbox:
    os.environ.update(sandbox.environment())
    sandbox.dynamics.create("contact", {"lastname": "Ruiz"})      # a person at work in Dynamics
    sandbox.faults.add("dynamics", "lost_after", match="POST *$batch")
```
"""

from __future__ import annotations

import json
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.certificates import ClientCertificate, make_client_certificate, make_server_certificate
from include.sandbox.clock import Clock
from include.sandbox.control import ControlService
from include.sandbox.credentials import Credentials
from include.sandbox.dataverse import DataverseService, DynamicsWorld
from include.sandbox.entra import EntraDirectory, EntraService
from include.sandbox.faults import Fault, Faults
from include.sandbox.identifiers import Identifiers
from include.sandbox.marketo import MarketoService, MarketoWorld
from include.sandbox.seed import Seed, plant
from include.sandbox.server import CallLog, Listener, LoggedCall, Service, ServiceGate

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from include.sandbox.certificates import ServerCertificate

__all__ = ["Clock", "Credentials", "Fault", "Faults", "LoggedCall", "Sandbox", "Seed"]

_APPLICATION_USER: Final = "person-sync"


class Sandbox:
    """
    Everything that runs: worlds to act in as a human, services to call as a client, faults, clock and call log.

    `marketo` and `dynamics` are the worlds; `marketo_url`, `dynamics_url`, `authority` and `control_url` the addresses;
    `credentials` the identities; `ca_bundle` the CA to trust; `client_certificate` a file to sign in with in place of
    the secret. Use it as a context manager, or call `stop`.
    """

    def __init__(
        self, directory: Path, *, credentials: Credentials, clock: Clock, number: int, host: str, name: str
    ) -> None:
        self.directory = directory
        self._host = host
        self._name = name
        self.credentials = credentials
        self.clock = clock
        self.faults = Faults()
        self.identifiers = Identifiers(number)
        self.log = CallLog()
        self.entra = EntraDirectory(credentials.tenant_id, credentials.tenant_domain, clock=clock)
        self.dynamics = DynamicsWorld(clock=clock, identifiers=self.identifiers)
        # Any, because the two worlds share no type and callers choose between them by name.
        self.marketo: Any = MarketoWorld(
            clock=clock,
            identifiers=self.identifiers,
            client_id=credentials.marketo_client_id,
            client_secret=credentials.marketo_client_secret,
        )
        self._certificate: ServerCertificate = make_server_certificate(directory, name=name)
        self._client_certificate: ClientCertificate | None = None
        self._certificate_lock = threading.Lock()
        self._listeners: dict[str, Listener] = {}
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def start(
        cls,
        *,
        seed: Seed | None = None,
        directory: Path | str | None = None,
        ports: Mapping[str, int] | None = None,
        credentials: Credentials | None = None,
        clock: Clock | None = None,
        host: str = "127.0.0.1",
        name: str = "localhost",
    ) -> Sandbox:
        """
        Start the services and return the running sandbox.

        `seed` (see `include.sandbox.seed`) fills the worlds; None leaves them empty. `directory` takes the certificates
        (a temporary one by default), `ports` fixes ports by service name; others are free ones. The listeners accept on
        the address `host`, and are reached under the host name `name`: other containers need both changed.
        """
        temporary = tempfile.TemporaryDirectory(prefix="person-sync-sandbox-") if directory is None else None
        home = Path(temporary.name if temporary is not None else directory or ".")
        home.mkdir(parents=True, exist_ok=True)
        number = seed.number if seed is not None else 0
        sandbox = cls(
            home,
            credentials=credentials or Credentials(),
            clock=clock or Clock(),
            number=number,
            host=host,
            name=name,
        )
        sandbox._temporary = temporary
        sandbox._listen(ports or {})
        if seed is not None:
            plant(sandbox, seed)
        return sandbox

    def _listen(self, ports: Mapping[str, int]) -> None:
        context = self._certificate.server_context()
        for service in self._services():
            gate = ServiceGate(service, clock=self.clock, faults=self.faults, log=self.log)
            port = ports.get(service.name, 0)
            self._listeners[service.name] = Listener(gate, context, port=port, host=self._host, name=self._name)
        self._introduce_services()
        for listener in self._listeners.values():
            listener.start()

    def _services(self) -> list[Service]:
        return [
            DataverseService(self.dynamics, directory=self.entra, faults=self.faults, clock=self.clock),
            EntraService(self.entra, clock=self.clock),
            MarketoService(self.marketo, clock=self.clock, faults=self.faults),
            ControlService(self),
        ]

    def _introduce_services(self) -> None:
        """Tell each service the addresses that are known only now: tokens and links name them."""
        credentials = self.credentials
        self.entra.url = self.authority
        self.entra.add_resource(self.dynamics_url)
        self.entra.add_application(credentials.dynamics_client_id, secret=credentials.dynamics_client_secret)
        self.dynamics.url = self.dynamics_url
        self.dynamics.authorization_url = f"{self.authority}/{credentials.tenant_id}/oauth2/authorize"
        self.dynamics.add_application_user(_APPLICATION_USER, credentials.dynamics_client_id)

    @property
    def ca_bundle(self) -> str:
        """Path of the PEM file of the CA that signed the listeners' certificates."""
        return str(self._certificate.ca_file)

    @property
    def client_certificate(self) -> ClientCertificate:
        """A certificate registered for the Dynamics application; made when first asked for."""
        with self._certificate_lock:
            if self._client_certificate is None:
                made = make_client_certificate(self.directory / "client.pem")
                self.entra.add_certificate(self.credentials.dynamics_client_id, made.certificate)
                self._client_certificate = made
            return self._client_certificate

    @property
    def marketo_url(self) -> str:
        """Root address of Marketo (REST below `/rest`, identity below `/identity`)."""
        return self._listeners["marketo"].url

    @property
    def dynamics_url(self) -> str:
        """Root address of the Dynamics organisation."""
        return self._listeners["dynamics"].url

    @property
    def authority(self) -> str:
        """Root address of Entra ID; the tenant follows as the first path segment."""
        return self._listeners["entra"].url

    @property
    def control_url(self) -> str:
        """Root address of the control service."""
        return self._listeners["control"].url

    def environment(self) -> dict[str, str]:
        """Return the Airflow connections to this sandbox, as environment variables."""
        credentials = self.credentials
        marketo = {
            "conn_type": "marketo",
            "host": self.marketo_url,
            "login": credentials.marketo_client_id,
            "password": credentials.marketo_client_secret,
            "extra": {"ca_bundle": self.ca_bundle},
        }
        dynamics = {
            "conn_type": "dynamics",
            "host": self.dynamics_url,
            "login": credentials.dynamics_client_id,
            "password": credentials.dynamics_client_secret,
            "extra": {"tenant_id": credentials.tenant_id, "authority": self.authority, "ca_bundle": self.ca_bundle},
        }
        return {
            "AIRFLOW_CONN_MARKETO_DEFAULT": json.dumps(marketo),
            "AIRFLOW_CONN_DYNAMICS_DEFAULT": json.dumps(dynamics),
        }

    def calls(self, service: str | None = None) -> list[LoggedCall]:
        """Return the logged calls of a service, in the order in which they ended."""
        return self.log.calls(service)

    def reset_calls(self) -> None:
        """Forget the logged calls."""
        self.log.clear()

    def set_latency(self, service: str, seconds: float) -> None:
        """Make every call of a service take at least this long."""
        self._listeners[service].gate.latency_s = seconds

    def stop(self) -> None:
        """Stop every listener and remove a temporary directory. May be called twice."""
        with ThreadPoolExecutor() as threads:  # each waits until its listener has looked up from waiting for calls
            list(threads.map(Listener.stop, self._listeners.values()))
        self._listeners = {}
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = None

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
