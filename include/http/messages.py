"""The values that travel between a vendor client and the transport."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from include.errors import ContractViolation
from include.http.encoding import encode_params
from include.http.redaction import excerpt

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_READ_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """
    One HTTP request, complete before it is sent.

    `params` are percent-encoded with `encode_params` and appended to `url`. `repeatable` is False for a request whose
    effect would happen twice if it were sent twice; then a lost answer raises LostAnswer. `label` names the request in
    logs and messages, for example "marketo sync_leads". Headers, parameters and body stay out of `repr`: they hold
    secrets and people's data.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    params: Sequence[tuple[str, str]] = field(default=(), repr=False)
    body: bytes | None = field(default=None, repr=False)
    read_timeout_s: float = DEFAULT_READ_TIMEOUT_S
    repeatable: bool = True
    label: str = ""

    @property
    def full_url(self) -> str:
        """The address with its query string, as it goes over the wire."""
        if not self.params:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}{encode_params(self.params)}"


@dataclass(frozen=True, slots=True)
class Response:
    """One complete HTTP answer. `headers` ignore case; `body` is decompressed; `elapsed_s` runs to the last byte."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    elapsed_s: float = 0.0

    def __post_init__(self) -> None:
        """Make the headers case-insensitive, however they came."""
        from requests.structures import CaseInsensitiveDict  # whoever has an answer has loaded it

        object.__setattr__(self, "headers", CaseInsensitiveDict(self.headers))

    def text(self) -> str:
        """Return the body as text; bytes that are not UTF-8 are replaced."""
        return self.body.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """Return the body as JSON values. Raises ContractViolation with a redacted excerpt when it is not JSON."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise ContractViolation(
                f"The answer (HTTP {self.status}, {len(self.body)} bytes) is not JSON.",
                excerpt=excerpt(self.text()),
                remedy="Check that the host is right and that no proxy or maintenance page answers in its place.",
            ) from error


class Credentials(Protocol):
    """What the transport asks a vendor's token keeper. Implementations are safe to use from several threads."""

    def authorization(self) -> str:
        """Return the value of the Authorization header, fetching or renewing a token when it has to."""

    def renew(self, refused: str) -> str:
        """
        Return a value to use instead of `refused`, which the server has just turned down.

        Raises ConfigError when no other value can be had. If another thread has renewed in the meantime, its value is
        the answer and nothing is fetched.
        """
