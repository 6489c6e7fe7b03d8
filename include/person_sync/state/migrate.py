"""
Bringing the state database to the schema this version of the code expects.

Opening a database that is already there costs one query and does not load alembic. Otherwise the migrations run in one
transaction under a lock, so that several processes may start at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from include.errors import ConfigError
from include.person_sync.state.engine import CONNECTION_ID, reading, writing

if TYPE_CHECKING:
    from alembic.config import Config

__all__ = ["HEAD", "VERSION_TABLE", "alembic_config", "current_revision", "migrate_to_head"]

HEAD = "0004"
"""The newest revision in `migrations/versions`; kept here so that a look at the database needs no alembic."""

VERSION_TABLE = "person_sync_version"
"""A name of our own: the database may be shared with Airflow, which keeps its revision in `alembic_version`."""

_READ_VERSION = text("SELECT version_num FROM person_sync_version")

LOCK_KEY = 0x70657273_6F6E7379
"""The advisory lock of PostgreSQL under which migrations run (the first eight letters of "personsync")."""


def migrate_to_head(engine: Engine) -> None:
    """
    Bring the database to `HEAD`; does nothing when it is there.

    Writes tables. Raises ConfigError when the database was migrated by a newer version of the project.
    """
    if _is_at_head(engine):
        return
    with writing(engine) as connection:
        _lock(connection)
        revision = current_revision(connection)
        if revision != HEAD:
            _upgrade(connection, revision)


def current_revision(connection: Connection) -> str | None:
    """Return the revision of the database, None for an empty one."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(_READ_VERSION).scalar_one_or_none()
    return None if found is None else str(found)


def alembic_config(connection: Connection) -> Config:
    """Return alembic's configuration for an open connection. The scripts are found inside the installed package."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "include.person_sync.state:migrations")
    config.attributes["connection"] = connection
    return config


def _is_at_head(engine: Engine) -> bool:
    with reading(engine) as connection:
        try:
            return connection.execute(_READ_VERSION).scalar_one_or_none() == HEAD
        except (ProgrammingError, OperationalError) as error:
            if _says_no_table(error):
                return False
            raise


def _says_no_table(error: DBAPIError) -> bool:
    return getattr(error.orig, "sqlstate", None) == "42P01" or "no such table" in str(error.orig)


def _lock(connection: Connection) -> None:
    """Make the others wait. An SQLite writer's transaction is a lock by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})


def _upgrade(connection: Connection, revision: str | None) -> None:
    from alembic import command
    from alembic.script import ScriptDirectory

    config = alembic_config(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise ConfigError(
            f"Connection {CONNECTION_ID}: the database has schema {revision}, newer than this version's {HEAD}.",
            remedy="Install the version of the project that made it, or a newer one.",
        )
    command.upgrade(config, "head")
