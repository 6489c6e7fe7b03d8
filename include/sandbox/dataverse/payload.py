"""
Bodies of creates and updates: from JSON to stored values, column by column.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api and
.../update-delete-entities-using-web-api
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.errors import NotBuilt, invalid_argument, payload_error
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.links import resolve_binding
from include.sandbox.dataverse.schema import ColumnType, Required
from include.sandbox.dataverse.values import stored_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Column, Table

__all__ = ["parse_json_object", "read_body"]

_BIND: Final = "@odata.bind"
_SILENT_ANNOTATIONS: Final = frozenset({"@odata.type", "@odata.etag", "@odata.context", "@odata.id", "@odata.editLink"})


def parse_json_object(content: bytes, entity_set: str) -> dict[str, Any]:
    """Return the JSON object of a body. Raises Refusal for anything else."""
    try:
        body = json.loads(content)
    except (ValueError, UnicodeDecodeError) as error:
        raise payload_error(entity_set, "An error occurred while reading the body: it is not valid JSON.") from error
    if not isinstance(body, dict):
        raise payload_error(entity_set, "An unexpected node was found: a body has to be a JSON object.")
    return body


def read_body(
    organization: Organization, table: Table, body: Mapping[str, Any], *, update: bool, references: Mapping[str, str]
) -> dict[str, Any]:
    """
    Return the columns that a body sets, with their stored values (None: to be emptied).

    Values for columns that are not valid for the operation are left out, as the vendor ignores them. Raises Refusal.
    """
    changes: dict[str, Any] = {}
    for name, value in body.items():
        found = _entry(organization, table, name, value, references)
        if found is None:
            continue
        column, stored = found
        if _is_open(organization, table, column, update=update):
            changes[column.name] = stored
    return changes


def _entry(
    organization: Organization, table: Table, name: str, value: Any, references: Mapping[str, str]
) -> tuple[Column, Any] | None:
    if name.endswith(_BIND):
        return _binding(organization, table, name.removesuffix(_BIND), value, references)
    if "@" in name:
        _check_annotation(table, name)
        return None
    if name in table.navigations:
        return _navigation(table, name, value)
    column = table.columns.get(name)
    if column is None or column.is_lookup or column.type is ColumnType.VIRTUAL:
        raise _undeclared(table, name)
    if column.type is ColumnType.IMAGE and value is not None:
        raise NotBuilt(Gap.IMAGE)
    return column, _not_null(stored_value(value, column, table, organization.settings), column)


def _check_annotation(table: Table, name: str) -> None:
    prefix, _, _ = name.partition("@")
    if prefix and prefix not in table.properties and prefix not in table.navigations:
        raise _undeclared(table, prefix)
    if not prefix and name not in _SILENT_ANNOTATIONS:
        raise payload_error(table.entity_set, f"The instance annotation '{name}' is not known.")


def _binding(
    organization: Organization, table: Table, name: str, value: Any, references: Mapping[str, str]
) -> tuple[Column, Any]:
    if name not in table.navigations:
        raise _undeclared(table, name)
    column, targets = table.navigations[name]
    if not isinstance(value, str) or not value:
        text = (
            "The 'odata.bind' instance or property annotation has a null value. In OData, the 'odata.bind' instance "
            f"or property annotation must have a non-null string value. ('{name}')"
        )
        raise payload_error(table.entity_set, text)
    return column, resolve_binding(organization, value, targets, references, table.entity_set)


def _navigation(table: Table, name: str, value: Any) -> tuple[Column, Any]:
    column, _ = table.navigations[name]
    if value is not None:
        raise NotBuilt(Gap.DEEP_INSERT, name)
    return column, _not_null(None, column)


def _not_null(value: Any, column: Column) -> Any:
    if value is None and column.required is Required.SYSTEM:
        raise invalid_argument(f"The property '{column.name}' is required and cannot be set to null.")
    return value


def _undeclared(table: Table, name: str) -> Exception:
    text = (
        f"Invalid property '{name}' was found in entity 'Microsoft.Dynamics.CRM.{table.name}'. ---> "
        f"Microsoft.OData.ODataException: Does not support untyped value in non-open type."
    )
    return payload_error(table.entity_set, text)


def _is_open(organization: Organization, table: Table, column: Column, *, update: bool) -> bool:
    is_open = column.updatable if update else column.creatable
    if not is_open and organization.settings.read_only_columns_refused and column.name != table.primary_key:
        raise invalid_argument(f"The column '{column.name}' of '{table.name}' cannot be written.")
    return is_open
