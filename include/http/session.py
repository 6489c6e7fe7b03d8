"""A pooled session that verifies TLS always, keeps no cookies and reads no credentials from the environment."""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any

import certifi
import requests
from requests.adapters import HTTPAdapter

from include.errors import ConfigError

USER_AGENT = f"marketo-dynamics-person-sync python-requests/{requests.__version__}"


def build_session(*, name: str, ca_bundle: str | None, pool_size: int) -> requests.Session:
    """
    Return a session that trusts the system's authorities and, in addition, those in `ca_bundle`.

    Without `ca_bundle`, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE of the environment take its role. The environment's other
    settings are off (`trust_env`), because a .netrc entry would replace the Authorization header; proxies are added per
    request. Raises ConfigError when the bundle cannot be read.
    """
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", "Accept": "application/json"})
    session.adapters.clear()  # nothing is ever sent over plain HTTP
    session.mount("https://", _VerifyingAdapter(build_tls_context(name, ca_bundle), pool_size))
    return session


def build_tls_context(name: str, ca_bundle: str | None) -> ssl.SSLContext:
    """
    Return a client context: TLS 1.2 or later, host names checked, system and certifi authorities plus the bundle.

    Parsing all those certificates takes a good part of an idle cycle's time, so sessions share a context for as long as
    the bundle stays the same file.
    """
    bundle = ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    if not bundle:
        return _context(None, ())
    path = Path(bundle).expanduser()
    try:
        return _context(path, _version(path))
    except (OSError, ssl.SSLError) as error:
        kind = "does not exist" if isinstance(error, FileNotFoundError) else "holds no readable PEM certificate"
        raise ConfigError(
            f"{name}: the certificate bundle {bundle!r} {kind}.",
            remedy="Give the path of a PEM file in the setting 'ca_bundle', or leave it empty for public authorities.",
        ) from error


def _version(path: Path) -> tuple[int, ...]:
    """Return what changes when a bundle is replaced."""
    status = path.stat()
    return status.st_mtime_ns, status.st_size, status.st_ino


@lru_cache(maxsize=8)
def _context(bundle: Path | None, version: tuple[int, ...]) -> ssl.SSLContext:  # noqa: ARG001 - part of the cache's key
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_verify_locations(cafile=certifi.where())
    if bundle is not None and bundle.is_dir():
        context.load_verify_locations(capath=str(bundle))
    elif bundle is not None:
        context.load_verify_locations(cafile=str(bundle))
    return context


class _VerifyingAdapter(HTTPAdapter):
    """Uses one prepared TLS context for every connection, direct or through a proxy."""

    def __init__(self, context: ssl.SSLContext, pool_size: int) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=pool_size, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, ssl_context=self._context, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:  # noqa: ARG002 -- fixed by requests
        """Leave the trust to the context; requests would load a bundle of its own for every connection."""
        conn.cert_reqs = "CERT_REQUIRED"
