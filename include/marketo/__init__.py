"""A client of the Marketo Engage REST API, as far as a person sync needs it."""

from typing import TYPE_CHECKING

from include.late import late_names

if TYPE_CHECKING:
    from include.marketo.batches import LostBatch
    from include.marketo.bulk import BulkLeads
    from include.marketo.bulk_jobs import (
        BulkFileGone,
        BulkJob,
        BulkQueueFull,
        BulkSettings,
        BulkStatus,
        BulkUnavailable,
        FieldsNotExported,
        SpoiledDownload,
    )
    from include.marketo.client import MarketoClient
    from include.marketo.connection import MarketoConnection, MarketoLimits
    from include.marketo.dates import format_datetime, parse_datetime
    from include.marketo.envelope import CallRefused, FieldNotFound
    from include.marketo.records import LARGEST_BATCH
    from include.marketo.values import (
        Activity,
        ActivityAttribute,
        ActivityType,
        CustomActivityType,
        FeedPage,
        MarketoField,
        NewCustomActivityType,
        NewField,
        RowError,
        RowResult,
        SchemaField,
    )
else:
    __getattr__ = late_names(
        __name__, "values", "dates", "connection", "envelope", "records", "bulk_jobs", "batches", "bulk", "client"
    )

__all__ = [
    "LARGEST_BATCH",
    "Activity",
    "ActivityAttribute",
    "ActivityType",
    "BulkFileGone",
    "BulkJob",
    "BulkLeads",
    "BulkQueueFull",
    "BulkSettings",
    "BulkStatus",
    "BulkUnavailable",
    "CallRefused",
    "CustomActivityType",
    "FeedPage",
    "FieldNotFound",
    "FieldsNotExported",
    "LostBatch",
    "MarketoClient",
    "MarketoConnection",
    "MarketoField",
    "MarketoLimits",
    "NewCustomActivityType",
    "NewField",
    "RowError",
    "RowResult",
    "SchemaField",
    "SpoiledDownload",
    "format_datetime",
    "parse_datetime",
]
