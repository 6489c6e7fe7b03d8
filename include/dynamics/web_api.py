"""One request to the Web API: headers, credentials, judgement of the answer, exceptions."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from include.dynamics.errors import Kind, read_error, to_exception
from include.dynamics.multipart import BatchAnswer, Part, build_batch, is_multipart, parse_batch
from include.errors import ContractViolation
from include.http import Request, Response, Verdict, encode_params, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from include.dynamics.address import OrganizationAddress
    from include.dynamics.values import DynamicsSettings
    from include.http import Credentials, Transport

Params = list[tuple[str, str]]

_UNEXPECTED_REPEATS = 2


class WebApi:
    """
    Sends single requests and whole batches, and returns the answers. Safe to use from several threads.

    Throttling, outages and an outdated token are dealt with on the way (`include.http`); every other answer comes back
    as it is from `fetch` and `exchange`, and as an exception from `read`.
    """

    def __init__(
        self,
        address: OrganizationAddress,
        settings: DynamicsSettings,
        *,
        transport: Transport,
        credentials: Credentials,
        sleep: Callable[[float], None],
    ) -> None:
        self.address = address
        self.settings = settings
        self.transport = transport
        self._credentials = credentials
        self._sleep = sleep

    def fetch(self, url: str, params: Params | None = None, *, prefer: Sequence[str] = (), label: str) -> Response:
        """
        Return the final answer to a GET, whatever its status below 500.

        `url` is relative to the service root, or a link exactly as the server gave it.
        """
        request = Request(
            "GET",
            self._resolve(url),
            headers={**_identify(), **read_headers(prefer)},
            params=params or [],
            read_timeout_s=self.settings.read_timeout_s,
            label=f"dynamics {label}",
        )
        return self.transport.send(request, judge=partial(_judge, label), credentials=self._credentials)

    def read(self, url: str, params: Params | None = None, *, prefer: Sequence[str] = (), label: str) -> dict[str, Any]:
        """Return the JSON object of a GET. Raises what `include.dynamics.errors` makes of anything but success."""
        return self.content(self.fetch(url, params, prefer=prefer, label=label), label=label)

    def content(self, response: Response, *, label: str) -> dict[str, Any]:
        """Return the JSON object of a successful answer, else raise the exception for it."""
        if response.status != 200:
            raise to_exception(read_error(response), doing=label)
        content = response.json()
        if not isinstance(content, dict):
            raise ContractViolation(
                f"Dynamics, {label}: the answer is not a JSON object.",
                excerpt=excerpt(response.text()),
                remedy="Check 'host' of the Dynamics connection.",
            )
        return content

    def part_path(self, path: str, params: Params | None = None) -> str:
        """Return the address of a request inside a batch: relative to the host, percent-encoded."""
        query = f"?{encode_params(params)}" if params else ""
        return f"{urlsplit(self.address.service).path}{path}{query}"

    def exchange(self, parts: Sequence[Part], *, repeatable: bool, label: str) -> BatchAnswer | Response:
        """
        Return the answers to the parts, sent as one `$batch` that goes on after failures, or the error for the whole.

        Raises LostAnswer when parts that are not `repeatable` may have been carried out.
        """
        boundary = f"batch_{uuid.uuid4()}"
        request = Request(
            "POST",
            f"{self.address.service}$batch",
            headers={
                **_identify(),
                "Content-Type": f'multipart/mixed; boundary="{boundary}"',
                "Prefer": "odata.continue-on-error",
            },
            body=build_batch(parts, boundary),
            read_timeout_s=self.settings.read_timeout_s if repeatable else self.settings.write_timeout_s,
            repeatable=repeatable,
            label=f"dynamics {label}",
        )
        response = self.transport.send(request, judge=partial(_judge, label), credentials=self._credentials)
        return parse_batch(response) if is_multipart(response) else response

    def _resolve(self, url: str) -> str:
        """Return a link of the server unchanged, also when it is relative. The token never goes out in clear."""
        if url.startswith("https://"):
            return url
        resolved = urljoin(self.address.service, url)
        if not resolved.startswith("https://"):
            raise ContractViolation(
                "Dynamics gave a link that is not https.",
                remedy="Check how the service in 'host' is published; the access token is never sent in clear.",
            )
        return resolved

    def renew_credentials(self) -> None:
        """Fetch another token: a part of a batch was refused for its sake."""
        self._credentials.renew(self._credentials.authorization())

    def wait(self, seconds: float, *, advised: bool) -> None:
        """Wait before a repeat; when the server advised it, every thread does."""
        if advised:
            self.transport.pause(seconds)
        else:
            self._sleep(seconds)


def read_headers(prefer: Sequence[str] = ()) -> dict[str, str]:
    """Return the headers of a GET, alone or inside a batch."""
    headers = {"Accept": "application/json", "If-None-Match": "null"}
    return {**headers, "Prefer": ",".join(prefer)} if prefer else headers


def _identify() -> dict[str, str]:
    return {
        "Accept": "application/json",
        "OData-Version": "4.0",
        "OData-MaxVersion": "4.0",
        "x-ms-client-request-id": str(uuid.uuid4()),
        "x-ms-correlation-id": str(uuid.uuid4()),
    }


def _judge(label: str, response: Response) -> Verdict:
    """Judge by what the error means; a batch answer carries the status of one of its parts and is always accepted."""
    if response.status < 400 or is_multipart(response):
        return Verdict.accept()
    error = read_error(response)
    kind = error.kind
    reason = f"HTTP {error.status} {error.code}".strip()
    failure = to_exception(error, doing=label)
    if kind is Kind.TOKEN:
        return Verdict.renew(reason)
    if kind is Kind.THROTTLED:
        return Verdict.retry(reason, after_s=error.retry_after_s, error=failure)
    if kind is Kind.TRANSIENT:
        return Verdict.unsure(reason, after_s=error.retry_after_s, error=failure)
    if kind is Kind.UNEXPECTED:
        return Verdict.unsure(reason, after_s=error.retry_after_s, max_repeats=_UNEXPECTED_REPEATS, error=failure)
    return Verdict.accept()
