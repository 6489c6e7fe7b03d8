"""Reading the client certificate of an app registration."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from include.dynamics.certificate import load_certificate
from include.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 5, 2, tzinfo=UTC)
PEM = serialization.Encoding.PEM


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """Return a key that several certificates can be made for."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _key_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    secrecy = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, secrecy)


def _certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, days: int = 30) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(NOW - timedelta(days=60))
    return builder.not_valid_after(NOW + timedelta(days=days)).sign(key, hashes.SHA256())


def _certificate_pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, *, days: int = 30) -> bytes:
    return _certificate(key, days=days).public_bytes(PEM)


def test_load_certificate_finds_key_and_its_certificate_in_any_order(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """A chain in the file does no harm; the thumbprint is that of the key's own certificate."""
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    file = tmp_path / "client.pem"
    file.write_bytes(b"Bag Attributes\n" + _certificate_pem(stranger) + _certificate_pem(key) + _key_pem(key))

    loaded = load_certificate(str(file), now=NOW)

    assert loaded.thumbprint == _certificate(key).fingerprint(hashes.SHA1()).hex()  # noqa: S303 -- the registered form
    assert loaded.as_credential()["thumbprint"] == loaded.thumbprint
    assert "PRIVATE KEY" not in repr(loaded)


def test_load_certificate_says_what_is_wrong_with_the_file(tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    """Each way to get the file wrong is a wrong setting with a reason and the name of the field."""
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    curve = ec.generate_private_key(ec.SECP256R1())
    faults = {
        "no private key": _certificate_pem(key),
        "no certificate": _key_pem(key),
        "encrypted": _key_pem(key, b"secret") + _certificate_pem(key),
        "belong together": _key_pem(key) + _certificate_pem(stranger),
        "expired": _key_pem(key) + _certificate_pem(key, days=-1),
        "RSA": _key_pem(curve) + _certificate_pem(curve),
    }
    for reason, content in faults.items():
        file = tmp_path / "client.pem"
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=rf"{reason}.*extra\.certificate_path"):
            load_certificate(str(file), now=NOW)


def test_load_certificate_says_when_the_file_is_not_there(tmp_path: Path) -> None:
    """A wrong path is named."""
    with pytest.raises(ConfigError, match=r"nowhere\.pem"):
        load_certificate(str(tmp_path / "nowhere.pem"), now=NOW)
