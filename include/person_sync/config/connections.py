"""
Reading connections from `AIRFLOW_CONN_*` without Airflow, in the same forms Airflow takes.

A connection is a JSON object or a URI whose query is the extra. `person_sync_state` may also be a plain database URL.
No error text repeats what was found: a connection that can't be read may be all password.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from include.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from urllib.parse import SplitResult

__all__ = ["STATE_ID", "ConnectionSpec", "complete", "load_connection", "parse_connection", "state_url", "url_of"]

STATE_ID = "person_sync_state"
_PREFIX = "AIRFLOW_CONN_"
_EXAMPLE = '{"conn_type": "…", "host": "…", "login": "…", "password": "…", "extra": {…}}'
_KEYS = ("conn_type", "host", "login", "password", "port", "schema", "extra", "description")


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """
    An Airflow connection as a value; absent parts are empty.

    `host` keeps its `https://` when one was given. `password` and `extra` stay out of its repr. `on_token`, where there
    is one, is told every access token that is fetched with it.
    """

    conn_type: str
    host: str
    login: str = ""
    password: str = field(default="", repr=False)
    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)
    port: int | None = None
    schema: str = ""
    on_token: Callable[[str], None] | None = field(default=None, repr=False, compare=False)


def load_connection(conn_id: str, environ: Mapping[str, str] = os.environ) -> ConnectionSpec:
    """Return the connection in `AIRFLOW_CONN_<ID>`. Raises ConfigError when it is unset, unreadable or lacks a part."""
    text = environ.get(_PREFIX + conn_id.upper(), "").strip()
    if not text:
        raise ConfigError(
            f"Connection {conn_id} is not set.",
            remedy=f"Set {_PREFIX}{conn_id.upper()} to {_EXAMPLE}, or make the connection in Airflow and run its DAG.",
        )
    return complete(conn_id, parse_connection(conn_id, text))


def complete(conn_id: str, spec: ConnectionSpec) -> ConnectionSpec:
    """Return the connection if it says where and as whom. Raises ConfigError naming `conn_id` and what it lacks."""
    missing = [name for name in ("host", "login") if not getattr(spec, name)]
    if missing:
        raise ConfigError(
            f"Connection {conn_id} has no {' and no '.join(missing)}.", remedy=f"It is written as {_EXAMPLE}."
        )
    return spec


def parse_connection(conn_id: str, text: str) -> ConnectionSpec:
    """Return the connection written as JSON or as a URI. Raises ConfigError naming `conn_id`."""
    return _from_json(conn_id, text) if text.lstrip().startswith("{") else _from_uri(conn_id, text)


def _from_json(conn_id: str, text: str) -> ConnectionSpec:
    value = _json_object(conn_id, text, "the connection")
    unknown = sorted(set(value) - set(_KEYS))
    if unknown:
        raise ConfigError(
            f"Connection {conn_id} has the unknown key {unknown[0]}.", remedy=f"Valid keys: {', '.join(_KEYS)}."
        )
    extra = value.get("extra") or {}
    if isinstance(extra, str):
        extra = _json_object(conn_id, extra, "its extra")
    if not isinstance(extra, dict):
        raise ConfigError(f"Connection {conn_id}: its extra is not a JSON object.", remedy="Write extra as {…}.")
    return ConnectionSpec(
        conn_type=_text(value.get("conn_type")).replace("-", "_"),
        host=_text(value.get("host")),
        login=_text(value.get("login")),
        password=_text(value.get("password")),
        extra=extra,
        port=_port(conn_id, value.get("port")),
        schema=_text(value.get("schema")),
    )


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _port(conn_id: str, value: object) -> int | None:
    try:
        return None if value in {None, ""} else int(str(value))
    except ValueError:
        raise ConfigError(f"Connection {conn_id}: its port is not a number.") from None


def _json_object(conn_id: str, text: str, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            f"Connection {conn_id}: {what} is not valid JSON (position {error.pos}: {error.msg}).",
            remedy=f"It is written as {_EXAMPLE}.",
        ) from None
    if not isinstance(value, dict):
        raise ConfigError(f"Connection {conn_id}: {what} is not a JSON object.", remedy=f"It is written as {_EXAMPLE}.")
    return value


def _from_uri(conn_id: str, text: str) -> ConnectionSpec:
    """
    Parse `type://login:password@host:port/schema?key=value`, or `type://https://host` to keep the host's protocol.

    Source: Airflow documentation, "Managing Connections", section "URI format".
    """
    conn_type, separator, rest = text.partition("://")
    protocol, nested, _ = rest.partition("://")
    if not separator or (nested and not protocol.isalnum()):
        raise ConfigError(f"Connection {conn_id} is neither JSON nor a URI.", remedy=f"It is written as {_EXAMPLE}.")
    try:
        parts = urlsplit(rest if nested else f"//{rest}")
        port = parts.port
    except ValueError:
        raise ConfigError(
            f"Connection {conn_id} is not a valid URI.", remedy="Percent-encode the login and the password."
        ) from None
    host = _host(parts)
    return ConnectionSpec(
        conn_type=conn_type.replace("-", "_"),
        host=f"{protocol}://{host}" if nested and host else host,
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        extra=_extra(conn_id, parts.query),
        port=port,
        schema=unquote(parts.path[1:]),
    )


def _host(parts: SplitResult) -> str:
    """Return the host with its case kept: percent-encoded paths (sockets, SQLite files) are hosts too."""
    place = parts.netloc.rpartition("@")[2]
    host = place if place.startswith("[") else place.partition(":")[0]
    return unquote(host)


def _extra(conn_id: str, query: str) -> dict[str, Any]:
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    if "__extra__" in pairs:
        return _json_object(conn_id, pairs["__extra__"], "its extra")
    return pairs


def state_url(environ: Mapping[str, str] = os.environ) -> str:
    """
    Return the URL of the state database from `AIRFLOW_CONN_PERSON_SYNC_STATE`.

    Takes a database URL as it is and an Airflow connection in JSON; unset, it is an SQLite file below `$AIRFLOW_HOME`.
    """
    text = environ.get(_PREFIX + STATE_ID.upper(), "").strip()
    if not text:
        home = Path(environ.get("AIRFLOW_HOME") or "~/airflow").expanduser().absolute()
        return f"sqlite:///{home / 'person_sync.db'}"
    if text.startswith("{") or "__extra__=" in text or text.lower().startswith("sqlite://%2f"):
        return url_of(parse_connection(STATE_ID, text))
    return text


def url_of(spec: ConnectionSpec) -> str:
    """Return a connection to PostgreSQL or SQLite as a database URL. Raises ConfigError for any other type."""
    if spec.conn_type == "sqlite":
        return f"sqlite:///{spec.host or '/' + spec.schema.lstrip('/')}"
    if spec.conn_type.partition("+")[0] not in {"postgres", "postgresql"}:
        raise ConfigError(
            f"Connection {STATE_ID} has the type {spec.conn_type!r}.", remedy="Valid types: postgres, sqlite."
        )
    login = quote(spec.login, safe="")
    password = f":{quote(spec.password, safe='')}" if spec.password else ""
    host = f"[{spec.host}]" if ":" in spec.host and not spec.host.startswith("[") else spec.host
    socket = {"host": host} if host.startswith("/") else {}
    place = ("" if socket else host) + (f":{spec.port}" if spec.port else "")
    query = urlencode({**socket, **{name: str(value) for name, value in spec.extra.items()}})
    who = f"{login}{password}@" if login else ""
    return f"postgresql+psycopg://{who}{place}/{quote(spec.schema)}" + (f"?{query}" if query else "")
