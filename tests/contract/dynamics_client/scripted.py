"""
A Dataverse organisation that answers from a script, over TLS, with a real sign-in service beside it.

The sandbox has one way to answer; the documentation leaves several open. Here a test says, answer by answer, which of
the permitted forms comes back, and sees exactly what was sent.
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from include.sandbox.server import Call, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

API = "/api/data/v9.2/"
JSON = {"Content-Type": "application/json; odata.metadata=minimal"}


@dataclass(frozen=True, slots=True)
class SentPart:
    """One request of a batch, as it was sent. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class FakeTime:
    """Time that passes only while somebody sleeps; `sleeps` are the waits, in order."""

    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)

    def clock(self) -> float:
        """Return the seconds so far."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.sleeps.append(seconds)
        self.now += seconds


class ScriptedOrganization:
    """Answers each request with the next entry of `script`, a reply or a function that makes one from the request."""

    name = "dynamics"

    def __init__(self) -> None:
        self.script: list[Reply | Callable[[Call], Reply]] = []
        self.calls: list[Call] = []
        self._lock = threading.Lock()

    def handle(self, call: Call) -> Reply:
        """Answer one request and keep it."""
        with self._lock:
            self.calls.append(call)
            answer = self.script.pop(0) if self.script else Reply(418, {}, b"the script has ended")
        return answer if isinstance(answer, Reply) else answer(call)

    def answers(self, *script: Reply | Callable[[Call], Reply]) -> None:
        """Begin anew with this script."""
        self.script = list(script)
        self.calls = []


def ok(content: Any, **headers: str) -> Reply:
    """Return a successful JSON answer."""
    return Reply(200, {**JSON, **headers}, json.dumps(content).encode())


def page(rows: Sequence[dict[str, Any]], **links: str) -> Reply:
    """Return a page of a collection; `next` and `delta` are its links."""
    names = {"next": "@odata.nextLink", "delta": "@odata.deltaLink"}
    return ok({"value": list(rows), **{names[name]: link for name, link in links.items()}})


def refusal(status: int, code: str = "", message: str = "", **headers: str) -> Reply:
    """Return an OData error."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {**JSON, **names}, json.dumps({"error": {"code": code, "message": message}}).encode())


NO_CONTENT = Reply(204, {"OData-Version": "4.0"})


def sent_parts(call: Call) -> list[SentPart]:
    """Return the requests inside a batch; fails when the body is not exactly what the service can read."""
    boundary = re.search(r'boundary="?([^";]+)', call.headers["content-type"])
    assert boundary is not None
    body = call.body.decode()
    assert "\n" not in body.replace("\r\n", "")
    opening, *segments, closing = body.split(f"--{boundary.group(1)}")
    assert (opening, closing) == ("", "--\r\n")
    return [_sent_part(segment) for segment in segments]


def _sent_part(segment: str) -> SentPart:
    mime, head, body = segment.removeprefix("\r\n").split("\r\n\r\n", 2)
    assert "Content-Type: application/http" in mime
    request, *lines = head.split("\r\n")
    method, path, version = request.split(" ")
    assert version == "HTTP/1.1"
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return SentPart(method, path, headers, json.loads(body) if body.strip() else None)


def batch_answer(
    parts: Sequence[Reply], *, status: int = 200, line_end: str = "\r\n", quoted: bool = False, closed: bool = True
) -> Reply:
    """Return a batch answer with these parts, in the spelling asked for."""
    lines: list[str] = []
    for part in parts:
        lines += ["--batchresponse_1", "Content-Type: application/http", "Content-Transfer-Encoding: binary", ""]
        lines += [f"HTTP/1.1 {part.status} Whatever", *(f"{name}: {value}" for name, value in part.headers.items())]
        lines += ["", part.body.decode()]
    lines += ["--batchresponse_1--", ""] if closed else []
    boundary = '"batchresponse_1"' if quoted else "batchresponse_1"
    content_type = {"Content-Type": f"multipart/mixed; boundary={boundary}"}
    return Reply(status, content_type, line_end.join(lines).encode())


def each_part(answer: Callable[[SentPart], Reply]) -> Callable[[Call], Reply]:
    """Return a reply to a batch that answers each part by a function."""
    return lambda call: batch_answer([answer(part) for part in sent_parts(call)])
