"""What can be switched in the Marketo sandbox: limits, features, and the behaviours the vendor does not document."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

__all__ = [
    "ALL_PERMISSIONS",
    "ActivityIds",
    "ClearedValue",
    "CompanyFields",
    "ErrorLevel",
    "MarketoSettings",
    "NullPresence",
    "OverLength",
    "Permission",
]


class OverLength(StrEnum):
    """What happens to a text longer than its field."""

    ERROR = "error"
    TRUNCATE = "truncate"


class ErrorLevel(StrEnum):
    """Whether a fault of one record spoils that record or the whole call."""

    RECORD = "record"
    RESPONSE = "response"


class NullPresence(StrEnum):
    """Whether an empty field that was asked for appears in the answer as null."""

    PRESENT = "present"
    ABSENT = "absent"
    SOMETIMES = "sometimes"


class ClearedValue(StrEnum):
    """How the change log writes "no value"."""

    NULL = "null"
    ABSENT = "absent"
    EMPTY = "empty"


class ActivityIds(StrEnum):
    """Whether activities carry the old integer `id` beside `marketoGUID`."""

    PRESENT = "present"
    ABSENT = "absent"
    SOMETIMES = "sometimes"


class CompanyFields(StrEnum):
    """Whether Sync Leads may write company fields of a lead that belongs to no company."""

    WRITABLE = "writable"
    REFUSED = "refused"


class Permission(StrEnum):
    """The role permissions a custom service's user may hold."""

    READ_LEAD = "Read-Only Lead"
    WRITE_LEAD = "Read-Write Lead"
    READ_ACTIVITY = "Read-Only Activity"
    WRITE_ACTIVITY = "Read-Write Activity"
    READ_ACTIVITY_METADATA = "Read-Only Activity Metadata"
    WRITE_ACTIVITY_METADATA = "Read-Write Activity Metadata"
    SCHEMA_STANDARD = "Read-Write Schema Standard Field"
    SCHEMA_CUSTOM = "Read-Write Schema Custom Field"


ALL_PERMISSIONS: Final = frozenset(Permission)


@dataclass(slots=True)
class MarketoSettings:
    """
    Switches of one Marketo instance. Every attribute may be changed while the sandbox runs.

    Those marked [ND] choose one reading of a behaviour the vendor leaves open; a client has to live with all of them.
    """

    # Limits. Source: rest-api.md, marketo-integration-best-practices.md.
    daily_quota: int = 50_000
    rate_calls: int = 100
    rate_window_s: float = 20.0
    concurrency: int = 10
    body_bytes: int = 1_048_576
    uri_bytes: int = 8_192
    token_lifetime_s: int = 3_600
    api_fields_max: int = 100
    # Seconds a call takes before its work is done, outside of any lock: makes calls overlap.
    handling_time_s: float = 0.0

    # Bulk extract. The daily volume is 500 MB of all object types together; what a client is shown of a job moves at
    # most once per `bulk_status_s`; a job occupies one of the two places for `bulk_work_s`. Source: bulk-extract.md.
    bulk_daily_bytes: int = 500_000_000
    bulk_status_s: float = 60.0
    bulk_work_s: float = 30.0
    # Filters the subscription has; the others answer 1035.
    bulk_filters: frozenset[str] = frozenset({"createdAt"})
    # A code ("603", "1035") that every bulk call answers: the subscription has no bulk extract. "" = it has.
    bulk_refusal_code: str = ""
    # [ND] when the used-up volume is noticed ("create" or "enqueue"), and whether a range includes its end.
    bulk_quota_refused_at: str = "enqueue"
    bulk_end_included: bool = False

    # Permissions of API users that have none of their own.
    permissions: frozenset[Permission] = field(default_factory=lambda: ALL_PERMISSIONS)

    # Authentication [ND]: 600 was retired in favour of 603, old instances may still answer it.
    missing_token_code: str = "603"  # noqa: S105 - an error code

    # Reading leads.
    null_presence: NullPresence = NullPresence.SOMETIMES
    case_sensitive_lookups: bool = False

    # Writing leads.
    over_length: OverLength = OverLength.ERROR
    over_length_code: str = "1003"
    wrong_type_code: str = "1001"
    unknown_field_level: ErrorLevel = ErrorLevel.RECORD
    read_only_code: str = "1003"
    company_fields: CompanyFields = CompanyFields.WRITABLE
    naive_datetime_zone: str = "America/Chicago"
    partition_required: bool = False
    schema_refusals: ErrorLevel = ErrorLevel.RECORD

    # The change feeds.
    visibility_delay_s: float = 0.0
    # Extra delay of single rows, 0 … this many seconds: rows then appear out of order, behind a token already used.
    visibility_jitter_s: float = 0.0
    token_includes_its_second: bool = True
    # Every n-th page that has rows to give comes empty, or 10 rows short, with `moreResult: true`; 0 = never.
    empty_page_every: int = 10
    short_page_every: int = 4
    activity_ids: ActivityIds = ActivityIds.SOMETIMES
    cleared_value: ClearedValue = ClearedValue.NULL
    activity_date_suffix: str = "Z"
    attribute_names_lower_case: bool = True
    values_at_creation_logged: bool = False
    same_value_logged: bool = False
    merge_fills_logged: bool = False
    merge_moves_activities: bool = True
    merge_losers_listed_as_deleted: bool = False
    deletes_in_activities: bool = False
    change_retention_days: int = 90
    delete_retention_days: int = 14
    merge_retention_days: int = 760
