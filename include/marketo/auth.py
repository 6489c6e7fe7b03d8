"""The access token: fetched, kept and renewed for all threads of one client. Source: authentication."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError, ContractViolation
from include.http import Request, Response, Transport, excerpt, redact
from include.marketo.reading import as_int, as_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.marketo.connection import MarketoConnection

_PATH = "/identity/oauth/token"
_RENEW_EARLY_S = 60.0
# A fresh token lives an hour; assumed only when the answer does not say.
_DEFAULT_LIFE_S = 3600
_HOST_REMEDY = "Check the setting 'host': it must be the REST address of the instance (Admin > Web Services)."
_LOGIN_REMEDY = (
    "Check the settings 'login' (Client Id) and 'password' (Client Secret) against Admin > LaunchPoint > View Details."
)


class TokenKeeper:
    """
    Marketo's token as the transport's credentials. Safe to use from several threads.

    Marketo hands out the same token until it expires and never extends it, so a token fetched late may have only
    seconds left. It is asked for anew when less than a minute remains, and when the server refuses it (601, 602).
    """

    def __init__(
        self,
        connection: MarketoConnection,
        transport: Transport,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        read_timeout_s: float = 40.0,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._clock, self._sleep = clock, sleep
        self._read_timeout_s = read_timeout_s
        self._lock = threading.Lock()
        self._token = ""
        self._expires_at = self._refresh_at = float("-inf")

    def authorization(self) -> str:
        """Return `Bearer <token>`, fetching one when there is none or too little of its life is left."""
        with self._lock:
            if self._clock() >= self._refresh_at:
                self._fetch()
            return f"Bearer {self._token}"

    def renew(self, refused: str) -> str:
        """
        Return a header with another token than the refused one.

        The identity service may still hand out the refused token for its last seconds; those are waited out once.
        Raises ConfigError when the same token comes back nevertheless: sending it again would never end.
        """
        with self._lock:
            if refused == f"Bearer {self._token}":
                self._fetch()
            remaining_s = self._expires_at - self._clock()
            if refused == f"Bearer {self._token}" and remaining_s <= _RENEW_EARLY_S:
                self._sleep(max(0.0, remaining_s) + 1.0)
                self._fetch()
            if refused == f"Bearer {self._token}":
                raise ConfigError(
                    "marketo: the API refuses the access token that the identity service has just confirmed.",
                    remedy="Check that the custom service and its API-only user are still active; if they are, "
                    "regenerate the Client Secret under Admin > LaunchPoint.",
                )
            return f"Bearer {self._token}"

    def _fetch(self) -> None:
        document = self._request_token()
        life_s = as_int(document.get("expires_in"))
        life_s = _DEFAULT_LIFE_S if life_s is None else life_s
        token = as_text(document["access_token"])
        if token != self._token and self._connection.on_token is not None:
            self._connection.on_token(token)
        self._token = token
        self._expires_at = self._clock() + life_s
        # With less than a minute left the same token would come back each time: then it is used to its end.
        self._refresh_at = self._expires_at - (_RENEW_EARLY_S if life_s > _RENEW_EARLY_S else 0.0)

    def _request_token(self) -> dict[str, Any]:
        response = self._transport.send(
            Request(
                "GET",
                f"{self._connection.host}{_PATH}",
                params=(
                    ("grant_type", "client_credentials"),
                    ("client_id", self._connection.client_id),
                    ("client_secret", self._connection.client_secret),
                ),
                read_timeout_s=self._read_timeout_s,
                label="marketo token",
            )
        )
        document = _read(response)
        if document.get("access_token"):
            return document
        raise _explain(response, document)


def _read(response: Response) -> dict[str, Any]:
    try:
        document = response.json()
    except ContractViolation:
        return {}
    return document if isinstance(document, dict) else {}


def _explain(response: Response, document: dict[str, Any]) -> ConfigError | ContractViolation:
    cause = as_text(document.get("error"))
    if cause or response.status in {400, 401, 403}:
        detail = redact(as_text(document.get("error_description")) or cause) or f"HTTP {response.status}"
        return ConfigError(f"marketo: the identity service refused the credentials: {detail}.", remedy=_LOGIN_REMEDY)
    if document or (response.status == 200 and response.body.lstrip().startswith(b"{")):
        return ContractViolation(
            f"marketo: the identity service answered HTTP {response.status} without a token.",
            excerpt=excerpt(response.text()),
            remedy=_HOST_REMEDY,
        )
    return ConfigError(f"marketo: no identity service at this host (HTTP {response.status}).", remedy=_HOST_REMEDY)
