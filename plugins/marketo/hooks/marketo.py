"""The hook that turns an Airflow connection of type `marketo` into a client."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from airflow.sdk import BaseHook
from airflow.sdk.log import mask_secret

from include.errors import SyncError
from include.marketo import MarketoClient, MarketoConnection, MarketoLimits

if TYPE_CHECKING:
    from airflow.sdk import Connection

__all__ = ["MarketoHook"]


class MarketoHook(BaseHook):
    """
    Connect to one Adobe Marketo Engage instance.

    The connection holds the REST endpoint as host, the client id of a LaunchPoint custom service as login and its
    client secret as password. The extra `ca_bundle` adds a private certificate authority.

    :param marketo_conn_id: id of the Airflow connection.
    :param limits: rates, concurrency and quota to keep; the defaults leave half of the documented rate to others.
    """

    conn_name_attr: ClassVar[str] = "marketo_conn_id"
    default_conn_name: ClassVar[str] = "marketo_default"
    conn_type: ClassVar[str] = "marketo"
    hook_name: ClassVar[str] = "Marketo Engage"

    def __init__(self, marketo_conn_id: str = default_conn_name, *, limits: MarketoLimits | None = None) -> None:
        super().__init__()
        self.marketo_conn_id = marketo_conn_id
        self.limits = limits

    def get_conn(self) -> MarketoClient:
        """Return the client, the same one on every call. Nothing is sent before its first request."""
        return self._client

    def test_connection(self) -> tuple[bool, str]:
        """Return whether Marketo accepts these credentials, and a sentence saying what was seen."""
        try:
            return True, self.get_conn().test_connection()
        except SyncError as error:
            return False, str(error)

    @cached_property
    def _client(self) -> MarketoClient:
        connection = marketo_connection(self.get_connection(self.marketo_conn_id))
        return MarketoClient(connection, settings=self.limits or MarketoLimits())


def marketo_connection(connection: Connection) -> MarketoConnection:
    """
    Return what the client needs of an Airflow connection; its secret and the tokens fetched with it are masked in logs.

    Raises ConfigError naming the field that is wrong.
    """
    usable = MarketoConnection(
        host=connection.host or "",
        client_id=connection.login or "",
        client_secret=connection.password or "",
        ca_bundle=connection.extra_dejson.get("ca_bundle") or None,
        on_token=mask_secret,
    )
    # Airflow masks the password as it is stored; blanks pasted around it are gone from what is sent.
    mask_secret(usable.client_secret)
    return usable
