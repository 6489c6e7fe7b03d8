"""
Opening the state database: its URL, its engine, and its errors in the project's own words.

PostgreSQL is spoken to through psycopg 3. SQLite runs in WAL mode, with transactions begun by us: `BEGIN IMMEDIATE` for
writers, so that two of them queue up instead of failing half-way.
"""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from include.errors import ConfigError, RetryableError, SyncError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["CONNECTION_ID", "open_engine", "parse_url", "reading", "writing"]

CONNECTION_ID = "person_sync_state"
VALID_URLS = "postgresql+psycopg://user:password@host:5432/database or sqlite:////absolute/path/person_sync.db"

CONNECT_TIMEOUT_S = 10
BUSY_TIMEOUT_S = 60
"""How long an SQLite writer waits for another one; longer than the largest commit takes."""

_POSTGRESQL_DRIVERS = {"postgres", "postgresql", "postgresql+psycopg", "postgresql+psycopg2"}
_BEGIN = "person_sync_begin"

_INSUFFICIENT_PRIVILEGE = "42501"
_NOT_A_DATABASE = "file is not a database"
_WRONG_SETTING = (
    "authentication failed",
    "does not exist",
    "no pg_hba.conf entry",
    "could not translate host name",
    "name or service not known",
    "failed to resolve host",
    "no password supplied",
    "permission denied",
    "invalid connection option",
    "invalid uri",
    "root certificate",
    "certificate verify failed",
    "unable to open database file",
    "readonly database",
    "read-only",
    _NOT_A_DATABASE,
)


def parse_url(text: str) -> URL:
    """
    Return the URL with the driver this project uses.

    `postgres://`, `postgresql://` and `postgresql+psycopg2://` (as Airflow writes it) all become psycopg 3. Raises
    ConfigError without repeating the URL, which holds a password.
    """
    try:
        url = make_url(text.strip())
    except ArgumentError:
        raise _bad_url("it is not a database URL") from None
    if url.drivername in _POSTGRESQL_DRIVERS:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername in {"sqlite", "sqlite+pysqlite"}:
        return _sqlite_url(url)
    raise _bad_url(f"its scheme {url.drivername!r} is not supported")


def _sqlite_url(url: URL) -> URL:
    path = url.database or ""
    if not Path(path).is_absolute():
        raise _bad_url("an SQLite path must be absolute, since tasks run in different folders")
    return url.set(drivername="sqlite+pysqlite")


def _bad_url(seen: str) -> ConfigError:
    return ConfigError(f"Connection {CONNECTION_ID}: {seen}.", remedy=f"Use {VALID_URLS}.")


def open_engine(url: URL) -> Engine:
    """Return an engine for `url`. Nothing is connected yet; an SQLite file's folder is made when it is missing."""
    if url.get_backend_name() == "sqlite":
        _make_folder(Path(url.database or ""))
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "person-sync"}
    return create_engine(url, hide_parameters=True, pool_pre_ping=True, connect_args=arguments)


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _bad_url(f"the folder {path.parent} can't be made ({error.strerror})") from error


def _prepare_sqlite(connection: Any, record: object) -> None:  # noqa: ARG001
    """Take over the transactions from the driver. Source: SQLAlchemy's page on the pysqlite dialect."""
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        cursor.execute("PRAGMA journal_mode = WAL")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(_BEGIN, 'DEFERRED')}")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that only reads."""
    with translated(), engine.begin() as connection:
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Yield a connection in a transaction that is committed at the end, or rolled back when anything fails."""
    with translated(), engine.execution_options(**{_BEGIN: "IMMEDIATE"}).begin() as connection:
        yield connection


@contextmanager
def translated() -> Iterator[None]:
    """
    Turn the driver's errors into the project's.

    Unreachable, broken or busy: RetryableError. Wrong database, user, password or file: ConfigError. Refused data:
    SyncError that names the constraint and not the row, because a driver's text repeats values.
    """
    try:
        yield
    except PoolTimeout as error:
        raise _unusable(error) from None
    except DBAPIError as error:
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning from None


def _meaning(error: DBAPIError) -> SyncError | None:
    """Return what a driver's error says about the database; None when it can only be a mistake in this package."""
    if isinstance(error, (IntegrityError, DataError)):
        return _refused(error)
    no_right = getattr(error.orig, "sqlstate", None) == _INSUFFICIENT_PRIVILEGE
    away = isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated
    no_database = _NOT_A_DATABASE in str(error.orig)
    return _unusable(error) if away or no_right or no_database else None


def _unusable(error: Exception) -> SyncError:
    reason = _first_line(getattr(error, "orig", None) or error)
    if any(sign in reason.lower() for sign in _WRONG_SETTING):
        return ConfigError(
            f"Connection {CONNECTION_ID} can't be used: {reason}.",
            remedy=f"Correct {CONNECTION_ID} ({VALID_URLS}), or give its user the right to make and change tables.",
        )
    return RetryableError(
        f"Connection {CONNECTION_ID}: the state database does not answer ({reason}).",
        remedy="Check that the database runs and accepts connections; the run goes on by itself when it does.",
    )


def _refused(error: DBAPIError) -> SyncError:
    diagnostics = getattr(error.orig, "diag", None)
    constraint = getattr(diagnostics, "constraint_name", None) or getattr(error.orig, "sqlite_errorname", "")
    state = getattr(error.orig, "sqlstate", None) or ""
    name = type(error.orig).__name__
    return SyncError(f"The state database refused a row: {name} {state} {constraint}.".replace("  ", " "))


def _first_line(error: object) -> str:
    """Return the first line of a driver's message, without the values that PostgreSQL adds as detail."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(". ") if lines else type(error).__name__
