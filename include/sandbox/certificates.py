"""
A certificate authority made when the sandbox starts, and what it signs.

Nothing here is ever installed on the machine: clients are told the CA's file (`ca_bundle`), which is also how a
company's private CA is configured in production.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
from cryptography import x509

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ClientCertificate", "ServerCertificate", "make_client_certificate", "make_server_certificate"]

_ORGANIZATION = "Person sync sandbox"


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A server certificate with its key, held in memory, and the file of the CA that vouches for it."""

    ca_file: Path
    issued: trustme.LeafCert

    def server_context(self) -> ssl.SSLContext:
        """Return a TLS context for a listener."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.issued.configure_cert(context)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return a TLS context that trusts this CA and no other."""
        return ssl.create_default_context(cafile=str(self.ca_file))


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """A key pair for signing in to Entra ID: one PEM file holding the private key and the certificate."""

    file: Path
    certificate: x509.Certificate


def make_server_certificate(directory: Path, *, name: str = "localhost") -> ServerCertificate:
    """
    Make a CA and a server certificate and return them. Writes the CA to `ca.pem` below `directory`.

    The certificate is good for localhost, 127.0.0.1 and the host name `name`.
    """
    authority = trustme.CA(organization_name=_ORGANIZATION)
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    return ServerCertificate(ca_file, authority.issue_cert(*sorted({"localhost", "127.0.0.1", name})))


def make_client_certificate(file: Path, *, common_name: str = "person-sync") -> ClientCertificate:
    """Make a certificate with its RSA key, as one uploads to an app registration. Writes `file`, for its owner only."""
    authority = trustme.CA(organization_name=_ORGANIZATION)
    # Entra ID takes RSA keys only.
    issued = authority.issue_cert(common_name=common_name, key_type=trustme.KeyType.RSA)
    file.touch(mode=0o600)
    issued.private_key_and_cert_chain_pem.write_to_path(file)
    return ClientCertificate(file, x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()))
