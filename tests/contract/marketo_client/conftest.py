"""A sandbox and a client of the real kind, TLS included; only waiting is faked."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from include.marketo import BulkSettings, MarketoClient, MarketoConnection, MarketoLimits
from include.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NEW_FIELD = "dynamicsId"


class Waiting:
    """Remembers how long the client would have slept, and moves the sandbox's clock on by as much."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        with self._lock:
            self.slept.append(seconds)
        self._sandbox.clock.advance(seconds)

    def clock(self) -> float:
        """Return the sandbox's time in seconds."""
        return self._sandbox.clock.now().timestamp()


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox.start(directory=tmp_path_factory.mktemp("sandbox")) as running:
        running.marketo.add_field(NEW_FIELD)
        yield running


@pytest.fixture
def sandbox(_running: Sandbox) -> Iterator[Sandbox]:
    """Return a sandbox without orders, calls or people of another test."""
    _running.faults.clear()
    for lead in _running.marketo.leads():
        _running.marketo.delete(lead["id"])
    _running.clock.advance(3600)  # whatever the last test has left in rate windows and tokens is over
    _running.reset_calls()
    yield _running
    _running.faults.clear()


@pytest.fixture
def waiting(sandbox: Sandbox) -> Waiting:
    """Return the record of waits of this test."""
    return Waiting(sandbox)


@pytest.fixture
def connect(sandbox: Sandbox, waiting: Waiting) -> Iterator[Callable[..., MarketoClient]]:
    """Return a function that makes a client; settings may be given by name."""
    clients = []

    def make(*, secret: str | None = None, bulk: BulkSettings | None = None, **limits: object) -> MarketoClient:
        credentials = sandbox.credentials
        connection = MarketoConnection(
            sandbox.marketo_url,
            credentials.marketo_client_id,
            secret or credentials.marketo_client_secret,
            sandbox.ca_bundle,
        )
        clients.append(
            MarketoClient(
                connection,
                settings=MarketoLimits(**limits),  # type: ignore[arg-type]
                bulk=bulk or BulkSettings(),
                sleep=waiting.sleep,
                clock=waiting.clock,
                now=sandbox.clock.now,
                random=lambda: 0.5,
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def client(connect: Callable[..., MarketoClient]) -> MarketoClient:
    """Return a client with the usual settings."""
    return connect()
