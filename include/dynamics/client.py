"""The Dynamics client: everything the project asks of a Dataverse organisation."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Self

from include.dynamics import metadata, reading, rights, tracking
from include.dynamics.address import parse_organization
from include.dynamics.applying import Writer
from include.dynamics.auth import TokenKeeper
from include.dynamics.errors import Kind, read_error
from include.dynamics.literals import find_guids
from include.dynamics.values import DynamicsSettings, Organization, Table, WhoAmI
from include.dynamics.web_api import WebApi
from include.errors import ConfigError, ContractViolation
from include.http import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from include.dynamics.applying import OnBatch
    from include.dynamics.values import (
        ChangePage,
        Column,
        ColumnPrivilege,
        DynamicsConnection,
        Operation,
        OperationResult,
        Row,
    )

# Set and key of the tables that ship with every organisation never change, so no call is spent on asking for them.
# Source: https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/contact
_SHIPPED = {name: Table(name, f"{name}s", f"{name}id") for name in ("account", "contact", "lead", "systemuser", "team")}


class DynamicsClient:
    """
    Reads and writes the rows of one organisation. Safe to use from several threads.

    Nothing is sent before the first call of a method. Methods that read return rows as dictionaries of the selected
    columns, a lookup as `_<name>_value`, with `@odata.etag`; ids are lower-case GUIDs. `table` arguments are logical
    names. Raises ConfigError for what a person has to correct, RetryableError for what passes, ContractViolation for
    undocumented answers. `sleep` and `clock` are replaced in tests.
    """

    def __init__(
        self,
        connection: DynamicsConnection,
        *,
        settings: DynamicsSettings | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = settings or DynamicsSettings()
        address = parse_organization(connection.host)

        def transport(name: str, setting: str) -> Transport:
            return Transport(
                name=name,
                setting=setting,
                ca_bundle=connection.ca_bundle,
                concurrency=settings.concurrency,
                attempts=settings.attempts,
                total_wait_s=settings.total_wait_s,
                sleep=sleep,
                clock=clock,
            )

        self._keeper = TokenKeeper(
            connection, scope=address.scope, transport=transport("Dynamics sign-in", "extra.authority")
        )
        self._api = WebApi(
            address, settings, transport=transport("Dynamics", "host"), credentials=self._keeper, sleep=sleep
        )
        self._tables = _KnownTables(self._api)

    @property
    def calls(self) -> int:
        """The number of Web API requests sent, repeats included; a batch is one, requests for tokens are none."""
        return self._api.transport.calls

    def close(self) -> None:
        """Give the pooled connections back."""
        self._keeper.close()
        self._api.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def test_connection(self) -> str:
        """Return a sentence saying which organisation answered and as whom. Raises ConfigError saying what is wrong."""
        user = self.who_am_i()
        name = self.organization().name
        organization = f"{name!r} ({user.organization_id})" if name else user.organization_id
        return f"Connected to the Dynamics organisation {organization} as application user {user.user_id}."

    def who_am_i(self) -> WhoAmI:
        """Return the ids of user, organisation and business unit behind the token."""
        label = "asking who we are"
        response = self._api.fetch("WhoAmI", label=label)
        if response.status != 200 and read_error(response).kind in {Kind.TABLE_UNKNOWN, Kind.MISSING}:
            raise _not_dynamics(response.status)
        if 300 <= response.status < 400 or (response.status == 200 and not _looks_like_json(response.body)):
            raise _not_dynamics(response.status)
        answer = self._api.content(response, label=label)
        ids = [find_guids(str(answer.get(name))) for name in ("UserId", "OrganizationId", "BusinessUnitId")]
        if not (ids[0] and ids[1]):
            raise ContractViolation("Dynamics: WhoAmI told no user or no organisation.", remedy="Check 'host'.")
        return WhoAmI(ids[0][0], ids[1][0], ids[2][0] if ids[2] else "")

    def organization(self) -> Organization:
        """Return name and change-tracking days of the organisation; None for what may not be read."""
        label = "reading the organisation"
        columns = [("$select", "name,expirechangetrackingindays")]
        response = self._api.fetch("organizations", columns, label=label)
        if response.status in {400, 403, 404, 405, 501}:
            return Organization(None, None)
        rows = reading.entries(self._api.content(response, label=label))
        row: Mapping[str, Any] = rows[0] if rows else {}
        name, days = row.get("name"), row.get("expirechangetrackingindays")
        return Organization(name if isinstance(name, str) else None, days if isinstance(days, int) else None)

    def table(self, name: str) -> Table:
        """Return the definition of a table. Raises ConfigError when the organisation has none of that name."""
        return self._tables.fetch(name)

    def columns(self, table: str, *, details: bool = True) -> list[Column]:
        """
        Return the columns of a table with types and rights, without shadow columns; with `details` also limits and
        options, which take a request per type of column.
        """
        return metadata.fetch_columns(self._api, table, details=details)

    def privileges(self, user_id: str) -> dict[str, str] | None:
        """Return the user's privileges with their depth, such as {"prvReadContact": "Global"}; None when not told."""
        return rights.fetch_privileges(self._api, user_id)

    def column_privileges(self, user_id: str) -> dict[str, ColumnPrivilege] | None:
        """Return the user's rights on secured columns by metadata id; None when not told: then none is readable."""
        return rights.fetch_column_privileges(self._api, user_id)

    def track_changes(
        self, table: str, columns: Sequence[str], *, delta_link: str | None = None, page_size: int | None = None
    ) -> Iterator[ChangePage]:
        """
        Yield the pages of a table's change feed from a delta link on, or every row when there is none.

        Raises FeedExpired when the link can't be continued. See `include.dynamics.tracking`.
        """
        return tracking.track_changes(
            self._api, self._tables[table], columns, delta_link=delta_link, rows_per_page=page_size
        )

    def rows_by_id(
        self, table: str, ids: Sequence[str], columns: Sequence[str], *, annotations: bool = False
    ) -> list[Row]:
        """Return the rows that exist among the ids; with `annotations`, labels and lookup targets as well."""
        return reading.rows_by_id(self._api, self._tables[table], ids, columns, annotations=annotations)

    def rows_by_value(self, table: str, column: str, values: Sequence[str], columns: Sequence[str]) -> list[Row]:
        """Return the rows whose text column equals one of the values, whatever their case."""
        return reading.rows_by_value(self._api, self._tables[table], column, values, columns)

    def absent_rows(self, table: str, ids: Sequence[str]) -> set[str]:
        """Return those of the ids of which the server says, asked for each, that there is no such row."""
        return reading.absent_rows(self._api, self._tables[table], ids)

    def rows_by_lookup(
        self, table: str, column: str, ids: Sequence[str], columns: Sequence[str]
    ) -> Iterator[list[Row]]:
        """Yield pages of the rows whose lookup, named as in rows (`_ownerid_value`), points to one of the ids."""
        return reading.rows_by_lookup(self._api, self._tables[table], column, ids, columns)

    def rows_modified_between(
        self, table: str, columns: Sequence[str], start: datetime, end: datetime
    ) -> Iterator[list[Row]]:
        """Yield pages of the rows last changed in [start, end), aware datetimes, oldest change first."""
        return reading.rows_modified_between(self._api, self._tables[table], columns, start, end)

    def all_rows(self, table: str, columns: Sequence[str]) -> Iterator[list[Row]]:
        """Yield pages of every row of a table, without change tracking."""
        return reading.all_rows(self._api, self._tables[table], columns)

    def apply(self, operations: Sequence[Operation], *, on_batch: OnBatch | None = None) -> list[OperationResult]:
        """
        Carry out the operations in parallel batches and return one result each, in order. Writes.

        `on_batch(positions, results)` is called after each batch, so that outcomes can be stored at once. See
        `include.dynamics.applying`.
        """
        if not operations:
            return []
        tables = {operation.table for operation in operations}
        return Writer(self._api, {name: self._tables[name] for name in tables}).apply(operations, on_batch=on_batch)


class _KnownTables:
    """Definitions by name: those asked for, those that ship, and any other once it is needed."""

    def __init__(self, api: WebApi) -> None:
        self._api = api
        self._known: dict[str, Table] = {}

    def fetch(self, name: str) -> Table:
        """Return the definition as the server has it now."""
        self._known[name] = metadata.fetch_table(self._api, name)
        return self._known[name]

    def __getitem__(self, name: str) -> Table:
        return self._known.get(name) or _SHIPPED.get(name) or self.fetch(name)


def _not_dynamics(status: int) -> ConfigError:
    return ConfigError(
        f"The host answers (HTTP {status}), but it is not the Web API of a Dynamics organisation.",
        remedy="Correct 'host' of the Dynamics connection; it looks like https://<org>.crm.dynamics.com.",
    )


def _looks_like_json(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"{")
