"""
What the operators of the sync share: the context of a run, made from Airflow's connections.

Connections are read as the command line reads them, not through the hooks: the operators of either system stand on this
module, and neither system knows the other.
"""

from __future__ import annotations

import os
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseHook, BaseOperator, ObjectStoragePath
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.sdk.log import mask_secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from include.person_sync.config.connections import ConnectionSpec
    from include.person_sync.run.context import SyncContext
    from include.person_sync.setup import SetupParts

__all__ = ["SyncOperator", "state_database", "sync_run_id"]


def sync_run_id(context: Mapping[str, Any]) -> str:
    """Return the id of the sync's run: the same in every task and every try of one DAG run."""
    return f"{context['dag'].dag_id}__{context['run_id']}"


def state_database(conn_id: str = "person_sync_state") -> str | None:
    """Return the URL of the state database, or None (the default) when there is no such connection."""
    from include.person_sync.config.connections import state_url

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
    return state_url({"AIRFLOW_CONN_PERSON_SYNC_STATE": connection.get_uri()})


class SyncOperator(BaseOperator):
    """
    Base of the operators of the sync.

    A task shows `task_doc` as its documentation: what it reads, what it writes, and what to do when it fails.

    :param marketo_conn_id: Airflow connection of type `marketo`
    :param dynamics_conn_id: Airflow connection of type `dynamics`
    :param state_conn_id: Airflow connection of the state database; without it an SQLite file below `$AIRFLOW_HOME`
    """

    task_doc: ClassVar[str | None] = None
    ui_color = "#e8eaed"
    ui_fgcolor = "#202124"

    def __init__(
        self,
        *,
        marketo_conn_id: str = "marketo_default",
        dynamics_conn_id: str = "dynamics_default",
        state_conn_id: str = "person_sync_state",
        **kwargs: Any,
    ) -> None:
        super().__init__(**{"doc_md": self.task_doc and cleandoc(self.task_doc), **kwargs})
        self.marketo_conn_id = marketo_conn_id
        self.dynamics_conn_id = dynamics_conn_id
        self.state_conn_id = state_conn_id

    def sync_context(self, *, process: int | None = None) -> SyncContext:
        """
        Return the run's context. Raises ConfigError naming what is wrong with a connection.

        `process` is the id of this process when the whole run happens in it.
        """
        from include.person_sync.run.context import context_from_environment, dynamics_connection, marketo_connection

        return context_from_environment(
            staging=staging(),
            process=process,
            marketo=marketo_connection(_connection(self.marketo_conn_id)),
            dynamics=dynamics_connection(_connection(self.dynamics_conn_id)),
            state=state_database(self.state_conn_id),
        )

    def parts(self) -> SetupParts:
        """Return what can be built of the context; setup says what is wrong with the rest."""
        from include.person_sync.setup import parts_from_environment

        return parts_from_environment(
            staging=staging(),
            marketo=_spec(self.marketo_conn_id),
            dynamics=_spec(self.dynamics_conn_id),
            state=state_database(self.state_conn_id),
        )


def staging() -> Path:
    """Return the place of the files between tasks; an object store is reached through Airflow's own paths."""
    from include.person_sync.run.context import default_staging

    url = os.environ.get("PERSON_SYNC_STAGING")
    if url and "://" in url and not url.startswith("file://"):
        path: Any = ObjectStoragePath(url)
        return path  # type: ignore[no-any-return]  # it has pathlib's interface, not its type
    return default_staging(os.environ)


def _connection(conn_id: str) -> ConnectionSpec:
    """Return the Airflow connection. Raises ConfigError when there is none, or when it lacks a part."""
    from include.errors import ConfigError
    from include.person_sync.config.connections import complete

    spec = _spec(conn_id)
    if spec is None:
        raise ConfigError(
            f"There is no Airflow connection {conn_id}.",
            remedy="make it under Admin → Connections, or set its AIRFLOW_CONN_ variable.",
        )
    return complete(conn_id, spec)


def _spec(conn_id: str) -> ConnectionSpec | None:
    """Return an Airflow connection as the sync takes it, None when there is no such connection."""
    from include.person_sync.config.connections import ConnectionSpec

    try:
        connection = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException:
        return None
    return ConnectionSpec(
        conn_type=connection.conn_type or "",
        host=connection.host or "",
        login=connection.login or "",
        password=connection.password or "",
        extra=connection.extra_dejson,
        port=connection.port,
        schema=connection.schema or "",
        on_token=mask_secret,
    )
