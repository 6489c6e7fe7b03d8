"""
Signed client assertions: how an application proves that it holds a certificate's private key.

Source: https://learn.microsoft.com/entra/identity-platform/certificate-credentials
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from include.sandbox.entra.directory import thumbprint_hex
from include.sandbox.entra.errors import TokenRefusal

if TYPE_CHECKING:
    from cryptography import x509

    from include.sandbox.entra.directory import Application

__all__ = ["check_assertion"]

_ALGORITHMS: Final = ("RS256", "PS256")
_LEEWAY_S: Final = 300


def check_assertion(assertion: str, application: Application, *, audience: str) -> None:
    """Return when the assertion is sound, else raise TokenRefusal: unknown key, signature, audience, subject, time."""
    certificate = _certificate(assertion, application)
    claims = _verified_claims(assertion, certificate)
    if claims.get("aud") != audience:
        raise TokenRefusal(
            401, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer."
        )
    if claims.get("iss") != application.client_id or claims.get("sub") != application.client_id:
        raise TokenRefusal(
            401, "invalid_client", 700021, "Client assertion application identifier doesn't match 'client_id'."
        )
    if not claims.get("jti"):
        raise TokenRefusal(401, "invalid_client", 50027, "JWT token is invalid or malformed.")
    _check_time(claims)


def _certificate(assertion: str, application: Application) -> x509.Certificate:
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.InvalidTokenError as error:
        raise TokenRefusal(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from error
    thumbprint = thumbprint_hex(str(header.get("x5t#S256") or header.get("x5t") or ""))
    certificate = application.certificates.get(thumbprint or "")
    if header.get("alg") not in _ALGORITHMS or certificate is None:
        text = (
            "The certificate with identifier used to sign the client assertion is not registered on application. "
            "[Reason - The key was not found.]"
        )
        raise TokenRefusal(401, "invalid_client", 700027, text)
    return certificate


def _verified_claims(assertion: str, certificate: x509.Certificate) -> dict[str, Any]:
    key = certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)  # noqa: S101 - only RSA certificates can be registered here
    options: Any = {"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False}
    try:
        return jwt.decode(assertion, key, algorithms=list(_ALGORITHMS), options=options)
    except jwt.InvalidTokenError as error:
        raise TokenRefusal(401, "invalid_client", 700027, "Client assertion contains an invalid signature.") from error


def _check_time(claims: dict[str, Any]) -> None:
    # The machine's time, not the sandbox's: the caller made the assertion by its own clock, which cannot be moved.
    now = time.time()
    expires, starts = claims.get("exp"), claims.get("nbf", now)
    if not isinstance(expires, int | float) or expires + _LEEWAY_S < now or starts - _LEEWAY_S > now:
        raise TokenRefusal(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")
