"""
The control service: the hands of people on both sides, faults, clock and call log, as JSON over HTTPS.

For the demo, for `curl`, and for tests of other programs. Every call but `GET /health` carries
`Authorization: Bearer <control token>`.

```text
GET    /health                                   what is running and how many people there are
POST   /marketo/people            {field: value}  enter a person                    → {"id": 1001}
GET    /marketo/people?email=…                    people whose fields hold exactly these values
GET    /marketo/people/1001                       one person
PATCH  /marketo/people/1001       {field: value}  edit a person                     → {"changed": 1}
DELETE /marketo/people/1001                       delete a person
POST   /marketo/people/1001/merge {"losers": […]} merge people into this one
GET    /marketo/people/1001/activities            a person's activity log
POST   /dynamics/contact          {column: value} enter a row                       → {"id": "…"}
GET    /dynamics/contact?lastname=…               rows whose columns hold exactly these values
GET    /dynamics/contact/<id>                     one row; PATCH and DELETE likewise
PATCH  /settings/marketo          {name: value}   switch a behaviour; /settings/dynamics likewise
POST   /faults    {"service", "kind", …}          order a fault; GET lists those due, DELETE cancels them
POST   /clock     {"advance_s": 3600}             move the clock forward; GET tells the time
GET    /calls?service=marketo                     the call log; DELETE forgets it
POST   /seed      {"people": 200, "number": 8}    invent more people on both sides
```
"""

from __future__ import annotations

import dataclasses
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.errors import Refusal
from include.sandbox.seed import Seed, plant
from include.sandbox.server import Reply

if TYPE_CHECKING:
    from include.sandbox import Sandbox
    from include.sandbox.server import Call

__all__ = ["ControlService"]


class ControlError(Exception):
    """The request cannot be carried out. `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Request:
    query: dict[str, str]
    body: dict[str, Any]
    path: tuple[str, ...]


Verb = Callable[["Sandbox", _Request], Any]


class ControlService:
    """Answers the calls described by the module, for one sandbox."""

    name = "control"

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def handle(self, call: Call) -> Reply:
        """Answer one call."""
        try:
            status, value = self._answer(call)
        except ControlError as refused:
            status, value = refused.status, {"error": str(refused)}
        except KeyError as missing:
            status, value = 404, {"error": f"not found: {missing}"}
        except Refusal as refused:
            status, value = refused.status, {"error": refused.message, "code": refused.code}
        except (TypeError, ValueError) as wrong:
            status, value = 400, {"error": str(wrong)}
        return Reply(status, {"Content-Type": "application/json"}, json.dumps(value, default=str).encode())

    def _answer(self, call: Call) -> tuple[int, Any]:
        if not (call.method == "GET" and call.path == "/health"):
            self._authorize(call)
        verb, path = _find(call.method, call.path)
        request = _Request(dict(call.query), _body(call), path)
        value = verb(self._sandbox, request)
        return (201 if call.method == "POST" else 200), ({} if value is None else value)

    def _authorize(self, call: Call) -> None:
        expected = f"Bearer {self._sandbox.credentials.control_token}"
        if not hmac.compare_digest((call.header("Authorization") or "").encode(), expected.encode()):
            raise ControlError(401, "send the control token as Authorization: Bearer")


def _body(call: Call) -> dict[str, Any]:
    if not call.body:
        return {}
    parsed = json.loads(call.body)
    if not isinstance(parsed, dict):
        raise ControlError(400, "the body has to be a JSON object")
    return parsed


def _health(sandbox: Sandbox, _request: _Request) -> Any:
    with sandbox.marketo.lock:
        people = len(sandbox.marketo.database.people)
    rows = {table: sandbox.dynamics.count(table) for table in ("contact", "lead")}
    return {"status": "up", "now": sandbox.clock.now().isoformat(), "marketo": people, "dynamics": rows}


def _create_person(sandbox: Sandbox, request: _Request) -> Any:
    return {"id": sandbox.marketo.create(request.body)}


def _find_people(sandbox: Sandbox, request: _Request) -> Any:
    return sandbox.marketo.find(**request.query) if request.query else sandbox.marketo.leads()


def _read_person(sandbox: Sandbox, request: _Request) -> Any:
    return _existing(sandbox.marketo.lead(int(request.path[0])), "person")


def _edit_person(sandbox: Sandbox, request: _Request) -> Any:
    return {"changed": sandbox.marketo.edit(int(request.path[0]), request.body)}


def _delete_person(sandbox: Sandbox, request: _Request) -> Any:
    sandbox.marketo.delete(int(request.path[0]))


def _merge_people(sandbox: Sandbox, request: _Request) -> Any:
    sandbox.marketo.merge(int(request.path[0]), [int(one) for one in request.body["losers"]])


def _activities(sandbox: Sandbox, request: _Request) -> Any:
    return [dataclasses.asdict(row) for row in sandbox.marketo.activities(int(request.path[0]))]


def _create_row(sandbox: Sandbox, request: _Request) -> Any:
    return {"id": sandbox.dynamics.create(request.path[0], request.body)}


def _find_rows(sandbox: Sandbox, request: _Request) -> Any:
    table = request.path[0]
    return sandbox.dynamics.find(table, **request.query) if request.query else sandbox.dynamics.rows(table)


def _read_row(sandbox: Sandbox, request: _Request) -> Any:
    return _existing(sandbox.dynamics.row(*request.path), "row")


def _edit_row(sandbox: Sandbox, request: _Request) -> Any:
    table, row_id = request.path
    sandbox.dynamics.edit(table, row_id, request.body)


def _delete_row(sandbox: Sandbox, request: _Request) -> Any:
    sandbox.dynamics.delete(*request.path)


def _change_settings(sandbox: Sandbox, request: _Request) -> Any:
    settings: Any = sandbox.marketo.settings if request.path[0] == "marketo" else sandbox.dynamics.settings
    for name, value in request.body.items():
        if not hasattr(settings, name):
            raise ControlError(400, f"there is no setting {name!r}")
        present = getattr(settings, name)
        setattr(settings, name, type(present)(value) if isinstance(present, Enum | frozenset) else value)


def _add_fault(sandbox: Sandbox, request: _Request) -> Any:
    order = dict(request.body)
    for name in ("service", "kind"):
        if name not in order:
            raise ControlError(400, f"a fault needs {name!r}")
    sandbox.faults.add(order.pop("service"), order.pop("kind"), **order)


def _list_faults(sandbox: Sandbox, _request: _Request) -> Any:
    return [dataclasses.asdict(fault) for fault in sandbox.faults.pending()]


def _clear_faults(sandbox: Sandbox, _request: _Request) -> Any:
    sandbox.faults.clear()


def _advance(sandbox: Sandbox, request: _Request) -> Any:
    return {"now": sandbox.clock.advance(float(request.body["advance_s"])).isoformat()}


def _tell_time(sandbox: Sandbox, _request: _Request) -> Any:
    return {"now": sandbox.clock.now().isoformat(), "offset_s": sandbox.clock.offset_s}


def _list_calls(sandbox: Sandbox, request: _Request) -> Any:
    return [dataclasses.asdict(call) for call in sandbox.calls(request.query.get("service"))]


def _forget_calls(sandbox: Sandbox, _request: _Request) -> Any:
    sandbox.reset_calls()


def _plant(sandbox: Sandbox, request: _Request) -> Any:
    return dataclasses.asdict(plant(sandbox, Seed(**request.body)))


def _existing(found: Any, what: str) -> Any:
    if found is None:
        raise ControlError(404, f"there is no such {what}")
    return found


_PERSON: Final = r"/marketo/people/(\d+)"
_ROW: Final = r"/dynamics/(\w+)/([0-9a-fA-F-]{36})"
_VERBS: Final[tuple[tuple[str, str, Verb], ...]] = (
    ("GET", "/health", _health),
    ("POST", "/marketo/people", _create_person),
    ("GET", "/marketo/people", _find_people),
    ("GET", _PERSON, _read_person),
    ("PATCH", _PERSON, _edit_person),
    ("DELETE", _PERSON, _delete_person),
    ("POST", _PERSON + "/merge", _merge_people),
    ("GET", _PERSON + "/activities", _activities),
    ("POST", r"/dynamics/(\w+)", _create_row),
    ("GET", r"/dynamics/(\w+)", _find_rows),
    ("GET", _ROW, _read_row),
    ("PATCH", _ROW, _edit_row),
    ("DELETE", _ROW, _delete_row),
    ("PATCH", r"/settings/(marketo|dynamics)", _change_settings),
    ("POST", "/faults", _add_fault),
    ("GET", "/faults", _list_faults),
    ("DELETE", "/faults", _clear_faults),
    ("POST", "/clock", _advance),
    ("GET", "/clock", _tell_time),
    ("GET", "/calls", _list_calls),
    ("DELETE", "/calls", _forget_calls),
    ("POST", "/seed", _plant),
)


def _find(method: str, path: str) -> tuple[Verb, tuple[str, ...]]:
    known = False
    for verb_method, pattern, verb in _VERBS:
        match = re.fullmatch(pattern, path)
        if match is not None and verb_method == method:
            return verb, match.groups()
        known = known or match is not None
    raise ControlError(405 if known else 404, f"{method} {path} is not one of the control service's calls")
