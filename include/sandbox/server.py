"""
The HTTP side of the sandbox: listeners over TLS, the call log, latency, and faults of the wire.

A *service* (Marketo, Dataverse, Entra ID, control) is a function from `Call` to `Reply` and knows nothing of sockets.
Each has its own listener. This layer reads the request, lets the ordered faults happen (see `faults`), writes the
call log, and keeps connections open between requests as the vendors' servers do.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from enum import Enum
from http.client import responses as phrases
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qsl, unquote

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from datetime import datetime

    from include.sandbox.clock import Clock
    from include.sandbox.faults import Faults

__all__ = ["Call", "CallLog", "Listener", "LoggedCall", "Reply", "Service", "ServiceGate"]

_log = logging.getLogger(__name__)

_MAX_BODY_BYTES: Final = 128 * 1024 * 1024
_IDLE_TIMEOUT_S: Final = 65
_LOG_LENGTH: Final = 200_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request: decoded `path` and `query`, `headers` with lower-case names, the raw `target` (path and query)."""

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    target: str = ""

    @property
    def route(self) -> str:
        """`METHOD /path?query`, decoded: what the `match` of a fault is compared with."""
        _, mark, query = self.target.partition("?")
        return f"{self.method} {self.path}{mark}{unquote(query)}"

    def header(self, name: str) -> str | None:
        """Return the value of a header, or None. The name may be in any case."""
        return self.headers.get(name.lower())


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer. The server layer adds Date, Content-Length and the connection headers."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @staticmethod
    def json(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """Return a JSON answer. `Content-Type: application/json` unless `headers` say otherwise."""
        content = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return Reply(status, {"Content-Type": "application/json; charset=utf-8", **(headers or {})}, content)


class Service(Protocol):
    """A vendor's service: a name for logs and faults, and a function from request to answer."""

    @property
    def name(self) -> str:
        """Short name: `marketo`, `dynamics`, `entra` or `control`."""
        ...

    def handle(self, call: Call) -> Reply:
        """Answer one request. May be called from several threads at once."""
        ...


@dataclass(frozen=True, slots=True)
class LoggedCall:
    """One line of the call log. `status` is None when the connection was lost before an answer was made."""

    service: str
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    status: int | None
    at: datetime
    elapsed_s: float
    fault: str | None = None


class CallLog:
    """Requests in the order in which they were finished. Holds no headers and no bodies, hence no secrets."""

    def __init__(self) -> None:
        self._calls: deque[LoggedCall] = deque(maxlen=_LOG_LENGTH)
        self._lock = threading.Lock()

    def add(self, call: LoggedCall) -> None:
        """Append one finished call."""
        with self._lock:
            self._calls.append(call)

    def calls(self, service: str | None = None) -> list[LoggedCall]:
        """Return the calls of one service, or of all."""
        with self._lock:
            return [call for call in self._calls if service in {None, call.service}]

    def counts(self, service: str) -> Counter[str]:
        """How many calls each route of a service had. Ids in the path are shown as `#`."""
        return Counter(f"{call.method} {_without_ids(call.path)}" for call in self.calls(service))

    def clear(self) -> None:
        """Forget every call."""
        with self._lock:
            self._calls.clear()


class _Delivery(Enum):
    WHOLE = "whole"
    TRUNCATED = "truncated"
    LOST = "lost"


class ServiceGate:
    """Stands before a service: waits the ordered latency, lets generic faults happen, and logs the call."""

    def __init__(self, service: Service, *, clock: Clock, faults: Faults, log: CallLog) -> None:
        self.service = service
        self.latency_s = 0.0
        self._clock = clock
        self._faults = faults
        self._log = log

    def answer(self, call: Call) -> tuple[Reply | None, _Delivery]:
        """Return the answer to send and how much of it. None: close the connection without a word."""
        started = time.perf_counter()
        reply, delivery, fault = self._run(call)
        elapsed_s = time.perf_counter() - started
        status = None if reply is None else reply.status
        name = self.service.name
        line = LoggedCall(name, call.method, call.path, tuple(call.query), status, self._clock.now(), elapsed_s, fault)
        self._log.add(line)
        return (None if delivery is _Delivery.LOST else reply), delivery

    def _run(self, call: Call) -> tuple[Reply | None, _Delivery, str | None]:
        route, name = call.route, self.service.name
        if self.latency_s:
            time.sleep(self.latency_s)
        if self._faults.take(name, "lost_before", route):
            return None, _Delivery.LOST, "lost_before"
        if (fault := self._faults.take(name, "status", route)) is not None:
            return _status_reply(fault.details), _Delivery.WHOLE, "status"
        slow = self._faults.take(name, "slow", route)
        if slow is not None:
            time.sleep(float(slow.details.get("seconds", 1)))
        reply = self._handle(call)
        if self._faults.take(name, "lost_after", route):
            return reply, _Delivery.LOST, "lost_after"
        if self._faults.take(name, "truncated", route):
            return reply, _Delivery.TRUNCATED, "truncated"
        return reply, _Delivery.WHOLE, "slow" if slow is not None else None

    def _handle(self, call: Call) -> Reply:
        try:
            return self.service.handle(call)
        except Exception:
            _log.exception("sandbox service %s failed on %s %s", self.service.name, call.method, call.path)
            text = f"The sandbox's {self.service.name} service failed on {call.method} {call.path}; see its log."
            return Reply(500, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())


class Listener:
    """
    One TLS listener with a thread per connection.

    It accepts on the address `host` only; `port` 0 takes a free one; `name` is the host name that its `url` tells.
    """

    def __init__(
        self,
        gate: ServiceGate,
        context: ssl.SSLContext,
        *,
        port: int = 0,
        host: str = "127.0.0.1",
        name: str = "localhost",
    ) -> None:
        self.gate = gate
        self._name = name
        self._server = _TlsServer((host, port), _handler_class(gate), context)
        self.port: int = self._server.server_address[1]
        thread_name = f"sandbox-{gate.service.name}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name=thread_name, daemon=True)

    @property
    def url(self) -> str:
        """Root address without a trailing slash."""
        return f"https://{self._name}:{self.port}"

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Stop accepting, and close the connections that are open."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _TlsServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext
    ) -> None:
        self._context = context
        self._handler: Any = handler
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without the reverse name look-up of the base class, which can take seconds."""
        socket.socket.bind(self.socket, self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "localhost", self.server_address[1]

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Shake hands in the connection's own thread, so that a stalled client holds up nobody else."""
        request.settimeout(_IDLE_TIMEOUT_S)
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._context.wrap_socket(request, server_side=True) as connection:
            with self._open_lock:
                self._open.add(connection)
            try:
                self._handler(connection, client_address, self)
            finally:
                with self._open_lock:
                    self._open.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Stay quiet: connections that break are everyday life here."""
        _log.debug("connection from %s ended (%s)", client_address, type(request).__name__, exc_info=True)

    def server_close(self) -> None:
        """Close the listening socket and every open connection."""
        super().server_close()
        with self._open_lock:
            connections = list(self._open)
        for connection in connections:
            _abort(connection)


class _Handler(BaseHTTPRequestHandler):
    """Reads one request at a time from a kept-alive connection and writes its answer in one piece."""

    gate: ServiceGate
    protocol_version = "HTTP/1.1"
    timeout = _IDLE_TIMEOUT_S

    def _serve(self) -> None:
        body = self._read_body()
        if body is None:
            return
        reply, delivery = self.gate.answer(self._call(body))
        if reply is None:
            self.close_connection = True
            _abort(self.connection)
            return
        self._write(reply, truncated=delivery is _Delivery.TRUNCATED)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815 - names of the base class

    def _call(self, body: bytes) -> Call:
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        pairs = parse_qsl(query, keep_blank_values=True)
        return Call(self.command, unquote(path), pairs, headers, body, self.path)

    def _read_body(self) -> bytes | None:
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = int(self.headers.get("Content-Length") or 0)
        if length > _MAX_BODY_BYTES:
            self.close_connection = True
            self._write(Reply(413, {"Content-Type": "text/plain"}, b"Payload Too Large"))
            return None
        return self.rfile.read(length)

    def _read_chunks(self) -> bytes:
        pieces: list[bytes] = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass
        return b"".join(pieces)

    def _write(self, reply: Reply, *, truncated: bool = False) -> None:
        bodyless = reply.status in {204, 304} or self.command == "HEAD"
        head = self._head(reply, bodyless=bodyless)
        body = b"" if bodyless else reply.body
        if truncated:
            # Without a body it is cut within the status line: clients take headers that end early for all there are.
            self.wfile.write(head + body[: len(body) // 2] if body else head[: len("HTTP/1.1")])
            self.close_connection = True
            _abort(self.connection)
            return
        self.wfile.write(head + body)

    def _head(self, reply: Reply, *, bodyless: bool) -> bytes:
        lines = [f"HTTP/1.1 {reply.status} {phrases.get(reply.status, '')}", f"Date: {self.date_time_string()}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        if not bodyless:
            lines.append(f"Content-Length: {len(reply.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name of the base class
        """Say nothing: the call log is the log."""


def _handler_class(gate: ServiceGate) -> type[BaseHTTPRequestHandler]:
    return type("_BoundHandler", (_Handler,), {"gate": gate})


def _status_reply(details: Mapping[str, Any]) -> Reply:
    status = int(details.get("status", 503))
    headers = {"Content-Type": str(details.get("content_type", "text/html; charset=utf-8"))}
    if "retry_after" in details:
        headers["Retry-After"] = str(details["retry_after"])
    default = f"<html><body><h1>{status} {phrases.get(status, '')}</h1></body></html>"
    body = details.get("body", default)
    return Reply(status, headers, body if isinstance(body, bytes) else str(body).encode())


def _abort(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side has already gone


_GUID_OR_NUMBER: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|(?<=/)\d+(?=[/.]|$)")


def _without_ids(path: str) -> str:
    return _GUID_OR_NUMBER.sub("#", path)
