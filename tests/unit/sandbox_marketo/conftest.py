"""A Marketo instance without sockets: calls go straight to the service."""

from __future__ import annotations

import gzip
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from include.sandbox.clock import Clock
from include.sandbox.faults import Faults
from include.sandbox.identifiers import Identifiers
from include.sandbox.marketo import MarketoService, MarketoWorld
from include.sandbox.server import Call, Reply

CLIENT_ID = "client"
CLIENT_SECRET = "secret"


class Instance:
    """A world, the service before it, and short ways to call it as a signed-in client."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.faults = Faults()
        self.world = MarketoWorld(
            clock=self.clock, identifiers=Identifiers(7), client_id=CLIENT_ID, client_secret=CLIENT_SECRET
        )
        self.service = MarketoService(self.world, clock=self.clock, faults=self.faults)

    def send(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        *,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """Send one request as it is, without a token."""
        pairs = [(name, str(value)) for name, value in (params or {}).items()]
        target = f"{path}?{urlencode(pairs)}" if pairs else path
        return self.service.handle(Call(method, path, pairs, headers or {}, body, target))

    def token(self, client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET) -> str:
        """Sign in and return the token."""
        params = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        return str(json.loads(self.send("GET", "/identity/oauth/token", params).body)["access_token"])

    def headers(self, content_type: str | None = None) -> dict[str, str]:
        """Return the headers of a signed-in client."""
        extra = {} if content_type is None else {"content-type": content_type}
        return {"authorization": f"Bearer {self.token()}"} | extra

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        """Return the envelope of a signed-in GET."""
        return envelope(self.send("GET", path, params, headers=self.headers()))

    def post(self, path: str, body: Any = None, **params: Any) -> dict[str, Any]:
        """Return the envelope of a signed-in POST with a JSON body, or with none."""
        content = b"" if body is None else json.dumps(body).encode()
        return envelope(
            self.send("POST", path, params, body=content, headers=self.headers("application/json; charset=utf-8"))
        )

    def find(self, filter_type: str, values: list[Any], fields: str = "id", **params: Any) -> dict[str, Any]:
        """Return the envelope of a filter query sent as a form."""
        form = {"filterType": filter_type, "filterValues": ",".join(map(str, values)), "fields": fields, **params}
        return envelope(
            self.send(
                "POST",
                "/rest/v1/leads.json",
                {"_method": "GET"},
                body=urlencode(form).encode(),
                headers=self.headers("application/x-www-form-urlencoded"),
            )
        )

    def sync(self, records: list[dict[str, Any]], **members: Any) -> list[dict[str, Any]]:
        """Return the result items of Sync Leads."""
        return list(self.post("/rest/v1/leads.json", {"input": records, **members})["result"])

    def paging_token(self, since: str = "2020-01-01T00:00:00Z") -> str:
        """Return a feed token from a moment on."""
        return str(self.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=since)["nextPageToken"])

    def feed(self, path: str, token: str, **params: Any) -> tuple[list[dict[str, Any]], str, int]:
        """Read a feed to its end and return its rows, the last token and the number of calls."""
        rows: list[dict[str, Any]] = []
        for calls in range(1, 1_000):
            page = self.get(f"/rest/v1/activities{path}.json", nextPageToken=token, **params)
            rows += page.get("result", [])
            token = page["nextPageToken"]
            if not page["moreResult"]:
                return rows, token, calls
        raise AssertionError("the feed does not end")


def envelope(reply: Reply) -> dict[str, Any]:
    """Return the JSON of an answer that has to be HTTP 200."""
    assert reply.status == 200, reply.body
    content = gzip.decompress(reply.body) if reply.headers.get("Content-Encoding") == "gzip" else reply.body
    return dict(json.loads(content))


def error_code(answer: dict[str, Any]) -> str:
    """Return the code of a call that was refused as a whole."""
    assert answer["success"] is False
    assert "result" not in answer
    return str(answer["errors"][0]["code"])


def reason_code(item: dict[str, Any], member: str = "reasons") -> str:
    """Return the code of a record that was refused."""
    assert item["status"] == "skipped"
    assert "id" not in item
    return str(item[member][0]["code"])


@pytest.fixture
def instance() -> Instance:
    """Return an empty instance whose feeds come in whole pages."""
    fresh = Instance()
    fresh.world.settings.empty_page_every = 0
    fresh.world.settings.short_page_every = 0
    fresh.world.settings.rate_calls = 100_000
    return fresh
