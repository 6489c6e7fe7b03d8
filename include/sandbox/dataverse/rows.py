"""
Rows on the wire: selected columns, annotations, joined lookups.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/select-columns
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.schema import ColumnType, DateBehavior

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.options import Expansion, QueryOptions
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.preferences import Preferences
    from include.sandbox.dataverse.schema import Column, Table

__all__ = ["FORMATTED_VALUE", "RowShape", "context_columns"]

FORMATTED_VALUE: Final = "OData.Community.Display.V1.FormattedValue"
LOGICAL_NAME: Final = "Microsoft.Dynamics.CRM.lookuplogicalname"
NAVIGATION: Final = "Microsoft.Dynamics.CRM.associatednavigationproperty"
_CHOICES: Final = frozenset({ColumnType.PICKLIST, ColumnType.STATE, ColumnType.STATUS})


class RowShape:
    """How the rows of one answer look. Secured columns that the caller may not read are null. One per request."""

    def __init__(
        self, organization: Organization, caller: Caller, table: Table, options: QueryOptions, preferences: Preferences
    ) -> None:
        self._organization = organization
        self._caller = caller
        self._preferences = preferences
        self._expand = options.expand
        self._annotated = bool(preferences.annotations)
        columns = _shown_columns(table, options.select)
        hidden = {column.name for column in columns if organization.access.hides(caller, table, column)}
        self._columns = [column for column in columns if column.name not in hidden]
        self._plain = [(c.property_name, c.name) for c in self._columns if not c.is_lookup]
        self._lookups = [(c.property_name, c.name) for c in self._columns if c.is_lookup]
        self._hidden = dict.fromkeys(column.property_name for column in columns if column.name in hidden)

    def render(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return a row as JSON shows it."""
        get = row.get
        shown: dict[str, Any] = {"@odata.etag": f'W/"{row["versionnumber"]}"'}
        if self._annotated:
            for column in self._columns:
                shown.update(self._annotations(column, get(column.name)))
        for name, stored_name in self._plain:
            shown[name] = get(stored_name)
        for name, stored_name in self._lookups:
            reference = get(stored_name)
            shown[name] = None if reference is None else reference.row_id
        shown.update(self._hidden)
        for expansion in self._expand:
            shown[expansion.name] = self._joined(expansion, row)
        return shown

    def _joined(self, expansion: Expansion, row: Mapping[str, Any]) -> dict[str, Any] | None:
        reference = row.get(expansion.column.name)
        if reference is None or reference.table != expansion.target.name:
            return None
        target = self._organization.store.table(reference.table).get(reference.row_id)
        if target is None:
            return None
        columns = _shown_columns(expansion.target, expansion.select)
        joined: dict[str, Any] = {"@odata.etag": f'W/"{target["versionnumber"]}"'}
        for column in columns:
            hidden = self._organization.access.hides(self._caller, expansion.target, column)
            value = None if hidden else target.get(column.name)
            joined[column.property_name] = value.row_id if column.is_lookup and value is not None else value
        return joined

    def _annotations(self, column: Column, value: Any) -> Iterator[tuple[str, Any]]:
        if value is None:
            return
        name, wants = column.property_name, self._preferences.wants
        if wants(FORMATTED_VALUE) and (text := formatted_value(self._organization, column, value)) is not None:
            yield f"{name}@{FORMATTED_VALUE}", text
        if column.is_lookup:
            if wants(NAVIGATION):
                yield f"{name}@{NAVIGATION}", dict(column.navigations).get(value.table)
            if wants(LOGICAL_NAME):
                yield f"{name}@{LOGICAL_NAME}", value.table


def _shown_columns(table: Table, select: tuple[str, ...] | None) -> list[Column]:
    if select is None:
        return [column for column in table.properties.values() if column.type is not ColumnType.IMAGE]
    names = dict.fromkeys(select)
    if any(table.properties[name].type is ColumnType.MONEY for name in select):
        names["_transactioncurrencyid_value"] = None
    names[table.primary_key] = None
    return [table.properties[name] for name in names]


def context_columns(options: QueryOptions) -> str:
    """Return the bracketed list of what a context URL says was selected, empty when everything was."""
    expanded = [f"{entry.name}({','.join(entry.select or ())})" for entry in options.expand]
    shown = [*(options.select or ()), *expanded]
    return f"({','.join(shown)})" if shown else ""


def formatted_value(organization: Organization, column: Column, value: Any) -> str | None:
    """Return a value as people see it in Dynamics, None where it is shown as it is."""
    if column.is_lookup:
        return organization.name_of(value)
    if column.type in _CHOICES or column.type is ColumnType.BOOLEAN:
        option = column.option(int(value))
        return None if option is None else option.label
    match column.type:
        case ColumnType.MULTI_SELECT:
            chosen = [column.option(int(piece)) for piece in value.split(",")]
            return "; ".join(option.label for option in chosen if option is not None)
        case ColumnType.MONEY:
            return f"${value:,.2f}"
        case ColumnType.DECIMAL | ColumnType.DOUBLE:
            return f"{value:,.{column.precision or 2}f}"
        case ColumnType.INTEGER | ColumnType.BIGINT:
            return f"{value:,}"
        case ColumnType.DATETIME:
            return _formatted_date(organization, column, value)
        case _:
            return None


def _formatted_date(organization: Organization, column: Column, value: str) -> str:
    moment = datetime.fromisoformat(value)
    if column.behavior is DateBehavior.USER_LOCAL:
        moment += timedelta(minutes=organization.settings.utc_offset_minutes)
    day = f"{moment.month}/{moment.day}/{moment.year}"
    if column.format == "DateOnly":
        return day
    half = "AM" if moment.hour < 12 else "PM"
    return f"{day} {moment.hour % 12 or 12}:{moment.minute:02d} {half}"
