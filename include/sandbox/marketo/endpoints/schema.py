"""The lead schema: listing, making and changing fields."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.api_call import records_in
from include.sandbox.marketo.endpoints.writing import for_each_record
from include.sandbox.marketo.errors import ApiError, RefusalError
from include.sandbox.marketo.fields import TEXT_TYPES, DataType, FieldDefinition
from include.sandbox.marketo.paging import open_token, seal_token
from include.sandbox.marketo.settings import ErrorLevel

if TYPE_CHECKING:
    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["create_fields", "get_field", "list_fields", "update_field"]

# Source: the Swagger file, CreateLeadField: no text area among them.
_CREATABLE: Final = frozenset(DataType) - {DataType.TEXT, DataType.REFERENCE, DataType.FORMULA}
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_DISPLAY_NAME: Final = re.compile(r"[\w \-()]+")
_SWITCHES: Final = {
    "isHidden": "is_hidden",
    "isHtmlEncodingInEmail": "is_html_encoding_in_email",
    "isSensitive": "is_sensitive",
}
_TEXTS: Final = {"displayName": "display_name", "description": "description"}
_LENGTH: Final = 255


def list_fields(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    All fields, hidden ones too, 300 a page.

    Source: leads.md, Get Lead Fields.
    """
    parameters = call.parameters.allow("batchSize", "nextPageToken")
    size, token = parameters.batch_size(), parameters.text("nextPageToken")
    start = 0 if token is None else int(open_token("fields", token)[0])
    fields = list(world.database.fields)
    answer: Answer = {"result": [_shown(one) for one in fields[start : start + size]], "moreResult": False}
    if start + size < len(fields):
        answer |= {"nextPageToken": seal_token("fields", start + size), "moreResult": True}
    return answer


def get_field(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    One field by name. [ND] for an unknown one: 1006 for the whole call.

    Source: leads.md, Get Lead Field by Name.
    """
    call.parameters.allow()
    return {"result": [_shown(_known(world, call.path["name"]))]}


def _known(world: MarketoWorld, name: str) -> FieldDefinition:
    field = world.database.fields.get(name)
    if field is None:
        raise ApiError("1006", f"Field '{name}' not found")
    return field


def _shown(field: FieldDefinition) -> dict[str, Any]:
    item: dict[str, Any] = {
        "displayName": field.display_name,
        "name": field.name,
        "description": field.description,
        "dataType": str(field.data_type),
        "isHidden": field.is_hidden,
        "isHtmlEncodingInEmail": field.is_html_encoding_in_email,
        "isSensitive": field.is_sensitive,
        "isCustom": field.is_custom,
        "isApiCreated": field.is_api_created,
    }
    if field.length is not None:
        item["length"] = field.length
    return item


def create_fields(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Make custom fields, each with an outcome of its own. [ND] whether one bad field spoils the call: switchable.

    Source: leads.md, Create Lead Fields. Fields made here can be hidden later, never deleted.
    """
    call.parameters.allow()
    records = records_in(call.json("input"))

    def create(record: dict[str, Any]) -> dict[str, Any]:
        field = world.database.fields.add(_new_field(world, record))
        return {"name": field.name, "status": "created"}

    if world.settings.schema_refusals is ErrorLevel.RESPONSE:
        _check_all(world, records)
    return {"result": for_each_record(call, records, create)}


def _check_all(world: MarketoWorld, records: list[dict[str, Any]]) -> None:
    for record in records:
        try:
            _new_field(world, record)
        except RefusalError as refused:
            raise ApiError(refused.refusal.code, refused.refusal.message) from refused


def _new_field(world: MarketoWorld, record: dict[str, Any]) -> FieldDefinition:
    for member in ("displayName", "name", "dataType"):
        if not isinstance(record.get(member), str) or not record[member]:
            raise RefusalError("1002", f"Missing value for required parameter '{member}'")
    name, display_name = record["name"], record["displayName"]
    data_type = _data_type(record["dataType"])
    if not _NAME.fullmatch(name):
        raise RefusalError("1003", "name must start with a letter and hold only letters, digits and underscores")
    if {name.lower(), display_name.lower()} & world.database.fields.names_taken():
        raise RefusalError("1017", f"Field '{name}' or its display name exists already")
    if world.database.fields.count_api_created() >= world.settings.api_fields_max:
        raise RefusalError("1003", f"At most {world.settings.api_fields_max} fields can be made by API")
    blank = FieldDefinition(
        id=0,
        name=name,
        display_name=display_name,
        data_type=data_type,
        length=_LENGTH if data_type in TEXT_TYPES else None,
        soap_name=name,
        is_custom=True,
        is_api_created=True,
    )
    return _changed(blank, {member: value for member, value in record.items() if member not in {"name", "dataType"}})


def _data_type(text: str) -> DataType:
    if text not in _CREATABLE:
        raise RefusalError("1003", f"Invalid dataType '{text}'")
    return DataType(text)


def update_field(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Change one custom field: display name, description and switches; type, name and length stay for ever.

    Source: leads.md, Update Lead Field; `isHidden` only for fields made by API.
    """
    call.parameters.allow()
    [record] = records_in(call.json("input"), limit=1)
    field = _known(world, call.path["name"])

    def update(changes: dict[str, Any]) -> dict[str, Any]:
        changed = _changed(field, changes)
        taken = {one.display_name.lower() for one in world.database.fields if one.name != field.name}
        if changed.display_name.lower() in taken:
            raise RefusalError("1017", "A field with this display name exists already")
        world.database.fields.replace(changed)
        return {"name": field.name, "status": "updated"}

    return {"result": for_each_record(call, [record], update)}


def _changed(field: FieldDefinition, changes: dict[str, Any]) -> FieldDefinition:
    if not field.is_custom:
        raise RefusalError("1003", f"Field '{field.name}' is a standard field and cannot be changed")
    values: dict[str, Any] = {}
    for member, value in changes.items():
        expected = str if member in _TEXTS else bool
        attribute = _TEXTS.get(member) or _SWITCHES.get(member)
        if attribute is None:
            raise RefusalError("1003", f"Unknown member '{member}'")
        if not isinstance(value, expected):
            raise RefusalError("1001", f"Invalid value for '{member}', required of type '{expected.__name__}'")
        values[attribute] = value
    if values.get("is_hidden") and not field.is_api_created:
        raise RefusalError("1003", "Only a field made by API can be hidden by API")
    if not _DISPLAY_NAME.fullmatch(values.get("display_name", field.display_name)):
        raise RefusalError("1003", "displayName must not contain special characters")
    return replace(field, **values)
