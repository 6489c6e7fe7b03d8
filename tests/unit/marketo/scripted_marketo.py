"""A Marketo whose answers are written in the test: identity works by itself, REST calls get what `rest` returns."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from include.marketo import MarketoClient, MarketoConnection, MarketoLimits
from tests.unit.http.scripted_server import Answer, FakeTime, Received, ScriptedServer, serve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOW = datetime(2026, 5, 2, 12, 0, tzinfo=UTC)


@dataclass
class Scene:
    """A client, the server it talks to and the clock of both."""

    client: MarketoClient
    server: ScriptedServer
    time: FakeTime
    limits: MarketoLimits = field(default_factory=MarketoLimits)

    @property
    def rest(self) -> list[Received]:
        """The REST calls received so far."""
        return [received for received in self.server.received if "/identity/" not in received.target]

    @property
    def logins(self) -> int:
        """The calls of the identity service so far."""
        return len(self.server.received) - len(self.rest)


def envelope(result: Any = None, **members: Any) -> Answer:
    """Return an answer with an envelope that succeeded; members given as None are left out."""
    document = {"requestId": "1a2b#18c0", "success": True, "result": result, **members}
    return Answer(body=json.dumps({name: value for name, value in document.items() if value is not None}).encode())


def refusal(code: str | int, message: str = "no") -> Answer:
    """Return an answer that refuses the whole call."""
    return envelope(success=False, errors=[{"code": code, "message": message}])


def token_answer(token: str = "tok", expires_in: Any = 3600) -> Answer:  # noqa: S107 -- a test's token
    """Return an answer of the identity service."""
    return Answer(body=json.dumps({"access_token": token, "token_type": "bearer", "expires_in": expires_in}).encode())


def query_of(received: Received) -> dict[str, str]:
    """Return the parameters of a call, from its address and, for a form, from its body."""
    pairs = parse_qsl(urlsplit(received.target).query, keep_blank_values=True)
    if received.headers.get("content-type") == "application/x-www-form-urlencoded":
        pairs += parse_qsl(received.body.decode(), keep_blank_values=True)
    return dict(pairs)


def input_of(received: Received) -> list[dict[str, Any]]:
    """Return the records of a write."""
    return json.loads(received.body)["input"]


@contextmanager
def marketo(
    directory: Path,
    rest: Callable[[Received], Answer] | list[Answer],
    *,
    identity: Callable[[int], Answer] = lambda _: token_answer(),
    **limits: Any,
) -> Iterator[Scene]:
    """Run a scripted Marketo and a client for it. A list of answers is given in order, the last one for ever."""
    time = FakeTime()
    counts = {"rest": 0, "identity": 0}

    def respond(received: Received, _: int) -> Answer:
        kind = "identity" if "/identity/" in received.target else "rest"
        counts[kind] += 1
        if kind == "identity":
            return identity(counts[kind])
        return rest(received) if callable(rest) else rest[min(counts[kind], len(rest)) - 1]

    with serve(directory, respond) as server:
        connection = MarketoConnection(server.url, "client", "secret", server.ca_bundle)
        settings = MarketoLimits(**limits)
        client = MarketoClient(
            connection,
            settings=settings,
            sleep=time.sleep,
            clock=time.clock,
            now=lambda: NOW,
            random=lambda: 0.5,
        )
        yield Scene(client, server, time, settings)
        client.close()
