"""What all operators that speak to Dynamics share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from person_sync_airflow.counting import CountingOperator

if TYPE_CHECKING:
    from dynamics.hooks.dynamics import DynamicsHook

__all__ = ["DynamicsOperator"]


class DynamicsOperator(CountingOperator):
    """
    Base of the operators of Dynamics: the connection, the colour, and the numbers on the task's page.

    The hook is imported when it is needed: a DAG file that is parsed has no use for an HTTP client.

    :param dynamics_conn_id: id of the Airflow connection.
    """

    ui_color = "#1267b4"
    ui_fgcolor = "#ffffff"

    def __init__(self, *, dynamics_conn_id: str = "dynamics_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dynamics_conn_id = dynamics_conn_id

    @cached_property
    def hook(self) -> DynamicsHook:
        """The hook of the connection; nothing is sent before the task runs."""
        from dynamics.hooks.dynamics import DynamicsHook

        return DynamicsHook(self.dynamics_conn_id)
