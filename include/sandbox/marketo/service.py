"""The Marketo service: identity, envelope, and the checks every REST call passes before its endpoint."""

from __future__ import annotations

import gzip
import itertools
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.api_call import ApiCall, Parameters, form_of, is_form
from include.sandbox.marketo.errors import ApiError, GapError, HttpError
from include.sandbox.marketo.identity import answer_token_request
from include.sandbox.marketo.limits import NOT_COUNTED
from include.sandbox.marketo.router import find_route, takes_method_override
from include.sandbox.marketo.vendor_faults import answer_before, answer_instead, break_tokens
from include.sandbox.server import Reply

if TYPE_CHECKING:
    from include.sandbox.clock import Clock
    from include.sandbox.faults import Fault, Faults
    from include.sandbox.marketo.tokens import CustomService
    from include.sandbox.marketo.world import MarketoWorld
    from include.sandbox.server import Call

__all__ = ["MarketoService"]

_COMPRESSED_FROM_BYTES: Final = 1_024


class MarketoService:
    """
    Answers the REST calls of one world.

    HTTP errors are rare here: 413 and 414, 401 from identity, 501 for what the sandbox does not build. Everything else
    is HTTP 200 with an envelope. Source: rest-api.md, error-codes.md.
    """

    name = "marketo"

    def __init__(self, world: MarketoWorld, *, clock: Clock, faults: Faults) -> None:
        self._world = world
        self._clock = clock
        self._faults = faults
        self._numbers = itertools.count(1)

    def handle(self, call: Call) -> Reply:
        """Answer one request."""
        try:
            self._check_size(call)
            if call.path == "/identity/oauth/token":
                with self._world.lock:
                    return answer_token_request(self._world.tokens, call)
            return self._answer_rest(call)
        except HttpError as refused:
            return Reply(refused.status, {"Content-Type": "text/plain; charset=utf-8"}, refused.text.encode())

    def _check_size(self, call: Call) -> None:
        settings = self._world.settings
        if len(call.target.encode()) > settings.uri_bytes:
            raise HttpError(414, "Request-URI Too Long")
        if len(call.body) > settings.body_bytes:
            raise HttpError(413, "Request Entity Too Large")

    def _answer_rest(self, call: Call) -> Reply:
        if not call.path.startswith(("/rest/", "/bulk/", "/userservice/")):
            raise HttpError(404, "Not Found")
        request = _Request(self._world, call, self._next_request_id(), self._faults)
        with self._world.meter.flight() as within:
            answer = request.run(within_concurrency=within)
        return answer if isinstance(answer, Reply) else _reply(call, *answer)

    def _next_request_id(self) -> str:
        # Source: rest-api.md: requestId looks like 1a2b#18c0ffee123.
        return f"{next(self._numbers):x}#{int(self._clock.timestamp() * 1000):x}"


@dataclass(slots=True)
class _Request:
    """One REST call from its arrival to its envelope."""

    world: MarketoWorld
    call: Call
    request_id: str
    faults: Faults
    admitted: bool = False

    def run(self, *, within_concurrency: bool) -> Reply | tuple[int, dict[str, Any]]:
        """Return a file, or HTTP status and envelope, and write the call into the day's statistics."""
        user, code = "", None
        try:
            service = self._authenticate()
            user = service.user
            envelope = self._run_as(service, within_concurrency=within_concurrency)
        except HttpError as refused:
            self._count(user, None)
            return Reply(refused.status, {"Content-Type": "text/plain; charset=utf-8"}, refused.text.encode())
        except ApiError as refused:
            code = refused.refusal.code
            envelope = {"requestId": self.request_id, "success": False, "errors": [refused.refusal.json()]}
        except GapError as gap:
            return 501, {"requestId": self.request_id, "success": False, "errors": [_gap_error(gap)]}
        self._count(user, code)
        return envelope if isinstance(envelope, Reply) else (200, envelope)

    def _authenticate(self) -> CustomService:
        """Source: authentication.md: the token goes into the header, the parameter of old is gone."""
        with self.world.lock:
            break_tokens(self.world, self.take_fault)
            parameters = dict(self.call.query)
            header = self.call.header("Authorization") or ""
            scheme, _, token = header.partition(" ")
            if "access_token" in parameters or not token.strip():
                raise ApiError(self.world.settings.missing_token_code)
            if scheme.lower() != "bearer":
                raise ApiError("601")
            return self.world.tokens.check(token.strip())

    def _run_as(self, service: CustomService, *, within_concurrency: bool) -> Reply | dict[str, Any]:
        answer_before(self.take_fault)
        if not within_concurrency:
            raise ApiError("615")
        self.world.meter.admit()
        self.admitted = True
        if self.world.settings.handling_time_s:
            time.sleep(self.world.settings.handling_time_s)
        method, parameters, body = self._unfold()
        route, path = find_route(method, self.call.path)
        self._check_permission(service, route.needs)
        api_call = ApiCall(
            service,
            self.request_id,
            Parameters(parameters),
            body,
            self._content_type(),
            path,
            range=self.call.header("Range"),
            take_fault=self.take_fault,
        )
        with self.world.lock:
            self.world.database.people.case_sensitive = self.world.settings.case_sensitive_lookups
            answer = route.endpoint(self.world, api_call)
        answer_instead(self.take_fault)
        if isinstance(answer, Reply):
            return answer
        return {"requestId": self.request_id, "success": True, **answer}

    def _unfold(self) -> tuple[str, list[tuple[str, str]], bytes]:
        """
        Return the method, parameters and body meant: `POST … _method=GET` is a GET with a form for its query.

        Source: rest-api.md; the documented place of `_method` is the query, clients in use put it into the form.
        """
        call = self.call
        pairs = list(call.query)
        form = form_of(call.body) if call.method == "POST" and is_form(self._content_type()) else []
        if ("_method", "GET") not in [*pairs, *form] or call.method != "POST":
            return call.method, pairs, call.body
        if not takes_method_override(call.path):
            raise ApiError("605")
        if "access_token" in dict(form):
            raise ApiError(self.world.settings.missing_token_code)
        if call.body and not form:
            raise ApiError("612")
        return "GET", [pair for pair in (*pairs, *form) if pair != ("_method", "GET")], b""

    def _check_permission(self, service: CustomService, needs: frozenset[Any]) -> None:
        held = self.world.settings.permissions if service.permissions is None else service.permissions
        if needs and not needs & held:
            raise ApiError("603")

    def _content_type(self) -> str:
        return (self.call.header("Content-Type") or "").partition(";")[0].strip().lower()

    def take_fault(self, kind: str) -> Fault | None:
        """Use up an ordered fault of this kind aimed at this call."""
        return self.faults.take(MarketoService.name, kind, self.call.route)

    def _count(self, user: str, code: str | None) -> None:
        if code in NOT_COUNTED and self.admitted:
            self.world.meter.take_back()
        if user:
            self.world.meter.record(user, code)


def _gap_error(gap: GapError) -> dict[str, str]:
    return {"code": "501", "message": f"Not built in the sandbox: {gap.gap}. See include/sandbox/GAPS.md."}


def _reply(call: Call, status: int, envelope: dict[str, Any]) -> Reply:
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json;charset=UTF-8"}
    # Source: rest-api.md: gzip is honoured, bodies under 1024 bytes stay as they are, bulk answers always.
    bulk = call.path.startswith("/bulk/")
    if not bulk and len(body) >= _COMPRESSED_FROM_BYTES and "gzip" in (call.header("Accept-Encoding") or ""):
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body, compresslevel=1, mtime=0)
    return Reply(status, headers, body)
