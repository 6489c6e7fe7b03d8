"""The webhook over HTTP: who is let in, what is answered, and that a person is asked for once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import HTTPException, Request
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from include.errors import ConfigError, RetryableError
from include.person_sync.console.app import create_app
from include.person_sync.console.ports import Access, CreateRun, Row
from include.person_sync.console.webhook import BODY_LIMIT, PATH, SECRET_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECRET, OLD_SECRET = "correct-horse-battery-staple", "the-one-before"
LET_IN = {SECRET_HEADER: SECRET}
LEAD = {"status": "queued", "marketoId": 1004, "syncAs": "lead", "runId": "sync_person__1004__1"}


@dataclass
class Launcher:
    """A launcher in memory, with the promises a server's makes: an id is started once, whoever asks."""

    known: list[str] = field(default_factory=lambda: [SECRET])
    started: dict[str, CreateRun] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    trouble: Exception | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def secrets(self) -> Sequence[str]:
        """Return the secrets."""
        return self.known

    def runs(self, prefix: str) -> Sequence[CreateRun]:
        """Return the runs of one person."""
        return [one for one in list(self.started.values()) if one.run_id.startswith(prefix)]

    def start(self, run_id: str, params: Mapping[str, Any]) -> bool:
        """Start a run unless there is one of that id."""
        if self.trouble:
            raise self.trouble
        with self.lock:
            if run_id in self.started:
                return False
            self.started[run_id] = CreateRun(run_id, "queued", dict(params))
        return True

    def row_of(self, marketo_id: int) -> Row | None:
        """Return the person's row."""
        return self.rows.get(marketo_id)

    def end(self, run_id: str, state: str = "success") -> None:
        """Let a run end."""
        self.started[run_id] = CreateRun(run_id, state, self.started[run_id].params)


@pytest.fixture
def launcher() -> Launcher:
    """Return a launcher through which nobody has asked for anything yet."""
    return Launcher()


@pytest.fixture
def client(launcher: Launcher) -> TestClient:
    """Return a client of the app; `Authorization: ann` is a signed-in user."""

    def user(request: Request) -> str:
        if request.headers.get("authorization") != "ann":
            raise HTTPException(401, "Not authenticated")
        return "ann"

    return TestClient(create_app(Access(user=user), launcher), raise_server_exceptions=False)


def _call(client: TestClient, body: Any = None, **headers: str) -> Any:
    return client.post(PATH, json=body or {"marketoId": 1004}, headers={**LET_IN, **headers})


def test_call_starts_one_run_and_is_answered_with_its_id(client: TestClient, launcher: Launcher):
    """A call for somebody new is accepted, and its run gets what was asked for (R-012)."""
    answer = _call(client, {"marketoId": "1004", "syncAs": "contact", "owner": "jane@example.com"})

    assert answer.status_code == 202
    assert answer.json() | {"message": ""} == LEAD | {"syncAs": "contact", "message": ""}
    assert all(isinstance(value, str | int) for value in answer.json().values()), "a response mapping needs flat values"
    assert launcher.started["sync_person__1004__1"].params == {
        "marketo_id": 1004, "table": "contact", "owner": "jane@example.com",
    }  # fmt: skip


def test_repeated_call_gets_the_same_answer_and_no_second_run(client: TestClient, launcher: Launcher):
    """As long as the first run is at work, each repetition is answered as the first call was (R-012)."""
    first = _call(client)
    launcher.started["sync_person__1004__1"] = CreateRun(
        "sync_person__1004__1", "running", launcher.started["sync_person__1004__1"].params
    )

    assert [(_call(client).status_code, _call(client).json()) for _ in range(3)] == [(202, first.json())] * 3
    assert list(launcher.started) == ["sync_person__1004__1"]


def test_calls_at_the_same_moment_start_one_run(client: TestClient, launcher: Launcher):
    """Twenty simultaneous calls for one person get one answer and start one run (R-012)."""
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: _call(client), range(20)))

    assert {one.status_code for one in answers} == {202}
    assert {one.json()["runId"] for one in answers} == {"sync_person__1004__1"}
    assert len(launcher.started) == 1


def test_call_for_somebody_being_created_as_something_else_conflicts(client: TestClient, launcher: Launcher):
    """There can be one row only, so a call for the other table or another owner is refused while a run is at work."""
    _call(client)

    for other in ({"marketoId": 1004, "syncAs": "contact"}, {"marketoId": 1004, "owner": "jane@example.com"}):
        answer = _call(client, other)
        assert (answer.status_code, answer.json()["status"]) == (409, "already_queued")
        assert answer.json()["runId"] == "sync_person__1004__1"
    assert len(launcher.started) == 1


def test_call_for_somebody_who_is_synced_conflicts_and_tells_the_row(client: TestClient, launcher: Launcher):
    """Who has a row already is left alone: no run, and the answer says which row it is."""
    launcher.rows[1004] = Row("contact", "6e1c0f0a-0000-4000-8000-000000000001")

    answer = _call(client)

    assert (answer.status_code, answer.json()["status"]) == (409, "already_synced")
    assert (answer.json()["dynamicsType"], answer.json()["dynamicsId"]) == ("contact", launcher.rows[1004].row_id)
    assert launcher.started == {}


@pytest.mark.parametrize("state", ["failed", "success"])
def test_call_after_a_run_that_left_no_row_starts_the_next(client: TestClient, launcher: Launcher, state: str):
    """A person whose run failed, or was refused, may be asked for again; the new run has the next number."""
    _call(client)
    launcher.end("sync_person__1004__1", state)
    _call(client, {"marketoId": 10045})

    answer = _call(client)

    assert (answer.status_code, answer.json()["runId"]) == (202, "sync_person__1004__2")
    assert list(launcher.started) == ["sync_person__1004__1", "sync_person__10045__1", "sync_person__1004__2"]


@pytest.mark.parametrize("shown", [None, "", "wrong", SECRET.upper(), SECRET + " x", "ä".encode()])
def test_wrong_or_missing_secret_is_turned_away(client: TestClient, launcher: Launcher, shown: Any):
    """Without the secret nothing is read and nothing is started (S-45)."""
    headers = {} if shown is None else {SECRET_HEADER: shown}

    answer = client.post(PATH, content=b"not even JSON", headers=headers)

    assert (answer.status_code, answer.json()["status"]) == (401, "unauthorized")
    assert launcher.started == {}


def test_both_secrets_are_taken_while_they_are_changed(client: TestClient, launcher: Launcher):
    """With two secrets set, either opens the door; with none, nothing does, not even an empty one."""
    launcher.known = [SECRET, OLD_SECRET]
    assert [_call(client, **{SECRET_HEADER: one}).status_code for one in (SECRET, OLD_SECRET)] == [202, 202]

    for none in ([], [""]):
        launcher.known = none
        assert [_call(client, **{SECRET_HEADER: one}).status_code for one in (SECRET, "")] == [401, 401]


@pytest.mark.parametrize(
    ("body", "field"),
    [(b"", "body"), (b'{"syncAs": "lead"}', "marketoId"), (b'{"marketoId": 4, "syncAs": "company"}', "syncAs")],
)
def test_malformed_call_is_refused_by_name(client: TestClient, launcher: Launcher, body: bytes, field: str):
    """What can't be understood is answered 400, naming the part."""
    answer = client.post(PATH, content=body, headers=LET_IN)

    assert (answer.status_code, answer.json()["status"], answer.json()["field"]) == (400, "bad_request", field)
    assert launcher.started == {}


def test_form_is_understood(client: TestClient):
    """Marketo may encode its tokens as a form."""
    answer = client.post(PATH, data={"marketoId": "1004", "syncAs": "Lead", "owner": ""}, headers=LET_IN)

    assert (answer.status_code, answer.json() | {"message": ""}) == (202, LEAD | {"message": ""})


def test_large_body_is_refused_with_and_without_a_length(client: TestClient, launcher: Launcher):
    """A body beyond the limit is refused before it is read whole, also when its length is not told in advance."""
    large = b'{"marketoId": 1004, "x": "' + b"x" * BODY_LIMIT + b'"}'

    told = client.post(PATH, content=large, headers=LET_IN)
    untold = client.post(PATH, content=iter([large[:100], large[100:]]), headers=LET_IN)

    assert (told.status_code, untold.status_code) == (413, 413)
    assert told.json()["status"] == "too_large"
    assert launcher.started == {}


@pytest.mark.parametrize(
    ("trouble", "word"),
    [(RetryableError("database host db1 is away"), "unavailable"), (ConfigError("bad url"), "not_configured")],
)
def test_trouble_inside_is_answered_without_details(
    client: TestClient, launcher: Launcher, trouble: Exception, word: str
):
    """When no run can be started the caller learns that, and nothing about the machinery."""
    launcher.trouble = trouble

    answer = _call(client)

    assert (answer.status_code, answer.json()["status"]) == (503, word)
    assert "db1" not in answer.text
    assert ("retry-after" in answer.headers) == (word == "unavailable")


def test_every_other_route_asks_for_a_user(client: TestClient, launcher: Launcher):
    """
    Walking all routes without credentials: the webhook wants its secret, every other route a signed-in user (S-45).
    """
    app: Any = client.app
    routes = [one for one in app.routes if isinstance(one, APIRoute)]
    assert {type(one) for one in app.routes} == {APIRoute}, "a route of another kind needs a look"
    assert PATH in {one.path for one in routes}
    assert len(routes) > 1
    for route in routes:
        path = route.path.replace("{marketo_id}", "1004")
        for method in route.methods:
            assert client.request(method, path).status_code == 401, f"{method} {path} is open to everybody"
            if route.path != PATH:
                shown = client.request(method, path, headers=LET_IN)
                assert shown.status_code == 401, f"{method} {path} takes the webhook's secret for a user"
    assert [client.get(path).status_code for path in ("/docs", "/redoc", "/openapi.json")] == [404, 404, 404]


def test_user_can_see_what_became_of_the_calls(client: TestClient, launcher: Launcher):
    """A signed-in user sees a person's row and the runs that calls have started, the newest first."""
    _call(client)
    launcher.end("sync_person__1004__1", "failed")
    _call(client)
    launcher.rows[1004] = Row("lead", "row-1")

    answer = client.get("/requests/1004", headers={"Authorization": "ann"})

    assert answer.json() == {
        "marketoId": 1004,
        "dynamicsType": "lead",
        "dynamicsId": "row-1",
        "runs": [
            {"runId": "sync_person__1004__2", "state": "queued"},
            {"runId": "sync_person__1004__1", "state": "failed"},
        ],
    }
    assert client.get(PATH, headers=LET_IN).status_code == 405
