"""A tiny HTTPS server that answers from a script, and a clock that only moves when somebody sleeps."""

from __future__ import annotations

import ssl
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Wire(Enum):
    """What happens to the connection."""

    WHOLE = "the answer arrives"
    DROPPED = "the connection is closed without an answer"
    TRUNCATED = "the connection is closed half-way through the body"
    SLOW = "the answer comes after a second"


@dataclass(frozen=True)
class Answer:
    """One scripted answer."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    wire: Wire = Wire.WHOLE


@dataclass(frozen=True)
class Received:
    """One request as the server saw it; `target` is path and query, undecoded."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers with what `respond(received, number)` returns, and remembers what it was asked."""

    def __init__(self, respond: Callable[[Received, int], Answer]) -> None:
        self.respond = respond
        self.received: list[Received] = []
        self.url = ""
        self.ca_bundle = ""
        self._lock = threading.Lock()

    def take(self, received: Received) -> Answer:
        """Remember a request and return its answer."""
        with self._lock:
            self.received.append(received)
            number = len(self.received)
        return self.respond(received, number)


class FakeTime:
    """A clock in seconds; sleeping moves it on at once."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        """Return the time in seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the time on and remember by how much."""
        self.slept.append(seconds)
        self.now += seconds


def script(*answers: Answer) -> Callable[[Received, int], Answer]:
    """Return a responder that gives the answers in order, and the last one for ever."""
    return lambda _, number: answers[min(number, len(answers)) - 1]


@contextmanager
def serve(directory: Path, respond: Callable[[Received, int], Answer]) -> Iterator[ScriptedServer]:
    """Run the server on a free port of 127.0.0.1 for the duration of a `with` block."""
    script_server = ScriptedServer(respond)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(directory / "ca.pem")
    httpd = _QuietServer(("127.0.0.1", 0), _handler(script_server))
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    script_server.url = f"https://127.0.0.1:{httpd.server_port}"
    script_server.ca_bundle = str(directory / "ca.pem")
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield script_server
    finally:
        httpd.shutdown()
        httpd.server_close()


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: broken connections are what is being tested."""


def _handler(script_server: ScriptedServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or every answer waits 40 ms for a delayed acknowledgement

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = script_server.take(Received(self.command, self.path, headers, self.rfile.read(length)))
            if answer.wire is Wire.DROPPED:
                self.close_connection = True
                return
            if answer.wire is Wire.SLOW:
                time.sleep(1.0)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            truncated = answer.wire is Wire.TRUNCATED
            self.wfile.write(answer.body[: len(answer.body) // 2] if truncated else answer.body)
            self.close_connection = truncated or self.close_connection

        do_GET = do_POST = do_PATCH = do_DELETE = _answer  # noqa: N815 -- names of the standard library

    return Handler
