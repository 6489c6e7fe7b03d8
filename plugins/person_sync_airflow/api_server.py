"""What the console's app needs of the API server it runs in; imported there alone, and only when the app is made."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from airflow.api.common.trigger_dag import trigger_dag
from airflow.api_fastapi.core_api.security import get_user
from airflow.exceptions import DagNotFound
from airflow.models.dagrun import DagRun
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException
from airflow.utils.session import create_session
from airflow.utils.types import DagRunTriggeredByType

from include.errors import RetryableError, SyncError
from include.person_sync.console.app import create_app
from include.person_sync.console.ports import Access, CreateRun, Row
from person_sync_airflow.operators.base import state_database

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fastapi import FastAPI

    from include.person_sync.state import Store

__all__ = ["AirflowRunLauncher", "console_app"]

log = logging.getLogger(__name__)

CREATE_DAG: Final = "sync_person_to_dynamics"
WEBHOOK_CONNECTION: Final = "person_sync_webhook"
PREVIOUS_SECRET: Final = "previous_secret"  # noqa: S105 - the name of an extra, no secret


def console_app() -> FastAPI:
    """Return the app, wired to this API server; a thread makes what its first caller would otherwise wait for."""
    launcher = AirflowRunLauncher()
    threading.Thread(target=launcher.warm_up, name="person-sync-warm-up", daemon=True).start()
    return create_app(Access(user=get_user), launcher)


class AirflowRunLauncher:
    """Starts runs of the DAG in this very process, through the function Airflow's own commands use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._store: tuple[str, Store] | None = None

    def secrets(self) -> Sequence[str]:
        """
        Return the secrets in the connection `person_sync_webhook`: its password, and the extra `previous_secret` while
        Marketo still sends the old one.
        """
        try:
            connection = BaseHook.get_connection(WEBHOOK_CONNECTION)
        except AirflowNotFoundException:
            return ()
        found = (connection.password, connection.extra_dejson.get(PREVIOUS_SECRET))
        return tuple(str(secret) for secret in found if secret)

    def runs(self, prefix: str) -> Sequence[CreateRun]:
        """Return the runs of the DAG whose id begins with `prefix`."""
        with _speaking_plainly(), create_session() as session:
            found = session.query(DagRun.run_id, DagRun.state, DagRun.conf).filter(
                DagRun.dag_id == CREATE_DAG, DagRun.run_id.startswith(prefix, autoescape=True)
            )
            return [CreateRun(run_id, str(getattr(state, "value", state)), conf or {}) for run_id, state, conf in found]

    def start(self, run_id: str, params: Mapping[str, Any]) -> bool:
        """Queue a run; return False when there is one of that id already, or a call at the same moment put it there."""
        with _speaking_plainly():
            try:
                trigger_dag(
                    CREATE_DAG,
                    triggered_by=DagRunTriggeredByType.REST_API,
                    triggering_user_name="marketo webhook",
                    run_id=run_id,
                    conf=dict(params),
                )
            except Exception:
                if DagRun.find_duplicate(CREATE_DAG, run_id) is None:
                    raise
                return False
        return True

    def row_of(self, marketo_id: int) -> Row | None:
        """Return the row a person is linked to, or None."""
        links = self._ready_store().load_links(marketo_ids=[marketo_id])
        if links.empty:
            return None
        link = links.iloc[0]
        return Row(str(link["dynamics_table"]), str(link["dynamics_id"]))

    def warm_up(self) -> None:
        """Load what a first call needs (the store brings pandas along) and connect; a failure is told by that call."""
        try:
            self.row_of(0)
        except SyncError as error:
            log.warning("the state database can't be used yet: %s", error)

    def _ready_store(self) -> Store:
        """Return the store at the database the connection names now; one thread at a time may have to migrate it."""
        from include.person_sync.config.connections import state_url
        from include.person_sync.state import Store

        url = state_database() or state_url()
        with self._lock:
            if self._store is None or self._store[0] != url:
                self._store = (url, Store.open(url))
            return self._store[1]


@contextmanager
def _speaking_plainly() -> Iterator[None]:
    """
    Tell failures of Airflow in the project's words; all of them may pass.

    Only the type of a foreign exception is told: the text of a database's holds the parameters of the statement.
    """
    try:
        yield
    except DagNotFound:
        raise RetryableError(f"Airflow does not know the DAG {CREATE_DAG} yet.", retry_after_s=30) from None
    except Exception as error:
        raise RetryableError(f"Airflow could not serve this now ({type(error).__name__}).") from None
