"""The sandbox as a whole: start, environment, stop."""

from __future__ import annotations

import json
import socket
import ssl
from pathlib import Path

import requests

from include.sandbox import Sandbox


def test_environment_names_running_services(tmp_path):
    """The connections point at listeners that answer, and at the CA that vouches for them."""
    with Sandbox.start(directory=tmp_path) as sandbox:
        connections = {name: json.loads(text) for name, text in sandbox.environment().items()}

        assert set(connections) == {"AIRFLOW_CONN_MARKETO_DEFAULT", "AIRFLOW_CONN_DYNAMICS_DEFAULT"}
        for connection in connections.values():
            bundle = connection["extra"]["ca_bundle"]
            assert Path(bundle) == tmp_path / "ca.pem"
            with requests.Session() as session:
                session.verify, session.trust_env = bundle, False
                assert session.get(connection["host"], timeout=10).status_code in {401, 404}


def test_secrets_differ_from_start_to_start(tmp_path):
    """No secret of the sandbox is ever the same twice, nor shown by accident."""
    with Sandbox.start(directory=tmp_path / "a") as first, Sandbox.start(directory=tmp_path / "b") as second:
        secrets = [first.credentials.dynamics_client_secret, second.credentials.dynamics_client_secret]

    assert secrets[0] != secrets[1]
    assert secrets[0] not in repr(first.credentials)


def test_stop_removes_what_was_temporary():
    """A sandbox without a directory leaves nothing behind, and may be stopped twice."""
    sandbox = Sandbox.start()
    directory = sandbox.directory
    assert (directory / "ca.pem").exists()

    sandbox.stop()
    sandbox.stop()

    assert not directory.exists()


def test_other_name_is_in_addresses_and_certificate(tmp_path):
    """Under another host name, addresses tell it, the certificate covers it, and tokens are good for it."""
    with Sandbox.start(directory=tmp_path, host="127.0.0.1", name="sandbox.example") as sandbox:
        assert sandbox.dynamics_url.startswith("https://sandbox.example:")
        token = sandbox.entra.issue(sandbox.credentials.dynamics_client_id, sandbox.dynamics_url)
        port = int(sandbox.dynamics_url.rpartition(":")[2])
        context = ssl.create_default_context(cafile=sandbox.ca_bundle)
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="sandbox.example") as connection,
        ):
            lines = (
                "GET /api/data/v9.2/WhoAmI HTTP/1.1",
                f"Authorization: Bearer {token}",
                "Connection: close",
                "",
                "",
            )
            connection.sendall("\r\n".join(lines).encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_latency_is_set_by_service(tmp_path):
    """One service can be slowed without the others."""
    with Sandbox.start(directory=tmp_path) as sandbox, requests.Session() as session:
        sandbox.set_latency("dynamics", 0.1)
        session.verify, session.trust_env = sandbox.ca_bundle, False
        slow = session.get(sandbox.dynamics_url, timeout=10).elapsed.total_seconds()

        assert slow >= 0.1
        assert len(sandbox.calls("dynamics")) == 1
        assert sandbox.calls("entra") == []
