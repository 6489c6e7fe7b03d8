"""The sandbox's certificates: good for this machine, and no private key for anybody else to read."""

from __future__ import annotations

import socket
import stat
import threading
from datetime import UTC, datetime, timedelta

import pytest

from include.dynamics.certificate import load_certificate
from include.sandbox.certificates import make_client_certificate, make_server_certificate


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "sandbox"])
def test_server_certificate_is_good_for_every_name_of_the_machine(tmp_path, name):
    """A client that trusts the CA's file verifies both local names and the one given."""
    certificate = make_server_certificate(tmp_path, name="sandbox")
    near, far = socket.socketpair()

    def serve():
        with certificate.server_context().wrap_socket(far, server_side=True) as served:
            served.recv(1)

    serving = threading.Thread(target=serve)
    serving.start()
    with certificate.client_context().wrap_socket(near, server_hostname=name) as connected:
        connected.send(b"x")
        assert connected.version() in {"TLSv1.2", "TLSv1.3"}
    serving.join()


def test_server_key_is_not_left_on_disk(tmp_path):
    """The CA's certificate is all that is written; there is no key to take."""
    make_server_certificate(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["ca.pem"]
    assert "PRIVATE KEY" not in (tmp_path / "ca.pem").read_text()


def test_client_certificate_signs_in_and_is_its_owners_alone(tmp_path):
    """The file holds an RSA key and its certificate, as our own client wants them, for years; nobody else reads it."""
    made = make_client_certificate(tmp_path / "client.pem")

    loaded = load_certificate(str(made.file), now=datetime.now(UTC) + timedelta(days=365))

    assert loaded.certificate.startswith("-----BEGIN CERTIFICATE")
    assert stat.S_IMODE(made.file.stat().st_mode) == 0o600
