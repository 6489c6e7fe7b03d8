"""The settings that Airflow needs of the sync, read when a task needs them and not when a DAG is parsed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.config.settings import Alerts
    from person_sync_airflow.alerts import AlertSettings

__all__ = ["alert_settings"]


def alert_settings() -> AlertSettings:
    """Return where alerts go, according to the YAML at the time of the alert."""
    return _ConfiguredAlerts()


class _ConfiguredAlerts:
    """The section `alerts` of the YAML, read anew at each look. Raises ConfigError when the YAML is wrong."""

    @property
    def email_to(self) -> Sequence[str]:
        return _alerts().email_to

    @property
    def email_from(self) -> str | None:
        return _alerts().email_from

    @property
    def smtp_conn_id(self) -> str:
        return _alerts().smtp_conn_id

    @property
    def apprise_conn_id(self) -> str | None:
        return _alerts().apprise_conn_id


def _alerts() -> Alerts:
    from include.person_sync.config.settings import load_settings

    return load_settings().alerts
