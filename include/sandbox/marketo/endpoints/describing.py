"""What leads consist of: describe and describe2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.fields import FieldDefinition
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["describe", "describe2"]


def describe(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    All fields. A `rest` member is there only where REST may use the field; hidden fields lose it [ND].

    Source: leads.md, Describe; the list includes company fields.
    """
    call.parameters.allow()
    return {"result": [_described(field) for field in world.database.fields]}


def _described(field: FieldDefinition) -> dict[str, Any]:
    item: dict[str, Any] = {"id": field.id, "displayName": field.display_name, "dataType": str(field.data_type)}
    if field.length is not None:
        item["length"] = field.length
    if field.usable:
        item["rest"] = {"name": field.name, "readOnly": field.read_only}
    item["soap"] = {"name": field.soap_name, "readOnly": field.read_only}
    return item


def describe2(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Return a single item with the searchable fields and the fields REST may use.

    Source: the Swagger file, describe2.
    """
    call.parameters.allow()
    fields = world.database.fields
    item = {
        "name": "API Lead",
        "searchableFields": [[field.name] for field in fields.searchable()],
        "fields": [_described2(field) for field in fields if field.usable],
    }
    return {"result": [item]}


def _described2(field: FieldDefinition) -> dict[str, Any]:
    item: dict[str, Any] = {
        "name": field.name,
        "displayName": field.display_name,
        "dataType": str(field.data_type),
        "updateable": not field.read_only,
        # Source: describe2: true only for fields that a native CRM sync owns; there is none here.
        "crmManaged": False,
    }
    if field.length is not None:
        item["length"] = field.length
    return item
