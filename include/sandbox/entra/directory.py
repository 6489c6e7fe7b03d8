"""The tenant: its applications, the resources tokens can be asked for, and the key that signs tokens."""

from __future__ import annotations

import base64
import binascii
import hmac
import threading
import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from cryptography import x509

    from include.sandbox.clock import Clock

__all__ = ["Application", "EntraDirectory", "TokenClaims"]

_DEFAULT_LIFETIME_S: Final = 3599
_KEY_ID: Final = "sandbox-signing-key"
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1")


@dataclass(slots=True)
class Application:
    """An app registration. `certificates` are found by their SHA-1 and SHA-256 thumbprints, in hexadecimal."""

    client_id: str
    secret: str = field(repr=False)
    secret_expired: bool = False
    certificates: dict[str, x509.Certificate] = field(default_factory=dict)

    def knows_secret(self, secret: str) -> bool:
        """Whether this is the application's secret; compared in constant time."""
        return hmac.compare_digest(self.secret.encode(), secret.encode())


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a resource reads from a valid token."""

    client_id: str
    tenant_id: str
    audience: str
    expires_at: float


@cache
def _signing_key() -> rsa.RSAPrivateKey:
    """Return the key that signs tokens, one for all sandboxes of a process: making it takes longer than the rest."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


class EntraDirectory:
    """One tenant. Tokens are RS256 JWTs whose lifetime runs by the sandbox's clock. Thread-safe."""

    def __init__(self, tenant_id: str, tenant_domain: str, *, clock: Clock) -> None:
        self.tenant_id = tenant_id
        self.tenant_domain = tenant_domain
        self.url = ""
        self.lifetime_s = _DEFAULT_LIFETIME_S
        self.applications: dict[str, Application] = {}
        self.resources: set[str] = set()
        self._clock = clock
        self._key = _signing_key()
        self._valid: dict[str, TokenClaims] = {}
        self._lock = threading.Lock()

    def add_application(self, client_id: str, *, secret: str) -> Application:
        """Register an application and return it."""
        application = Application(client_id, secret)
        self.applications[client_id] = application
        return application

    def add_certificate(self, client_id: str, certificate: x509.Certificate) -> None:
        """Upload a certificate to an application's registration."""
        application = self.applications[client_id]
        for algorithm in (hashes.SHA1(), hashes.SHA256()):  # noqa: S303 - x5t is defined as the SHA-1 thumbprint
            application.certificates[certificate.fingerprint(algorithm).hex()] = certificate

    def add_resource(self, url: str) -> None:
        """Make tokens available for the address `url`, under both names of this machine."""
        for name in _LOCAL_NAMES:
            self.resources.add(url.replace("localhost", name))

    def is_tenant(self, name: str) -> bool:
        """Whether `name` is the tenant's GUID or its domain."""
        return name.lower() in {self.tenant_id, self.tenant_domain}

    def issue(self, client_id: str, audience: str) -> str:
        """Return a new access token for a resource."""
        now = int(self._clock.timestamp())
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": f"{self.url}/{self.tenant_id}/v2.0",
            "iat": now,
            "nbf": now,
            "exp": now + self.lifetime_s,
            "appid": client_id,
            "tid": self.tenant_id,
            "ver": "1.0",
            "uti": uuid.uuid4().hex,
        }
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": _KEY_ID})
        with self._lock:
            self._valid[token] = TokenClaims(client_id, self.tenant_id, audience, claims["exp"])
        return token

    def claims_of(self, token: str, audience: str) -> TokenClaims | None:
        """
        Return the claims of a token that is valid now for `audience` or another name of it, else None.

        Only tokens issued here and not revoked are known, which stands for checking the signature on every request.
        """
        with self._lock:
            claims = self._valid.get(token)
        if claims is None or claims.expires_at <= self._clock.timestamp():
            return None
        names = {audience.replace("localhost", name) for name in _LOCAL_NAMES}
        return claims if claims.audience in names else None

    def expire_tokens(self) -> None:
        """Make every token issued so far invalid, as if its time were over."""
        with self._lock:
            self._valid.clear()

    def public_keys(self) -> dict[str, Any]:
        """Return the JSON Web Key Set that verifies the tokens."""
        numbers = self._key.public_key().public_numbers()
        key = {
            "kty": "RSA",
            "use": "sig",
            "kid": _KEY_ID,
            "n": _base64_number(numbers.n),
            "e": _base64_number(numbers.e),
        }
        return {"keys": [key]}


def thumbprint_hex(value: str) -> str | None:
    """Return the hexadecimal form of a base64url thumbprint (`x5t`, `x5t#S256`), or None when it is not one."""
    try:
        return base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)).hex()
    except (binascii.Error, ValueError):
        return None


def _base64_number(number: int) -> str:
    content = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
