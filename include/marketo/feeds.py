"""The three change feeds: lead changes, activities by type, deleted leads. Source: activities, paging-tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import ContractViolation
from include.marketo import operations
from include.marketo.dates import format_datetime, parse_datetime
from include.marketo.paging import PAGE_SIZE, StandstillGuard, has_more
from include.marketo.reading import as_int, as_list, as_text, require_int, require_objects
from include.marketo.values import Activity, ActivityType, FeedPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from include.marketo.api import MarketoApi
    from include.marketo.envelope import Envelope
    from include.marketo.operations import Operation

MOST_TYPES = 10


def fetch_paging_token(api: MarketoApi, since: datetime) -> str:
    """Return the token with which a feed starts after `since` (aware). Good for all three feeds."""
    envelope = api.read(operations.PAGING_TOKEN, [("sinceDatetime", format_datetime(since))])
    if envelope.next_page_token is None:
        raise ContractViolation("marketo paging_token: no token in the answer.", request_id=envelope.request_id)
    return envelope.next_page_token


def lead_changes(api: MarketoApi, token: str, fields: Sequence[str]) -> Iterator[FeedPage]:
    """
    Yield pages of new leads (type 12) and of changes to the given fields (type 13).

    Changes to other fields, which the server sometimes lets through, are left out.
    """
    wanted = frozenset(fields)
    params = [("fields", ",".join(fields))]
    return _iterate_feed(api, operations.LEAD_CHANGES, token, params, lambda item: _narrow(item, wanted))


def activities(api: MarketoApi, token: str, type_ids: Sequence[int]) -> Iterator[FeedPage]:
    """Yield pages of the activities of up to ten types. ValueError for none or more."""
    if not 1 <= len(type_ids) <= MOST_TYPES:
        raise ValueError(f"between 1 and {MOST_TYPES} activity types per call, not {len(type_ids)}")
    params = [("activityTypeIds", ",".join(str(type_id) for type_id in type_ids))]
    return _iterate_feed(api, operations.ACTIVITIES, token, params)


def deleted_leads(api: MarketoApi, token: str) -> Iterator[FeedPage]:
    """Yield pages of deletions (type 37). Marketo keeps them for 14 days."""
    return _iterate_feed(api, operations.DELETED_LEADS, token, [])


def _iterate_feed(
    api: MarketoApi,
    operation: Operation,
    token: str,
    params: list[tuple[str, str]],
    narrow: Callable[[Activity], Activity | None] = lambda item: item,
) -> Iterator[FeedPage]:
    guard = StandstillGuard(operation)
    more = True
    while more:
        envelope = api.read(operation, [("nextPageToken", token), *params, ("batchSize", str(PAGE_SIZE))])
        more = has_more(envelope)
        # Always present by the documentation; where it is missing, the same place is simply read again next time.
        token = envelope.next_page_token or token
        if more:
            guard.check(token, envelope.request_id)
        items = (narrow(activity) for activity in _parse_page(envelope, operation))
        yield FeedPage(tuple(item for item in items if item is not None), token, more)


def _narrow(activity: Activity, wanted: frozenset[str]) -> Activity | None:
    if activity.kind is not ActivityType.CHANGE_VALUE or not activity.fields:
        return activity
    names = tuple(name for name in activity.fields if name in wanted)
    if not names:
        return None
    return Activity(activity.guid, activity.lead_id, activity.type_id, activity.at, names, activity.attributes)


def _parse_page(envelope: Envelope, operation: Operation) -> list[Activity]:
    items = require_objects(envelope.result, operation.label, envelope.request_id)
    return [parse_activity(item, operation.label, envelope.request_id) for item in items]


def parse_activity(item: dict[str, Any], label: str, request_id: str) -> Activity:
    """
    Return one feed entry. ContractViolation when it lacks its key, lead, type or time.

    `marketoGUID` is the key; `id`, which may be missing and is not unique, takes its place only in old answers without
    it.
    """
    guid = as_text(item.get("marketoGUID")) or as_text(item.get("id"))
    if not guid:
        raise ContractViolation(f"{label}: an activity has neither 'marketoGUID' nor 'id'.", request_id=request_id)
    return Activity(
        guid=guid,
        lead_id=require_int(item.get("leadId"), label, "leadId", request_id),
        type_id=require_int(item.get("activityTypeId"), label, "activityTypeId", request_id),
        at=parse_datetime(as_text(item.get("activityDate"))),
        fields=_field_names(item.get("fields")),
        attributes=_attributes(item.get("attributes")),
        primary_value=as_text(item.get("primaryAttributeValue")) or None,
        primary_value_id=as_int(item.get("primaryAttributeValueId")),
    )


def _field_names(value: Any) -> tuple[str, ...]:
    return tuple(as_text(field["name"]) for field in as_list(value) if isinstance(field, dict) and field.get("name"))


def _attributes(value: Any) -> dict[str, Any]:
    """Return the attributes by lower-case name, from an array of name and value or from an object."""
    if isinstance(value, dict):
        return {name.lower(): member for name, member in value.items()}
    pairs = [item for item in as_list(value) if isinstance(item, dict)]
    return {as_text(item.get("name") or item.get("apiName")).lower(): item.get("value") for item in pairs}
