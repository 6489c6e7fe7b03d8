"""What every stage needs at hand: settings, the two clients, the state store, the staging folder and the clock."""

from __future__ import annotations

import logging
import os
import socket
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError, SyncError
from include.person_sync.config.connections import load_connection, state_url
from include.person_sync.config.settings import load_settings
from include.person_sync.run.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from include.dynamics import DynamicsClient, DynamicsConnection, DynamicsSettings
    from include.marketo import BulkSettings, MarketoClient, MarketoConnection, MarketoLimits
    from include.person_sync.config.connections import ConnectionSpec
    from include.person_sync.config.settings import Settings
    from include.person_sync.state import Store

log = logging.getLogger(__name__)

LEASE = "person_sync"


def utc_now() -> datetime:
    """Return the time, aware, in UTC."""
    return datetime.now(tz=UTC)


@dataclass
class SyncContext:
    """
    The context of a run; built once per process and handed to each stage.

    The store and the two clients are given as values that are made when first asked for. `staging` is any path object
    with the interface of `pathlib.Path` (a local folder, or an object store's path). `process` is the id of the process
    that lives as long as the run does, or None when the run's tasks are processes of their own (Airflow): the store
    uses it to free the lease of a killed run at once. `calls_before`: requests per system that do not count as this
    context's own.
    """

    settings: Settings
    marketo_connection: MarketoConnection
    dynamics_connection: DynamicsConnection
    state_url: str
    staging: Path
    open_store: Lazy[Store]
    marketo_client: Lazy[MarketoClient]
    dynamics_client: Lazy[DynamicsClient]
    process: int | None = None
    now: Callable[[], datetime] = utc_now
    calls_before: Mapping[str, int] = field(default_factory=dict)
    built: dict[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """What stages made of stored documents, kept so that each stage of a process need not make it anew."""

    @property
    def store(self) -> Store:
        """The state database, migrated to the newest schema."""
        return self.open_store()

    @property
    def marketo(self) -> MarketoClient:
        """The Marketo client, at the configured share of the documented limits."""
        return self.marketo_client()

    @property
    def dynamics(self) -> DynamicsClient:
        """The Dynamics client; it knows the person tables without asking."""
        return self.dynamics_client()

    @property
    def munchkin_id(self) -> str:
        """The Marketo instance's id; part of what the ids of created rows are made from."""
        return self.marketo_connection.munchkin_id

    def api_calls(self) -> dict[str, int]:
        """Return the requests sent per system since this context counts; a client nobody needed has sent none."""
        clients = {"marketo": self.marketo_client.made, "dynamics": self.dynamics_client.made}
        sent = {system: client.calls if client is not None else 0 for system, client in clients.items()}
        return {system: calls - self.calls_before.get(system, 0) for system, calls in sent.items()}

    def counting_from_now(self) -> SyncContext:
        """Return this context with a count of requests that begins here; store, clients and all else are shared."""
        sent = {system: calls + self.calls_before.get(system, 0) for system, calls in self.api_calls().items()}
        return replace(self, calls_before=sent)

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
    settings = load_settings(environ=environ)
    at_marketo = marketo or marketo_connection(load_connection("marketo_default", environ))
    at_dynamics = dynamics or dynamics_connection(load_connection("dynamics_default", environ))
    url = state or state_url(environ)
    context = SyncContext(
        settings=settings,
        marketo_connection=at_marketo,
        dynamics_connection=at_dynamics,
        state_url=url,
        staging=staging or default_staging(environ),
        open_store=Lazy(lambda: open_store(url, now=lambda: context.now())),
        marketo_client=Lazy(lambda: marketo_client(at_marketo, settings)),
        dynamics_client=Lazy(lambda: dynamics_client(at_dynamics, settings)),
        process=process,
    )
    return context


def open_store(url: str, *, now: Callable[[], datetime] = utc_now) -> Store:
    """Return the state database at a URL, migrated to the newest schema."""
    from include.person_sync.state import Store

    return Store.open(url, now=now)


def marketo_client(connection: MarketoConnection, settings: Settings) -> MarketoClient:
    """Return a Marketo client that keeps to the configured share of the limits."""
    from include.marketo import MarketoClient

    return MarketoClient(connection, settings=marketo_limits(settings), bulk=bulk_settings(settings))


def dynamics_client(connection: DynamicsConnection, settings: Settings) -> DynamicsClient:
    """Return a Dynamics client that works as hard as the settings allow."""
    from include.dynamics import DynamicsClient

    return DynamicsClient(connection, settings=dynamics_limits(settings))


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
