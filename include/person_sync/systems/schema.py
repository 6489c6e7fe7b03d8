"""
What is known of both systems' schemas: the fields that may be synced, and why others are not.

Reading metadata costs several calls, so it is kept in the state database and refreshed once a day, when the field map
changed, or when a vendor refuses a field it used to have. Marketo's describe and Dataverse's attribute metadata with
column security are joined here into the values the core resolves the field map against.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError
from include.person_sync.core.schema import (
    CONTROL_COLUMNS,
    MODIFIED,
    TABLES,
    DroppedField,
    DynamicsColumn,
    EffectiveField,
    MarketoColumn,
    Option,
    ResolvedSchema,
    resolve_fields,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import datetime

    from include.dynamics import Column, ColumnPrivilege
    from include.person_sync.core.fields import Table
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

DOCUMENT = "schema"
FORM = 2
"""The shape of the document; one of another shape is read anew."""


def load_schema(ctx: SyncContext, *, refresh: bool = False) -> ResolvedSchema:
    """
    Return the current schema, reading both systems' metadata when it is stale, asked for, or the field map changed.

    Writes the document `schema`. Raises ConfigError when an instance lacks the fields `person-sync setup` provisions.
    """
    stored = ctx.store.document(DOCUMENT)
    map_digest = ctx.settings.field_map.digest()
    if not refresh and stored is not None:
        value, refreshed_at = stored
        fresh = ctx.now() - refreshed_at < timedelta(hours=ctx.settings.schema_refresh_hours)
        known = value.get("form") == FORM and value.get("map_digest") == map_digest
        if fresh and known and not value.get("stale"):
            return remembered(ctx, value, refreshed_at)
    value = {"form": FORM, "map_digest": map_digest, **read_schemas(ctx)}
    schema = build_schema(ctx, value)
    ctx.store.save_document(DOCUMENT, value)
    log_dropped(schema)
    return schema


def remembered(ctx: SyncContext, value: Mapping[str, Any], refreshed_at: datetime) -> ResolvedSchema:
    """Return the schema from its stored JSON; built once per process, since every stage asks for it."""
    known: tuple[datetime, ResolvedSchema] | None = ctx.built.get(DOCUMENT)
    if known is None or known[0] != refreshed_at:
        known = ctx.built[DOCUMENT] = refreshed_at, build_schema(ctx, value)
    return known[1]


def mark_stale(ctx: SyncContext) -> None:
    """Have the next run read the metadata again (a vendor refused a field or property it used to have)."""
    stored = ctx.store.document(DOCUMENT)
    if stored is not None:
        ctx.store.save_document(DOCUMENT, {**stored[0], "stale": True})


def read_schemas(ctx: SyncContext) -> dict[str, Any]:
    """
    Return both systems' schemas as JSON. Reads Marketo's describe, Dataverse's attributes (also of the tables that
    lookups of the map point to) and the sync user's column privileges.
    """
    user = ctx.dynamics.who_am_i()
    granted = ctx.dynamics.column_privileges(user.user_id)
    tables = {table.value: table_columns(ctx, table.value, granted) for table in TABLES}
    marketo = [
        dataclasses.asdict(MarketoColumn(one.name, one.data_type, one.length, one.read_only))
        for one in ctx.marketo.describe()
    ]
    lookups = {}
    for name in lookup_tables(ctx, {one["name"] for one in marketo}):
        try:
            lookups[name] = table_columns(ctx, name, granted)
        except ConfigError as error:
            log.warning("table %s can't be read; the fields that need it are left out: %s", name, error)
    return {"marketo": marketo, "dynamics": tables, "lookups": lookups, "user_id": user.user_id}


def table_columns(ctx: SyncContext, table: str, granted: Mapping[str, ColumnPrivilege] | None) -> list[dict[str, Any]]:
    """Return the columns of a table as JSON."""
    return [dataclasses.asdict(as_dynamics_column(column, granted)) for column in ctx.dynamics.columns(table)]


def lookup_tables(ctx: SyncContext, marketo_names: Collection[str]) -> list[str]:
    """Return the tables that lookups of the map point to, leaving out fields that Marketo does not have (yet)."""
    sources = [
        one.source(table) for one in ctx.settings.field_map.fields for table in TABLES if one.marketo in marketo_names
    ]
    return sorted({source.lookup_table for source in sources if source and source.lookup_table})


def as_dynamics_column(column: Column, granted: Mapping[str, ColumnPrivilege] | None) -> DynamicsColumn:
    """
    Return a column as the core sees it, with column-level security applied.

    A secured column that is not listed among the sync user's privileges may be neither read nor written.
    Source: Dataverse developer guide, "Column-level security".
    """
    privilege = (granted or {}).get(column.metadata_id.lower()) if column.metadata_id else None
    readable, creatable, updatable = column.readable, column.creatable, column.updatable
    if column.secured:
        readable = readable and privilege is not None and privilege.read
        creatable = creatable and privilege is not None and privilege.create
        updatable = updatable and privilege is not None and privilege.update
    return DynamicsColumn(
        name=column.name,
        type=column.type,
        max_length=column.max_length,
        minimum=column.minimum,
        maximum=column.maximum,
        precision=column.precision,
        options=tuple(Option(option.value, option.label) for option in column.options),
        date_behavior=column.date_behavior,
        readable=readable,
        creatable=creatable,
        updatable=updatable,
        required=column.required_level == "SystemRequired",
    )


def build_schema(ctx: SyncContext, value: Mapping[str, Any]) -> ResolvedSchema:
    """Return the schema from its stored JSON and the present field map; pure but for the settings it reads."""
    marketo = {one["name"]: MarketoColumn(**one) for one in value["marketo"]}
    require_provisioned(ctx, marketo)
    effective: dict[Table, tuple[EffectiveField, ...]] = {}
    dropped: dict[Table, tuple[DroppedField, ...]] = {}
    columns: dict[Table, tuple[str, ...]] = {}
    lookups = {name: columns_from_json(of_table) for name, of_table in value["lookups"].items()}
    for table in TABLES:
        known = columns_from_json(value["dynamics"][table.value])
        resolution = resolve_fields(ctx.settings.field_map, table, marketo, known, lookups)
        effective[table], dropped[table] = resolution.effective, resolution.dropped
        columns[table] = selected_columns(table, resolution.effective, known, ctx.settings.sync_filter_column)
    names = sorted({one.marketo.name for fields in effective.values() for one in fields})
    return ResolvedSchema(
        effective=effective,
        dropped=dropped,
        columns=columns,
        marketo_names=tuple(names),
        scores=tuple(name for name in names if marketo[name].data_type == "score"),
        provisioned=frozenset(name for name in control_names(ctx) if name in marketo),
        digest=digest_of(effective, columns),
    )


def selected_columns(
    table: Table, fields: Sequence[EffectiveField], known: Mapping[str, DynamicsColumn], filter_column: str | None
) -> tuple[str, ...]:
    """
    Return the columns to `$select`: those of the fields, and the control columns and filter column the organisation
    has.
    """
    wanted = {source.column for one in fields if (source := one.field.source(table))}
    changed = MODIFIED if any(one.field.backfill_since for one in fields) else None
    for name in filter(None, (*CONTROL_COLUMNS[table], filter_column, changed)):
        logical = name.removeprefix("_").removesuffix("_value") if name.startswith("_") else name
        if logical in known:
            wanted.add(name)
    return tuple(sorted(wanted))


def require_provisioned(ctx: SyncContext, marketo: Mapping[str, MarketoColumn]) -> None:
    """Raise ConfigError when Marketo lacks a custom field the sync stands on."""
    missing = [name for name in control_names(ctx) if name not in marketo]
    if missing:
        raise ConfigError(
            f"Marketo has no field {', '.join(missing)}; the sync keeps the identity of each person there.",
            remedy="run `person-sync setup` (or the DAG person_sync_setup) once, then run the cycle again.",
        )


def control_names(ctx: SyncContext) -> tuple[str, ...]:
    """Return the REST names of the custom fields that hold identity and requests."""
    names = ctx.settings.custom_fields
    return (names.dynamics_id, names.dynamics_type, names.dynamics_is_deleted, names.sync_to_dynamics)


def columns_from_json(values: Sequence[Mapping[str, Any]]) -> dict[str, DynamicsColumn]:
    """Return columns by name from their stored JSON."""
    return {one["name"]: dynamics_column_from_json(one) for one in values}


def dynamics_column_from_json(value: Mapping[str, Any]) -> DynamicsColumn:
    """Return a column from its stored JSON."""
    return DynamicsColumn(**{**value, "options": tuple(Option(**option) for option in value["options"])})


def digest_of(effective: Mapping[Table, Sequence[EffectiveField]], columns: Mapping[Table, Sequence[str]]) -> str:
    """Return a hash of the effective fields; a dead letter is retried when it changes."""
    content = [
        [table.value, [dataclasses.asdict(one) for one in fields], list(columns[table])]
        for table, fields in effective.items()
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def log_dropped(schema: ResolvedSchema) -> None:
    """Say once per refresh which fields are not synced and why."""
    for table, fields in schema.dropped.items():
        for one in fields:
            log.info("field %s of %s is not synced: %s %s", one.name, table.value, one.reason, one.remedy)
