"""Checks of this side: settings, state database, staging folder, alerts."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from include.errors import ConfigError
from include.person_sync.core.fields import Rule, Table
from include.person_sync.state.engine import open_engine, parse_url, reading
from include.person_sync.state.migrate import HEAD, current_revision

if TYPE_CHECKING:
    from include.person_sync.setup.checklist import Checklist
    from include.person_sync.setup.parts import SetupParts

__all__ = ["ALERTS", "SETTINGS", "STAGING", "STATE_DATABASE", "check_local", "check_settings"]

SETTINGS = "settings"
STATE_DATABASE = "state_database"
STAGING = "staging"
ALERTS = "alerts"

_STAGING_REMEDY = "Point PERSON_SYNC_STAGING to a folder or object store that every worker can write to."
_ALERTS_HINT = "off: nobody is told of failures. Set alerts.email_to or alerts.apprise_conn_id in the YAML"


def check_settings(checklist: Checklist, parts: SetupParts) -> None:
    """Run the check of the settings."""
    checklist.run(SETTINGS, lambda: _settings(parts))


def check_local(checklist: Checklist, parts: SetupParts, *, check_only: bool) -> None:
    """Run the checks that need neither system. Unless `check_only`, makes the state tables and the staging folder."""
    checklist.run(STATE_DATABASE, lambda: _look_at_state(parts) if check_only else _open_state(parts))
    checklist.run(STAGING, lambda: _look_at_staging(parts) if check_only else _use_staging(parts))
    checklist.run(ALERTS, lambda: _alerts(parts), needs=[SETTINGS])


def _settings(parts: SetupParts) -> str:
    """Say what the settings are: they were validated when they were read."""
    fields = parts.settings().field_map.fields
    tables = ", ".join(
        f"{sum(f.column(table) is not None and f.rule_for(table) is not Rule.OFF for f in fields)} for {table.value}"
        for table in Table
    )
    return f"{len(fields)} fields are mapped; switched on: {tables}."


def _open_state(parts: SetupParts) -> str:
    parts.store().watermarks()
    return f"{_backend(parts.state_url())} is reachable, its schema is {HEAD}."


def _look_at_state(parts: SetupParts) -> str:
    """Look without making the file, the tables or a newer schema."""
    url = parse_url(parts.state_url())
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise ConfigError("The state database does not exist yet.", remedy="Run setup without the check-only option.")
    engine = open_engine(url)
    try:
        with reading(engine) as connection:
            revision = current_revision(connection)
    finally:
        engine.dispose()
    if revision != HEAD:
        raise ConfigError(
            f"The state database has {f'schema {revision}' if revision else 'no tables'}; {HEAD} is needed.",
            remedy="Run setup without the check-only option; it brings the schema up to date.",
        )
    return f"{_backend(parts.state_url())} is reachable, its schema is {HEAD}."


def _backend(url: str) -> str:
    return "SQLite" if parse_url(url).get_backend_name() == "sqlite" else "PostgreSQL"


def _use_staging(parts: SetupParts) -> str:
    """Write a small file, read it and remove it again: only that tells about rights on an object store."""
    folder = parts.staging()
    probe, content = folder / f"setup-{uuid.uuid4().hex}.probe", b"person-sync"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(content)
        intact = probe.read_bytes() == content
        probe.unlink()
    except Exception as error:
        # An object store's library raises exceptions of its own, of every kind.
        raise ConfigError(f"The staging folder can't be used ({_reason(error)}).", remedy=_STAGING_REMEDY) from error
    if not intact:
        raise ConfigError("The staging folder gives back other content than it was given.", remedy=_STAGING_REMEDY)
    return "the staging folder can be written to."


def _look_at_staging(parts: SetupParts) -> str:
    # The path of an object store has the interface of pathlib's without being a subclass.
    folder: object = parts.staging()
    if not isinstance(folder, Path):
        return "an object store; setup without the check-only option tries to write to it."
    present = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not present.is_dir() or not os.access(present, os.W_OK | os.X_OK):
        raise ConfigError("The staging folder can't be written to.", remedy=_STAGING_REMEDY)
    return "the staging folder can be written to."


def _reason(error: Exception) -> str:
    """Return the kind of an error; its text may hold an address with credentials in it."""
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else type(error).__name__


def _alerts(parts: SetupParts) -> str:
    """Being told of failures is recommended, not required, so this never fails."""
    alerts = parts.settings().alerts
    ways = [f"e-mail through {alerts.smtp_conn_id}"] if alerts.email_to else []
    ways += [f"chat through {alerts.apprise_conn_id}"] if alerts.apprise_conn_id else []
    return f"{' and '.join(ways) or _ALERTS_HINT}."
