"""How a row of the activity log looks in an answer: one way in lead changes, another in activities."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.sandbox.marketo.activity_log import CHANGE_SCORE
from include.sandbox.marketo.settings import ActivityIds, ClearedValue

if TYPE_CHECKING:
    from include.sandbox.marketo.activity_log import Activity, Change
    from include.sandbox.marketo.settings import MarketoSettings

__all__ = ["activity_item", "lead_change_item"]


def lead_change_item(row: Activity, settings: MarketoSettings) -> dict[str, Any]:
    """
    Return a New Lead or Change Data Value row with REST field names. New leads have no `fields`.

    Source: activities.md, Get Lead Changes.
    """
    item = _head(row, settings)
    if row.change is not None:
        item["fields"] = [_field(row.change, settings)]
    else:
        item |= _primary(row)
    item["attributes"] = [_attribute(name, value) for name, value in row.attributes]
    return item


def _field(change: Change, settings: MarketoSettings) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": change.field_id, "name": change.name}
    for member, value in (("newValue", change.new), ("oldValue", change.old)):
        if value is not None or settings.cleared_value is ClearedValue.NULL:
            shown[member] = value
        elif settings.cleared_value is ClearedValue.EMPTY:
            shown[member] = ""
    return shown


def activity_item(row: Activity, settings: MarketoSettings) -> dict[str, Any]:
    """
    Any row as Get Lead Activities shows it: changes name the field by id and display name.

    Source: activities.md, Get Lead Activities.
    """
    item = _head(row, settings) | _primary(row)
    attributes = [*_change_attributes(row), *row.attributes]
    item["attributes"] = [_attribute(name, value) for name, value in attributes]
    for shown, api_name in zip(item["attributes"], row.api_names, strict=False):
        shown["apiName"] = api_name
    return item


def _change_attributes(row: Activity) -> list[tuple[str, object]]:
    if row.change is None:
        return []
    old, new = row.change.old, row.change.new
    # Source: activities.md: empty attributes are omitted.
    attributes: list[tuple[str, object]] = [
        (name, value) for name, value in (("New Value", new), ("Old Value", old)) if value is not None
    ]
    if row.type_id == CHANGE_SCORE:
        attributes.insert(0, ("Change Value", f"{int(new or 0) - int(old or 0):+d}"))
    return attributes


def _head(row: Activity, settings: MarketoSettings) -> dict[str, Any]:
    moment = datetime.fromtimestamp(row.at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
    item: dict[str, Any] = {
        "marketoGUID": str(row.number),
        "leadId": row.lead_id,
        "activityDate": f"{moment}{settings.activity_date_suffix}",
        "activityTypeId": row.type_id,
    }
    # Source: activities.md: `id` may be missing and is not unique, marketoGUID replaces it.
    missing = row.number % 5 == 0 if settings.activity_ids is ActivityIds.SOMETIMES else False
    if settings.activity_ids is not ActivityIds.ABSENT and not missing:
        item["id"] = row.number
    return item


def _primary(row: Activity) -> dict[str, Any]:
    primary = {"primaryAttributeValueId": row.primary_id, "primaryAttributeValue": row.primary_value}
    return {name: value for name, value in primary.items() if value is not None}


def _attribute(name: str, value: object) -> dict[str, Any]:
    return {"name": name, "value": value}
