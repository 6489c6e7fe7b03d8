"""The state of one organisation: schema, rows, rights, switches, and the lock that guards them."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.access import Access, Caller
from include.sandbox.dataverse.errors import missing_row, unknown_segment
from include.sandbox.dataverse.schema import Schema
from include.sandbox.dataverse.settings import DynamicsSettings
from include.sandbox.dataverse.store import Reference, Store
from include.sandbox.dataverse.values import moment_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from include.sandbox.clock import Clock
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.dataverse.store import Row
    from include.sandbox.identifiers import Identifiers

__all__ = ["API_PATH", "Organization", "PluginRefusal"]

API_PATH: Final = "/api/data/v9.2/"
_MESSAGES: Final = ("Create", "Update", "Delete", "Retrieve", "RetrieveMultiple", "Merge")
_MULTIPLE: Final = ("CreateMultiple", "UpdateMultiple", "UpsertMultiple")


@dataclass(frozen=True, slots=True)
class PluginRefusal:
    """
    A customer's rule that refuses rows: `matches` gets the row as it would be stored (lookups are `Reference`).

    People at work in Dynamics are not subject to it, so that a test can set up any state.
    """

    table: str
    matches: Callable[[Mapping[str, Any]], bool]
    message: str
    status: int = 400
    code: str = "0x80040265"


@dataclass(slots=True)
class _Ids:
    organization: str
    business_unit: str
    currency: str
    role: str
    human: str


class Organization:
    """Everything the Web API works on. Hold `lock` while reading or changing rows."""

    def __init__(self, *, clock: Clock, identifiers: Identifiers) -> None:
        self.clock = clock
        self.identifiers = identifiers
        self.lock = threading.RLock()
        self.schema = Schema.shipped()
        self.store = Store(self.schema.tables)
        self.access = Access()
        self.settings = DynamicsSettings()
        self.plugin_refusals: list[PluginRefusal] = []
        self.delta_links_valid_from = 0
        self.url = ""
        self.ids = _Ids(*(identifiers.guid() for _ in range(5)))
        self._set_up()

    @property
    def api_url(self) -> str:
        """The service's root, with a trailing slash."""
        return f"{self.url}{API_PATH}"

    def table(self, name: str) -> Table:
        """Return a table by logical name. Raises KeyError."""
        return self.schema.tables[name]

    def table_of_set(self, entity_set: str) -> Table:
        """Return a table by entity set. Raises Refusal 404 for a name that is none."""
        table = self.schema.by_set.get(entity_set)
        if table is None:
            raise unknown_segment(entity_set)
        return table

    def row(self, table: Table, row_id: str) -> Row:
        """Return a row (not a copy). Raises Refusal 404 when it is absent."""
        row = self.store.table(table.name).get(row_id)
        if row is None:
            raise missing_row(table.name, row_id)
        return row

    def name_of(self, reference: Reference) -> str | None:
        """Return the primary name of the row that a lookup refers to, None when it has none."""
        table = self.schema.tables.get(reference.table)
        row = None if table is None else self.store.table(reference.table).get(reference.row_id)
        return None if table is None or row is None else row.get(table.primary_name)

    def now_text(self) -> str:
        """Return the present moment as rows show it."""
        return moment_text(self.clock.now())

    @property
    def human(self) -> Caller:
        """The person at work in whose name the world acts."""
        return Caller(self.ids.human, human=True)

    def _set_up(self) -> None:
        """Plant what every organisation has: itself, a business unit, a currency, a role, a user, message filters."""
        ids = self.ids
        unit = Reference("businessunit", ids.business_unit)
        currency = {
            "currencyname": "US Dollar",
            "isocurrencycode": "USD",
            "currencysymbol": "$",
            "currencyprecision": 2,
        }
        self.plant("businessunit", ids.business_unit, {"name": "Contoso"})
        self.plant(
            "transactioncurrency", ids.currency, {**currency, "exchangerate": 1.0, "statecode": 0, "statuscode": 1}
        )
        settings = {
            "name": "Contoso",
            "languagecode": 1033,
            "fullnameconventioncode": 1,
            "basecurrencyid": Reference("transactioncurrency", ids.currency),
        }
        self.plant("organization", ids.organization, settings)
        self.plant("role", ids.role, {"name": "Person Sync", "businessunitid": unit})
        user = {"fullname": "Dana Ortiz", "firstname": "Dana", "lastname": "Ortiz", "businessunitid": unit}
        self.plant("systemuser", ids.human, {**user, "isdisabled": False, "accessmode": 0})
        self._plant_messages()

    def _plant_messages(self) -> None:
        for message in (*_MESSAGES, *_MULTIPLE):
            message_id = self.identifiers.guid()
            self.plant("sdkmessage", message_id, {"name": message})
            for table in ("contact", "lead", "account"):
                row = {"primaryobjecttypecode": table, "sdkmessageid": Reference("sdkmessage", message_id)}
                self.plant("sdkmessagefilter", self.identifiers.guid(), row)

    def plant(self, table: str, row_id: str, values: Mapping[str, Any]) -> None:
        """Store a row of a set-up table as it stands, with its stamps and without any check."""
        now, definition = self.now_text(), self.table(table)
        by = Reference("systemuser", self.ids.human)
        row = {definition.primary_key: row_id, "createdon": now, "modifiedon": now, "createdby": by, "modifiedby": by}
        self.store.put(table, row_id, {**row, **values})


@dataclass(frozen=True, slots=True)
class Requirements:
    """Conditions and wishes that a write carries in its headers."""

    if_match: str | None = None
    if_none_match: str | None = None
    detect_duplicates: bool = False
    references: Mapping[str, str] = field(default_factory=dict)
