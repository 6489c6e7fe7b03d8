"""One call of the REST API: address, time-out, credentials, envelope."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError, ContractViolation
from include.http import RateLimit, Request, Transport, encode_form, encode_params
from include.marketo.auth import TokenKeeper
from include.marketo.envelope import (
    FIELD_NOT_FOUND,
    LOOKUP_NOT_SUPPORTED,
    NO_DATA,
    CallRefused,
    Envelope,
    FieldNotFound,
    empty_envelope,
)
from include.marketo.judge import EnvelopeJudge, FileJudge, build_refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from include.http import Response
    from include.marketo.connection import MarketoConnection, MarketoLimits
    from include.marketo.operations import Operation

    Params = Sequence[tuple[str, str]]

_log = logging.getLogger(__name__)

# The server refuses addresses over 8 KB with 414; host name and path are part of them.
LONGEST_URL = 7_000
_NOTHING_HANDED_BACK: frozenset[str] = frozenset()


class MarketoApi:
    """
    The REST API of one instance. Safe to use from several threads.

    `read` and `write` return the envelope of a call that succeeded. Both raise CallRefused for a refusal of the whole
    call, ConfigError, QuotaExhausted, RetryableError or LostAnswer.
    """

    def __init__(
        self,
        connection: MarketoConnection,
        limits: MarketoLimits,
        *,
        sleep: Callable[[float], None],
        clock: Callable[[], float],
        now: Callable[[], datetime],
        random: Callable[[], float],
    ) -> None:
        self.connection = connection
        self.limits = limits
        self.transport = Transport(
            name="marketo",
            ca_bundle=connection.ca_bundle,
            rate=RateLimit(limits.rate_calls, limits.rate_window_s),
            concurrency=limits.concurrency,
            attempts=limits.attempts,
            total_wait_s=limits.total_wait_s,
            sleep=sleep,
            clock=clock,
            random=random,
        )
        self._identity = Transport(
            name="marketo",
            ca_bundle=connection.ca_bundle,
            concurrency=1,
            attempts=limits.attempts,
            total_wait_s=limits.total_wait_s,
            sleep=sleep,
            clock=clock,
            random=random,
        )
        timeout_s = limits.timeout_s or 30.0 + limits.timeout_margin_s
        self._tokens = TokenKeeper(connection, self._identity, clock=clock, sleep=sleep, read_timeout_s=timeout_s)
        self._now = now

    def close(self) -> None:
        """Give the pooled connections back."""
        self.transport.close()
        self._identity.close()

    def read(
        self, operation: Operation, params: Params = (), *, handed_back: frozenset[str] = _NOTHING_HANDED_BACK
    ) -> Envelope:
        """
        Return the envelope of a query; "no data found" (702) is an empty result.

        A query too long for an address goes out as a form. Raises ConfigError when a named field does not exist (1006)
        or cannot be searched (1011).
        """
        if len(self.connection.host) + len(operation.path) + len(encode_params(params)) > LONGEST_URL:
            return self.query(operation, params, handed_back=handed_back)
        return self._read(operation, "GET", params, None, {}, handed_back)

    def query(
        self, operation: Operation, params: Params, *, handed_back: frozenset[str] = _NOTHING_HANDED_BACK
    ) -> Envelope:
        """
        Return the envelope of a query sent as a form, for parameters that do not fit into an address.

        Source: rest-api, "_method"; it belongs into the query string.
        """
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._read(operation, "POST", (("_method", "GET"),), encode_form(params), headers, handed_back)

    def write(
        self,
        operation: Operation,
        body: bytes | None,
        *,
        params: Params = (),
        repeatable: bool = True,
        handed_back: frozenset[str] = _NOTHING_HANDED_BACK,
    ) -> Envelope:
        """
        Return the envelope of a POST with a JSON body, or with none. Not `repeatable`: a lost answer raises LostAnswer.

        Without a body no type is announced, because an empty text is not valid JSON.
        """
        headers = {} if body is None else {"Content-Type": "application/json"}
        return self._call(operation, "POST", params, body, headers, repeatable=repeatable, handed_back=handed_back)

    def fetch_file(self, operation: Operation, headers: dict[str, str]) -> Response:
        """
        Return the answer of a call that hands out a file: 200, 206, or 404 and 416 when there is nothing to hand out.

        A refusal comes as an envelope all the same and raises what `read` raises. Source: "Bulk Extract".
        """
        judge = FileJudge(
            operation, rate_window_s=self.limits.rate_window_s, now=self._now, handed_back=_NOTHING_HANDED_BACK
        )
        request = Request(
            "GET",
            f"{self.connection.host}{operation.path}",
            headers=headers,
            read_timeout_s=self.limits.timeout_s or operation.server_timeout_s + self.limits.timeout_margin_s,
            label=operation.label,
        )
        response = self.transport.send(request, judge=judge, credentials=self._tokens)
        if judge.is_envelope:
            _accepted(judge, operation)
            raise ContractViolation(f"{operation.label}: an envelope instead of a file.")
        return response

    def _read(
        self,
        operation: Operation,
        method: str,
        params: Params,
        body: bytes | None,
        headers: dict[str, str],
        handed_back: frozenset[str] = _NOTHING_HANDED_BACK,
    ) -> Envelope:
        try:
            return self._call(operation, method, params, body, headers, handed_back=handed_back | {NO_DATA})
        except CallRefused as refusal:
            if refusal.code == NO_DATA:
                return empty_envelope(refusal.request_id or "")
            if refusal.code in {FIELD_NOT_FOUND, LOOKUP_NOT_SUPPORTED}:
                raise as_config_error(refusal) from refusal
            raise

    def _call(
        self,
        operation: Operation,
        method: str,
        params: Params,
        body: bytes | None,
        headers: dict[str, str],
        *,
        repeatable: bool = True,
        handed_back: frozenset[str] = _NOTHING_HANDED_BACK,
    ) -> Envelope:
        judge = EnvelopeJudge(
            operation, rate_window_s=self.limits.rate_window_s, now=self._now, handed_back=handed_back
        )
        request = Request(
            method,
            f"{self.connection.host}{operation.path}",
            headers=headers,
            params=params,
            body=body,
            read_timeout_s=self.limits.timeout_s or operation.server_timeout_s + self.limits.timeout_margin_s,
            repeatable=repeatable,
            label=operation.label,
        )
        self.transport.send(request, judge=judge, credentials=self._tokens)
        return _accepted(judge, operation)


def _accepted(judge: EnvelopeJudge, operation: Operation) -> Envelope:
    envelope = judge.envelope
    if envelope is None:
        raise _refused_twice(operation, None)
    for warning in envelope.warnings:
        _log.warning("%s: warning in request %s: %s", operation.label, envelope.request_id, warning)
    if envelope.success:
        return envelope
    if envelope.errors and envelope.errors[0].code in {"601", "602"}:
        raise _refused_twice(operation, envelope.request_id)
    raise build_refusal(envelope, operation)


def _refused_twice(operation: Operation, request_id: str | None) -> ConfigError:
    return ConfigError(
        f"{operation.label}: the access token was refused again after it had been renewed.",
        remedy="Check that the custom service of 'login' and its API-only user are active in this instance ('host').",
        request_id=request_id,
    )


def as_config_error(refusal: CallRefused) -> ConfigError:
    """Return a refusal that only a change of settings can mend, as such."""
    kind = FieldNotFound if refusal.code == FIELD_NOT_FOUND else ConfigError
    return kind(
        refusal.message,
        remedy="Compare the field map and the schema of the instance; run setup after a field was added or renamed.",
        request_id=refusal.request_id,
    )


def encode_json(document: Any) -> bytes:
    """Return a JSON body, UTF-8. ValueError for NaN and infinity."""
    return json.dumps(document, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def require_length(results: int, records: int, operation: Operation, request_id: str) -> None:
    """Raise ContractViolation unless there is one result per record: they are joined by position alone."""
    if results != records:
        raise ContractViolation(
            f"{operation.label}: {records} records were sent, but {results} results came back.",
            request_id=request_id,
            remedy="Nothing can be assigned to its record. The next run compares both sides and finds what "
            "was applied.",
        )
