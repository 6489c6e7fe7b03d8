"""Adding records of custom activity types to people's activity logs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.api_call import records_in
from include.sandbox.marketo.endpoints.writing import for_each_record
from include.sandbox.marketo.errors import RefusalError
from include.sandbox.marketo.fields import DataType
from include.sandbox.marketo.values import check_type, is_refused, parse_moment

if TYPE_CHECKING:
    from datetime import datetime

    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.custom_activity_types import CustomActivityType, Definition, TypeAttribute
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["add_custom_activities"]

_REQUIRED: Final = ("leadId", "activityDate", "activityTypeId", "primaryAttributeValue", "attributes")
_OPTIONAL: Final = frozenset({"apiName"})
_ATTRIBUTES_BYTES: Final = 65_536


def add_custom_activities(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Write up to 300 records, once for ever: a repeated call writes them twice. Refusals stand under `errors`.

    Source: activities.md, Add Custom Activities.
    """
    call.parameters.allow()
    records = records_in(call.json("input"))

    def add(record: dict[str, Any]) -> dict[str, Any]:
        return _add(world, record)

    return {"result": for_each_record(call, records, add, reasons="errors")}


def _add(world: MarketoWorld, record: dict[str, Any]) -> dict[str, Any]:
    _check_members(record)
    one = _type_of(world, record)
    if record["leadId"] not in world.database.people:
        raise RefusalError("1004")
    moment = _moment(record["activityDate"])
    attributes = _attributes(world, one.current, record["attributes"])
    row = world.database.log.add(
        one.id,
        int(record["leadId"]),
        moment.timestamp(),
        world.clock.timestamp(),
        attributes=tuple((attribute.name, value) for attribute, value in attributes),
        api_names=tuple(attribute.api_name for attribute, _ in attributes),
        primary_value=str(record["primaryAttributeValue"]),
    )
    one.used = True
    return {"id": row.number, "marketoGUID": str(row.number), "status": "added"}


def _check_members(record: dict[str, Any]) -> None:
    for member in _REQUIRED:
        if record.get(member) is None or record[member] == "":
            raise RefusalError("1002", f"Missing value for required parameter '{member}'")
    unknown = sorted(set(record) - set(_REQUIRED) - _OPTIONAL)
    if unknown:
        raise RefusalError("1003", f"Unknown member '{unknown[0]}'")
    for member in ("leadId", "activityTypeId"):
        if not isinstance(record[member], int) or isinstance(record[member], bool):
            raise RefusalError("1001", f"Invalid value for '{member}', required of type 'Integer'")


def _type_of(world: MarketoWorld, record: dict[str, Any]) -> CustomActivityType:
    one = world.activity_types.by_id(record["activityTypeId"])
    if one is None:
        raise RefusalError("1003", f"Activity type {record['activityTypeId']} not found")
    if one.approved is None:
        raise RefusalError("1003", f"Activity type {one.id} is not approved")
    return one


def _moment(text: object) -> datetime:
    moment = parse_moment(text) if isinstance(text, str) else None
    if moment is None:
        raise RefusalError("1003", "activityDate must be ISO 8601 with a zone")
    return moment


def _attributes(world: MarketoWorld, version: Definition, given: object) -> list[tuple[TypeAttribute, Any]]:
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise RefusalError("1003", "'attributes' must be an array of objects")
    if len(json.dumps(given, ensure_ascii=False).encode()) > _ATTRIBUTES_BYTES:
        raise RefusalError("1049", f"The attributes exceed {_ATTRIBUTES_BYTES} bytes")
    return [_attribute(world, version, one) for one in given]


def _attribute(world: MarketoWorld, version: Definition, given: dict[str, Any]) -> tuple[TypeAttribute, Any]:
    if set(given) - {"apiName", "name", "value"} or "value" not in given:
        raise RefusalError("1003", "An attribute has 'value' and either 'apiName' or 'name'")
    found = next(
        (one for one in version.attributes if one.api_name == given.get("apiName") or one.name == given.get("name")),
        None,
    )
    if found is None:
        raise RefusalError("1003", f"Attribute '{given.get('apiName') or given.get('name')}' not found")
    data_type = DataType(_AS_FIELD_TYPE.get(found.data_type, found.data_type))
    value = given["value"]
    if value is not None and is_refused(check_type(data_type, value, world.settings)):
        raise RefusalError("1001", f"Invalid value for '{found.api_name}', required of type '{found.data_type}'")
    return found, value


_AS_FIELD_TYPE: Final = {"link": "url"}
