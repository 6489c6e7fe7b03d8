"""Connections from the environment, in every form that Airflow itself takes."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import make_url

from include.errors import ConfigError
from include.person_sync.config.connections import load_connection, parse_connection, state_url

SECRET = "s3cr%t/p@ss:word"
JSON = {
    "conn_type": "dynamics",
    "host": "https://org.crm.dynamics.com",
    "login": "app-id",
    "password": SECRET,
    "extra": {"tenant_id": "contoso.onmicrosoft.com", "ca_bundle": "/etc/ca.pem"},
}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(JSON),
        json.dumps({**JSON, "extra": json.dumps(JSON["extra"])}),
        "dynamics://https://app-id:s3cr%25t%2Fp%40ss%3Aword@org.crm.dynamics.com"
        "?tenant_id=contoso.onmicrosoft.com&ca_bundle=%2Fetc%2Fca.pem",
        "dynamics://https://app-id:s3cr%25t%2Fp%40ss%3Aword@org.crm.dynamics.com"
        "/?__extra__=%7B%22tenant_id%22%3A%20%22contoso.onmicrosoft.com%22%2C%20%22ca_bundle%22%3A%20%22%2Fetc%2Fca.pem%22%7D",
    ],
    ids=["json", "json with extra as text", "uri", "uri with extra as json"],
)
def test_load_reads_every_form_alike(text: str) -> None:
    """JSON and URI forms of one connection are the same connection."""
    spec = load_connection("dynamics_default", {"AIRFLOW_CONN_DYNAMICS_DEFAULT": text})

    assert (spec.conn_type, spec.host, spec.login, spec.password) == (
        "dynamics",
        "https://org.crm.dynamics.com",
        "app-id",
        SECRET,
    )
    assert dict(spec.extra) == JSON["extra"]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps(JSON),
        "marketo://id:pw@517-QXZ-204.mktorest.com",
        "marketo://https://id:pw@517-QXZ-204.mktorest.com:8443/rest?a=b",
        "my-type://id@host.example/path",
    ],
)
def test_parse_agrees_with_airflow(text: str) -> None:
    """What Airflow reads from a connection is what we read from it."""
    from airflow.models.connection import Connection

    theirs = Connection.from_json(text) if text.startswith("{") else Connection(uri=text)

    ours = parse_connection("some_id", text)

    assert ours.conn_type == theirs.conn_type
    assert ours.host.lower() == theirs.host.lower()
    assert ours.login == (theirs.login or "")
    assert ours.password == (theirs.password or "")
    assert ours.port == theirs.port
    assert ours.schema == (theirs.schema or "")
    assert dict(ours.extra) == theirs.extra_dejson


def test_load_says_which_variable_is_missing() -> None:
    """An unset connection is told by the name of the variable to set."""
    with pytest.raises(ConfigError, match="AIRFLOW_CONN_MARKETO_DEFAULT"):
        load_connection("marketo_default", {})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (SECRET, "neither JSON nor a URI"),
        ('{"conn_type": "marketo", "password": "' + SECRET + '"', "not valid JSON"),
        (json.dumps({**JSON, "extra": SECRET}), "extra is not valid JSON"),
        (json.dumps({**JSON, "extra": [SECRET]}), "extra is not a JSON object"),
        (json.dumps({**JSON, "verify": False}), "unknown key verify"),
        (json.dumps({**JSON, "host": ""}), "has no host"),
        (json.dumps({**JSON, "login": None}), "has no login"),
        (json.dumps({**JSON, "port": SECRET}), "port is not a number"),
        (f"marketo://id:{SECRET}@host:port", "not a valid URI"),
    ],
)
def test_load_tells_the_reason_and_never_the_secret(text: str, reason: str) -> None:
    """A connection that can't be used is named with its reason; no part of it is repeated."""
    with pytest.raises(ConfigError, match=reason) as caught:
        load_connection("dynamics_default", {"AIRFLOW_CONN_DYNAMICS_DEFAULT": text})

    assert "dynamics_default" in str(caught.value)
    assert "s3cr" not in str(caught.value)


def test_spec_hides_its_secrets_when_printed() -> None:
    """A connection in a log line or a traceback shows neither password nor extra (S-43)."""
    assert "s3cr" not in repr(parse_connection("x", json.dumps({**JSON, "extra": {"token": SECRET}})))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"AIRFLOW_HOME": "/opt/airflow"}, "sqlite:////opt/airflow/person_sync.db"),
        ({"AIRFLOW_CONN_PERSON_SYNC_STATE": "postgresql://u:p%40@db/sync"}, "postgresql://u:p%40@db/sync"),
        ({"AIRFLOW_CONN_PERSON_SYNC_STATE": "sqlite:////srv/state.db"}, "sqlite:////srv/state.db"),
        (
            {"AIRFLOW_CONN_PERSON_SYNC_STATE": "postgresql://postgres:@/postgres?host=/run/pg"},
            "postgresql://postgres:@/postgres?host=/run/pg",
        ),
        ({"AIRFLOW_CONN_PERSON_SYNC_STATE": "sqlite://%2Fsrv%2Fstate.db"}, "sqlite:////srv/state.db"),
        (
            {"AIRFLOW_CONN_PERSON_SYNC_STATE": '{"conn_type": "sqlite", "host": "/srv/state.db"}'},
            "sqlite:////srv/state.db",
        ),
    ],
)
def test_state_url_takes_urls_and_airflow_connections(environ: dict[str, str], expected: str) -> None:
    """The state database may be written as a URL, as a connection, or left to its default."""
    assert state_url(environ) == expected


def test_state_url_keeps_every_part_of_a_connection() -> None:
    """Awkward passwords, ports and driver options of a JSON connection arrive in the database URL."""
    connection = {
        "conn_type": "postgres",
        "host": "db.example",
        "port": 5433,
        "login": "sync user",
        "password": SECRET,
        "schema": "person_sync",
        "extra": {"sslmode": "verify-full"},
    }

    url = make_url(state_url({"AIRFLOW_CONN_PERSON_SYNC_STATE": json.dumps(connection)}))

    assert (url.username, url.password, url.host, url.port, url.database) == (
        "sync user",
        SECRET,
        "db.example",
        5433,
        "person_sync",
    )
    assert url.query == {"sslmode": "verify-full"}


def test_state_url_refuses_another_database() -> None:
    """A state database that is neither PostgreSQL nor SQLite is a ConfigError naming the valid types."""
    with pytest.raises(ConfigError, match=r"'mysql'.*postgres, sqlite"):
        state_url({"AIRFLOW_CONN_PERSON_SYNC_STATE": '{"conn_type": "mysql", "host": "x"}'})
