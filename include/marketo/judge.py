"""Reads an answer of the REST API and says what the retry loop should do with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from include.errors import ConfigError, ContractViolation, QuotaExhausted, SyncError
from include.http import Response, UnreachableHost, Verdict, judge_status
from include.marketo.dates import next_quota_reset
from include.marketo.envelope import CallRefused, Envelope, is_envelope, parse_envelope

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from include.marketo.operations import Operation

_RENEW = frozenset({"601", "602"})
_DENIED = frozenset({"600", "603"})  # 600 was retired in favour of 603 in August 2022
_NOT_STARTED = frozenset({"608", "614", "713", "719"})
_UNCERTAIN = frozenset({"500", "502", "503", "604"})
_MALFORMED_REPEATS = 1
_SYSTEM_ERROR_REPEATS = 1
_CONCURRENCY_WAIT_S = 2.0
_LONGEST_REFUSAL = 65_536
_HOST_REMEDY = "Check the setting 'host': it must be the REST address of the instance (Admin > Web Services)."


class EnvelopeJudge:
    """
    The judge of one call; `envelope` is the last answer read.

    Codes in `handed_back` are given to the caller at once, because it has something better to do than to send the same
    again: a time-out of a big batch is cured by smaller ones.
    """

    def __init__(
        self, operation: Operation, *, rate_window_s: float, now: Callable[[], datetime], handed_back: frozenset[str]
    ) -> None:
        self._operation = operation
        self._rate_window_s = rate_window_s
        self._now = now
        self._handed_back = handed_back
        self.envelope: Envelope | None = None

    def __call__(self, response: Response) -> Verdict:
        """Return the verdict; raises ConfigError for 600 and 603 and QuotaExhausted for 607."""
        self.envelope = None
        try:
            self.envelope = parse_envelope(response, self._operation.label)
        except ContractViolation as violation:
            return self._judge_without_envelope(response, violation)
        if self.envelope.success:
            return Verdict.accept()
        return self._judge_errors(self.envelope, response)

    def _judge_without_envelope(self, response: Response, violation: ContractViolation) -> Verdict:
        verdict = judge_status(response)
        label = self._operation.label
        if verdict != Verdict.accept():
            return verdict
        if response.status == 401:
            return Verdict.renew("HTTP 401")
        if response.status in {413, 414}:
            detail = "the body is too large" if response.status == 413 else "the address is too long"
            raise CallRefused(label, str(response.status), detail)
        if 300 <= response.status < 500:
            raise ConfigError(f"{label}: HTTP {response.status} instead of an answer of the API.", remedy=_HOST_REMEDY)
        return Verdict.unsure("malformed answer", max_repeats=_MALFORMED_REPEATS, error=violation)

    def _judge_errors(self, envelope: Envelope, response: Response) -> Verdict:
        code = envelope.errors[0].code if envelope.errors else ""
        reason = f"{code or 'no code'} (request {envelope.request_id or 'unknown'})"
        if code in self._handed_back:
            return Verdict.accept()
        if code in _RENEW:
            return Verdict.renew(reason)
        if code in _DENIED:
            raise self._denied(envelope, code)
        if code == "607":
            raise self._quota(envelope)
        verdict = self._judge_passing_trouble(envelope, code, reason)
        return judge_status(response) if verdict == Verdict.accept() else verdict

    def _judge_passing_trouble(self, envelope: Envelope, code: str, reason: str) -> Verdict:
        if code == "606":
            return Verdict.retry(reason, after_s=self._rate_window_s)
        if code == "615":
            return Verdict.retry(reason, after_s=_CONCURRENCY_WAIT_S)
        if code in _NOT_STARTED:
            return Verdict.retry(reason, error=self._no_subscription(envelope) if code == "614" else None)
        if code in _UNCERTAIN:
            return Verdict.unsure(reason)
        if code == "611":
            refusal = build_refusal(envelope, self._operation)
            return Verdict.retry(f"{code} system error", max_repeats=_SYSTEM_ERROR_REPEATS, error=refusal)
        return Verdict.accept()

    def _denied(self, envelope: Envelope, code: str) -> SyncError:
        return ConfigError(
            f"{self._operation.label}: access denied ({code}). The API user's role lacks the permission "
            f"'{self._operation.permission}', or this machine's address is not on the instance's IP allowlist.",
            remedy="Add the permission under Admin > Users & Roles to the role of the API-only user named in the "
            "custom service, or extend the allowlist.",
            request_id=envelope.request_id or None,
        )

    def _quota(self, envelope: Envelope) -> SyncError:
        resets_at = next_quota_reset(self._now())
        return QuotaExhausted(
            f"{self._operation.label}: the instance's daily number of API calls is used up (607); it is renewed at "
            f"{resets_at:%Y-%m-%d %H:%M} UTC.",
            resets_at=resets_at,
            remedy="Wait until then, or ask Adobe for a higher limit; other integrations share the same number.",
            request_id=envelope.request_id or None,
        )

    def _no_subscription(self, envelope: Envelope) -> SyncError:
        return UnreachableHost(
            f"{self._operation.label}: the subscription cannot be found or reached (614).",
            remedy=f"Usually temporary. {_HOST_REMEDY}",
            request_id=envelope.request_id or None,
        )


class FileJudge(EnvelopeJudge):
    """
    The judge of a call that hands out a file. `is_envelope` tells whether the last answer was a refusal instead.

    The address ends in `.json`, so the content type proves nothing: only a short answer that reads as an envelope is
    one.
    """

    is_envelope = False

    def __call__(self, response: Response) -> Verdict:
        """Return the verdict: files and their absence are accepted, refusals are judged like any other."""
        self.is_envelope = _looks_like_envelope(response.body)
        if self.is_envelope:
            return super().__call__(response)
        if response.status == 401:
            return Verdict.renew("HTTP 401")
        return judge_status(response)


def _looks_like_envelope(body: bytes) -> bool:
    if len(body) > _LONGEST_REFUSAL or not body.lstrip().startswith(b"{"):
        return False
    try:
        return is_envelope(json.loads(body))
    except ValueError:
        return False


def build_refusal(envelope: Envelope, operation: Operation) -> CallRefused:
    """Return the exception for an envelope that says `success: false`."""
    if not envelope.errors:
        return CallRefused(operation.label, "?", "success is false without a reason", request_id=envelope.request_id)
    first = envelope.errors[0]
    return CallRefused(operation.label, first.code or "?", first.message, request_id=envelope.request_id)
