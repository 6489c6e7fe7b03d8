"""The lead schema: which fields there are, and creating custom ones. Source: leads, "Describe"; lead-database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.marketo import operations
from include.marketo.batches import BatchWriter
from include.marketo.envelope import CallRefused, Envelope
from include.marketo.paging import PAGE_SIZE, iterate_records
from include.marketo.reading import as_bool, as_int, as_text, require_objects
from include.marketo.rows import parse_rows
from include.marketo.values import MarketoField, NewField, RowResult, SchemaField

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from include.marketo.api import MarketoApi

_NO_SUCH_PATH = "610"


def describe(api: MarketoApi) -> list[MarketoField]:
    """
    Return the lead fields usable by REST.

    From describe, which knows field ids and read-only fields; from describe2 where an instance no longer serves it.
    """
    try:
        envelope = api.read(operations.DESCRIBE)
    except CallRefused as refusal:
        if refusal.code != _NO_SUCH_PATH:
            raise
        return _from_describe2(api.read(operations.DESCRIBE2))
    items = require_objects(envelope.result, operations.DESCRIBE.label, envelope.request_id)
    return [_field(item) for item in items if isinstance(item.get("rest"), dict) and item["rest"].get("name")]


def _field(item: dict[str, Any]) -> MarketoField:
    return MarketoField(
        name=as_text(item["rest"]["name"]),
        display_name=as_text(item.get("displayName")),
        data_type=as_text(item.get("dataType")).lower(),
        length=as_int(item.get("length")),
        read_only=as_bool(item["rest"].get("readOnly")),
        field_id=as_int(item.get("id")),
    )


def _from_describe2(envelope: Envelope) -> list[MarketoField]:
    items = require_objects(envelope.result, operations.DESCRIBE2.label, envelope.request_id)
    fields = [field for item in items for field in item.get("fields") or []]
    return [
        MarketoField(
            name=as_text(field.get("name")),
            display_name=as_text(field.get("displayName")),
            data_type=as_text(field.get("dataType")).lower(),
            length=as_int(field.get("length")),
            read_only=not as_bool(field.get("updateable"), default=True),
            field_id=None,
        )
        for field in fields
    ]


def schema_fields(api: MarketoApi) -> list[SchemaField]:
    """Return all lead fields, hidden ones included."""

    def fetch(token: str | None) -> Envelope:
        page = [("nextPageToken", token)] if token else []
        return api.read(operations.SCHEMA_FIELDS, [("batchSize", str(PAGE_SIZE)), *page])

    pages = iterate_records(fetch, operations.SCHEMA_FIELDS)
    return [
        _schema_field(item)
        for page in pages
        for item in require_objects(page.result, operations.SCHEMA_FIELDS.label, page.request_id)
    ]


def _schema_field(item: dict[str, Any]) -> SchemaField:
    return SchemaField(
        name=as_text(item.get("name")),
        display_name=as_text(item.get("displayName")),
        data_type=as_text(item.get("dataType")).lower(),
        length=as_int(item.get("length")),
        is_hidden=as_bool(item.get("isHidden")),
        is_custom=as_bool(item.get("isCustom")),
        is_api_created=as_bool(item.get("isApiCreated")),
    )


def create_fields(api: MarketoApi, fields: Sequence[NewField], *, sleep: Callable[[float], None]) -> list[RowResult]:
    """Return one result per field: `created`, or `skipped` with the reason. A created field can never be deleted."""
    records = [
        {
            "displayName": field.display_name,
            "name": field.name,
            "dataType": field.data_type,
            **({"description": field.description} if field.description else {}),
        }
        for field in fields
    ]

    def send(batch: list[bytes]) -> list[RowResult]:
        envelope = api.write(operations.CREATE_FIELDS, b'{"input":[' + b",".join(batch) + b"]}")
        return parse_rows(envelope, operations.CREATE_FIELDS)

    return BatchWriter(
        records, send, operations.CREATE_FIELDS, retry_budget=api.transport.retry_budget(), sleep=sleep
    ).run()
