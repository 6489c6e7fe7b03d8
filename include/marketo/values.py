"""What the client gives and takes: fields, activities, custom activity types, results of writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Literal

from include.marketo.envelope import FIELD_NOT_FOUND, INVALID_DATA

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


class ActivityType(IntEnum):
    """The types of activities that tell of a change to a person; ids are the same in every instance."""

    NEW_LEAD = 12
    CHANGE_VALUE = 13
    CHANGE_SCORE = 22
    MERGE = 32
    DELETE = 37


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

    @property
    def kind(self) -> ActivityType | None:
        """What the activity tells, None when it is none of the changes known here."""
        return ActivityType(self.type_id) if self.type_id in _KNOWN_TYPES else None

    @property
    def merged_away(self) -> tuple[int, ...]:
        """The ids of the people that a merge put into this one; instances write them as a list or as a text of ids."""
        value = self.attributes.get("merge ids", []) if self.kind is ActivityType.MERGE else []
        items = value if isinstance(value, list) else str(value).strip("[]").replace(";", ",").split(",")
        return tuple(int(item) for item in items if str(item).strip().isdigit() and int(item) != self.lead_id)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """One page of a feed. `next_token` continues after it, now or in a later run; `more` says that more is waiting."""

    items: tuple[Activity, ...]
    next_token: str
    more: bool


_KNOWN_TYPES = frozenset(ActivityType)

_LEAD_NOT_FOUND = "1004"
_ABOUT_SCHEMA = frozenset({INVALID_DATA, FIELD_NOT_FOUND})
# What keeps a record from being written whatever its values are: the person is gone, exists, or is not the only one;
# partitions; locks and queues; an action that a native CRM sync reserves for itself. Source: error-codes.
_NOT_ABOUT_VALUES = frozenset(
    {_LEAD_NOT_FOUND, "1005", "1007", "1008", "1009", "1010", "1011", "1013", "1016", "1018", "1019", "1022", "1029"}
    | {"1036"}
)


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

    @property
    def is_gone(self) -> bool:
        """Whether the person the record is about is not in Marketo (any more): deleted or merged away."""
        return self._says(frozenset({_LEAD_NOT_FOUND}))

    @property
    def about_schema(self) -> bool:
        """Whether our picture of the fields may be out of date: one is unknown, or does not take values any more."""
        return self._says(_ABOUT_SCHEMA)

    @property
    def about_values(self) -> bool:
        """Whether the record was refused for its values, so that it may be taken without some of its fields."""
        return self.status == "skipped" and not self._says(_NOT_ABOUT_VALUES)

    def _says(self, codes: frozenset[str]) -> bool:
        return any(error.code in codes for error in self.errors)
