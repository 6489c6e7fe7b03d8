"""A stand-in for `requests.Session` that MSAL can use as its `http_client`, on top of the one request path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import requests

from include.http.messages import DEFAULT_READ_TIMEOUT_S, Request, Response

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.http.transport import Transport

    Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]


class MsalResponse:
    """The three members of an answer that MSAL reads, and `raise_for_status`."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status
        self.text = response.text()
        self.headers = dict(response.headers)

    def raise_for_status(self) -> None:
        """Raise requests.HTTPError for a status of 400 or above."""
        if self.status_code >= 400:
            raise requests.HTTPError(f"HTTP {self.status_code}")


class MsalSession:
    """
    Gives MSAL `get`, `post` and `close`; every call runs through the transport, with its time-outs and retries.

    Pass it as `http_client=` of `msal.ConfidentialClientApplication`. Raises what `Transport.send` raises, so an
    unknown authority host or an untrusted certificate comes out as ConfigError.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(
        self, url: str, *, params: Pairs | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> MsalResponse:
        """Return the answer to a GET."""
        return self._send("GET", url, params, headers, None)

    def post(
        self,
        url: str,
        *,
        params: Pairs | None = None,
        data: Pairs | str | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> MsalResponse:
        """Return the answer to a POST; a mapping in `data` goes out form-encoded."""
        return self._send("POST", url, params, headers, data)

    def close(self) -> None:
        """Give the pooled connections back."""
        self._transport.close()

    def _send(
        self,
        method: str,
        url: str,
        params: Pairs | None,
        headers: Mapping[str, str] | None,
        data: Pairs | str | bytes | None,
    ) -> MsalResponse:
        sent_headers = dict(headers or {})
        if data is not None:
            sent_headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
        request = Request(
            method,
            url,
            headers=sent_headers,
            params=[(name, str(value)) for name, value in _pairs(params or {})],
            body=_encode(data),
            read_timeout_s=DEFAULT_READ_TIMEOUT_S,
            label=f"{self._transport.name} token",
        )
        return MsalResponse(self._transport.send(request))


def _pairs(source: Pairs) -> list[tuple[str, Any]]:
    return list(source.items()) if hasattr(source, "items") else list(source)


def _encode(data: Pairs | str | bytes | None) -> bytes | None:
    if data is None or isinstance(data, bytes):
        return data
    if isinstance(data, str):
        return data.encode()
    return urlencode(_pairs(data)).encode()
