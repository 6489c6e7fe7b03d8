"""The organisation's schema: its tables and columns, which customers and tests may change."""

from __future__ import annotations

from dataclasses import dataclass, field

from include.sandbox.dataverse.schema.columns import Column, ColumnType, DateBehavior, Option, Required
from include.sandbox.dataverse.schema.contact import contact_table
from include.sandbox.dataverse.schema.lead import lead_table
from include.sandbox.dataverse.schema.others import other_tables
from include.sandbox.dataverse.schema.table import AlternateKey, Table, metadata_id

__all__ = [
    "KNOWN_ELSEWHERE",
    "AlternateKey",
    "Column",
    "ColumnType",
    "DateBehavior",
    "Option",
    "Required",
    "Schema",
    "Table",
    "metadata_id",
]

# Tables that exist at the vendor and that a sync could name; here they are answered with 501 instead of 404.
KNOWN_ELSEWHERE = frozenset(
    {
        "campaigns",
        "campaignresponses",
        "incidents",
        "tasks",
        "annotations",
        "fieldpermissions",
        "fieldsecurityprofiles",
        "principalobjectattributeaccessset",
        "lists",
        "privileges",
        "asyncoperations",
    }
)


@dataclass(slots=True)
class Schema:
    """Tables by logical name and by entity set. `version` counts changes of the definitions."""

    tables: dict[str, Table] = field(default_factory=dict)
    by_set: dict[str, Table] = field(default_factory=dict)
    version: int = 6_012_567

    @classmethod
    def shipped(cls) -> Schema:
        """Return the schema of a new organisation with Dynamics 365 Sales."""
        tables = {table.name: table for table in (contact_table(), lead_table(), *other_tables())}
        return cls(tables, {table.entity_set: table for table in tables.values()})
