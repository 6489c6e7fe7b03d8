"""What all operators that speak to Marketo share."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from person_sync_airflow.counting import CountingOperator

if TYPE_CHECKING:
    from marketo.hooks.marketo import MarketoHook

__all__ = ["MarketoOperator"]


class MarketoOperator(CountingOperator):
    """
    Base of the operators of Marketo: the connection, the colour, and the numbers on the task's page.

    The hook is imported when it is needed: a DAG file that is parsed has no use for an HTTP client.

    :param marketo_conn_id: id of the Airflow connection.
    """

    ui_color = "#5c4c9f"
    ui_fgcolor = "#ffffff"

    def __init__(self, *, marketo_conn_id: str = "marketo_default", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.marketo_conn_id = marketo_conn_id

    @cached_property
    def hook(self) -> MarketoHook:
        """The hook of the connection; nothing is sent before the task runs."""
        from marketo.hooks.marketo import MarketoHook

        return MarketoHook(self.marketo_conn_id)
