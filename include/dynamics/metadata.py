"""Tables and columns as the organisation defines them, from the metadata's JSON."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include.dynamics.errors import read_error, to_exception
from include.dynamics.literals import check_name, string_literal
from include.dynamics.reading import entries
from include.dynamics.values import Column, Option, Table
from include.errors import ConfigError, ContractViolation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.dynamics.web_api import Params, WebApi

_log = logging.getLogger(__name__)

_TABLE_PROPERTIES = "LogicalName,EntitySetName,PrimaryIdAttribute,ChangeTrackingEnabled,IsOptimisticConcurrencyEnabled"
_COLUMN_PROPERTIES = (
    "LogicalName,AttributeType,AttributeTypeName,AttributeOf,IsValidForRead,IsValidForCreate,IsValidForUpdate,"
    "RequiredLevel,IsSecured,MetadataId"
)
_OPTIONS: Params = [("$select", "LogicalName"), ("$expand", "OptionSet")]
_GLOBAL_OPTIONS: Params = [("$select", "LogicalName"), ("$expand", "OptionSet,GlobalOptionSet")]

# The base collection has common properties only; the rest needs the type in the address. There is no cast that
# takes in all kinds of choices.
# Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
_DETAILS: dict[str, Params] = {
    "String": [("$select", "LogicalName,MaxLength")],
    "Memo": [("$select", "LogicalName,MaxLength")],
    "Integer": [("$select", "LogicalName,MinValue,MaxValue")],
    "Decimal": [("$select", "LogicalName,MinValue,MaxValue,Precision")],
    "Double": [("$select", "LogicalName,MinValue,MaxValue,Precision")],
    "Money": [("$select", "LogicalName,MinValue,MaxValue,Precision")],
    "DateTime": [("$select", "LogicalName,DateTimeBehavior")],
    "Lookup": [("$select", "LogicalName,Targets")],
    "Picklist": _GLOBAL_OPTIONS,
    "MultiSelectPicklist": _GLOBAL_OPTIONS,
    "State": _OPTIONS,
    "Status": _OPTIONS,
    "Boolean": _OPTIONS,
}
# Customer and Owner columns are described among the lookups.
_CAST_OF = {"Customer": "Lookup", "Owner": "Lookup"}


def fetch_table(api: WebApi, name: str) -> Table:
    """Return the definition of a table. Raises ConfigError when the organisation has none of that name."""
    label = f"reading the definition of {name}"
    response = api.fetch(_definition(name), [("$select", _TABLE_PROPERTIES)], label=label)
    if response.status == 404 and read_error(response).enveloped:
        raise ConfigError(
            f"The organisation has no table {name!r}.",
            remedy="The table 'lead' comes with Dynamics 365 Sales. Leave the table out of the sync, or check 'host'.",
        )
    return parse_table(api.content(response, label=label))


def parse_table(definition: Mapping[str, Any]) -> Table:
    """Return the table for an entity definition. Raises ContractViolation when set or key are missing."""
    name, entity_set, key = (definition.get(p) for p in ("LogicalName", "EntitySetName", "PrimaryIdAttribute"))
    if not (isinstance(name, str) and isinstance(entity_set, str) and isinstance(key, str)):
        raise ContractViolation(
            "Dynamics: a table's definition without LogicalName, EntitySetName, PrimaryIdAttribute."
        )
    return Table(
        name,
        entity_set,
        key,
        change_tracking=_flag(definition.get("ChangeTrackingEnabled"), default=False),
        optimistic_concurrency=_flag(definition.get("IsOptimisticConcurrencyEnabled"), default=True),
    )


def fetch_columns(api: WebApi, name: str, *, details: bool = True) -> list[Column]:
    """
    Return the columns of a table, without the shadows of others (AttributeOf), sorted by name.

    One call for what all columns have and, with `details`, one per type that occurs. Details the server will not tell
    stay unknown, with a warning.
    """
    address = f"{_definition(name)}/Attributes"
    label = f"reading the columns of {name}"
    attributes = entries(api.read(address, [("$select", _COLUMN_PROPERTIES)], label=label))
    columns = {column.name: column for column in map(parse_column, attributes) if column is not None}
    casts = {_CAST_OF.get(column.type, column.type) for column in columns.values()} & _DETAILS.keys()
    for cast in sorted(casts) if details else ():
        for found in _fetch_details(api, address, cast, label=label):
            column = columns.get(str(found.get("LogicalName")))
            if column is not None:
                columns[column.name] = add_details(column, found)
    return [columns[column] for column in sorted(columns)]


def _fetch_details(api: WebApi, address: str, cast: str, *, label: str) -> Iterable[dict[str, Any]]:
    url = f"{address}/Microsoft.Dynamics.CRM.{cast}AttributeMetadata"
    response = api.fetch(url, _DETAILS[cast], label=f"{label} ({cast})")
    if response.status == 400 and _DETAILS[cast] is _GLOBAL_OPTIONS:
        response = api.fetch(url, _OPTIONS, label=f"{label} ({cast})")
    if 400 <= response.status < 500 and response.status != 401:
        error = read_error(response)
        _log.warning("%s: no details of type %s (HTTP %d %s)", label, cast, error.status, error.code)
        return []
    if response.status != 200:
        raise to_exception(read_error(response), doing=label)
    return entries(api.content(response, label=label))


def parse_column(attribute: Mapping[str, Any]) -> Column | None:
    """Return the column for an item of the base collection; None for a shadow of another column."""
    if attribute.get("AttributeOf"):
        return None
    name = attribute.get("LogicalName")
    if not isinstance(name, str) or not name:
        raise ContractViolation("Dynamics: a column's definition without LogicalName.")
    metadata_id = attribute.get("MetadataId")
    required_level = _value(attribute.get("RequiredLevel"))
    return Column(
        name=name,
        type=_type_name(attribute),
        metadata_id=metadata_id.strip("{}").lower() if isinstance(metadata_id, str) else None,
        readable=_flag(attribute.get("IsValidForRead"), default=True),
        creatable=_flag(attribute.get("IsValidForCreate"), default=False),
        updatable=_flag(attribute.get("IsValidForUpdate"), default=False),
        secured=_flag(attribute.get("IsSecured"), default=False),
        required_level=required_level if isinstance(required_level, str) else None,
    )


def add_details(column: Column, details: Mapping[str, Any]) -> Column:
    """Return the column with what an item of a cast collection says about it."""
    behavior = _value(details.get("DateTimeBehavior"))
    targets = details.get("Targets")
    return replace(
        column,
        max_length=_whole(details.get("MaxLength"), column.max_length),
        minimum=_number(details.get("MinValue"), column.minimum),
        maximum=_number(details.get("MaxValue"), column.maximum),
        precision=_whole(details.get("Precision"), column.precision),
        date_behavior=behavior if isinstance(behavior, str) else column.date_behavior,
        targets=tuple(str(target) for target in targets) if isinstance(targets, list) else column.targets,
        options=_options(details) or column.options,
    )


def _definition(name: str) -> str:
    return f"EntityDefinitions(LogicalName={string_literal(check_name(name))})"


def _options(details: Mapping[str, Any]) -> tuple[Option, ...]:
    option_set = details.get("OptionSet") or details.get("GlobalOptionSet")
    if not isinstance(option_set, dict):
        return ()
    listed = option_set.get("Options")
    if not isinstance(listed, list):
        listed = [option_set.get("FalseOption"), option_set.get("TrueOption")]
    return tuple(
        Option(option["Value"], _label(option.get("Label")), _whole(option.get("State"), None))
        for option in listed
        if isinstance(option, dict) and isinstance(option.get("Value"), int)
    )


def _label(label: object) -> str:
    """Return the label in the user's language, else in the first there is; empty for an unlabelled one."""
    if not isinstance(label, dict):
        return ""
    for candidate in (label.get("UserLocalizedLabel"), *(label.get("LocalizedLabels") or ())):
        if isinstance(candidate, dict) and isinstance(candidate.get("Label"), str):
            return str(candidate["Label"])
    return ""


def _type_name(attribute: Mapping[str, Any]) -> str:
    """Return the type: AttributeType calls multi-choices and images Virtual, so AttributeTypeName comes first."""
    name = _value(attribute.get("AttributeTypeName"))
    if isinstance(name, str) and name:
        return name.removesuffix("Type")
    tag = str(attribute.get("@odata.type") or "")
    kind = tag.rpartition(".")[2].removesuffix("AttributeMetadata")
    fallback = attribute.get("AttributeType")
    return fallback if isinstance(fallback, str) and fallback not in {"", "Virtual"} else kind or "Virtual"


def _value(wrapped: object) -> object:
    """Return the value of a managed property, which is an object with `Value`, or the plain value."""
    return wrapped.get("Value") if isinstance(wrapped, dict) else wrapped


def _flag(wrapped: object, *, default: bool) -> bool:
    value = _value(wrapped)
    return value if isinstance(value, bool) else default


def _whole(value: object, default: int | None) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else default


def _number(value: object, default: float | None) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else default
