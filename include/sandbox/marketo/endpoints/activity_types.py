"""The list of activity types, and the life of custom ones: draft, approval, attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.activity_types import standard_activity_types
from include.sandbox.marketo.api_call import records_in
from include.sandbox.marketo.custom_activity_types import (
    ATTRIBUTE_TYPES,
    CustomActivityType,
    Definition,
    TypeAttribute,
    TypeState,
)
from include.sandbox.marketo.errors import ApiError
from include.sandbox.marketo.values import moment_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.world import MarketoWorld

__all__ = [
    "approve_type",
    "create_attributes",
    "create_type",
    "delete_attributes",
    "delete_type",
    "describe_type",
    "discard_draft",
    "list_custom_types",
    "list_types",
    "update_attributes",
    "update_type",
]

_TEXTS: Final = {
    "name": "name",
    "triggerName": "trigger_name",
    "filterName": "filter_name",
    "description": "description",
}
_ATTRIBUTE_MEMBERS: Final = frozenset({"apiName", "name", "dataType", "description", "isPrimary"})
_ATTRIBUTES_MAX: Final = 20


def list_types(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Return standard activity types and approved custom ones.

    Source: activities.md, Get Activity Types.
    """
    call.parameters.allow()
    custom = [_as_standard(one) for one in world.activity_types if one.approved is not None and not one.deleted]
    return {"result": [*standard_activity_types(), *custom]}


def _as_standard(one: CustomActivityType) -> dict[str, Any]:
    version = one.current
    return {
        "id": one.id,
        "apiName": one.api_name,
        "name": version.name,
        "description": version.description,
        "primaryAttribute": _brief(version.primary),
        "attributes": [_brief(attribute) for attribute in version.attributes],
    }


def _brief(attribute: TypeAttribute) -> dict[str, Any]:
    return {"name": attribute.name, "apiName": attribute.api_name, "dataType": attribute.data_type}


def list_custom_types(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Return custom activity types with their states.

    Source: activities.md, Get Custom Activity Types.
    """
    call.parameters.allow()
    return {"result": [_item(one, one.current) for one in world.activity_types]}


def describe_type(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    One custom type with its attributes: the approved version, or the draft on request or when there is no other.

    Source: activities.md, Describe Custom Activity Type.
    """
    draft = call.parameters.allow("draft").flag("draft")
    one = world.activity_types.get(call.path["api_name"])
    return {"result": [_item(one, one.edited if draft else one.current, attributes=True)]}


def _item(one: CustomActivityType, version: Definition, *, attributes: bool = False) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": one.id,
        "apiName": one.api_name,
        "name": version.name,
        "description": version.description,
        "triggerName": version.trigger_name,
        "filterName": version.filter_name,
        "status": str(one.state),
        "createdAt": one.created_at,
        "updatedAt": one.updated_at,
        "primaryAttribute": _full(version.primary),
    }
    if attributes:
        item["attributes"] = [_full(attribute) for attribute in version.attributes]
    return item


def _full(attribute: TypeAttribute) -> dict[str, Any]:
    shown = {"apiName": attribute.api_name, "name": attribute.name, "dataType": attribute.data_type}
    if attribute.description:
        shown["description"] = attribute.description
    return shown | {"isPrimary": attribute.is_primary}


def create_type(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Make a custom type, as a draft without attributes.

    Source: activities.md, Create Custom Activity Type.
    """
    call.parameters.allow()
    body = call.json("apiName", *_TEXTS, "primaryAttribute")
    for member in ("apiName", "name", "triggerName", "filterName", "primaryAttribute"):
        if not body.get(member):
            raise ApiError("1002", f"Missing value for required parameter '{member}'")
    values = _definition_values(body)
    draft = Definition(**values)
    one = world.activity_types.create(_text(body, "apiName"), draft, _now(world))
    return {"result": [_item(one, one.edited)]}


def update_type(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Change a custom type; the change waits in a draft.

    Source: activities.md, Update Custom Activity Type.
    """
    call.parameters.allow()
    body = call.json("apiName", *_TEXTS, "primaryAttribute")
    name = call.path["api_name"]
    if body.get("apiName", name) != name:
        raise ApiError("1003", "The apiName of an activity type cannot change")
    one = world.activity_types.change(name, _definition_values(body), _now(world))
    return {"result": [_item(one, one.edited)]}


def _definition_values(body: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {attribute: _text(body, member) for member, attribute in _TEXTS.items() if member in body}
    if "primaryAttribute" in body:
        primary = body["primaryAttribute"]
        if not isinstance(primary, dict):
            raise ApiError("1003", "'primaryAttribute' must be an object")
        values["primary"] = _new_attribute(primary | {"isPrimary": True})
    return values


def _text(body: dict[str, Any], member: str) -> str:
    value = body[member]
    if not isinstance(value, str):
        raise ApiError("1001", f"Invalid value for '{member}', required of type 'String'")
    return value


def approve_type(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Approve the draft; only then can records be added.

    Source: activities.md, Approve Custom Activity Type.
    """
    return _step(world, call, world.activity_types.approve)


def discard_draft(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Drop the draft of an approved type.

    Source: activities.md, Discard Custom Activity Type Draft.
    """
    return _step(world, call, world.activity_types.discard_draft)


def delete_type(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Delete a type that was never used.

    Source: activities.md, Delete Custom Activity Type.
    """
    return _step(world, call, world.activity_types.delete)


def _step(world: MarketoWorld, call: ApiCall, step: Callable[[str, str], CustomActivityType]) -> Answer:
    call.parameters.allow()
    call.nothing()
    one = step(call.path["api_name"], _now(world))
    return {"result": [_item(one, one.current, attributes=one.state is not TypeState.DELETED)]}


def create_attributes(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Add attributes to the draft.

    Source: activities.md, Create Custom Activity Type Attributes.
    """
    added = [_new_attribute(one) for one in _attributes(call)]
    one = world.activity_types.add_attributes(call.path["api_name"], added, _now(world))
    return {"result": [_item(one, one.edited, attributes=True)]}


def update_attributes(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Change attributes of the draft.

    Source: activities.md, Update Custom Activity Type Attributes.
    """
    changes = [_attribute_values(one) for one in _attributes(call)]
    one = world.activity_types.change_attributes(call.path["api_name"], changes, _now(world))
    return {"result": [_item(one, one.edited, attributes=True)]}


def delete_attributes(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Take attributes out of the draft.

    Source: activities.md, Delete Custom Activity Type Attributes.
    """
    names = [_attribute_values(one)["api_name"] for one in _attributes(call)]
    one = world.activity_types.remove_attributes(call.path["api_name"], names, _now(world))
    return {"result": [_item(one, one.edited, attributes=True)]}


def _attributes(call: ApiCall) -> list[dict[str, Any]]:
    call.parameters.allow()
    return records_in(call.json("attributes"), "attributes", _ATTRIBUTES_MAX)


def _new_attribute(body: dict[str, Any]) -> TypeAttribute:
    values = _attribute_values(body)
    if not values.get("name"):
        raise ApiError("1002", "Missing value for required parameter 'name'")
    return TypeAttribute(**values)


def _attribute_values(body: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(body) - _ATTRIBUTE_MEMBERS)
    if unknown:
        raise ApiError("1003", f"Unknown member '{unknown[0]}'")
    if not body.get("apiName"):
        raise ApiError("1002", "Missing value for required parameter 'apiName'")
    if body.get("dataType", "string") not in ATTRIBUTE_TYPES:
        raise ApiError("1003", f"Invalid dataType '{body['dataType']}'")
    names = {"apiName": "api_name", "dataType": "data_type", "isPrimary": "is_primary"}
    return {names.get(member, member): value for member, value in body.items()}


def _now(world: MarketoWorld) -> str:
    return moment_text(world.clock.timestamp())
