"""Where a Marketo instance is, how to log in, and how hard it may be used."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from include.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

_MUNCHKIN_ID = re.compile(r"^\d{3}-[A-Za-z]{3}-\d{3}$")
_EXPECTED = "Expected https://<Munchkin id>.mktorest.com, as shown under Admin > Web Services > REST API."


@dataclass(frozen=True, slots=True)
class MarketoConnection:
    """
    One Marketo instance and the custom service that may use it.

    `host` is taken as Marketo's own administration pages show it: with or without scheme, with or without the trailing
    `/rest` or `/identity`, or the bare Munchkin id; afterwards it reads `https://<name>[:port]`. Raises ConfigError,
    naming the connection field, for anything else and for missing credentials.

    `on_token` is told every access token before its first use, so that whoever keeps a log can mask it.
    """

    host: str
    client_id: str
    client_secret: str = field(repr=False)
    ca_bundle: str | None = None
    on_token: Callable[[str], None] | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Normalise what was pasted in."""
        object.__setattr__(self, "host", normalise_host(self.host))
        object.__setattr__(self, "client_id", _require(self.client_id, "login", "Client Id"))
        object.__setattr__(self, "client_secret", _require(self.client_secret, "password", "Client Secret"))
        object.__setattr__(self, "ca_bundle", self.ca_bundle or None)

    @property
    def munchkin_id(self) -> str:
        """The instance's id in upper case: the first label of its host name."""
        return (urlsplit(self.host).hostname or "").split(".")[0].upper()


def normalise_host(host: str) -> str:
    """Return `https://<name>[:port]` for any accepted spelling of the instance's address; ConfigError otherwise."""
    text = (host or "").strip()
    if not text:
        raise ConfigError("marketo: the setting 'host' is empty.", remedy=_EXPECTED)
    if _MUNCHKIN_ID.match(text):
        text = f"{text}.mktorest.com"
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise ConfigError("marketo: the setting 'host' is not an address.", remedy=_EXPECTED) from error
    if parts.scheme.lower() != "https":
        raise ConfigError(
            f"marketo: the setting 'host' begins with {parts.scheme}://, but only https:// is used.", remedy=_EXPECTED
        )
    first_segment = parts.path.strip("/").split("/")[0]
    if not name or parts.username is not None or parts.query or first_segment not in {"", "rest", "identity"}:
        raise ConfigError("marketo: the setting 'host' is not the address of a REST API.", remedy=_EXPECTED)
    bracketed = f"[{name}]" if ":" in name else name
    return f"https://{bracketed}:{port}" if port else f"https://{bracketed}"


def _require(value: str | None, setting: str, shown_as: str) -> str:
    text = (value or "").strip()
    if not text:
        raise ConfigError(
            f"marketo: the setting '{setting}' is empty.",
            remedy=f"Enter the {shown_as} of the custom service (Admin > LaunchPoint > View Details).",
        )
    return text


@dataclass(frozen=True, slots=True)
class MarketoLimits:
    """
    How much of the instance's allowance this client takes.

    The documented ceilings are 100 calls in 20 s and 10 at once, shared with every other integration; the defaults are
    the half that Marketo recommends. `timeout_margin_s` is added to the server's own time-outs, so that the server
    gives up first and says so; `timeout_s` replaces them all. `daily_quota` is what the
    subscription allows; the API does not tell it. Source: marketo-integration-best-practices, "API limits".
    """

    rate_calls: int = 50
    rate_window_s: float = 20.0
    concurrency: int = 5
    daily_quota: int = 50_000
    attempts: int = 5
    total_wait_s: float = 120.0
    timeout_margin_s: float = 10.0
    timeout_s: float | None = None
