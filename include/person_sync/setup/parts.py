"""What setup works on: the parts of a context, each made when a check asks for it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.errors import ConfigError
from include.person_sync.config.connections import load_connection, state_url
from include.person_sync.config.settings import load_settings
from include.person_sync.run.context import (
    SyncContext,
    default_staging,
    dynamics_client,
    dynamics_connection,
    marketo_client,
    marketo_connection,
    open_store,
    utc_now,
)
from include.person_sync.run.lazy import Lazy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from include.dynamics import DynamicsClient, DynamicsConnection
    from include.marketo import MarketoClient, MarketoConnection
    from include.person_sync.config.connections import ConnectionSpec
    from include.person_sync.config.settings import Settings
    from include.person_sync.state import Store

__all__ = ["SetupParts", "parts_from_environment"]


@dataclass(frozen=True)
class SetupParts:
    """
    The parts of a context. One that is configured wrongly raises its ConfigError when asked for, and the others serve.
    """

    settings: Lazy[Settings]
    marketo_connection: Lazy[MarketoConnection]
    dynamics_connection: Lazy[DynamicsConnection]
    state_url: Lazy[str]
    staging: Lazy[Path]
    store: Lazy[Store]
    marketo: Lazy[MarketoClient]
    dynamics: Lazy[DynamicsClient]
    now: Callable[[], datetime] = utc_now

    @classmethod
    def of(cls, context: SyncContext) -> SetupParts:
        """Return the parts of a whole context; clients and store are shared with it."""
        return cls(
            settings=Lazy.ready(context.settings),
            marketo_connection=Lazy.ready(context.marketo_connection),
            dynamics_connection=Lazy.ready(context.dynamics_connection),
            state_url=Lazy.ready(context.state_url),
            staging=Lazy.ready(context.staging),
            store=context.open_store,
            marketo=context.marketo_client,
            dynamics=context.dynamics_client,
            now=context.now,
        )

    def context(self) -> SyncContext:
        """Return the context these parts make; clients and store are shared. Raises the ConfigError of a wrong part."""
        return SyncContext(
            settings=self.settings(),
            marketo_connection=self.marketo_connection(),
            dynamics_connection=self.dynamics_connection(),
            state_url=self.state_url(),
            staging=self.staging(),
            open_store=self.store,
            marketo_client=self.marketo,
            dynamics_client=self.dynamics,
            now=self.now,
        )


def parts_from_environment(
    environ: Mapping[str, str] = os.environ,
    *,
    staging: Path | None = None,
    marketo: ConnectionSpec | None = None,
    dynamics: ConnectionSpec | None = None,
    state: str | None = None,
) -> SetupParts:
    """
    Return the parts that the YAML and the `AIRFLOW_CONN_*` variables describe; nothing is read before it is asked for.

    For setup alone: it should say what is wrong with one connection and still check the other.
    """
    settings = Lazy(lambda: load_settings(environ=environ))
    at_marketo = Lazy(lambda: marketo_connection(marketo or load_connection("marketo_default", environ)))
    at_dynamics = Lazy(lambda: dynamics_connection(dynamics or load_connection("dynamics_default", environ)))
    url = Lazy(lambda: state or state_url(environ))
    return SetupParts(
        settings=settings,
        marketo_connection=at_marketo,
        dynamics_connection=at_dynamics,
        state_url=url,
        staging=Lazy(lambda: staging or default_staging(environ)),
        store=Lazy(lambda: open_store(url())),
        marketo=Lazy(lambda: marketo_client(at_marketo(), valid_or_default(settings))),
        dynamics=Lazy(lambda: dynamics_client(at_dynamics(), valid_or_default(settings))),
    )


def valid_or_default(settings: Lazy[Settings]) -> Settings:
    """Return the settings, or the defaults where they are invalid: that is no reason not to look at the systems."""
    try:
        return settings()
    except ConfigError:
        return load_settings(environ={})
