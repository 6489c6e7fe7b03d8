"""Custom activity types and the records of them. Source: activities, "Custom Activities"."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from include.errors import ContractViolation
from include.marketo import operations
from include.marketo.api import MarketoApi, encode_json
from include.marketo.batches import BatchWriter
from include.marketo.envelope import CallRefused
from include.marketo.reading import as_int, as_list, as_text, require_objects
from include.marketo.rows import parse_rows
from include.marketo.values import ActivityAttribute, CustomActivityType, NewCustomActivityType, RowResult

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from include.marketo.batches import OnBatch
    from include.marketo.envelope import Envelope
    from include.marketo.operations import Operation


def custom_activity_types(api: MarketoApi) -> list[CustomActivityType]:
    """Return the custom activity types, deleted ones left out."""
    envelope = api.read(operations.ACTIVITY_TYPES)
    return [kind for kind in _parse_types(envelope, operations.ACTIVITY_TYPES) if kind.status != "deleted"]


def create_custom_activity_type(api: MarketoApi, new: NewCustomActivityType) -> CustomActivityType:
    """
    Return the type with all its attributes, as a draft or approved; creates what is missing of it.

    May be repeated at any point: an existing type is completed, never made twice.
    """
    if _find(api, new.api_name) is None:
        api.write(operations.CREATE_ACTIVITY_TYPE, encode_json(_type_body(new)))
    existing = _describe(api, new.api_name, draft=True)
    missing = [attribute for attribute in new.attributes if attribute.api_name not in existing.attributes]
    if missing:
        operation = operations.CREATE_ACTIVITY_ATTRIBUTES.at(name=new.api_name)
        api.write(operation, encode_json({"attributes": [_attribute_body(attribute) for attribute in missing]}))
        existing = _describe(api, new.api_name, draft=True)
    return existing


def approve_custom_activity_type(api: MarketoApi, api_name: str) -> CustomActivityType:
    """Return the approved type; approves it when it is a draft or has one. CallRefused when there is no such type."""
    kind = _find(api, api_name)
    if kind is None or not kind.is_approved:
        api.write(operations.APPROVE_ACTIVITY_TYPE.at(name=api_name), None)
        kind = _find(api, api_name)
    if kind is None:
        raise ContractViolation(f"marketo: the custom activity type {api_name!r} was approved but is not listed.")
    # The list may leave the attributes out, and the description may still speak of a draft.
    return replace(_describe(api, api_name, draft=False), status=kind.status)


def add_activities(
    api: MarketoApi,
    records: Sequence[dict[str, Any]],
    *,
    sleep: Callable[[float], None],
    on_batch: OnBatch | None,
) -> list[RowResult]:
    """Return one result per record; see `MarketoClient.add_activities`."""

    def send(batch: list[bytes]) -> list[RowResult]:
        body = b'{"input":[' + b",".join(batch) + b"]}"
        return parse_rows(api.write(operations.ADD_ACTIVITIES, body, repeatable=False), operations.ADD_ACTIVITIES)

    writer = BatchWriter(
        records,
        send,
        operations.ADD_ACTIVITIES,
        retry_budget=api.transport.retry_budget(),
        sleep=sleep,
        on_batch=on_batch,
    )
    return writer.run()


def _find(api: MarketoApi, api_name: str) -> CustomActivityType | None:
    return next((kind for kind in custom_activity_types(api) if kind.api_name == api_name), None)


def _describe(api: MarketoApi, api_name: str, *, draft: bool) -> CustomActivityType:
    """Return a type as it is, or as it will be once its draft is approved."""
    operation = operations.DESCRIBE_ACTIVITY_TYPE.at(name=api_name)
    params = [("draft", "true")] if draft else []
    try:
        kinds = _parse_types(api.read(operation, params), operation)
    except CallRefused:
        kinds = []
    if kinds:
        return kinds[0]
    # A type without a draft may have nothing to show for one, and a type that is only a draft nothing else.
    envelope = api.read(operation, [] if draft else [("draft", "true")])
    kinds = _parse_types(envelope, operation)
    if not kinds:
        raise ContractViolation(f"{operation.label}: {api_name!r} is not described.", request_id=envelope.request_id)
    return kinds[0]


def _parse_types(envelope: Envelope, operation: Operation) -> list[CustomActivityType]:
    items = require_objects(envelope.result, operation.label, envelope.request_id)
    return [_parse_type(item) for item in items]


def _parse_type(item: dict[str, Any]) -> CustomActivityType:
    attributes = [attribute for attribute in as_list(item.get("attributes")) if isinstance(attribute, dict)]
    primary = item.get("primaryAttribute")
    return CustomActivityType(
        api_name=as_text(item.get("apiName")),
        type_id=as_int(item.get("id")),
        name=as_text(item.get("name")),
        status=as_text(item.get("status")).lower(),
        primary_attribute=as_text(primary.get("apiName") or primary.get("name")) if isinstance(primary, dict) else "",
        attributes=tuple(as_text(attribute.get("apiName") or attribute.get("name")) for attribute in attributes),
    )


def _type_body(new: NewCustomActivityType) -> dict[str, Any]:
    return {
        "apiName": new.api_name,
        "name": new.name,
        "triggerName": new.trigger_name,
        "filterName": new.filter_name,
        "primaryAttribute": _attribute_body(new.primary_attribute),
        **({"description": new.description} if new.description else {}),
    }


def _attribute_body(attribute: ActivityAttribute) -> dict[str, Any]:
    return {"apiName": attribute.api_name, "name": attribute.name, "dataType": attribute.data_type}
