"""The Marketo client: one object for everything the sync asks of an instance."""

from __future__ import annotations

import random as random_module
import time
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from include.errors import ConfigError
from include.marketo import custom_activities, feeds, leads, schema, usage
from include.marketo.api import MarketoApi
from include.marketo.bulk import BulkLeads
from include.marketo.bulk_jobs import BulkSettings
from include.marketo.connection import MarketoConnection, MarketoLimits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from include.marketo.batches import OnBatch
    from include.marketo.leads import SyncAction
    from include.marketo.values import (
        CustomActivityType,
        FeedPage,
        MarketoField,
        NewCustomActivityType,
        NewField,
        RowResult,
        SchemaField,
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


class MarketoClient:
    """
    A client of one Marketo instance. Safe to use from several threads; connects on first use.

    Every method raises ConfigError (credentials, permission, host, certificate), QuotaExhausted (the day's calls are
    used up), RetryableError (after its own retries), ContractViolation (an answer that is not documented) or
    CallRefused (a whole call refused for good). `sleep`, `clock` (monotonic seconds), `now` (aware UTC) and `random`
    are replaced in tests.
    """

    def __init__(
        self,
        connection: MarketoConnection,
        *,
        settings: MarketoLimits = MarketoLimits(),  # noqa: B008 -- frozen
        bulk: BulkSettings = BulkSettings(),  # noqa: B008 -- frozen
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = _utc_now,
        random: Callable[[], float] = random_module.random,  # noqa: S311 -- spreads waits, guards nothing
    ) -> None:
        self.connection = connection
        self.settings = settings
        self._bulk = bulk
        self._sleep, self._clock, self._now = sleep, clock, now
        self._api = MarketoApi(connection, settings, sleep=sleep, clock=clock, now=now, random=random)

    @property
    def calls(self) -> int:
        """REST calls sent so far, retries included; calls of the identity service do not count against the quota."""
        return self._api.transport.calls

    def close(self) -> None:
        """Give the pooled connections back."""
        self._api.close()

    def test_connection(self) -> str:
        """Return a sentence saying what was reached. Logs in and reads the lead schema; costs one call."""
        fields = self.describe()
        if not fields:
            raise ConfigError(
                "marketo: logged in, but the instance shows no lead field.",
                remedy="Give the API user's role the permission 'Read-Write Lead' in the workspace to be synchronised.",
            )
        return (
            f"Connected to Marketo instance {urlsplit(self.connection.host).netloc}; {len(fields)} lead fields visible."
        )

    def describe(self) -> list[MarketoField]:
        """Return the lead fields usable by REST."""
        return schema.describe(self._api)

    def schema_fields(self) -> list[SchemaField]:
        """Return all lead fields, hidden ones included."""
        return schema.schema_fields(self._api)

    def create_fields(self, fields: Sequence[NewField]) -> list[RowResult]:
        """Return one result per field. Writes; a created field can be hidden later, but never deleted."""
        return schema.create_fields(self._api, fields, sleep=self._sleep)

    def custom_activity_types(self) -> list[CustomActivityType]:
        """Return the custom activity types, deleted ones left out."""
        return custom_activities.custom_activity_types(self._api)

    def create_custom_activity_type(self, new: NewCustomActivityType) -> CustomActivityType:
        """Return the type with all its attributes; creates what is missing. Writes; safe to repeat."""
        return custom_activities.create_custom_activity_type(self._api, new)

    def approve_custom_activity_type(self, api_name: str) -> CustomActivityType:
        """Return the approved type. Writes unless it is approved already; safe to repeat."""
        return custom_activities.approve_custom_activity_type(self._api, api_name)

    def paging_token(self, since: datetime) -> str:
        """Return the token with which a feed starts after `since` (aware). Opaque; store it as it is."""
        return feeds.fetch_paging_token(self._api, since)

    def lead_changes(self, token: str, fields: Sequence[str]) -> Iterator[FeedPage]:
        """
        Yield pages of new leads (type 12) and of changes to the given fields (type 13), until there are no more.

        A page may be empty and still have a successor. The feed only says which lead changed: its values are in other
        formats than the lead's own, so they are not given; re-read the lead.
        """
        return feeds.lead_changes(self._api, token, fields)

    def activities(self, token: str, type_ids: Sequence[int]) -> Iterator[FeedPage]:
        """Yield pages of the activities of up to ten types, until there are no more."""
        return feeds.activities(self._api, token, type_ids)

    def deleted_leads(self, token: str) -> Iterator[FeedPage]:
        """Yield pages of deletions (type 37), until there are no more. Marketo keeps them for 14 days."""
        return feeds.deleted_leads(self._api, token)

    def leads_by(
        self,
        filter_type: str,
        values: Sequence[str | int],
        fields: Sequence[str],
        *,
        crowded: set[str] | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """
        Yield pages of leads whose `filter_type` field equals one of the values.

        Each lead is a dict of `id` and the asked fields; an empty one is None. Any number of values, 300 to a call;
        empty values and values with a comma are left out, because the API has no way to ask for them. Order is not
        defined, and one value may match several leads. A value that more than a thousand have can't be asked for: it is
        added to `crowded`, or CallRefused is raised where that is not given.
        """
        return leads.leads_by(self._api, filter_type, values, fields, crowded=crowded)

    def sync_leads(
        self,
        records: Sequence[dict[str, Any]],
        *,
        action: SyncAction,
        lookup_field: str,
        partition: str | None = None,
        on_batch: OnBatch | None = None,
    ) -> list[RowResult]:
        """
        Return one result per record, in order. Writes.

        Any number of records; sent 300 and less than 1 MB at a time, one batch after the other. None and "" clear a
        field, an absent field stays as it is. A record with a value that is not JSON (NaN above all) is `skipped` with
        the code INVALID_VALUE and not sent. `on_batch(offset, results)` is called as soon as a stretch of results is
        known.

        `updateOnly` is repeated when an answer is lost; for the other actions LostBatch says which records are in
        doubt. Rows that share a key must be collapsed before: Marketo does not say what becomes of them.
        """
        return leads.sync_leads(
            self._api,
            records,
            action=action,
            lookup_field=lookup_field,
            partition=partition,
            sleep=self._sleep,
            on_batch=on_batch,
        )

    def delete_leads(self, ids: Sequence[int]) -> list[RowResult]:
        """Return one result per id: `deleted`, or `skipped` with 1004. Writes; cannot be undone."""
        return leads.delete_leads(self._api, ids, sleep=self._sleep)

    def merge_leads(self, winner_id: int, loser_ids: Sequence[int]) -> None:
        """Merge the losers into the winner. Writes; a lost answer raises LostAnswer."""
        leads.merge_leads(self._api, winner_id, loser_ids)

    def add_activities(self, records: Sequence[dict[str, Any]], *, on_batch: OnBatch | None = None) -> list[RowResult]:
        """
        Return one result per custom activity: `added` or `skipped`. Writes.

        A record has `leadId`, `activityDate`, `activityTypeId`, `primaryAttributeValue` and `attributes` (may be []).
        Activities cannot be changed or removed and repeats are not noticed, so a lost answer raises LostBatch.
        """
        return custom_activities.add_activities(self._api, records, sleep=self._sleep, on_batch=on_batch)

    @cached_property
    def bulk_leads(self) -> BulkLeads:
        """Bulk lead extract: reading a whole database by jobs and files; see `include.marketo.bulk`."""
        return BulkLeads(self._api, self._bulk, sleep=self._sleep, clock=self._clock, now=self._now)

    def usage(self) -> int:
        """Return the calls that all integrations have made today. Costs one call."""
        return usage.calls_used_today(self._api)
