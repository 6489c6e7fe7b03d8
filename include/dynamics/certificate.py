"""The client certificate an app registration signs in with, read from a PEM file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from include.errors import ConfigError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

_BLOCK = re.compile(rb"-----BEGIN ([A-Z ]+)-----.+?-----END \1-----", re.DOTALL)
_REMEDY = (
    "Give the path of a PEM file with the unencrypted private key and its certificate in 'extra.certificate_path'."
)


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """Private key and certificate as PEM text, and the certificate's SHA-1 thumbprint in hexadecimal."""

    private_key: str = field(repr=False)
    certificate: str = field(repr=False)
    thumbprint: str

    def as_credential(self) -> dict[str, str]:
        """Return the `client_credential` for MSAL; with the thumbprint it signs RS256 and sends `x5t` and `x5c`."""
        return {
            "private_key": self.private_key,
            "thumbprint": self.thumbprint,
            "public_certificate": self.certificate,
        }


def load_certificate(path: str, *, now: datetime | None = None) -> ClientCertificate:
    """
    Return the key and the certificate that belongs to it; further certificates of a chain are passed over.

    Raises ConfigError when the file can't be read, a half is missing, they don't match, or the certificate has expired.
    """
    blocks = _read_blocks(path)
    key = _load_key(path, blocks)
    certificates = [x509.load_pem_x509_certificate(text) for kind, text in blocks if kind == "CERTIFICATE"]
    if not certificates:
        raise ConfigError(f"The file {path!r} holds no certificate.", remedy=_REMEDY)
    public = _public_bytes(key.public_key())
    own = next((each for each in certificates if _public_bytes(each.public_key()) == public), None)
    if own is None:
        raise ConfigError(f"Private key and certificate in {path!r} don't belong together.", remedy=_REMEDY)
    _check_validity(path, own, now or datetime.now(UTC))
    return ClientCertificate(
        private_key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode("ascii"),
        certificate=own.public_bytes(serialization.Encoding.PEM).decode("ascii"),
        # Entra ID finds the registered certificate by this fingerprint; it secures nothing.
        thumbprint=own.fingerprint(hashes.SHA1()).hex(),  # noqa: S303
    )


def _read_blocks(path: str) -> list[tuple[str, bytes]]:
    try:
        content = Path(path).expanduser().read_bytes()
    except OSError as error:
        raise ConfigError(f"The certificate file {path!r} can't be read: {error.strerror}.", remedy=_REMEDY) from error
    return [(match.group(1).decode("ascii"), match.group(0)) for match in _BLOCK.finditer(content)]


def _load_key(path: str, blocks: list[tuple[str, bytes]]) -> rsa.RSAPrivateKey:
    pem = next((text for kind, text in blocks if kind.endswith("PRIVATE KEY")), None)
    if pem is None:
        raise ConfigError(f"The file {path!r} holds no private key.", remedy=_REMEDY)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"The private key in {path!r} can't be used; is it encrypted?", remedy=_REMEDY) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ConfigError(f"The private key in {path!r} is not an RSA key.", remedy=_REMEDY)
    return key


def _public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _check_validity(path: str, certificate: x509.Certificate, now: datetime) -> None:
    if now > certificate.not_valid_after_utc:
        raise ConfigError(
            f"The certificate in {path!r} expired on {certificate.not_valid_after_utc:%Y-%m-%d}.",
            remedy="Upload a new certificate to the app registration and give its file in 'extra.certificate_path'.",
        )
