"""Checks of the Dynamics side, from the address to the properties of both tables. They only read."""

from __future__ import annotations

import re
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING

from include.dynamics.address import parse_authority, parse_organization
from include.dynamics.auth import TokenKeeper
from include.errors import ConfigError, SyncError
from include.http import Transport
from include.person_sync.core.fields import Rule, Table
from include.person_sync.setup.checklist import NotRunError
from include.person_sync.setup.checks_local import SETTINGS
from include.person_sync.setup.reach import any_answer, api_answer, reach

if TYPE_CHECKING:
    from collections.abc import Iterable

    from include.dynamics import DynamicsConnection
    from include.dynamics import Table as TableDefinition
    from include.person_sync.setup.checklist import Checklist
    from include.person_sync.setup.parts import SetupParts

__all__ = ["APPLICATION_USER", "DynamicsChecks", "table_check"]

CONNECTION = "dynamics_connection"
HOST = "dynamics_host"
SIGN_IN_HOST = "dynamics_sign_in_host"
TENANT = "dynamics_tenant"
APPLICATION = "dynamics_application_id"
SECRET = "dynamics_secret"  # noqa: S105 -- the name of a check
APPLICATION_USER = "dynamics_application_user"
LOOKUP_PRIVILEGES = "dynamics_lookup_privileges"

_NEEDED = ("Read", "Create", "Write", "Append", "AppendTo")
_ORGANISATION_WIDE = "Global"
_NO_ROW = "00000000-0000-0000-0000-000000000000"
_PRIVILEGE_WORDS = {"systemuser": "user"}
"""Tables whose privileges have another name. Privileges are compared in lower case: custom tables keep their case."""

_HOST_REMEDY = "Correct 'host' of the Dynamics connection; it looks like https://<org>.crm.dynamics.com."
_ROLE_REMEDY = (
    "Give the application user a security role with these privileges at organisation level (Power Platform admin "
    "center, Users, Security roles)."
)
_TRACKING_REMEDY = "Switch on 'Track changes' among the table's properties (Power Apps, Tables, Properties, Advanced)."
_VERSIONS_REMEDY = "Ask the administrator: version checks (If-Match) protect people's edits from being overwritten."


class _Part(Enum):
    """What of the sign-in an error is about."""

    TENANT = "tenant"
    APPLICATION = "application"
    SECRET = "secret"  # noqa: S105 -- a kind of error


# Source: https://learn.microsoft.com/entra/identity-platform/reference-error-codes
_AADSTS = re.compile(r"AADSTS(\d+)")
_PART_OF_NUMBER = {
    **dict.fromkeys(("90002", "900021", "900023", "90013", "500011", "70011", "1002012", "50020"), _Part.TENANT),
    **dict.fromkeys(("700016", "700038", "7000112"), _Part.APPLICATION),
}
_UNKNOWN_RESOURCE = "AADSTS500011"
_PART_OF_TEXT = (
    (re.compile(r"tenant|authority .* (has no|answered)"), _Part.TENANT),
    (re.compile(r"names no application"), _Part.APPLICATION),
)


def table_check(table: Table, what: str) -> str:
    """Return the name of the check of one property of a table."""
    return f"dynamics_{table.value}_{what}"


class DynamicsChecks:
    """The checks of one organisation."""

    def __init__(self, checklist: Checklist, parts: SetupParts) -> None:
        self._checklist = checklist
        self._parts = parts
        self._refusal: tuple[_Part, SyncError] | None = None
        self._user_id = ""
        self._privileges: dict[str, str] | None = None
        self._tables: dict[Table, TableDefinition] = {}

    def run(self) -> None:
        """Run the checks in order."""
        run = self._checklist.run
        run(CONNECTION, self._check_connection)
        run(HOST, self._host, needs=[CONNECTION])
        run(SIGN_IN_HOST, self._sign_in_host, needs=[CONNECTION])
        run(TENANT, self._tenant, needs=[SIGN_IN_HOST])
        run(APPLICATION, self._application, needs=[TENANT])
        run(SECRET, self._secret, needs=[APPLICATION])
        run(APPLICATION_USER, self._application_user, needs=[HOST, SECRET])
        for table in Table:
            run(table_check(table, "privileges"), partial(self._table_privileges, table), needs=[APPLICATION_USER])
        run(LOOKUP_PRIVILEGES, self._lookup_privileges, needs=[APPLICATION_USER])
        for table in Table:
            self._run_table(table)

    def _run_table(self, table: Table) -> None:
        run, exists = self._checklist.run, table_check(table, "table")
        run(exists, lambda: self._table(table), needs=[APPLICATION_USER])
        run(table_check(table, "change_tracking"), lambda: self._change_tracking(table), needs=[exists])
        run(table_check(table, "version_checks"), lambda: self._version_checks(table), needs=[exists])

    @property
    def _connection(self) -> DynamicsConnection:
        return self._parts.dynamics_connection()

    def _check_connection(self) -> str:
        return f"organisation at {parse_organization(self._connection.host).root}."

    def _host(self) -> str:
        return reach(
            f"{parse_organization(self._connection.host).service}WhoAmI",
            name="Dynamics",
            setting="host",
            ca_bundle=self._connection.ca_bundle,
            judge=api_answer,
            remedy=_HOST_REMEDY,
        )

    def _sign_in_host(self) -> str:
        authority = parse_authority(self._connection.authority, "common")
        return reach(
            f"{authority}/v2.0/.well-known/openid-configuration",
            name="Dynamics sign-in",
            setting="extra.authority",
            ca_bundle=self._connection.ca_bundle,
            judge=any_answer,
            remedy="Check 'extra.authority' of the Dynamics connection.",
        )

    def _tenant(self) -> str:
        """Sign in once; the tenant, the application and the secret then each have their part of the outcome."""
        try:
            self._sign_in()
        except ConfigError as error:
            self._refusal = (_part_of(error), error)
            if not self._checklist.has_passed(HOST) and _UNKNOWN_RESOURCE in error.message:
                raise NotRunError("nothing can be signed in to before 'dynamics host' passes.") from error
        self._raise_refusal(_Part.TENANT)
        return "the tenant exists and knows the organisation."

    def _sign_in(self) -> None:
        connection = self._connection
        transport = Transport(
            name="Dynamics sign-in",
            setting="extra.authority",
            ca_bundle=connection.ca_bundle,
            attempts=2,
            total_wait_s=10,
        )
        try:
            scope = parse_organization(connection.host).scope
            TokenKeeper(connection, scope=scope, transport=transport).authorization()
        finally:
            transport.close()

    def _raise_refusal(self, part: _Part) -> None:
        if self._refusal is not None and self._refusal[0] is part:
            raise self._refusal[1]

    def _application(self) -> str:
        self._raise_refusal(_Part.APPLICATION)
        return "the tenant knows the application."

    def _secret(self) -> str:
        self._raise_refusal(_Part.SECRET)
        kind = "certificate" if self._connection.certificate_path else "secret"
        return f"the {kind} is accepted; Microsoft Entra ID gives a token."

    def _application_user(self) -> str:
        self._user_id = self._parts.dynamics().who_am_i().user_id
        self._privileges = self._parts.dynamics().privileges(self._user_id)
        name = self._parts.dynamics().organization().name
        where = f"the organisation {name!r}" if name else "the organisation"
        return f"the application is user {self._user_id} of {where}."

    def _told_privileges(self) -> dict[str, str]:
        if self._privileges is None:
            raise NotRunError("the organisation does not tell the application user's privileges.")
        return {name.lower(): depth for name, depth in self._privileges.items()}

    def _table_privileges(self, table: Table) -> str:
        held, wanted = self._told_privileges(), [f"prv{verb}{table.value.capitalize()}" for verb in _NEEDED]
        _require(held, wanted)
        reading = wanted[0]
        if held[reading.lower()] != _ORGANISATION_WIDE:
            raise ConfigError(
                f"{reading} reaches only as far as {held[reading.lower()]}; change tracking needs it for the whole "
                "organisation.",
                remedy=_ROLE_REMEDY,
            )
        narrow = [f"{name} ({held[name.lower()]})" for name in wanted if held[name.lower()] != _ORGANISATION_WIDE]
        note = f"; not for every row: {', '.join(narrow)}" if narrow else ""
        return f"{', '.join(_NEEDED)}{note}."

    def _lookup_privileges(self) -> str:
        """Owners are looked up by address; further tables are those whose names are mapped."""
        tables = sorted({"systemuser"} | self._mapped_lookup_tables())
        if self._privileges is None:
            self._try_reading(tables)
        else:
            _require(self._told_privileges(), [f"prvRead{_privilege_word(table)}" for table in tables])
        return f"Read on {', '.join(tables)}."

    def _try_reading(self, tables: Iterable[str]) -> None:
        """Ask each table for a row that can't exist: without Read on users the organisation tells no privileges."""
        for table in tables:
            self._parts.dynamics().rows_by_id(table, [_NO_ROW], [f"{table}id"])

    def _mapped_lookup_tables(self) -> set[str]:
        if not self._checklist.has_passed(SETTINGS):
            return set()
        sources = [
            field.source(table)
            for field in self._parts.settings().field_map.fields
            for table in Table
            if field.rule_for(table) is not Rule.OFF
        ]
        return {source.lookup_table for source in sources if source is not None and source.lookup_table is not None}

    def _table(self, table: Table) -> str:
        self._tables[table] = self._parts.dynamics().table(table.value)
        return f"the organisation has the table {table.value}."

    def _change_tracking(self, table: Table) -> str:
        if not self._tables[table].change_tracking:
            raise ConfigError(f"Change tracking is off for the table {table.value}.", remedy=_TRACKING_REMEDY)
        return f"changes of {table.value} are tracked."

    def _version_checks(self, table: Table) -> str:
        if not self._tables[table].optimistic_concurrency:
            raise ConfigError(f"The table {table.value} does not support version checks.", remedy=_VERSIONS_REMEDY)
        return f"{table.value} supports version checks."


def _part_of(error: ConfigError) -> _Part:
    """Tell what a refused sign-in is about: by the number Microsoft gives, else by the text; a secret by default."""
    number = _AADSTS.search(error.message)
    if number is not None:
        return _PART_OF_NUMBER.get(number.group(1), _Part.SECRET)
    return next((part for text, part in _PART_OF_TEXT if text.search(error.message)), _Part.SECRET)


def _privilege_word(table: str) -> str:
    return _PRIVILEGE_WORDS.get(table, table).capitalize()


def _require(held: dict[str, str], wanted: Iterable[str]) -> None:
    missing = [name for name in wanted if name.lower() not in held]
    if missing:
        raise ConfigError(f"The application user lacks {', '.join(missing)}.", remedy=_ROLE_REMEDY)
