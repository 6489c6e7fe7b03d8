"""
How metadata describes tables, columns and options.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/entity-attribute-metadata
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.schema import ColumnType, metadata_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.sandbox.dataverse.schema import Column, Option, Table

__all__ = ["CASTS", "describe_column", "describe_keys", "describe_shadows", "describe_table"]

_ENGLISH: Final = 1033
_CAST_OF: Final = {
    ColumnType.STRING: "StringAttributeMetadata",
    ColumnType.MEMO: "MemoAttributeMetadata",
    ColumnType.INTEGER: "IntegerAttributeMetadata",
    ColumnType.BIGINT: "BigIntAttributeMetadata",
    ColumnType.DECIMAL: "DecimalAttributeMetadata",
    ColumnType.DOUBLE: "DoubleAttributeMetadata",
    ColumnType.MONEY: "MoneyAttributeMetadata",
    ColumnType.BOOLEAN: "BooleanAttributeMetadata",
    ColumnType.PICKLIST: "PicklistAttributeMetadata",
    ColumnType.MULTI_SELECT: "MultiSelectPicklistAttributeMetadata",
    ColumnType.STATE: "StateAttributeMetadata",
    ColumnType.STATUS: "StatusAttributeMetadata",
    ColumnType.DATETIME: "DateTimeAttributeMetadata",
    ColumnType.LOOKUP: "LookupAttributeMetadata",
    ColumnType.CUSTOMER: "LookupAttributeMetadata",
    ColumnType.OWNER: "LookupAttributeMetadata",
    ColumnType.UNIQUEIDENTIFIER: "UniqueIdentifierAttributeMetadata",
    ColumnType.ENTITY_NAME: "EntityNameAttributeMetadata",
    ColumnType.IMAGE: "ImageAttributeMetadata",
    ColumnType.VIRTUAL: "AttributeMetadata",
}
CASTS: Final = frozenset(_CAST_OF.values()) - {"AttributeMetadata"}
_VIRTUAL_TYPES: Final = frozenset({ColumnType.MULTI_SELECT, ColumnType.IMAGE})
_CHOICES: Final = frozenset({ColumnType.PICKLIST, ColumnType.MULTI_SELECT, ColumnType.STATE, ColumnType.STATUS})
_CAST_BASE: Final = "#Microsoft.Dynamics.CRM."


def label(text: str) -> dict[str, Any]:
    """Return a label in the one language of this organisation; an empty text gives an unlabelled one."""
    if not text:
        return {"LocalizedLabels": [], "UserLocalizedLabel": None}
    localized = {
        "Label": text,
        "LanguageCode": _ENGLISH,
        "IsManaged": True,
        "MetadataId": metadata_id("label", text),
        "HasChanged": None,
    }
    return {"LocalizedLabels": [localized], "UserLocalizedLabel": localized}


def describe_table(table: Table) -> dict[str, Any]:
    """Return the definition of a table."""
    return {
        "MetadataId": metadata_id(table.name),
        "LogicalName": table.name,
        "SchemaName": table.name.capitalize(),
        "EntitySetName": table.entity_set,
        "LogicalCollectionName": table.entity_set,
        "CollectionSchemaName": table.entity_set.capitalize(),
        "DisplayName": label(table.name.capitalize()),
        "PrimaryIdAttribute": table.primary_key,
        "PrimaryNameAttribute": table.primary_name,
        "ObjectTypeCode": table.object_type_code,
        "OwnershipType": "UserOwned" if table.owned else "OrganizationOwned",
        "IsCustomEntity": False,
        "IsActivity": False,
        "IsIntersect": False,
        "IsPrivate": False,
        "IsManaged": True,
        "ChangeTrackingEnabled": table.change_tracking,
        "CanChangeTrackingBeEnabled": _managed("canchangetrackingbeenabled", value=True),
        "IsOptimisticConcurrencyEnabled": table.optimistic_concurrency,
    }


def describe_keys(table: Table) -> list[dict[str, Any]]:
    """Return the alternate keys of a table."""
    return [
        {
            "MetadataId": metadata_id(table.name, f"key.{key.name}"),
            "LogicalName": key.name.lower(),
            "SchemaName": key.name,
            "EntityLogicalName": table.name,
            "KeyAttributes": list(key.columns),
            "EntityKeyIndexStatus": "Active",
        }
        for key in table.keys
    ]


def describe_column(table: Table, column: Column) -> dict[str, Any]:
    """Return the definition of a column, the properties of its cast included (`cast_properties` names those)."""
    special = _special(table, column)
    return {**_common(table, column), **special, "cast_properties": tuple(special)}


def describe_shadows(table: Table) -> Iterator[dict[str, Any]]:
    """Yield the virtual columns that hang on others: labels of choices, names of lookups."""
    for column in table.columns.values():
        if column.type in _CHOICES or column.type is ColumnType.BOOLEAN:
            yield _shadow(table, column, f"{column.name}name", "Virtual")
        elif column.is_lookup:
            yield _shadow(table, column, f"{column.name}name", "String")
            yield _shadow(table, column, f"{column.name}yominame", "String")


def _common(table: Table, column: Column) -> dict[str, Any]:
    kind = "Virtual" if column.type in _VIRTUAL_TYPES else column.type.value
    securable = column.securable and column.type is not ColumnType.STATE
    return {
        "@odata.type": f"{_CAST_BASE}{_CAST_OF[column.type]}",
        "MetadataId": metadata_id(table.name, column.name),
        "LogicalName": column.name,
        "SchemaName": column.name,
        "EntityLogicalName": table.name,
        "DisplayName": label(column.label or column.name),
        "Description": label(""),
        "AttributeType": kind,
        "AttributeTypeName": {"Value": f"{column.type.value}Type"},
        "AttributeOf": None,
        "IsValidForRead": True,
        "IsValidForCreate": column.creatable,
        "IsValidForUpdate": column.updatable,
        "RequiredLevel": _managed("canmodifyrequirementlevelsettings", value=column.required.value),
        "IsSecured": column.secured,
        "CanBeSecuredForRead": securable and column.type is not ColumnType.BOOLEAN,
        "CanBeSecuredForCreate": securable and column.creatable,
        "CanBeSecuredForUpdate": securable and column.updatable,
        "IsCustomAttribute": column.custom,
        "IsPrimaryId": column.name == table.primary_key,
        "IsPrimaryName": column.name == table.primary_name,
        "IsLogical": False,
        "IsManaged": not column.custom,
        "IsValidODataAttribute": True,
    }


def _managed(name: str, *, value: Any) -> dict[str, Any]:
    return {"Value": value, "CanBeChanged": True, "ManagedPropertyLogicalName": name}


def _shadow(table: Table, column: Column, name: str, kind: str) -> dict[str, Any]:
    cast = "StringAttributeMetadata" if kind == "String" else "AttributeMetadata"
    special = {"MaxLength": 100, "FormatName": {"Value": "Text"}, "Format": "Text"} if kind == "String" else {}
    return {
        **_common(table, column),
        "@odata.type": f"{_CAST_BASE}{cast}",
        "MetadataId": metadata_id(table.name, name),
        "LogicalName": name,
        "SchemaName": name,
        "DisplayName": label(""),
        "AttributeType": kind,
        "AttributeTypeName": {"Value": f"{kind}Type"},
        "AttributeOf": column.name,
        "IsValidForCreate": False,
        "IsValidForUpdate": False,
        "RequiredLevel": _managed("canmodifyrequirementlevelsettings", value="None"),
        "IsSecured": False,
        "CanBeSecuredForRead": False,
        "CanBeSecuredForCreate": False,
        "CanBeSecuredForUpdate": False,
        "IsLogical": True,
        "IsPrimaryId": False,
        "IsPrimaryName": False,
        "IsValidODataAttribute": False,
        **special,
        "cast_properties": tuple(special),
    }


def _special(table: Table, column: Column) -> dict[str, Any]:
    match column.type:
        case ColumnType.STRING:
            return {"MaxLength": column.max_length, "FormatName": {"Value": column.format}, "Format": column.format}
        case ColumnType.MEMO:
            return {"MaxLength": column.max_length, "FormatName": {"Value": "TextArea"}, "Format": "TextArea"}
        case ColumnType.INTEGER:
            return {"MinValue": column.minimum, "MaxValue": column.maximum, "Format": "None"}
        case ColumnType.DECIMAL | ColumnType.DOUBLE:
            return {"MinValue": column.minimum, "MaxValue": column.maximum, "Precision": column.precision}
        case ColumnType.MONEY:
            source = {
                "PrecisionSource": 2,
                "IsBaseCurrency": column.money_of is not None,
                "CalculationOf": column.money_of,
            }
            return {"MinValue": column.minimum, "MaxValue": column.maximum, "Precision": column.precision, **source}
        case ColumnType.DATETIME:
            behavior = None if column.behavior is None else column.behavior.value
            return {"DateTimeBehavior": {"Value": behavior}, "Format": column.format}
        case ColumnType.BOOLEAN:
            return {
                "DefaultValue": bool(column.default),
                "OptionSet": _two_options(table, column),
                "GlobalOptionSet": None,
            }
        case _ if column.is_lookup:
            return {"Targets": list(column.targets), "Format": "None"}
        case _ if column.type in _CHOICES:
            default = -1 if column.default is None else column.default
            return {"DefaultFormValue": default, "OptionSet": _option_set(table, column), "GlobalOptionSet": None}
        case _:
            return {}


def _option_set(table: Table, column: Column) -> dict[str, Any]:
    kinds = {ColumnType.STATE: "State", ColumnType.STATUS: "Status"}
    return {
        "MetadataId": metadata_id(table.name, f"{column.name}.optionset"),
        "Name": f"{table.name}_{column.name}",
        "DisplayName": label(column.label or column.name),
        "IsGlobal": False,
        "IsCustomOptionSet": False,
        "OptionSetType": kinds.get(column.type, "Picklist"),
        "Options": [_option(column, option) for option in column.options],
    }


def _two_options(table: Table, column: Column) -> dict[str, Any]:
    true, false = column.options
    return {
        "MetadataId": metadata_id(table.name, f"{column.name}.optionset"),
        "Name": f"{table.name}_{column.name}",
        "DisplayName": label(column.label or column.name),
        "IsGlobal": False,
        "IsCustomOptionSet": False,
        "OptionSetType": "Boolean",
        "TrueOption": _option(column, true),
        "FalseOption": _option(column, false),
    }


def _option(column: Column, option: Option) -> dict[str, Any]:
    described = {
        "Value": option.value,
        "Label": label(option.label),
        "Description": label(""),
        "Color": None,
        "IsManaged": True,
        "IsHidden": False,
        "ExternalValue": "",
        "ParentValues": [],
        "MetadataId": None,
        "HasChanged": None,
    }
    if column.type is ColumnType.STATUS:
        kind = "#Microsoft.Dynamics.CRM.StatusOptionMetadata"
        return {"@odata.type": kind, **described, "State": option.state, "TransitionData": None}
    if column.type is ColumnType.STATE:
        return {
            "@odata.type": "#Microsoft.Dynamics.CRM.StateOptionMetadata",
            **described,
            "InvariantName": option.label,
            "DefaultStatus": None,
        }
    return described
