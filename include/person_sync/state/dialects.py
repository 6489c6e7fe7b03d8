"""Where SQL differs between PostgreSQL and SQLite and SQLAlchemy does not say so by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from sqlalchemy import Connection, Table
    from sqlalchemy.dialects.postgresql import Insert as PostgresqlInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

__all__ = ["is_postgresql", "upsert"]


def is_postgresql(connection: Connection) -> bool:
    """Return True for PostgreSQL, False for SQLite."""
    return connection.dialect.name == "postgresql"


def upsert(connection: Connection, table: Table) -> PostgresqlInsert | SqliteInsert:
    """Return an insert statement that can say what happens on a conflict, for the database at hand."""
    return postgresql.insert(table) if is_postgresql(connection) else sqlite.insert(table)
