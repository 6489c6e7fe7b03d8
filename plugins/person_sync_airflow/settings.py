"""What DAG files need of the settings while they are parsed: a small file is read, nothing else is touched."""

from __future__ import annotations

from include.person_sync.config.settings import Alerts, load_settings

__all__ = ["alert_settings"]


def alert_settings() -> Alerts:
    """Return where alerts go. A wrong settings file raises ConfigError, which Airflow shows as an import error."""
    return load_settings().alerts
