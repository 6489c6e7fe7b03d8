"""The HTTP face of the Web API: who calls, whether they may call now, and what every answer carries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.access import Caller
from include.sandbox.dataverse.answers import refusal_reply
from include.sandbox.dataverse.batch import Batch
from include.sandbox.dataverse.errors import Refusal, forbidden
from include.sandbox.dataverse.limits import ProtectionLimits
from include.sandbox.dataverse.operations import Operations
from include.sandbox.dataverse.organization import API_PATH
from include.sandbox.dataverse.paths import no_such_method
from include.sandbox.server import Reply

if TYPE_CHECKING:
    from include.sandbox.clock import Clock
    from include.sandbox.dataverse.world import DynamicsWorld
    from include.sandbox.entra import EntraDirectory
    from include.sandbox.faults import Faults
    from include.sandbox.server import Call

__all__ = ["DataverseService"]

_BATCH: Final = f"{API_PATH}$batch"


class DataverseService:
    """
    Answers below `/api/data/v9.2/`.

    Besides the faults of `include.sandbox.dataverse.operations` it knows `expired_token`: the token of the next call is
    refused with 401, as if its time were over.
    """

    name = "dynamics"

    def __init__(self, world: DynamicsWorld, *, directory: EntraDirectory, faults: Faults, clock: Clock) -> None:
        self._world = world
        self._organization = world.organization
        self._directory = directory
        self._faults = faults
        self._operations = Operations(self._organization, faults)
        self._limits = ProtectionLimits(self._organization.settings, clock)

    def handle(self, call: Call) -> Reply:
        """Answer one request, refusals included."""
        try:
            reply = self._admitted(call)
        except Refusal as refusal:
            older = self._organization.settings.empty_payload_codes
            annotated = "*" in (call.header("Prefer") or "")
            reply = refusal_reply(refusal, annotated=annotated, older_codes=older)
        return Reply(reply.status, {**self._common_headers(call), **reply.headers}, reply.body)

    def _admitted(self, call: Call) -> Reply:
        client_id = self._client_of(call)
        if client_id is None:
            return self._unauthorized()
        caller = self._caller(client_id)
        self._limits.enter()
        started = time.perf_counter()
        try:
            if call.path == _BATCH:
                return self._batch(call, caller)
            return self._operations.run(call, caller)
        finally:
            self._limits.leave(time.perf_counter() - started)

    def _batch(self, call: Call, caller: Caller) -> Reply:
        if call.method != "POST":
            raise no_such_method(call.method)
        self._operations.meet_faults(call)
        return Batch(self._organization, self._operations, caller).answer(call)

    def _client_of(self, call: Call) -> str | None:
        """Return the application behind a valid token, or None."""
        scheme, _, token = (call.header("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or self._faults.take(self.name, "expired_token", call.route):
            return None
        claims = self._directory.claims_of(token.strip(), self._world.url)
        return None if claims is None else claims.client_id

    def _unauthorized(self) -> Reply:
        """
        Refuse a missing, foreign or expired token.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/authenticate-web-api; the body is
        not documented.
        """
        challenge = f"Bearer authorization_uri={self._world.authorization_url}, resource_id={self._world.url}/"
        return Reply(401, {"WWW-Authenticate": challenge, "Content-Type": "text/html"}, b"")

    def _caller(self, client_id: str) -> Caller:
        user_id = self._world.application_users.get(client_id)
        if user_id is None:
            raise forbidden("0x80072560", "The user is not a member of the organization.")
        user = self._organization.store.table("systemuser").get(user_id)
        if user is None or user.get("isdisabled"):
            raise forbidden("0x80040225", f"The specified user(Id = {user_id}) is disabled.")
        return Caller(user_id)

    def _common_headers(self, call: Call) -> dict[str, str]:
        request_id = self._organization.identifiers.guid()
        return {
            "REQ_ID": request_id,
            "x-ms-service-request-id": request_id,
            "AuthActivityId": self._organization.identifiers.guid(),
            "Set-Cookie": "ApplicationGatewayAffinity=sandbox; path=/; HttpOnly; Secure",
            "Cache-Control": "no-cache",
            **({"x-ms-client-request-id": echoed} if (echoed := call.header("x-ms-client-request-id")) else {}),
            **self._limits.headers(),
        }
