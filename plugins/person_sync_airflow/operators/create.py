"""The operator that creates one Marketo person in Dynamics, all stages in one task."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from person_sync_airflow.counting import CountingOperator
from person_sync_airflow.operators.base import SyncOperator, sync_run_id
from person_sync_airflow.run_params import origin_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

__all__ = ["SyncPersonOperator"]


class SyncPersonOperator(SyncOperator, CountingOperator):
    """
    Create one Marketo person in Dynamics now, unless it is there already; safe to repeat.

    The stages run in one task: somebody is waiting for the row, and each task of its own costs about a second of
    scheduling and as much again of imports. While another run holds the lease the task waits for it.

    Returns the run's summary with the person's outcome under `people`: `created`, `linked`, `already_synced`,
    `refused`, `held`, `not_found` or `unfinished`.

    :param marketo_id: the person (templated)
    :param table: `lead` or `contact` (templated)
    :param row_owner: e-mail of the Dynamics user who is to own the row (templated)
    :param lease_wait_s: seconds to wait for the lease before the task fails and is tried again
    """

    template_fields: Sequence[str] = ("marketo_id", "table", "row_owner", "counted")
    task_doc = """
    Runs all stages for one Marketo person in one task: somebody waits for the row.

    - **Reads** the person, rows with the same e-mail address.
    - **Writes** the row, its id into the person, the state database.
    - **Returns** the run's summary; the outcome is under `people`.
    - **When it fails**: it is tried again while another run holds the lease or a system is away. `ConfigError`: the
      error says what to do. Clear it at any time: the row's id follows from the person's, so there is never a second
      row.
    """

    def __init__(
        self,
        *,
        marketo_id: int | str,
        table: str = "lead",
        row_owner: str | None = None,
        lease_wait_s: float = 120,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.marketo_id = marketo_id
        self.table = table
        self.row_owner = row_owner
        self.lease_wait_s = lease_wait_s

    def execute(self, context: Context) -> Mapping[str, Any]:
        """Create the person and return the run's summary."""
        from include.person_sync.present.counted import count_summary
        from include.person_sync.run.create import create_people

        # The time tells runs of one id apart: ids count up from 1 again when Airflow's old runs are cleaned away.
        stamp = f"{context['dag_run'].run_after:%Y%m%dT%H%M%S}"
        summary = create_people(
            self.sync_context(process=os.getpid()),
            [int(self.marketo_id)],
            table=str(self.table),
            owner=self.row_owner or None,
            origin=origin_of(context),
            run_id=f"{sync_run_id(context)}__{stamp}",
            wait_s=self.lease_wait_s,
        )
        self.counted = count_summary(summary)
        return summary
