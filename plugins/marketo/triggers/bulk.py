"""Waiting for bulk extracts."""

from __future__ import annotations

import asyncio
import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseTrigger, TriggerEvent

from include.errors import SyncError
from include.marketo import BulkSettings, BulkStatus, MarketoClient
from marketo.hooks.marketo import marketo_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from include.marketo import MarketoConnection

__all__ = ["MarketoBulkTrigger"]

_log = logging.getLogger(__name__)

_UNDER_WAY: Final = frozenset({BulkStatus.QUEUED, BulkStatus.PROCESSING})


class MarketoBulkTrigger(BaseTrigger):
    """
    Fire as soon as one of some extracts has come to its end, or still waits for a place in the queue; when there are
    none, after one interval.

    The event holds the state of each. What cannot be asked is left to the task: it is woken up and meets the error
    itself, with its own retries and alerts.

    :param conn_id: id of the Airflow connection of type `marketo`
    :param job_ids: the extracts
    :param poll_s: seconds between two looks; Marketo refreshes a status once a minute
    """

    def __init__(self, conn_id: str, job_ids: list[str], poll_s: float = 60.0) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Airflow gives it no types
        self.conn_id = conn_id
        self.job_ids = list(job_ids)
        self.poll_s = poll_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and what it takes to make another."""
        return (
            "marketo.triggers.bulk.MarketoBulkTrigger",
            {"conn_id": self.conn_id, "job_ids": self.job_ids, "poll_s": self.poll_s},
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look every `poll_s`, and fire once there is something to do."""
        # In a thread, since masking the secret talks to the triggerer, which must not be waited for in the event loop.
        connection = await asyncio.to_thread(marketo_connection, await BaseHook.aget_connection(self.conn_id))
        while True:
            await asyncio.sleep(self.poll_s)
            states = await asyncio.to_thread(self._states, connection)
            if not states or any(BulkStatus(state) not in _UNDER_WAY for state in states.values()):
                yield TriggerEvent({"jobs": states or {}})  # type: ignore[no-untyped-call]
                return

    def _states(self, connection: MarketoConnection) -> dict[str, str] | None:
        """Return each extract's state; None when it cannot be told."""
        if not self.job_ids:
            return {}
        with closing(MarketoClient(connection, bulk=BulkSettings(poll_s=self.poll_s))) as client:
            try:
                return {job_id: client.bulk_leads.job(job_id).status.value for job_id in self.job_ids}
            except SyncError as error:
                _log.warning("the task looks for itself: %s", error)
                return None
