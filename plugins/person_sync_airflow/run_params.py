"""From the params of a DAG run to the request of a run of the sync."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from include.errors import ConfigError
from person_sync_airflow.window import choose_window

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.person_sync.run.request import RunRequest

__all__ = ["RunParams", "origin_of", "run_request"]

BACKFILL: Final = "backfill"


@dataclass(frozen=True, slots=True)
class RunParams:
    """
    What a DAG run was asked for, as its params arrive.

    An operator's own arguments may be of the wrong type (a template that was not rendered natively gives text), so
    nothing here is trusted until `run_request` has looked at it.
    """

    plan_only: Any = False
    mode: Any = "incremental"
    marketo_ids: Any = ()
    dynamics_ids: Any = ()
    override: Any = ()
    window_start: Any = None
    window_end: Any = None


def run_request(context: Mapping[str, Any], params: RunParams) -> RunRequest:
    """
    Return the request. A backfill run is a `window` run over its data interval, whatever its params say.

    Raises ConfigError naming the param that is wrong or missing.
    """
    from include.person_sync.run.request import Mode, RunRequest

    backfill = is_backfill(context)
    mode = Mode.WINDOW if backfill else _mode(params.mode)
    bounds = (None, None) if backfill else (params.window_start or None, params.window_end or None)
    if mode is not Mode.WINDOW and any(bounds):
        raise ConfigError(
            f"window_start and window_end mean nothing in mode {mode}.", remedy="set mode to window, or clear them."
        )
    start, end = (
        choose_window(context, *bounds, names=("window_start", "window_end")) if mode is Mode.WINDOW else bounds
    )
    return RunRequest(
        mode=mode,
        dry_run=_flag("dry_run", params.plan_only),
        start=start,
        end=end,
        marketo_ids=tuple(_number("marketo_ids", number) for number in _items("marketo_ids", params.marketo_ids)),
        dynamics_ids=tuple(str(row_id).lower() for row_id in _items("dynamics_ids", params.dynamics_ids)),
        overrides=tuple(str(brake) for brake in _items("override", params.override)),
        origin=origin_of(context),
    )


def is_backfill(context: Mapping[str, Any]) -> bool:
    """Return True for a run that a backfill made."""
    run_type = context["dag_run"].run_type
    return str(getattr(run_type, "value", run_type)) == BACKFILL


def origin_of(context: Mapping[str, Any]) -> dict[str, str]:
    """Return who started the DAG run and how; it is recorded with the run."""
    run = context["dag_run"]
    return {
        "by": getattr(run, "triggering_user_name", None) or "scheduler",
        "through": "Airflow",
        "dag_run": str(context["run_id"]),
    }


def _mode(value: Any) -> Any:
    from include.person_sync.run.request import Mode

    try:
        return Mode(value)
    except ValueError:
        raise ConfigError(f"mode {value!r} is unknown.", remedy=f"valid modes: {', '.join(Mode)}.") from None


def _flag(name: str, value: Any) -> bool:
    """Return a boolean that really is one: the text 'False' would be true."""
    if isinstance(value, bool):
        return value
    raise ConfigError(
        f"{name} is {type(value).__name__}, not a boolean.",
        remedy="give the DAG render_template_as_native_obj=True, or pass True or False.",
    )


def _items(name: str, value: Any) -> tuple[Any, ...]:
    """Return the items of a list; a text would fall apart into letters."""
    if isinstance(value, list | tuple):
        return tuple(value)
    raise ConfigError(
        f"{name} is {type(value).__name__}, not a list.",
        remedy="give the DAG render_template_as_native_obj=True, or pass a list.",
    )


def _number(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        raise ConfigError(f"{name} holds something that is no number.", remedy="give whole numbers.") from None
