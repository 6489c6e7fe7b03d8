"""The Dynamics organisation as people at work in it see and change it, and as its administrator sets it up."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include.sandbox.dataverse.access import ColumnGrant, Depth, Verb, privilege_name
from include.sandbox.dataverse.organization import Organization, PluginRefusal, Requirements
from include.sandbox.dataverse.sales import merge_rows, qualify
from include.sandbox.dataverse.schema import AlternateKey, Column, ColumnType
from include.sandbox.dataverse.store import Reference
from include.sandbox.dataverse.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from include.sandbox.clock import Clock
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.dataverse.settings import DynamicsSettings
    from include.sandbox.dataverse.store import Row
    from include.sandbox.identifiers import Identifiers

__all__ = ["DynamicsWorld"]


class DynamicsWorld:
    """
    One organisation. Tables go by their logical names (`contact`, `lead`, `account`, …), rows by their ids.

    Values are given as the Web API takes them (`{"lastname": "Ruiz", "gendercode": 2}`); lookups as a pair
    (`{"parentcustomerid": ("account", account_id)}`) or as an `@odata.bind`; `statecode` may be set at creation too.
    What a person does here is checked like any write, but is subject neither to missing rights nor to plug-in refusals.
    """

    def __init__(self, *, clock: Clock, identifiers: Identifiers) -> None:
        self.organization = Organization(clock=clock, identifiers=identifiers)
        self.authorization_url = ""
        self.application_users: dict[str, str] = {}
        self._writer = Writer(self.organization)

    @property
    def url(self) -> str:
        """Root address of the organisation."""
        return self.organization.url

    @url.setter
    def url(self, url: str) -> None:
        self.organization.url = url

    @property
    def settings(self) -> DynamicsSettings:
        """Switches of the organisation."""
        return self.organization.settings

    @property
    def privileges(self) -> dict[str, str]:
        """Privileges of the application user: name to depth. Change it at will."""
        return self.organization.access.privileges

    @property
    def plugin_refusals(self) -> list[PluginRefusal]:
        """Rules that refuse what clients write. See `refuse`."""
        return self.organization.plugin_refusals

    # What people do

    def create(self, table: str, values: Mapping[str, Any], *, row_id: str | None = None) -> str:
        """Create a row and return its id."""
        organization, definition = self.organization, self.organization.table(table)
        if definition.set_up:
            return self._create_set_up(definition, values, row_id)
        state = {name: values[name] for name in ("statecode", "statuscode") if name in values}
        body = self._body(definition, {name: value for name, value in values.items() if name not in state})
        with organization.lock, organization.store.transaction():
            made = self._writer.create(organization.human, definition, body, Requirements(), row_id=row_id)
            if state:
                self._writer.update(organization.human, definition, made, state, Requirements())
        return made

    def _create_set_up(self, definition: Table, values: Mapping[str, Any], row_id: str | None) -> str:
        organization = self.organization
        row_id = row_id or organization.identifiers.guid()
        unit = {"businessunitid": Reference("businessunit", organization.ids.business_unit)}
        own: dict[str, Any] = {**definition.defaults, **(unit if "businessunitid" in definition.columns else {})}
        own |= {name: Reference(*value) if isinstance(value, tuple) else value for name, value in values.items()}
        if definition.name == "systemuser" and "fullname" not in own:
            own["fullname"] = " ".join(filter(None, (own.get("firstname"), own.get("lastname"))))
        with organization.lock:
            organization.plant(definition.name, row_id, own)
        return row_id

    def edit(self, table: str, row_id: str, values: Mapping[str, Any], *, user_id: str | None = None) -> None:
        """Change a row as a person would. Raises Refusal when it is absent or a value does not fit."""
        organization, definition = self.organization, self.organization.table(table)
        caller = replace(organization.human, user_id=user_id or organization.human.user_id)
        with organization.lock:
            if definition.set_up:
                before = organization.row(definition, row_id)
                organization.store.put(table, row_id, {**before, **values, "modifiedon": organization.now_text()})
            else:
                self._writer.update(caller, definition, row_id, self._body(definition, values), Requirements())

    def delete(self, table: str, row_id: str) -> None:
        """Delete a row, and what depends on it."""
        with self.organization.lock:
            self._writer.delete(self.organization.human, self.organization.table(table), row_id, Requirements())

    def qualify(
        self, lead_id: str, *, account: bool = True, contact: bool = True, opportunity: bool = False
    ) -> dict[str, str]:
        """Qualify a lead and return the ids of the rows made, by table."""
        wanted = {
            name for name, yes in (("account", account), ("contact", contact), ("opportunity", opportunity)) if yes
        }
        with self.organization.lock:
            return qualify(self.organization, self.organization.human, lead_id, wanted)

    def merge(self, table: str, target_id: str, subordinate_id: str, values: Mapping[str, Any] | None = None) -> None:
        """Merge the subordinate into the target, taking `values` into the target."""
        organization, definition = self.organization, self.organization.table(table)
        with organization.lock:
            body = self._body(definition, values or {})
            merge_rows(organization, organization.human, definition, target_id, subordinate_id, body)

    def _body(self, definition: Table, values: Mapping[str, Any]) -> dict[str, Any]:
        body: dict[str, Any] = {}
        for name, value in values.items():
            column = definition.columns.get(name)
            if column is None or not column.is_lookup:
                body[name] = value
            elif value is None:
                body[column.navigations[0][1]] = None
            else:
                target, row_id = value
                entity_set = self.organization.table(target).entity_set
                body[f"{dict(column.navigations)[target]}@odata.bind"] = f"/{entity_set}({row_id})"
        return body

    # What people see

    def row(self, table: str, row_id: str) -> dict[str, Any] | None:
        """Return a row with every column (lookups as `_x_value`, empty ones None), or None when it is absent."""
        definition = self.organization.table(table)
        with self.organization.lock:
            row = self.organization.store.table(table).get(row_id.lower())
            return None if row is None else _shown(definition, row)

    def rows(self, table: str) -> list[dict[str, Any]]:
        """Return every row of a table, oldest change first."""
        definition, rows = self.organization.table(table), self.organization.store.table(table)
        with self.organization.lock:
            found = [rows.get(row_id) for _, row_id in rows.changed_after(0)]
            return [_shown(definition, row) for row in found if row is not None]

    def ids(self, table: str) -> list[str]:
        """Return the ids of every row of a table, in ascending order."""
        with self.organization.lock:
            return list(self.organization.store.table(table).ids_after())

    def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        return len(self.organization.store.table(table))

    def find(self, table: str, **values: Any) -> list[dict[str, Any]]:
        """Return the rows whose columns all equal the values, as the database compares (without regard to case)."""
        definition, rows = self.organization.table(table), self.organization.store.table(table)
        with self.organization.lock:
            sets = [
                set(rows.ids_with(name.removeprefix("_").removesuffix("_value"), [value]))
                for name, value in values.items()
            ]
            found = [rows.get(row_id) for row_id in sorted(set.intersection(*sets))] if sets else []
            return [_shown(definition, row) for row in found if row is not None]

    # What administrators do

    def add_application_user(self, name: str, client_id: str) -> str:
        """Bind an app registration to a new user and return the user's id."""
        values = {"fullname": name, "lastname": name, "applicationid": client_id, "accessmode": 4, "isdisabled": False}
        user_id = self.create(
            "systemuser", {**values, "azureactivedirectoryobjectid": str(uuid.uuid5(uuid.NAMESPACE_URL, client_id))}
        )
        self.application_users[client_id] = user_id
        return user_id

    @property
    def user_id(self) -> str:
        """The id of the application user."""
        return next(iter(self.application_users.values()))

    def grant(self, verb: str, table: str, depth: str = Depth.GLOBAL.value) -> None:
        """Give the application user a privilege: `grant("Read", "contact", "Basic")`."""
        self.privileges[privilege_name(Verb(verb), table)] = Depth(depth).value

    def revoke(self, verb: str, table: str) -> None:
        """Take a privilege from the application user."""
        self.privileges.pop(privilege_name(Verb(verb), table), None)

    def secure_column(
        self, table: str, name: str, *, read: bool = False, create: bool = False, update: bool = False
    ) -> None:
        """Secure a column and say what the application user may still do with it."""
        self.change_column(table, name, secured=True)
        self.organization.access.grants[table, name] = ColumnGrant(read, create, update)

    def refuse(
        self, table: str, matches: Callable[[Mapping[str, Any]], bool], message: str, **details: Any
    ) -> PluginRefusal:
        """Let a plug-in refuse what clients write when `matches(row)` holds. Returns the rule it added."""
        rule = PluginRefusal(table, matches, message, **details)
        self.plugin_refusals.append(rule)
        return rule

    def set_change_tracking(self, table: str, *, on: bool) -> None:
        """Turn change tracking of a table on or off."""
        self.organization.table(table).change_tracking = on

    def expire_delta_links(self) -> None:
        """End every delta link issued so far."""
        with self.organization.lock:
            self.organization.delta_links_valid_from = self.organization.store.next_version()

    def add_column(self, table: str, column: Column) -> None:
        """Add a custom column (see `include.sandbox.dataverse.schema`)."""
        self._put_column(table, replace(column, custom=True))

    def change_column(self, table: str, name: str, **changes: Any) -> Column:
        """Change a column (`max_length`, `options`, `secured`, `type`, …) and return its new definition."""
        column = replace(self.organization.table(table).columns[name], **changes)
        self._put_column(table, column)
        return column

    def remove_column(self, table: str, name: str) -> None:
        """Delete a column with its values."""
        with self.organization.lock:
            rows = self.organization.store.table(table)
            rows.forget_index(name)
            for _, row in rows.items():
                row.pop(name, None)
            self.organization.table(table).remove_column(name)
            self._schema_changed()

    def remove_table(self, table: str) -> None:
        """Take a table away, as in an organisation that does not have the app it comes with."""
        with self.organization.lock:
            entity_set = self.organization.schema.tables.pop(table).entity_set
            del self.organization.schema.by_set[entity_set]
            self._schema_changed()

    def add_key(self, table: str, name: str, *columns: str) -> None:
        """Define an alternate key over columns."""
        self.organization.table(table).keys.append(AlternateKey(name, columns))
        self._schema_changed()

    def _put_column(self, table: str, column: Column) -> None:
        with self.organization.lock:
            self.organization.store.table(table).forget_index(column.name)
            self.organization.table(table).put_column(column)
            self._schema_changed()

    def _schema_changed(self) -> None:
        self.organization.schema.version += 1
        if self.settings.schema_change_expires_delta_links:
            self.expire_delta_links()


def _shown(definition: Table, row: Row) -> dict[str, Any]:
    shown: dict[str, Any] = {"@odata.etag": f'W/"{row["versionnumber"]}"'}
    for name, column in definition.properties.items():
        if column.type is not ColumnType.IMAGE:
            value = row.get(column.name)
            shown[name] = value.row_id if isinstance(value, Reference) else value
    return shown
