"""The hook that turns an Airflow connection of type `dynamics` into a client."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from include.dynamics import DynamicsClient, DynamicsConnection, DynamicsSettings
from include.dynamics.values import MICROSOFT_AUTHORITY
from include.errors import ConfigError, SyncError

if TYPE_CHECKING:
    from airflow.sdk import Connection

__all__ = ["DynamicsHook"]


class DynamicsHook(BaseHook):
    """
    Connect to one Microsoft Dynamics 365 (Dataverse) environment.

    The connection holds the environment URL as host, the application id as login and a client secret as password.
    Extras: `tenant_id` (required), `authority` (for national clouds), `certificate_path` (PEM file used instead of
    the secret), `ca_bundle` (adds a private certificate authority).

    :param dynamics_conn_id: id of the Airflow connection.
    :param settings: concurrency, batch size and time-outs of the client.
    """

    conn_name_attr: ClassVar[str] = "dynamics_conn_id"
    default_conn_name: ClassVar[str] = "dynamics_default"
    conn_type: ClassVar[str] = "dynamics"
    hook_name: ClassVar[str] = "Microsoft Dynamics 365 (Dataverse)"

    def __init__(self, dynamics_conn_id: str = default_conn_name, *, settings: DynamicsSettings | None = None) -> None:
        super().__init__()
        self.dynamics_conn_id = dynamics_conn_id
        self.settings = settings

    def get_conn(self) -> DynamicsClient:
        """Return the client, the same one on every call. Nothing is sent before its first request."""
        return self._client

    def test_connection(self) -> tuple[bool, str]:
        """Return whether Dynamics accepts these credentials, and a sentence saying what was seen."""
        try:
            return True, self.get_conn().test_connection()
        except SyncError as error:
            return False, str(error)

    @cached_property
    def _client(self) -> DynamicsClient:
        connection = dynamics_connection(self.get_connection(self.dynamics_conn_id))
        return DynamicsClient(connection, settings=self.settings)


def dynamics_connection(connection: Connection) -> DynamicsConnection:
    """
    Return what the client needs of an Airflow connection; its secret and the tokens fetched with it are masked in logs.

    Raises ConfigError naming the setting that is missing.
    """
    extra = connection.extra_dejson
    certificate = extra.get("certificate_path") or None
    needed = {
        "host": connection.host,
        "login": connection.login,
        "password or certificate_path": connection.password or certificate,
        "tenant_id": extra.get("tenant_id"),
    }
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise ConfigError(
            f"The Airflow connection {connection.conn_id} has no {' and no '.join(missing)}",
            remedy="Set host to the environment URL, login to the application id, password to the client secret "
            "and the extra tenant_id to the directory id.",
        )
    mask_secret(connection.password)
    return DynamicsConnection(
        host=str(connection.host),
        client_id=str(connection.login),
        client_secret=connection.password or None,
        tenant_id=str(extra["tenant_id"]),
        authority=extra.get("authority") or MICROSOFT_AUTHORITY,
        ca_bundle=extra.get("ca_bundle") or None,
        certificate_path=certificate,
        on_token=mask_secret,
    )
