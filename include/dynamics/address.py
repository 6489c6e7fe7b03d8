"""Where the organisation and its sign-in service are, from what people type into a connection."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from include.errors import ConfigError

API_PATH = "/api/data/v9.2/"

_API_HOST = re.compile(r"^([^.]+)\.api\.(crm)", re.IGNORECASE)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class OrganizationAddress:
    """
    The addresses of one organisation.

    `root` is scheme and host as given, `service` the root of the Web API with a slash at its end, `scope` what a token
    is asked for. The token belongs to the organisation's own address, `<org>.crm…`, even when the API is called
    through its other name, `<org>.api.crm…`.
    """

    root: str
    service: str
    scope: str


def parse_organization(host: str) -> OrganizationAddress:
    """Return the addresses for the connection's `host`. Raises ConfigError when it can't be an organisation."""
    parts = _split(host, field="host", example="https://<org>.crm.dynamics.com")
    path = parts.path.rstrip("/").lower()
    if path not in {"", "/main.aspx"} and not path.startswith("/api"):
        raise ConfigError(
            f"The host of the Dynamics connection has a path, {parts.path!r}, that is not part of the Web API.",
            remedy="Give the organisation's root in 'host', such as https://<org>.crm.dynamics.com.",
        )
    netloc = parts.netloc.lower()
    own_name = _API_HOST.sub(r"\1.\2", netloc)
    return OrganizationAddress(
        root=f"https://{netloc}",
        service=f"https://{netloc}{API_PATH}",
        scope=f"https://{own_name}/.default",
    )


def parse_authority(authority: str, tenant_id: str) -> str:
    """Return the authority for MSAL: the sign-in host, then the tenant, without a slash at the end."""
    tenant = tenant_id.strip().strip("/")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", tenant):
        raise ConfigError(
            "The Dynamics connection names no usable tenant.",
            remedy="Give the directory (tenant) id of the app registration, or its domain, in 'extra.tenant_id'.",
        )
    parts = _split(authority, field="extra.authority", example="https://login.microsoftonline.com")
    path = re.sub(r"(/oauth2)?/v2\.0.*$", "", parts.path).rstrip("/")
    if path.rpartition("/")[2].lower() != tenant.lower():
        path = f"{path}/{tenant}"
    return f"https://{parts.netloc.lower()}{path}"


def same_service(link: str, root: str) -> bool:
    """
    Tell whether a stored link leads to the organisation at `root`.

    The two names of one organisation (`<org>.crm…`, `<org>.api.crm…`) and the names of the local machine are the same.
    """
    return _identity(urlsplit(link)) == _identity(urlsplit(root))


def _identity(parts: SplitResult) -> tuple[str, int]:
    host = _API_HOST.sub(r"\1.\2", (parts.hostname or "").lower())
    return ("localhost" if host in _LOOPBACK else host), parts.port or 443


def _split(address: str, *, field: str, example: str) -> SplitResult:
    text = address.strip()
    if not text:
        raise ConfigError(f"The Dynamics connection has no {field!r}.", remedy=f"Give it, such as {example}.")
    if "://" not in text:
        text = f"https://{text}"
    try:
        parts = urlsplit(text)
        usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        usable = False
    if not usable or " " in text or parts.username is not None:
        raise ConfigError(
            f"The Dynamics connection's {field!r} is not an address.", remedy=f"Give it in the form {example}."
        )
    if parts.scheme.lower() != "https":
        raise ConfigError(
            f"The Dynamics connection's {field!r} begins with {parts.scheme}://; only https:// is used.",
            remedy=f"Give it in the form {example}.",
        )
    return parts
