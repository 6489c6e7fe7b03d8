"""The one request path: limits, sending, judging, waiting, repeating."""

from __future__ import annotations

import logging
import random as random_module
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from include.errors import LostAnswer, RetryableError
from include.http.failures import judge_failure
from include.http.judgement import Action, Judge, Verdict, judge_status
from include.http.messages import Credentials, Request, Response
from include.http.rate_limit import RateLimit, SlidingWindow
from include.http.retry import RetryBudget, RetryPolicy
from include.http.session import build_session

if TYPE_CHECKING:
    from collections.abc import Callable

_log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 10.0


class Transport:
    """
    Sends requests for one vendor client. Safe to use from several threads.

    `name` and `setting` tell messages whose connection it is and which of its settings holds the address. `rate` and
    `concurrency` bound what leaves this process. `calls` counts the HTTP requests really sent, retries included.
    `sleep`, `clock` (monotonic seconds) and `random` are replaced in tests.
    """

    def __init__(
        self,
        *,
        name: str,
        setting: str = "host",
        ca_bundle: str | None = None,
        rate: RateLimit | None = None,
        concurrency: int = 4,
        attempts: int = 5,
        total_wait_s: float = 120.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random_module.random,  # noqa: S311 -- spreads waits, guards nothing
    ) -> None:
        self.name = name
        self.setting = setting
        self.policy = RetryPolicy(attempts=attempts, total_wait_s=total_wait_s)
        self._session = build_session(name=name, ca_bundle=ca_bundle, pool_size=concurrency)
        self._window = SlidingWindow(rate)
        self._in_flight = threading.BoundedSemaphore(concurrency)
        self._sleep, self._clock, self._random = sleep, clock, random
        self._calls = 0
        self._calls_lock = threading.Lock()

    @property
    def calls(self) -> int:
        """The number of HTTP requests sent so far, retries included."""
        return self._calls

    def close(self) -> None:
        """Give the pooled connections back."""
        self._session.close()

    def retry_budget(self) -> RetryBudget:
        """Return a fresh retry budget, for a client that repeats parts of a request by itself."""
        return RetryBudget(self.policy, self._random)

    def pause(self, seconds: float) -> None:
        """Wait, and keep every other thread of this transport from sending meanwhile: the server asked for quiet."""
        self._window.hold(self._clock() + seconds)
        self._sleep(seconds)

    def send(self, request: Request, *, judge: Judge | None = None, credentials: Credentials | None = None) -> Response:
        """
        Return the answer that `judge` accepts (default: `judge_status`), after as many repeats as the budget allows.

        With `credentials` every attempt carries a current Authorization header, and a RENEW verdict renews it once.
        Raises what the judge raises; LostAnswer when a request that must not be repeated may have been carried out;
        ConfigError for an unusable address or certificate; RetryableError, or the verdict's own error, when the
        retry budget is used up.
        """
        judge = judge or judge_status
        budget = self.retry_budget()
        authorization = credentials.authorization() if credentials else None
        renewed = False
        while True:
            response, verdict = self._attempt(request, authorization, judge)
            if verdict.action is Action.RENEW and credentials and authorization and not renewed:
                _log.info("%s: %s; renewing the credentials", request.label, verdict.reason)
                authorization, renewed = credentials.renew(authorization), True
                continue
            if response is not None and verdict.action in {Action.ACCEPT, Action.RENEW}:
                return response
            self._wait(request, verdict, budget)
            authorization = credentials.authorization() if credentials else None

    def _attempt(self, request: Request, authorization: str | None, judge: Judge) -> tuple[Response | None, Verdict]:
        try:
            response = self._exchange(request, authorization)
        except (requests.RequestException, HTTPError, OSError) as error:
            host = urlsplit(request.url).hostname or request.url
            verdict = judge_failure(error, name=self.name, host=host, setting=self.setting)
            if verdict.action is Action.UNSURE:
                self._count()
            return None, verdict
        self._count()
        return response, judge(response)

    def _exchange(self, request: Request, authorization: str | None) -> Response:
        headers = {**request.headers, **({"Authorization": authorization} if authorization else {})}
        prepared = self._session.prepare_request(
            requests.Request(request.method, request.full_url, headers=headers, data=request.body)
        )
        if request.body is None and request.method in {"POST", "PATCH", "PUT"}:
            prepared.headers["Content-Length"] = "0"
        proxies = get_environ_proxies(request.url, no_proxy=None)
        self._await_turn()
        with self._in_flight:
            started = self._clock()
            answer = self._session.send(
                prepared,
                timeout=(CONNECT_TIMEOUT_S, request.read_timeout_s),
                allow_redirects=False,
                verify=True,
                proxies=proxies,
            )
            return Response(answer.status_code, answer.headers, answer.content, self._clock() - started)

    def _await_turn(self) -> None:
        wait_s = self._window.reserve(self._clock())
        while wait_s > 0:
            self._sleep(wait_s)
            wait_s = self._window.still_held(self._clock())

    def _count(self) -> None:
        with self._calls_lock:
            self._calls += 1

    def _wait(self, request: Request, verdict: Verdict, budget: RetryBudget) -> None:
        if verdict.action is Action.UNSURE and not request.repeatable:
            raise LostAnswer(
                f"{request.label or self.name}: sent, but the answer was lost ({verdict.reason}); "
                "it may have been applied.",
                retry_after_s=verdict.after_s,
                remedy="Look whether it was applied before sending it again; the next run does so by itself.",
            )
        wait_s = budget.next_wait(after_s=verdict.after_s, cause=verdict.reason, max_repeats=verdict.max_repeats)
        if wait_s is None:
            raise verdict.error or RetryableError(
                f"{request.label or self.name}: gave up after {budget.failures} attempts: {verdict.reason}.",
                retry_after_s=verdict.after_s,
                remedy="Nothing to correct if it passes; if it stays, check the vendor's status page.",
            )
        _log.info("%s: %s; attempt %d in %.1f s", request.label, verdict.reason, budget.failures + 1, wait_s)
        if verdict.after_s is not None:
            self.pause(wait_s)
        else:
            self._sleep(wait_s)
