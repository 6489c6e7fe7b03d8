"""
Which mapped fields can take part at all, given what both systems say about themselves today.

A field that cannot take part is *dropped* with a reason and a remedy, never treated as empty. One that can be written
on one side only is *narrowed* to the direction that works.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from include.person_sync.core.fields import ColumnSource, Field, FieldMap, FieldType, Rule, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "CONTROL_COLUMNS",
    "MODIFIED",
    "TABLES",
    "DroppedField",
    "DynamicsColumn",
    "EffectiveField",
    "MarketoColumn",
    "Option",
    "Resolution",
    "ResolvedSchema",
    "resolve_fields",
]


@dataclass(frozen=True, slots=True)
class MarketoColumn:
    """A Marketo field as `describe` shows it. `length` is in characters, None where Marketo gives none."""

    name: str
    data_type: str
    length: int | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One entry of a choice column."""

    value: int
    label: str


@dataclass(frozen=True, slots=True)
class DynamicsColumn:
    """
    A Dynamics column as its metadata and the integration user's column privileges show it.

    `type` is the AttributeTypeName without its ending "Type" (String, Memo, Picklist, …). `max_length` is in
    characters, `precision` in decimal places. `required` is True for SystemRequired only, the one level that the Web
    API enforces.
    """

    name: str
    type: str
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    precision: int | None = None
    options: tuple[Option, ...] = ()
    date_behavior: str | None = None
    readable: bool = True
    creatable: bool = True
    updatable: bool = True
    required: bool = False


@dataclass(frozen=True, slots=True)
class EffectiveField:
    """
    A field that takes part: the map's entry, both columns, and the rule as narrowed by what can be written.

    Where the map reads what a lookup points to, `dynamics` is the column of the referenced row, which nobody writes.
    """

    field: Field
    table: Table
    marketo: MarketoColumn
    dynamics: DynamicsColumn
    rule: Rule

    @property
    def name(self) -> str:
        """The field's own name."""
        return self.field.name

    @property
    def is_lookup(self) -> bool:
        """True when the Dynamics side is a column of a referenced row."""
        source = self.field.source(self.table)
        return source is not None and source.is_lookup

    @property
    def is_one_way(self) -> bool:
        """True when Marketo's value never travels to Dynamics."""
        return not self.rule.writes_dynamics

    @property
    def raw_column(self) -> str:
        """Name of the column that holds this field in raw Dynamics rows; lookups arrive resolved, under our name."""
        return self.name if self.is_lookup else self.dynamics.name


@dataclass(frozen=True, slots=True)
class DroppedField:
    """A mapped field that takes no part for now."""

    name: str
    table: Table
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The outcome of `resolve_fields`, both parts in map order."""

    effective: tuple[EffectiveField, ...]
    dropped: tuple[DroppedField, ...]


_STRINGS = frozenset({"string", "text", "textarea"})
_MARKETO_TYPES: Mapping[FieldType, frozenset[str]] = {
    FieldType.TEXT: _STRINGS | {"email", "phone", "url"},
    FieldType.EMAIL: _STRINGS | {"email"},
    FieldType.PHONE: _STRINGS | {"phone"},
    FieldType.URL: _STRINGS | {"url"},
    FieldType.BOOLEAN: frozenset({"boolean"}),
    FieldType.INTEGER: frozenset({"integer", "score", "percent"}),
    FieldType.DECIMAL: frozenset({"float", "currency", "percent"}),
    FieldType.MONEY: frozenset({"currency", "float"}),
    FieldType.DATE: frozenset({"date"}),
    FieldType.DATETIME: frozenset({"datetime"}),
    FieldType.CHOICE: _STRINGS,
    FieldType.MULTI_CHOICE: _STRINGS,
    FieldType.LOOKUP: _STRINGS | {"email"},
}
_DYNAMICS_TYPES: Mapping[FieldType, frozenset[str]] = {
    FieldType.TEXT: frozenset({"String", "Memo"}),
    FieldType.EMAIL: frozenset({"String"}),
    FieldType.PHONE: frozenset({"String"}),
    FieldType.URL: frozenset({"String"}),
    FieldType.BOOLEAN: frozenset({"Boolean"}),
    FieldType.INTEGER: frozenset({"Integer", "BigInt"}),
    FieldType.DECIMAL: frozenset({"Decimal", "Double"}),
    FieldType.MONEY: frozenset({"Money", "Decimal", "Double"}),
    FieldType.DATE: frozenset({"DateTime"}),
    FieldType.DATETIME: frozenset({"DateTime"}),
    FieldType.CHOICE: frozenset({"Picklist", "State", "Status"}),
    FieldType.MULTI_CHOICE: frozenset({"MultiSelectPicklist"}),
    FieldType.LOOKUP: frozenset({"String", "Memo"}),
}
_LOOKUP_TYPES = frozenset({"Lookup", "Customer", "Owner"})


def resolve_fields(
    field_map: FieldMap,
    table: Table,
    marketo: Mapping[str, MarketoColumn],
    dynamics: Mapping[str, DynamicsColumn],
    lookups: Mapping[str, Mapping[str, DynamicsColumn]] | None = None,
) -> Resolution:
    """
    Return the fields of `table` that take part and those that do not, each with a reason.

    `marketo` holds the REST-usable fields by REST name, `dynamics` the columns of `table` by logical name, `lookups`
    the columns of each table that a lookup of the map points to. Fields without a column in `table` appear in neither
    part.
    """
    effective: list[EffectiveField] = []
    dropped: list[DroppedField] = []
    for field in field_map.for_table(table):
        outcome = _resolve(field, table, marketo, dynamics, lookups or {})
        if isinstance(outcome, EffectiveField):
            effective.append(outcome)
        else:
            dropped.append(outcome)
    return Resolution(tuple(effective), tuple(dropped))


def _resolve(
    field: Field,
    table: Table,
    marketo: Mapping[str, MarketoColumn],
    dynamics: Mapping[str, DynamicsColumn],
    lookups: Mapping[str, Mapping[str, DynamicsColumn]],
) -> EffectiveField | DroppedField:
    def drop(reason: str, remedy: str) -> DroppedField:
        return DroppedField(field.name, table, reason, remedy)

    source = field.source(table)
    if source is None or field.rule_for(table) is Rule.OFF:
        return drop("switched off in the field map", "Give the field a rule other than off to sync it.")
    ours = marketo.get(field.marketo)
    theirs = dynamics.get(source.attribute)
    if ours is None:
        return drop(*_absent_in_marketo(field))
    complaint = _unreadable(theirs, source.attribute, table.value)
    if complaint is None and source.is_lookup:
        theirs, complaint = _referenced(field, source, theirs, lookups)
    if complaint is not None or theirs is None:
        return drop(*(complaint or ("", "")))
    mismatch = _mismatch(field, ours, theirs)
    if mismatch:
        return drop(mismatch, "Map the field to a column of a fitting type, or correct its type in the field map.")
    rule = _narrow(field.rule_for(table), ours, theirs)
    if rule is Rule.OFF:
        return drop(
            "its only direction is not writable for the integration user",
            "Grant write access to the target, or change the rule.",
        )
    return EffectiveField(field, table, ours, theirs, rule)


def _unreadable(column: DynamicsColumn | None, name: str, table: str) -> tuple[str, str] | None:
    """Return why a column can't be read, with a remedy; None when it can."""
    if column is None:
        return f"column {name} does not exist on {table}", "Create it in Dynamics or change the field map."
    if not column.readable:
        return (
            f"column {name} of {table} is secured and the integration user may not read it",
            "Add the integration user to a field security profile that grants Read.",
        )
    return None


def _referenced(
    field: Field,
    source: ColumnSource,
    lookup: DynamicsColumn | None,
    lookups: Mapping[str, Mapping[str, DynamicsColumn]],
) -> tuple[DynamicsColumn | None, tuple[str, str] | None]:
    """Return the column of the referenced row that a field reads, which nobody writes, and why it can't be read."""
    if lookup is not None and lookup.type not in _LOOKUP_TYPES:
        reason = f"column {lookup.name} is of type {lookup.type}, which does not fit {field.type}: it is no lookup"
        return None, (reason, "Map the field to a lookup column.")
    table, name = source.lookup_table or "", source.lookup_column or ""
    if table not in lookups:
        return None, (f"table {table} does not exist or can't be read", "Check its name in the map, and the rights.")
    found = lookups[table].get(name)
    complaint = _unreadable(found, name, table)
    read_only = None if found is None else replace(found, creatable=False, updatable=False, required=False)
    return read_only, complaint


def _absent_in_marketo(field: Field) -> tuple[str, str]:
    if field.provision is not None:
        return (
            f"Marketo field {field.marketo} is not provisioned yet",
            "Run `person-sync setup` and let it provision the field (fields made by API can't be deleted).",
        )
    return f"Marketo field {field.marketo} does not exist or is not usable by REST", "Check its REST name."


def _mismatch(field: Field, ours: MarketoColumn, theirs: DynamicsColumn) -> str | None:
    if ours.data_type.lower() not in _MARKETO_TYPES[field.type]:
        return f"Marketo field {ours.name} is of type {ours.data_type}, which does not fit {field.type}"
    if theirs.type not in _DYNAMICS_TYPES[field.type]:
        return f"column {theirs.name} is of type {theirs.type}, which does not fit {field.type}"
    date_only = theirs.date_behavior == "DateOnly"
    if theirs.type == "DateTime" and date_only != (field.type is FieldType.DATE):
        return f"column {theirs.name} has the behaviour {theirs.date_behavior}, which does not fit {field.type}"
    return None


def _narrow(rule: Rule, ours: MarketoColumn, theirs: DynamicsColumn) -> Rule:
    """
    Return the rule that is left when a side can't be written; `off` when nothing is.

    A column that can only be set on create counts as read-only here: links are about rows that exist.
    """
    to_dynamics = rule.writes_dynamics and theirs.updatable
    to_marketo = rule.writes_marketo and not ours.read_only
    if to_dynamics and to_marketo:
        return rule
    if to_dynamics:
        return Rule.MARKETO_TO_DYNAMICS
    return Rule.DYNAMICS_TO_MARKETO if to_marketo else Rule.OFF


TABLES = (Table.CONTACT, Table.LEAD)


MODIFIED = "modifiedon"
"""Read where fields are filled in for rows changed since some day only."""


CONTROL_COLUMNS: Mapping[Table, tuple[str, ...]] = {
    Table.CONTACT: (
        "emailaddress1",
        "statecode",
        "statuscode",
        "merged",
        "_masterid_value",
        "_originatingleadid_value",
    ),
    Table.LEAD: ("emailaddress1", "statecode", "statuscode", "merged", "_masterid_value", "_parentcontactid_value"),
}
"""
Columns read beside the mapped ones: they tell whether a row is alive, merged or qualified, and what it is matched by.
"""


@dataclass(frozen=True)
class ResolvedSchema:
    """
    Both schemas, resolved against the field map.

    `effective` and `dropped` are per table; `columns` are the Dynamics columns to select (mapped and control);
    `marketo_names` the REST names to read. `digest` changes when any of it does.
    """

    effective: Mapping[Table, tuple[EffectiveField, ...]]
    dropped: Mapping[Table, tuple[DroppedField, ...]]
    columns: Mapping[Table, tuple[str, ...]]
    marketo_names: tuple[str, ...]
    scores: tuple[str, ...]
    provisioned: frozenset[str]
    digest: str

    def fields(self, table: Table) -> tuple[EffectiveField, ...]:
        """Return the effective fields of a table."""
        return self.effective[table]

    def names(self) -> dict[str, list[str]]:
        """Return the names of the effective fields, per table name."""
        return {table.value: [one.name for one in fields] for table, fields in self.effective.items()}

    def limited_to(self, *names: Mapping[str, Sequence[str]] | None) -> ResolvedSchema:
        """
        Return the schema with those fields only that each of `names` (per table name; None: all) has.

        What was staged by another process may lack a field that was found since; it would look empty.
        """
        given = [one for one in names if one is not None]
        kept = {
            table: tuple(one for one in fields if all(one.name in only.get(table.value, ()) for only in given))
            for table, fields in self.effective.items()
        }
        return dataclasses.replace(self, effective=kept)

    def lookups(self, table: Table) -> dict[str, ColumnSource]:
        """Return, by field name, the sources of a table's fields that belong to a referenced row."""
        sources = {one.name: one.field.source(table) for one in self.effective[table]}
        return {name: source for name, source in sources.items() if source and source.is_lookup}

    def lookup_columns(self) -> dict[str, tuple[str, ...]]:
        """Return, per table that lookups point to, the columns that are read of it."""
        found: dict[str, set[str]] = {}
        for source in (source for table in TABLES for source in self.lookups(table).values()):
            found.setdefault(source.lookup_table or "", set()).add(source.lookup_column or "")
        return {name: tuple(sorted(columns)) for name, columns in sorted(found.items())}
