"""What a broken connection means: sent or not, for good or for now, and which setting a person should look at."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import TYPE_CHECKING, ClassVar

import requests
from urllib3.exceptions import NewConnectionError

from include.errors import ConfigError, RetryableError, SyncError
from include.http.judgement import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

_BAD_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.MissingSchema,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)
_UNKNOWN_NAME = frozenset(
    code for code in (getattr(socket, "EAI_NONAME", None), getattr(socket, "EAI_NODATA", None)) if code is not None
)
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL")


class UnreachableHost(RetryableError):
    """
    No connection could be made at all: worth another try, but more often a wrong setting than a passing fault.

    Schedulers retry it like every RetryableError; the command line returns the exit code of a wrong setting.
    """

    exit_code: ClassVar[int] = 4


def judge_failure(error: Exception, *, name: str, host: str, setting: str) -> Verdict:
    """
    Return what to do about an exception of the HTTP library: send again, or only if that is harmless.

    Raises ConfigError for what no retry can mend: a bad address, an unknown host name, a certificate that fails.
    """
    _raise_if_permanent(error, name=name, host=host, setting=setting)
    if isinstance(error, requests.exceptions.ProxyError):
        return Verdict.retry(
            "proxy refused", error=_unreachable(name, host, setting, "the proxy let no connection through")
        )
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return Verdict.retry("connect time-out", error=_unreachable(name, host, setting, "no answer to the connection"))
    if _find(error, NewConnectionError) is not None:
        return Verdict.retry("no connection", error=_unreachable(name, host, setting, _connection_cause(error)))
    if isinstance(error, requests.exceptions.ReadTimeout):
        return Verdict.unsure("read time-out")
    return Verdict.unsure(f"connection lost ({type(error).__name__})")


def _raise_if_permanent(error: Exception, *, name: str, host: str, setting: str) -> None:
    if isinstance(error, _BAD_ADDRESS):
        raise ConfigError(
            f"{name}: the address of {host!r} cannot be used ({type(error).__name__}).",
            remedy=f"Correct the setting '{setting}' of the connection; it must be an https:// address.",
        ) from error
    if isinstance(error, requests.exceptions.SSLError):
        _raise_tls(error, name=name, host=host, setting=setting)
    resolution = _find(error, socket.gaierror)
    if isinstance(resolution, socket.gaierror) and resolution.errno in _UNKNOWN_NAME:
        raise ConfigError(
            f"{name}: the host name {host!r} is unknown.",
            remedy=f"Correct the setting '{setting}' of the connection, or the name service of this machine.",
        ) from error


def _raise_tls(error: Exception, *, name: str, host: str, setting: str) -> None:
    verification = _find(error, ssl.SSLCertVerificationError)
    if verification is not None or "CERTIFICATE_VERIFY_FAILED" in str(error):
        cause = getattr(verification, "verify_message", "") or "the certificate does not verify"
        raise ConfigError(
            f"{name}: TLS verification of {host!r} failed: {cause}.",
            remedy=f"Check the setting '{setting}'. If a private certificate authority signs for this host, give its "
            "PEM file in the setting 'ca_bundle'.",
        ) from error
    if any(sign in str(error) for sign in _NOT_TLS):
        raise ConfigError(
            f"{name}: {host!r} does not speak TLS on this port.",
            remedy=f"Correct the host or port in the setting '{setting}'; plain HTTP is never used.",
        ) from error


def _unreachable(name: str, host: str, setting: str, cause: str) -> SyncError:
    return UnreachableHost(
        f"{name}: {host!r} cannot be reached: {cause}.",
        remedy=f"Check the setting '{setting}' of the connection, the proxy, the firewall, and that the service is up.",
    )


def _connection_cause(error: Exception) -> str:
    if _find(error, socket.gaierror) is not None:
        return "its name could not be resolved for now"
    cause = next((e for e in _chain(error) if isinstance(e, OSError) and e.errno in errno.errorcode), None)
    return cause.strerror.lower() if isinstance(cause, OSError) and cause.strerror else "no connection"


def _find(error: BaseException, kind: type[BaseException]) -> BaseException | None:
    return next((e for e in _chain(error) if isinstance(e, kind)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the exception and everything it wraps: causes, contexts, `reason` attributes and arguments."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if not isinstance(current, BaseException) or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [getattr(current, "reason", None), *current.args, current.__cause__, current.__context__]
