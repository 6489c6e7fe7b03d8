"""What the client gives and takes: fields, activities, custom activity types, results of writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

RowStatus = Literal["created", "updated", "skipped", "deleted", "added", "unknown"]


@dataclass(frozen=True, slots=True)
class MarketoField:
    """A lead field usable by REST. `data_type` is lower case; `length` counts characters (bytes for a text area)."""

    name: str
    display_name: str
    data_type: str
    length: int | None
    read_only: bool
    field_id: int | None


@dataclass(frozen=True, slots=True)
class SchemaField:
    """A lead field as the schema endpoints see it, hidden ones included."""

    name: str
    display_name: str
    data_type: str
    length: int | None
    is_hidden: bool
    is_custom: bool
    is_api_created: bool


@dataclass(frozen=True, slots=True)
class NewField:
    """A custom lead field to create. It can be hidden later, never deleted."""

    name: str
    display_name: str
    data_type: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class ActivityAttribute:
    """One attribute of a custom activity type."""

    api_name: str
    name: str
    data_type: str = "string"


@dataclass(frozen=True, slots=True)
class NewCustomActivityType:
    """A custom activity type to create, with its attributes."""

    api_name: str
    name: str
    trigger_name: str
    filter_name: str
    primary_attribute: ActivityAttribute
    attributes: tuple[ActivityAttribute, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True)
class CustomActivityType:
    """A custom activity type. `status` is draft, approved, approved with draft or deleted."""

    api_name: str
    type_id: int | None
    name: str
    status: str
    primary_attribute: str
    attributes: tuple[str, ...]

    @property
    def is_approved(self) -> bool:
        """True when activities of this type can be added and no change waits for approval."""
        return self.status == "approved"


@dataclass(frozen=True, slots=True)
class Activity:
    """
    One entry of a feed. `guid` is its unique key; `at` is aware UTC, whole seconds.

    `fields` holds the REST names of the changed fields (type 13 of the lead-change feed only). The names in
    `attributes` are lower case, because Marketo writes them in either case.
    """

    guid: str
    lead_id: int
    type_id: int
    at: datetime
    fields: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict, repr=False)
    primary_value: str | None = field(default=None, repr=False)
    primary_value_id: int | None = None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of a feed. `next_token` continues after it, now or in a later run; `more` says that more is waiting."""

    items: tuple[Activity, ...]
    next_token: str
    more: bool


@dataclass(frozen=True, slots=True)
class RowError:
    """Why a record was skipped: the vendor's code and message, or a code of ours for a value that was not sent."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one record. `id` is the lead's (for an added activity, the activity's) where Marketo gave one."""

    status: RowStatus
    id: int | None
    errors: tuple[RowError, ...] = ()
    request_id: str = ""
