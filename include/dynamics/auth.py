"""Access tokens for the Web API from Microsoft Entra ID, by MSAL, with a secret or a certificate."""

from __future__ import annotations

import logging
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msal
from msal.authority import WELL_KNOWN_AUTHORITY_HOSTS

from include.dynamics.address import parse_authority
from include.errors import ConfigError, ContractViolation, RetryableError, SyncError
from include.http import redact
from include.http.msal_session import MsalSession

if TYPE_CHECKING:
    from include.dynamics.values import DynamicsConnection
    from include.http import Transport

_log = logging.getLogger(__name__)

_AADSTS = re.compile(r"AADSTS(\d+)")
_FAULT_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class _Cause:
    seen: str
    remedy: str


_SECRET = _Cause(
    "the client secret is wrong or has expired",
    "Give a valid secret *value* (not its id) of the app registration as the password of the Dynamics connection.",
)
_CERTIFICATE = _Cause(
    "the certificate is not one of the app registration's",
    "Upload the certificate of 'extra.certificate_path' to the app registration, or correct the path.",
)
_APP = _Cause(
    "the tenant does not know the application",
    "Correct the app id in 'login', or the tenant in 'extra.tenant_id'.",
)
_TENANT = _Cause(
    "the tenant does not exist",
    "Correct 'extra.tenant_id' (directory id or domain), and 'extra.authority' if it is set.",
)
_RESOURCE = _Cause(
    "the tenant does not know the organisation the token is for",
    "Correct 'host' (the organisation's root address), or 'extra.tenant_id' if the organisation is in another tenant.",
)
_OTHER = _Cause(
    "Microsoft Entra ID issues no token",
    "Check 'login', the password or 'extra.certificate_path', and 'extra.tenant_id' of the Dynamics connection.",
)

# Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_CAUSE_BY_NUMBER = {
    "7000215": _SECRET,
    "7000222": _SECRET,
    "7000216": _SECRET,
    "7000218": _SECRET,
    "700027": _CERTIFICATE,
    "700024": _CERTIFICATE,
    "700016": _APP,
    "700038": _APP,
    "90002": _TENANT,
    "900021": _TENANT,
    "900023": _TENANT,
    "90013": _TENANT,
    "500011": _RESOURCE,
    "70011": _RESOURCE,
    "1002012": _RESOURCE,
}
_CAUSE_BY_ERROR = {
    "unauthorized_client": _APP,
    "invalid_tenant": _TENANT,
    "invalid_scope": _RESOURCE,
    "invalid_resource": _RESOURCE,
    "invalid_target": _RESOURCE,
}
_PASSING = frozenset({"temporarily_unavailable", "server_error"})


class TokenKeeper:
    """
    Gives the value of the Authorization header, from MSAL's cache or from Entra ID. Safe to use from several threads.

    The transport asks it before every request, and for another token when the API turns one down.
    """

    def __init__(self, connection: DynamicsConnection, *, scope: str, transport: Transport) -> None:
        self._connection = connection
        self._scope = scope
        self._authority = parse_authority(connection.authority, connection.tenant_id)
        self._transport = transport
        self._lock = threading.Lock()
        self._application: Any = None
        self._told = ""
        _check_identity(connection)

    def authorization(self) -> str:
        """Return `Bearer …`. Raises ConfigError naming the field to correct, or RetryableError."""
        with self._lock:
            return self._acquire()

    def renew(self, refused: str) -> str:
        """Return `Bearer …` with a token newer than `refused`; one fetched meanwhile by another thread will do."""
        with self._lock:
            current = self._acquire()
            if current != refused:
                return current
            self._application.remove_tokens_for_client()
            return self._acquire()

    def close(self) -> None:
        """Give the pooled connections back."""
        self._transport.close()

    def _acquire(self) -> str:
        try:
            if self._application is None:
                self._application = self._build_application()
            answer = self._application.acquire_token_for_client(scopes=[self._scope])
        except SyncError:
            self._application = None
            raise
        except (ValueError, KeyError, RuntimeError) as error:
            self._application = None
            raise self._explain_exception(error) from error
        token = answer.get("access_token") if answer else None
        if isinstance(token, str) and token:
            self._tell(token)
            return f"Bearer {token}"
        # MSAL remembers a failed answer for a while; a new application object forgets it.
        self._application = None
        raise self._explain_refusal(answer or {})

    def _tell(self, token: str) -> None:
        """Tell the connection's owner of a token that he has not seen; MSAL hands the same one out for an hour."""
        if token != self._told and self._connection.on_token is not None:
            self._connection.on_token(token)
        self._told = token

    def _build_application(self) -> Any:
        host = urlsplit(self._authority).hostname
        return msal.ConfidentialClientApplication(
            self._connection.client_id,
            client_credential=self._credential(),
            authority=self._authority,
            # For other hosts MSAL would ask login.microsoftonline.com whether it knows them.
            instance_discovery=None if host in WELL_KNOWN_AUTHORITY_HOSTS else False,
            http_client=MsalSession(self._transport),
        )

    def _credential(self) -> Any:
        if self._connection.certificate_path:
            from include.dynamics.certificate import (
                load_certificate,
            )  # loads cryptography, which a secret does not need

            return load_certificate(self._connection.certificate_path).as_credential()
        return self._connection.client_secret

    def _explain_exception(self, error: Exception) -> SyncError:
        """Turn what MSAL raises while it discovers the authority, or over an unreadable answer, into our own terms."""
        _log.info("sign-in: %s while talking to the authority", type(error).__name__)
        fault = str(error.__context__ or error)
        if "OIDC Discovery failed" in fault or "authority configuration" in str(error):
            number = _AADSTS.search(fault)
            detail = f" (AADSTS{number.group(1)})" if number else ""
            return ConfigError(
                f"Dynamics sign-in: the authority {self._authority} has no such tenant{detail}.", remedy=_TENANT.remedy
            )
        return ContractViolation(
            f"Dynamics sign-in: the authority {self._authority} answered something that is not OAuth 2.0 "
            f"({type(error).__name__}).",
            remedy="Check 'extra.authority' of the Dynamics connection, and that no proxy answers in its place.",
        )

    def _explain_refusal(self, answer: dict[str, Any]) -> SyncError:
        """Turn a refused token request into the exception that names the field to correct."""
        error = str(answer.get("error") or "")
        description = str(answer.get("error_description") or "")
        text = redact(description.splitlines()[0] if description else error)[:_FAULT_CHARACTERS]
        correlation = answer.get("correlation_id")
        request_id = str(correlation) if correlation else None
        if error in _PASSING:
            return RetryableError(f"Dynamics sign-in is not available for now: {text}", request_id=request_id)
        cause = self._cause(error, description)
        return ConfigError(f"Dynamics sign-in: {cause.seen}. {text}", remedy=cause.remedy, request_id=request_id)

    def _cause(self, error: str, description: str) -> _Cause:
        number = _AADSTS.search(description)
        known = _CAUSE_BY_NUMBER.get(number.group(1)) if number else None
        if known is None and error == "invalid_client":
            known = _SECRET
        if known is _SECRET and self._connection.certificate_path:
            return _CERTIFICATE
        return known or _CAUSE_BY_ERROR.get(error, _OTHER)


def _check_identity(connection: DynamicsConnection) -> None:
    if not connection.client_id.strip():
        raise ConfigError(
            "The Dynamics connection names no application.", remedy="Give the app registration's id in 'login'."
        )
    if not connection.client_secret and not connection.certificate_path:
        raise ConfigError(
            "The Dynamics connection has neither a secret nor a certificate.",
            remedy="Give the client secret as the password, or a PEM file in 'extra.certificate_path'.",
        )
