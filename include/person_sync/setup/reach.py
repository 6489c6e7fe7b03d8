"""Whether a host answers over TLS, before any credentials are shown to it."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.errors import ConfigError, ContractViolation
from include.http import Request, Response, Transport, Verdict, judge_status

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["any_answer", "api_answer", "reach"]

_ATTEMPTS = 2
_TOTAL_WAIT_S = 10.0
_READ_TIMEOUT_S = 30.0
_UNAVAILABLE = frozenset({429, 502, 503, 504})


def reach(
    url: str, *, name: str, setting: str, ca_bundle: str | None, judge: Callable[[Response], str | None], remedy: str
) -> str:
    """
    Return a sentence saying that the host of `url` answers.

    `judge` returns what is wrong with the answer, None when it is one of the service looked for. Raises ConfigError
    naming the setting for an unknown host, a certificate that does not verify or another service; RetryableError when
    there is no answer. Sends no credentials; one repeat at most, since somebody is waiting.
    """
    transport = Transport(
        name=name, setting=setting, ca_bundle=ca_bundle, attempts=_ATTEMPTS, total_wait_s=_TOTAL_WAIT_S
    )
    try:
        request = Request("GET", url, read_timeout_s=_READ_TIMEOUT_S, label=f"{name} reachability")
        response = transport.send(request, judge=_judge)
    finally:
        transport.close()
    host = urlsplit(url).netloc
    complaint = judge(response)
    if complaint:
        raise ConfigError(f"{name}: {host} answers over TLS, but {complaint}.", remedy=remedy)
    return f"{host} answers over TLS."


def _judge(response: Response) -> Verdict:
    return judge_status(response) if response.status in _UNAVAILABLE else Verdict.accept()


def any_answer(response: Response) -> str | None:  # noqa: ARG001 -- the interface of a judge
    """Accept whatever answers."""
    return None


def api_answer(response: Response) -> str | None:
    """
    Accept the ways in which an API refuses a caller without credentials.

    A redirect, a page that is missing, or content that is no JSON come from something else: a portal, a proxy's login
    page, a parked domain.
    """
    if response.status in {404, 405} or 300 <= response.status < 400:
        return f"HTTP {response.status} is not an answer of the API"
    if response.status >= 400 or not response.body:
        return None
    try:
        response.json()
    except ContractViolation:
        return "with something that is not the API"
    return None
