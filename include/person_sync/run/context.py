"""What every stage needs at hand: settings, the two clients, the state store, the staging folder and the clock."""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError, SyncError
from include.person_sync.config.connections import load_connection, state_url
from include.person_sync.config.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from include.dynamics import DynamicsClient, DynamicsConnection, DynamicsSettings
    from include.marketo import BulkSettings, MarketoClient, MarketoConnection, MarketoLimits
    from include.person_sync.config.connections import ConnectionSpec
    from include.person_sync.config.settings import Settings
    from include.person_sync.state import Store

log = logging.getLogger(__name__)

LEASE = "person_sync"


@dataclass
class SyncContext:
    """
    The context of a run; built once per process and handed to each stage.

    `staging` is any path object with the interface of `pathlib.Path` (a local folder, or an object store's path).
    `process` is the id of the process that lives as long as the run does, or None when the run's tasks are processes of
    their own (Airflow): the store uses it to free the lease of a killed run at once.
    """

    settings: Settings
    marketo_connection: MarketoConnection
    dynamics_connection: DynamicsConnection
    state_url: str
    staging: Path
    process: int | None = None
    now: Callable[[], datetime] = lambda: datetime.now(tz=UTC)
    built: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What stages made of stored documents, kept so that each stage of a process need not make it anew."""

    @cached_property
    def store(self) -> Store:
        """The state database, migrated to the newest schema."""
        from include.person_sync.state import Store

        return Store.open(self.state_url, now=self.now)

    @cached_property
    def marketo(self) -> MarketoClient:
        """The Marketo client, at the configured share of the documented limits."""
        from include.marketo import MarketoClient

        limits, bulk = marketo_limits(self.settings), bulk_settings(self.settings)
        return MarketoClient(self.marketo_connection, settings=limits, bulk=bulk)

    @cached_property
    def dynamics(self) -> DynamicsClient:
        """The Dynamics client; it knows the person tables without asking."""
        from include.dynamics import DynamicsClient

        return DynamicsClient(self.dynamics_connection, settings=dynamics_limits(self.settings))

    @property
    def munchkin_id(self) -> str:
        """The Marketo instance's id; part of what the ids of created rows are made from."""
        return self.marketo_connection.munchkin_id

    def api_calls(self) -> dict[str, int]:
        """Return the requests this process has sent so far, per system; a client that was never needed counts zero."""
        return {
            "marketo": self.marketo.calls if "marketo" in self.__dict__ else 0,
            "dynamics": self.dynamics.calls if "dynamics" in self.__dict__ else 0,
        }

    @contextmanager
    def lease(self, run_id: str) -> Iterator[None]:
        """
        Hold the single-writer lease for the length of a stage, renewing it from a thread.

        The lease outlives the stage (the run's next stage re-enters it) until it is released or expires.
        Raises LeaseHeld when another run has it.
        """
        ttl_s = self.settings.lease_ttl_s
        self.store.acquire_lease(LEASE, run_id, ttl_s=ttl_s, host=socket.gethostname(), pid=self.process)
        stop = threading.Event()
        beat = threading.Thread(target=self._renew, args=(run_id, ttl_s, stop), daemon=True, name="lease-heartbeat")
        beat.start()
        try:
            yield
        finally:
            stop.set()
            beat.join()

    def _renew(self, run_id: str, ttl_s: float, stop: threading.Event) -> None:
        while not stop.wait(ttl_s / 3):
            try:
                self.store.renew_lease(LEASE, run_id, ttl_s=ttl_s)
            except SyncError as error:  # the commit has the last word; until then a database may come back
                log.warning("run %s could not renew its lease: %s", run_id, error)

    def release_lease(self, run_id: str) -> None:
        """Give the lease back; does nothing when this run does not hold it."""
        self.store.release_lease(LEASE, run_id)


def context_from_environment(
    environ: Mapping[str, str] = os.environ,
    *,
    staging: Path | None = None,
    process: int | None = None,
    marketo: MarketoConnection | None = None,
    dynamics: DynamicsConnection | None = None,
    state: str | None = None,
) -> SyncContext:
    """Return a context from the YAML and the `AIRFLOW_CONN_*` variables. Raises ConfigError naming what is wrong."""
    return SyncContext(
        settings=load_settings(environ=environ),
        marketo_connection=marketo or marketo_connection(load_connection("marketo_default", environ)),
        dynamics_connection=dynamics or dynamics_connection(load_connection("dynamics_default", environ)),
        state_url=state or state_url(environ),
        staging=staging or default_staging(environ),
        process=process,
    )


def marketo_connection(spec: ConnectionSpec) -> MarketoConnection:
    """Return the Marketo client's view of a connection."""
    from include.marketo import MarketoConnection

    return MarketoConnection(
        host=spec.host,
        client_id=spec.login,
        client_secret=spec.password,
        ca_bundle=spec.extra.get("ca_bundle") or None,
        on_token=spec.on_token,
    )


def dynamics_connection(spec: ConnectionSpec) -> DynamicsConnection:
    """Return the Dynamics client's view of a connection. Raises ConfigError when the tenant is missing."""
    from include.dynamics import DynamicsConnection
    from include.dynamics.values import MICROSOFT_AUTHORITY

    tenant = spec.extra.get("tenant_id")
    if not tenant:
        raise ConfigError(
            "connection dynamics_default: extra.tenant_id is missing.",
            remedy="set it to the directory (tenant) id or domain the app registration belongs to.",
        )
    return DynamicsConnection(
        host=spec.host,
        client_id=spec.login,
        client_secret=spec.password or None,
        tenant_id=tenant,
        authority=spec.extra.get("authority") or MICROSOFT_AUTHORITY,
        ca_bundle=spec.extra.get("ca_bundle") or None,
        certificate_path=spec.extra.get("certificate_path") or None,
        on_token=spec.on_token,
    )


def marketo_limits(settings: Settings) -> MarketoLimits:
    """
    Return the configured share of Marketo's documented ceilings (100 calls in 20 s, 10 at once), never less than one.
    """
    from include.marketo import MarketoLimits

    share = settings.marketo.rate_share
    return MarketoLimits(
        rate_calls=max(1, int(100 * share)),
        concurrency=max(1, int(10 * share)),
        daily_quota=settings.marketo.daily_quota,
    )


def bulk_settings(settings: Settings) -> BulkSettings:
    """Return how bulk extract is polled, and how much of it a day may take."""
    from include.marketo import BulkSettings

    return BulkSettings(poll_s=settings.baseline.poll_s, daily_bytes=settings.baseline.daily_megabytes * 1_000_000)


def dynamics_limits(settings: Settings) -> DynamicsSettings:
    """Return how hard the Dynamics client may work."""
    from include.dynamics import DynamicsSettings

    return DynamicsSettings(
        batch_size=settings.dynamics.batch_size,
        concurrency=settings.dynamics.concurrency,
        page_size=settings.dynamics.page_size,
        duplicate_detection=settings.dynamics.duplicate_detection,
    )


def default_staging(environ: Mapping[str, str]) -> Path:
    """Return the folder for files between tasks: `PERSON_SYNC_STAGING`, else one below `$AIRFLOW_HOME`."""
    url = environ.get("PERSON_SYNC_STAGING")
    if url:
        return storage_path(url)
    return Path(environ.get("AIRFLOW_HOME") or Path.home() / "airflow") / "person_sync" / "staging"


def storage_path(place: str) -> Path:
    """Return a folder, or a place in an object store, as a path object."""
    if "://" in place and not place.startswith("file://"):
        from upath import UPath

        return UPath(place)  # type: ignore[return-value]  # UPath has pathlib's interface without being a subclass of it
    return Path(place.removeprefix("file://")).expanduser()
