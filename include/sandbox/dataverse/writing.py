"""
Creating, updating and deleting rows, with every check the vendor makes.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api,
.../update-delete-entities-using-web-api and .../perform-conditional-operations-using-web-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.sandbox.dataverse.access import Verb
from include.sandbox.dataverse.computed import compute_columns
from include.sandbox.dataverse.errors import NotBuilt, Refusal
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.payload import read_body
from include.sandbox.dataverse.removal import remove_row
from include.sandbox.dataverse.store import Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.organization import Organization, Requirements
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.dataverse.store import Row

__all__ = ["Writer", "etag"]

_STATE_NAMES = {
    "contact": "ContactState",
    "lead": "LeadState",
    "account": "AccountState",
    "opportunity": "OpportunityState",
}


def etag(row: Mapping[str, Any]) -> str:
    """Return a row's ETag."""
    return f'W/"{row["versionnumber"]}"'


class Writer:
    """Writes rows on behalf of a caller. The organisation's lock has to be held."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization

    def create(
        self, caller: Caller, table: Table, body: Mapping[str, Any], wishes: Requirements, *, row_id: str | None = None
    ) -> str:
        """Create a row and return its id: `row_id`, the body's, or a new one. Raises Refusal, 412 for an id in use."""
        organization = self._organization
        changes = read_body(organization, table, body, update=False, references=wishes.references)
        self._require_writable(caller, table)
        organization.access.require(caller, Verb.CREATE, table)
        given = changes.pop(table.primary_key, None)
        row_id = row_id or given or organization.identifiers.guid()
        if organization.store.table(table.name).get(row_id) is not None:
            raise Refusal(412, "0x80040237", "A record with matching key values already exists.")
        self._check_rights(caller, table, changes, update=False)
        row = self._new_row(caller, table, row_id, changes)
        _check_status(table, row_id, row, {"statuscode"} & changes.keys())
        self._store(caller, table, row_id, row, wishes)
        return row_id

    def _new_row(self, caller: Caller, table: Table, row_id: str, changes: Mapping[str, Any]) -> Row:
        user, now = Reference("systemuser", caller.user_id), self._organization.now_text()
        row: Row = {**table.defaults, table.primary_key: row_id, "ownerid": user}
        row |= {"createdon": now, "modifiedon": now, "createdby": user, "modifiedby": user}
        row |= {name: value for name, value in changes.items() if value is not None}
        if "overriddencreatedon" in changes:
            row["createdon"], row["overriddencreatedon"] = row["overriddencreatedon"], now
        return row

    def update(self, caller: Caller, table: Table, row_id: str, body: Mapping[str, Any], wishes: Requirements) -> None:
        """Change a row. Raises Refusal, 404 for an absent row, 412 for a stale version."""
        organization = self._organization
        changes = read_body(organization, table, body, update=True, references=wishes.references)
        self._require_writable(caller, table)
        organization.access.require(caller, Verb.WRITE, table)
        before = organization.row(table, row_id)
        organization.access.require_row(caller, Verb.WRITE, table, row_id, before)
        check_version(table, before, wishes.if_match)
        self._check_rights(caller, table, changes, update=True)
        self._check_not_closed(caller, table, before, changes)
        self._store(caller, table, row_id, self._changed_row(caller, table, row_id, before, changes), wishes)

    def _changed_row(self, caller: Caller, table: Table, row_id: str, before: Row, changes: Mapping[str, Any]) -> Row:
        row = {**before, **changes}
        for name, value in changes.items():
            if value is None:
                del row[name]
        if "statecode" in changes and "statuscode" not in changes:
            row["statuscode"] = _first_status(table, row["statecode"])
        _check_status(table, row_id, row, {"statecode", "statuscode"} & changes.keys())
        row["modifiedon"] = self._organization.now_text()
        row["modifiedby"] = Reference("systemuser", caller.user_id)
        return row

    def delete(self, caller: Caller, table: Table, row_id: str, wishes: Requirements) -> None:
        """Delete a row and what depends on it. Raises Refusal, 404 for an absent row, 412 for a stale version."""
        organization = self._organization
        self._require_writable(caller, table)
        organization.access.require(caller, Verb.DELETE, table)
        row = organization.row(table, row_id)
        organization.access.require_row(caller, Verb.DELETE, table, row_id, row)
        check_version(table, row, wishes.if_match)
        remove_row(organization, caller, table, row_id)

    def _store(self, caller: Caller, table: Table, row_id: str, row: Row, wishes: Requirements) -> None:
        compute_columns(self._organization, table, row)
        self._check_plugins(caller, table, row)
        self._check_keys(table, row_id, row)
        if wishes.detect_duplicates:
            self._check_duplicates(table, row_id, row)
        self._organization.store.put(table.name, row_id, row)

    def _require_writable(self, caller: Caller, table: Table) -> None:
        if table.set_up and not caller.human:
            if table.name == "systemuser":
                raise Refusal(400, "0x80041d48", "The application user's row cannot be updated.")
            raise NotBuilt(Gap.READ_ONLY_TABLE, table.entity_set)

    def _check_rights(self, caller: Caller, table: Table, changes: Mapping[str, Any], *, update: bool) -> None:
        access = self._organization.access
        for name, value in changes.items():
            column = table.columns[name]
            access.require_column(caller, table, column, update=update)
            if not isinstance(value, Reference):
                continue
            if name == "ownerid":
                access.require(caller, Verb.ASSIGN, table)
            else:
                access.require(caller, Verb.APPEND, table)
                access.require(caller, Verb.APPEND_TO, self._organization.table(value.table))

    def _check_not_closed(self, caller: Caller, table: Table, before: Row, changes: Mapping[str, Any]) -> None:
        closed = table.name == "lead" and before["statecode"] != 0 and changes.get("statecode") != 0
        if closed and not caller.human and not self._organization.settings.qualified_leads_writable:
            text = "The lead is read-only because it is qualified or disqualified. Reactivate it before changing it."
            raise Refusal(400, "0x80040233", text)

    def _check_plugins(self, caller: Caller, table: Table, row: Row) -> None:
        for rule in () if caller.human else self._organization.plugin_refusals:
            if rule.table == table.name and rule.matches(row):
                raise Refusal(rule.status, rule.code, rule.message)

    def _check_keys(self, table: Table, row_id: str, row: Row) -> None:
        rows = self._organization.store.table(table.name)
        for key in table.keys:
            if not all(column in row for column in key.columns):
                continue  # a key with an empty part does not make rows unique
            others = set.intersection(*(set(rows.ids_with(column, [row[column]])) for column in key.columns)) - {row_id}
            if others:
                raise Refusal(
                    412,
                    "0x80060892",
                    f"Entity Key {key.name} violated. A record with the same value for {', '.join(key.columns)} "
                    "already exists. A duplicate record cannot be created. Select one or more unique values and "
                    "try again.",
                )

    def _check_duplicates(self, table: Table, row_id: str, row: Row) -> None:
        rows, settings = self._organization.store.table(table.name), self._organization.settings
        for column in settings.duplicate_columns.get(table.name, ()):
            if column in row and set(rows.ids_with(column, [row[column]])) - {row_id}:
                text = "A record was not created or updated because a duplicate of the current record already exists."
                raise Refusal(settings.duplicate_status, "0x80040333", text)


def check_version(table: Table, row: Mapping[str, Any], if_match: str | None) -> None:
    """Raise Refusal 412 when a version was asked for that is not the row's."""
    if if_match not in {None, "*"} and not table.optimistic_concurrency:
        text = f"Optimistic concurrency isn't enabled for entity type {table.name}."
        raise Refusal(400, "0x8006088d", text)
    if if_match not in {None, "*", etag(row)}:
        text = "The version of the existing record doesn't match the RowVersion property provided."
        raise Refusal(412, "0x80060882", text)


def _first_status(table: Table, state: int) -> int:
    return next(option.value for option in table.columns["statuscode"].options if option.state == state)


def _check_status(table: Table, row_id: str, row: Mapping[str, Any], touched: set[str]) -> None:
    if not touched:
        return
    option = table.columns["statuscode"].option(row.get("statuscode", -1))
    if option is None or option.state != row["statecode"]:
        state = table.columns["statecode"].option(row["statecode"])
        kind = _STATE_NAMES.get(table.name, "State")
        text = (
            f"{row.get('statuscode')} is not a valid status code for state code {kind}."
            f"{state.label if state else row['statecode']} on {table.name} with Id {row_id}."
        )
        raise Refusal(400, "0x80048408", text)
