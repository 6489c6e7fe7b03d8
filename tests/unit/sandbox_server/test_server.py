"""The server layer: requests read, answers written, faults carried out, calls logged."""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING

import pytest

from include.sandbox.certificates import make_server_certificate
from include.sandbox.clock import Clock
from include.sandbox.faults import Faults
from include.sandbox.server import Call, CallLog, Listener, Reply, ServiceGate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.sandbox.certificates import ServerCertificate


class Echo:
    """A service that says what it was sent."""

    name = "echo"

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def handle(self, call: Call) -> Reply:
        """Return the request as JSON."""
        self.calls.append(call)
        if call.path == "/broken":
            raise RuntimeError("a bug")
        if call.path == "/empty":
            return Reply(204, {"X-Left": "1"})
        return Reply.json(200, {"path": call.path, "query": call.query, "body": call.body.decode()})


def ask(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    """Send a request and return its answer."""
    connection.request("GET", "/")
    return connection.getresponse()


class Running:
    """A listener with everything around it."""

    def __init__(self, certificate: ServerCertificate) -> None:
        self.service, self.faults, self.log = Echo(), Faults(), CallLog()
        self.gate = ServiceGate(self.service, clock=Clock(), faults=self.faults, log=self.log)
        self.listener = Listener(self.gate, certificate.server_context())
        self._context = certificate.client_context()
        self._connections: list[http.client.HTTPSConnection] = []
        self.listener.start()

    def connect(self) -> http.client.HTTPSConnection:
        """Return a connection that trusts the certificate; `stop` closes it."""
        connection = http.client.HTTPSConnection("localhost", self.listener.port, context=self._context, timeout=10)
        self._connections.append(connection)
        return connection

    def stop(self) -> None:
        """Stop the listener, then close the connections."""
        self.listener.stop()
        for connection in self._connections:
            connection.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> ServerCertificate:
    """Return a certificate for this machine."""
    return make_server_certificate(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def running(certificate) -> Iterator[Running]:
    """Return a running listener."""
    running = Running(certificate)
    yield running
    running.stop()


def test_requests_are_decoded_and_connections_kept(running):
    """Path and query arrive decoded, and one connection serves several requests."""
    connection = running.connect()
    for _ in range(2):
        connection.request("POST", "/a%20b?x=1%2B1&x=&y=a+b", b"hello", {"X-Name": "v"})
        answer = connection.getresponse()
        assert answer.status == 200
        assert b'"path":"/a b"' in answer.read()
        assert connection.sock is not None

    call = running.service.calls[0]
    assert call.query == [("x", "1+1"), ("x", ""), ("y", "a b")]
    assert (call.header("x-name"), call.header("X-NAME"), call.body) == ("v", "v", b"hello")
    assert call.target == "/a%20b?x=1%2B1&x=&y=a+b"
    connection.close()


def test_chunked_bodies_are_read(running):
    """A body sent in chunks arrives whole."""
    connection = running.connect()
    connection.request(
        "POST", "/", iter([b"one", b"two"]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"}
    )

    assert b'"body":"onetwo"' in connection.getresponse().read()
    connection.close()


def test_answers_without_content_have_no_length(running):
    """A 204 is followed by the next answer, not by a body."""
    connection = running.connect()
    connection.request("GET", "/empty")
    answer = connection.getresponse()
    assert (answer.status, answer.read(), answer.headers["Content-Length"]) == (204, b"", None)
    connection.request("GET", "/next")
    assert connection.getresponse().status == 200
    connection.close()


def test_unknown_authority_is_refused_by_clients(running):
    """The certificate is vouched for by the sandbox's own CA only."""
    stranger = http.client.HTTPSConnection(
        "localhost", running.listener.port, context=ssl.create_default_context(), timeout=10
    )

    with pytest.raises(ssl.SSLCertVerificationError):
        stranger.request("GET", "/")


def test_bug_in_a_service_is_a_500_and_logged(running, caplog):
    """A failing handler does not take the connection down."""
    connection = running.connect()
    with caplog.at_level(logging.ERROR):
        connection.request("GET", "/broken")
        assert connection.getresponse().status == 500
    assert "a bug" in caplog.text
    connection.close()


def test_calls_are_logged_and_counted(running):
    """The log holds method, path and status; counters put ids aside."""
    connection = running.connect()
    for path in ("/rest/v1/lead/17.json", "/rest/v1/lead/18.json", "/contacts(5d0f6a3e-0000-4000-8000-000000000000)"):
        connection.request("GET", path)
        connection.getresponse().read()

    logged = running.log.calls("echo")
    assert [(call.method, call.status) for call in logged] == [("GET", 200)] * 3
    assert running.log.counts("echo") == {"GET /rest/v1/lead/#.json": 2, "GET /contacts(#)": 1}
    running.log.clear()
    assert running.log.calls() == []
    connection.close()


@pytest.mark.parametrize(("kind", "handled"), [("lost_before", False), ("lost_after", True)])
def test_lost_connections(running, kind, handled):
    """The connection is closed without a word, before or after the handler ran."""
    running.faults.add("echo", kind)
    connection = running.connect()
    connection.request("GET", "/")

    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        connection.getresponse()

    assert bool(running.service.calls) is handled
    assert running.log.calls("echo")[0].fault == kind


def test_truncated_answers(running):
    """Half of the body arrives, then the connection ends."""
    running.faults.add("echo", "truncated")
    connection = running.connect()
    connection.request("GET", "/")

    with pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()


def test_ordered_status_skips_the_handler(running):
    """A status fault answers in place of the service."""
    running.faults.add("echo", "status", status=429, retry_after=3, body="{}", content_type="application/json")
    connection = running.connect()
    connection.request("GET", "/")
    answer = connection.getresponse()

    assert (answer.status, answer.headers["Retry-After"], answer.read()) == (429, "3", b"{}")
    assert running.service.calls == []
    connection.close()


def test_latency_applies_to_every_call(running):
    """A latency set once slows each call."""
    running.gate.latency_s = 0.05
    connection = running.connect()
    started = time.monotonic()
    for _ in range(2):
        connection.request("GET", "/")
        connection.getresponse().read()

    assert time.monotonic() - started >= 0.1
    connection.close()


def test_stalled_client_holds_up_nobody(running):
    """A client that never finishes its handshake does not block others."""
    with socket.create_connection(("127.0.0.1", running.listener.port)):
        connection = running.connect()
        connection.request("GET", "/")
        assert connection.getresponse().status == 200
        connection.close()


def test_stop_ends_open_connections(certificate):
    """After stopping, a kept connection is dead."""
    running = Running(certificate)
    connection = running.connect()
    connection.request("GET", "/")
    connection.getresponse().read()

    running.listener.stop()

    with pytest.raises((OSError, http.client.HTTPException)):
        ask(connection)
    connection.close()


def test_threads_are_served_side_by_side(running):
    """Slow calls of one client do not hold up another's."""
    running.faults.add("echo", "slow", seconds=1)
    slow = running.connect()
    slow.request("GET", "/slow")
    deadline = time.monotonic() + 5
    while running.faults.pending() and time.monotonic() < deadline:
        time.sleep(0.01)

    started = time.monotonic()
    quick = running.connect()
    quick.request("GET", "/quick")
    assert quick.getresponse().status == 200
    assert time.monotonic() - started < 0.9
    assert slow.getresponse().status == 200
    assert threading.active_count() > 1
    slow.close()
    quick.close()
