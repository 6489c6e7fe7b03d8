"""The identity endpoint: client credentials against an access token. Plain JSON, no envelope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from include.sandbox.server import Reply

if TYPE_CHECKING:
    from include.sandbox.marketo.tokens import TokenDesk
    from include.sandbox.server import Call

__all__ = ["answer_token_request"]

_PARAMETERS: Final = frozenset({"grant_type", "client_id", "client_secret"})


def answer_token_request(desk: TokenDesk, call: Call) -> Reply:
    """
    Return the service's token with its remaining life, or HTTP 401 for wrong credentials.

    Parameters go into the query for GET and POST alike; a form body is refused [ND].
    Source: authentication.md, swagger-identity.json; the 401 body is what public clients expect.
    """
    if call.method not in {"GET", "POST"}:
        return _error(405, "invalid_request", "HTTP Method not supported")
    parameters = dict(call.query)
    if set(parameters) != _PARAMETERS or call.body:
        return _error(400, "invalid_request", "grant_type, client_id and client_secret are required in the query")
    if parameters["grant_type"] != "client_credentials":
        return _error(400, "unsupported_grant_type", "Only client_credentials is supported")
    issued = desk.issue(parameters["client_id"], parameters["client_secret"])
    if issued is None:
        return _error(401, "invalid_client", "No client with requested id, or its secret is wrong")
    token, remaining_s = issued
    return Reply.json(
        200,
        {
            "access_token": token.text,
            "token_type": "bearer",
            "expires_in": remaining_s,
            "scope": token.service.user,
        },
    )


def _error(status: int, error: str, description: str) -> Reply:
    return Reply.json(status, {"error": error, "error_description": description})
