"""The values that go in and out of the Dynamics client."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Row = dict[str, Any]

MICROSOFT_AUTHORITY: Final = "https://login.microsoftonline.com"


@dataclass(frozen=True, slots=True)
class DynamicsConnection:
    """
    Where the organisation is and as whom to sign in: the fields of the Airflow connection of type `dynamics`.

    `client_id` is the connection's login, `client_secret` its password. `certificate_path` names a PEM file with
    private key and certificate, used in place of the secret. `ca_bundle` adds a private certificate authority.
    `on_token` is told every access token before its first use, so that whoever keeps a log can mask it.
    """

    host: str
    client_id: str
    client_secret: str | None = field(repr=False)
    tenant_id: str
    authority: str = MICROSOFT_AUTHORITY
    ca_bundle: str | None = None
    certificate_path: str | None = None
    on_token: Callable[[str], None] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class DynamicsSettings:
    """
    How hard the client works.

    A batch is one request for the service protection limits, but its execution time counts in full: 100 parts keep one
    batch well under the time-outs. Source: https://learn.microsoft.com/power-apps/developer/data-platform/api-limits
    """

    batch_size: int = 100
    concurrency: int = 4
    page_size: int = 5000
    filter_conditions: int = 50
    attempts: int = 5
    total_wait_s: float = 120.0
    read_timeout_s: float = 120.0
    write_timeout_s: float = 300.0  # plug-ins are cut at two minutes each; a batch runs its parts one after the other
    duplicate_detection: bool = False


@dataclass(frozen=True, slots=True)
class WhoAmI:
    """The application user behind the token; all ids are lower-case GUIDs."""

    user_id: str
    organization_id: str
    business_unit_id: str


@dataclass(frozen=True, slots=True)
class Organization:
    """Name of the organisation and the life of its delta links in days; None where it may not be read."""

    name: str | None
    expire_change_tracking_days: int | None


@dataclass(frozen=True, slots=True)
class Table:
    """What the client has to know of a table before it reads or writes its rows."""

    name: str
    entity_set: str
    primary_key: str
    change_tracking: bool = True
    optimistic_concurrency: bool = True


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of a choice; `state` is the state a status belongs to, None elsewhere."""

    value: int
    label: str
    state: int | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of a table.

    `type` is AttributeTypeName without the ending `Type`: String, Memo, Integer, Decimal, Money, Picklist, Lookup, …
    `readable`, `creatable` and `updatable` are what the table allows to everybody; for a `secured` column the rights of
    the user come on top (`DynamicsClient.column_privileges`, by `metadata_id`). A detail that does not apply, or that
    the server did not tell, is None or empty. A Boolean has the options 0 and 1.
    """

    name: str
    type: str
    metadata_id: str | None = None
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    precision: int | None = None
    options: tuple[Option, ...] = ()
    date_behavior: str | None = None
    readable: bool = True
    creatable: bool = True
    updatable: bool = True
    secured: bool = False
    required_level: str | None = None
    targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnPrivilege:
    """What the user may do with one secured column."""

    read: bool
    create: bool
    update: bool


@dataclass(frozen=True, slots=True)
class ChangePage:
    """
    One page of a change feed.

    `rows` are new and updated rows with all selected columns, `deleted` ids. `delta_link` is set on the last page only:
    store it, unchanged, once every page before it has been dealt with. `next_link` leads to the page behind this one.
    """

    rows: list[Row]
    deleted: list[str]
    delta_link: str | None = None
    next_link: str | None = None


class OperationKind(StrEnum):
    """The three ways to write a row."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Outcome(StrEnum):
    """What became of one operation."""

    DONE = "done"
    EXISTS = "exists"  # create: the id is taken; nothing was written
    STALE = "stale"  # the row has another version than the one given; nothing was written
    MISSING = "missing"  # the row is not there (any more); nothing was written
    REFUSED = "refused"  # the server will not take it as it is; nothing was written
    UNKNOWN = "unknown"  # no final answer, in spite of the safe repeats: look before deciding


@dataclass(frozen=True, slots=True)
class Operation:
    """
    One write, safe to repeat.

    create: `PATCH` on a GUID made by the caller, create-only. update: `PATCH` of an existing row, with the version
    `if_match` when given, otherwise whatever its version. delete: likewise. `body` maps column names (or
    `name@odata.bind`) to JSON values; only changed columns belong into an update.
    """

    kind: OperationKind | str
    table: str
    row_id: str
    body: Mapping[str, Any] = field(default_factory=dict, repr=False)
    if_match: str | None = None

    def __post_init__(self) -> None:
        """Accept the kind as text. Raises ValueError for any other text."""
        object.__setattr__(self, "kind", OperationKind(self.kind))


@dataclass(frozen=True, slots=True)
class OperationResult:
    """
    What became of the operation at the same position.

    `status` is 0 when no answer arrived. `message` is redacted. `after_lost_answer` says that an earlier attempt of the
    same operation may have arrived: then `stale`, `exists` or `missing` may be its own work, and the row has to be
    looked at. `etag` is the new version where the server tells it. Of a refusal, `about_values` says that the same row
    may be taken without some of its columns, and `about_schema` that the columns may have changed since they were read.
    """

    outcome: Outcome
    status: int = 0
    code: str = ""
    message: str = ""
    request_id: str | None = None
    etag: str | None = None
    after_lost_answer: bool = False
    about_values: bool = False
    about_schema: bool = False
