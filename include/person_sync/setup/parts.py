"""What setup works on: a whole context, or the parts of one that could be built."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from include.errors import ConfigError
from include.person_sync.config.connections import load_connection, state_url
from include.person_sync.config.settings import load_settings
from include.person_sync.run.context import (
    SyncContext,
    default_staging,
    dynamics_connection,
    dynamics_limits,
    marketo_connection,
    marketo_limits,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from include.dynamics import DynamicsClient, DynamicsConnection
    from include.marketo import MarketoClient, MarketoConnection
    from include.person_sync.config.connections import ConnectionSpec
    from include.person_sync.config.settings import Settings

__all__ = ["SetupParts", "parts_from_environment"]

T = TypeVar("T")


@dataclass
class SetupParts:
    """
    The pieces of a context, None where one could not be built; `faults` then holds the reason under the check's name.

    The names are `settings`, `marketo_connection`, `dynamics_connection`, `state_database` and `staging`. `context` is
    there only when no piece is missing.
    """

    settings: Settings | None = None
    marketo_connection: MarketoConnection | None = None
    dynamics_connection: DynamicsConnection | None = None
    state_url: str | None = None
    staging: Path | None = None
    context: SyncContext | None = None
    faults: Mapping[str, ConfigError] = field(default_factory=dict)

    @classmethod
    def of(cls, context: SyncContext) -> SetupParts:
        """Return the parts of a whole context; clients and store are shared with it."""
        return cls(
            settings=context.settings,
            marketo_connection=context.marketo_connection,
            dynamics_connection=context.dynamics_connection,
            state_url=context.state_url,
            staging=context.staging,
            context=context,
        )

    @cached_property
    def marketo(self) -> MarketoClient:
        """The Marketo client. Raises the reason when the connection is missing."""
        from include.marketo import MarketoClient, MarketoLimits

        if self.context is not None:
            return self.context.marketo
        limits = marketo_limits(self.settings) if self.settings is not None else MarketoLimits()
        return MarketoClient(self.require(self.marketo_connection, "marketo_connection"), settings=limits)

    @cached_property
    def dynamics(self) -> DynamicsClient:
        """The Dynamics client. Raises the reason when the connection is missing."""
        from include.dynamics import DynamicsClient, DynamicsSettings

        if self.context is not None:
            return self.context.dynamics
        limits = dynamics_limits(self.settings) if self.settings is not None else DynamicsSettings()
        return DynamicsClient(self.require(self.dynamics_connection, "dynamics_connection"), settings=limits)

    def require(self, part: T | None, name: str) -> T:
        """Return a part, or raise the ConfigError that says why it is missing."""
        if part is None:
            raise self.faults.get(name) or ConfigError(f"{name.replace('_', ' ')}: not given.")
        return part


def parts_from_environment(
    environ: Mapping[str, str] = os.environ,
    *,
    staging: Path | None = None,
    process: int | None = None,
    marketo: ConnectionSpec | None = None,
    dynamics: ConnectionSpec | None = None,
    state: str | None = None,
) -> SetupParts:
    """
    Return what can be built from the YAML and the `AIRFLOW_CONN_*` variables, and why the rest can't.

    Takes what `context_from_environment` takes. For setup alone: it should say what is wrong with one connection and
    still check the other.
    """
    faults: dict[str, ConfigError] = {}

    def attempt(name: str, build: Callable[[], T]) -> T | None:
        try:
            return build()
        except ConfigError as error:
            faults[name] = error
            return None

    parts = SetupParts(
        settings=attempt("settings", lambda: load_settings(environ=environ)),
        marketo_connection=attempt(
            "marketo_connection", lambda: marketo_connection(marketo or load_connection("marketo_default", environ))
        ),
        dynamics_connection=attempt(
            "dynamics_connection", lambda: dynamics_connection(dynamics or load_connection("dynamics_default", environ))
        ),
        state_url=attempt("state_database", lambda: state or state_url(environ)),
        staging=attempt("staging", lambda: staging or default_staging(environ)),
        faults=faults,
    )
    parts.context = _whole(parts, process)
    return parts


def _whole(parts: SetupParts, process: int | None) -> SyncContext | None:
    settings, marketo, dynamics = parts.settings, parts.marketo_connection, parts.dynamics_connection
    if settings is None or marketo is None or dynamics is None or parts.state_url is None or parts.staging is None:
        return None
    return SyncContext(
        settings=settings,
        marketo_connection=marketo,
        dynamics_connection=dynamics,
        state_url=parts.state_url,
        staging=parts.staging,
        process=process,
    )
