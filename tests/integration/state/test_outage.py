"""A database that is wrong or away is told apart, by connection id and without any secret."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import make_url

from include.errors import ConfigError, RetryableError, SyncError
from include.person_sync.state import Commit, Store
from tests.integration.state.conftest import links_frame

if TYPE_CHECKING:
    from pathlib import Path


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "url",
    [
        "not a url with secret",
        "mysql://user:secret@host/db",
        "postgresql+asyncpg://user:secret@host/db",
        "sqlite://",
        "sqlite:///relative/secret.db",
    ],
)
def test_unusable_url_is_a_config_error(url: str) -> None:
    """A URL we can't use is answered with the forms we can, and is not repeated."""
    with pytest.raises(ConfigError, match=r"person_sync_state.*postgresql\+psycopg://.*sqlite:////") as caught:
        Store.open(url)

    assert "secret" not in str(caught.value)


def test_server_that_is_away_is_retryable() -> None:
    """A database that may come back is worth another try."""
    with pytest.raises(RetryableError, match="person_sync_state") as caught:
        Store.open(f"postgresql://user:secret@127.0.0.1:{free_port()}/db")

    assert "secret" not in str(caught.value)


def test_missing_database_is_a_config_error(postgres_server: str) -> None:
    """A database nobody made will not appear by waiting."""
    url = make_url(postgres_server).set(database="nobody_made_me").render_as_string(hide_password=False)

    with pytest.raises(ConfigError, match=r"person_sync_state.*nobody_made_me"):
        Store.open(url)


def test_missing_user_is_a_config_error(postgres_server: str) -> None:
    """A user the server does not know is a matter for a person."""
    url = make_url(postgres_server).set(username="nobody", password="s3cr3t").render_as_string(hide_password=False)

    with pytest.raises(ConfigError, match="person_sync_state") as caught:
        Store.open(url)

    assert "s3cr3t" not in str(caught.value)


def test_user_without_rights_is_a_config_error(postgres_url: str) -> None:
    """A user who may not make tables is told so at once."""
    user = sql.Identifier(f"reader_{make_url(postgres_url).database}")
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(user))
    url = make_url(postgres_url).set(username=user.as_string(None).strip('"'), password="x")

    with pytest.raises(ConfigError, match=r"person_sync_state.*permission denied"):
        Store.open(url.render_as_string(hide_password=False))

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP ROLE {}").format(user))


def test_connection_lost_between_transactions_is_replaced(postgres_url: str) -> None:
    """A server that was restarted while nothing happened is not even noticed."""
    store = Store.open(postgres_url)
    terminate_others(postgres_url)

    assert store.count_links() == 0
    store.close()


def test_connection_lost_inside_a_transaction_is_retryable(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that is cut off has not happened, may be repeated, and then happens."""
    from include.person_sync.state import commits

    store = Store.open(postgres_url)
    store.start_run("run-1", kind="cycle", mode="incremental", params={}, origin={})
    store.acquire_lease("person_sync", "run-1", ttl_s=300, host="h", pid=None)
    content = Commit(links=links_frame((1, 10, "lead", "g1")), watermarks={"feed": 1})
    original = commits._move_watermarks
    monkeypatch.setattr(commits, "_move_watermarks", lambda *rest: (terminate_others(postgres_url), original(*rest)))

    with pytest.raises(RetryableError, match="person_sync_state"):
        store.commit("run-1", content)
    monkeypatch.setattr(commits, "_move_watermarks", original)

    assert store.count_links() == 0
    assert store.commit("run-1", content) is True
    assert store.count_links() == 1
    store.close()


def terminate_others(url: str) -> None:
    """Cut every other connection to the database, as a restart of the server does."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() "
            "AND pid <> pg_backend_pid()"
        )


def test_file_that_is_no_database_is_a_config_error(tmp_path: Path) -> None:
    """A path that names some other file is a mistake, and the file stays as it is."""
    path = tmp_path / "notes.txt"
    path.write_text("these are my notes, and they are long enough to be a header of something\n" * 20, encoding="utf-8")
    before = path.read_bytes()

    with pytest.raises(ConfigError, match=r"person_sync_state.*not a database"):
        Store.open(f"sqlite:///{path}")

    assert path.read_bytes() == before


def test_path_through_a_file_is_a_config_error(tmp_path: Path) -> None:
    """A folder that can't be made is named."""
    (tmp_path / "file").write_text("", encoding="utf-8")

    with pytest.raises(ConfigError, match=r"person_sync_state.*file/deeper"):
        Store.open(f"sqlite:///{tmp_path}/file/deeper/state.db")


def test_sqlite_that_stays_locked_is_retryable(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer that does not end makes us wait, then say so."""
    from include.person_sync.state import engine

    monkeypatch.setattr(engine, "BUSY_TIMEOUT_S", 0.1)
    holder, waiting = Store.open(sqlite_url), Store.open(sqlite_url)

    with engine.writing(holder._engine), pytest.raises(RetryableError, match=r"person_sync_state.*locked"):
        waiting.save_document("x", 1)

    waiting.save_document("x", 1)
    assert isinstance(waiting.document("x"), tuple)
    assert issubclass(RetryableError, SyncError)
