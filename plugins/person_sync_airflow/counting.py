"""What all operators share that count something: the numbers show on the task's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["CountingOperator"]


class CountingOperator(BaseOperator):
    """
    Base of operators that show what they counted under *Rendered Templates* of a task's page.

    Airflow stores the templated fields before a task runs and, asked to, once more when it has ended, however it ended.
    So what `execute` leaves in `counted` is shown beside the arguments. Numbers only: the page is open to everybody who
    may read the DAG.
    """

    template_fields: Sequence[str] = ("counted",)
    template_fields_renderers: ClassVar[dict[str, str]] = {"counted": "json"}
    overwrite_rtif_after_execution = True

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.counted: Mapping[str, Any] | None = None
