"""Which endpoint answers which address, and the permission it takes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from include.sandbox.marketo.endpoints import (
    activity_types,
    bulk_lead_extract,
    custom_activities,
    describing,
    feeds,
    reading,
    removing,
    schema,
    usage,
    writing,
)
from include.sandbox.marketo.errors import ApiError, GapError
from include.sandbox.marketo.gaps import find_gap
from include.sandbox.marketo.settings import Permission

if TYPE_CHECKING:
    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.world import MarketoWorld
    from include.sandbox.server import Reply

__all__ = ["ROUTES", "Route", "find_route", "takes_method_override"]

Endpoint = Callable[["MarketoWorld", "ApiCall"], "Answer | Reply"]

_READ_LEAD: Final = frozenset({Permission.READ_LEAD, Permission.WRITE_LEAD})
_WRITE_LEAD: Final = frozenset({Permission.WRITE_LEAD})
_READ_ACTIVITY: Final = frozenset({Permission.READ_ACTIVITY, Permission.WRITE_ACTIVITY})
_WRITE_ACTIVITY: Final = frozenset({Permission.WRITE_ACTIVITY})
_READ_METADATA: Final = frozenset({Permission.READ_ACTIVITY_METADATA, Permission.WRITE_ACTIVITY_METADATA})
_WRITE_METADATA: Final = frozenset({Permission.WRITE_ACTIVITY_METADATA})
_READ_SCHEMA: Final = frozenset({Permission.SCHEMA_STANDARD, Permission.SCHEMA_CUSTOM})
_WRITE_SCHEMA: Final = frozenset({Permission.SCHEMA_CUSTOM})
_ANYBODY: Final[frozenset[Permission]] = frozenset()


@dataclass(frozen=True, slots=True)
class Route:
    """An address, the endpoint behind it, and the permissions of which one is needed (none: anybody may call)."""

    method: str
    path: str
    endpoint: Endpoint
    needs: frozenset[Permission]

    def match(self, path: str) -> dict[str, str] | None:
        """Return the variable parts of the path, None when it is another address."""
        found = _pattern(self.path).fullmatch(path)
        return None if found is None else found.groupdict()


_PATTERNS: Final[dict[str, re.Pattern[str]]] = {}


def _pattern(path: str) -> re.Pattern[str]:
    if path not in _PATTERNS:
        text = re.escape(path).replace(r"\{id\}", r"(?P<id>\d+)")
        text = text.replace(r"\{name\}", r"(?P<name>\w+)").replace(r"\{api_name\}", r"(?P<api_name>\w+)")
        text = text.replace(r"\{export_id\}", r"(?P<export_id>[\w-]+)")
        _PATTERNS[path] = re.compile(text)
    return _PATTERNS[path]


_TYPE: Final = "/rest/v1/activities/external/type/{api_name}"
_EXPORT: Final = "/bulk/v1/leads/export/{export_id}"

ROUTES: Final = (
    Route("GET", "/rest/v1/leads/describe.json", describing.describe, _READ_LEAD),
    Route("GET", "/rest/v1/leads/describe2.json", describing.describe2, _READ_LEAD),
    Route("GET", "/rest/v1/leads/schema/fields.json", schema.list_fields, _READ_SCHEMA),
    Route("POST", "/rest/v1/leads/schema/fields.json", schema.create_fields, _WRITE_SCHEMA),
    Route("GET", "/rest/v1/leads/schema/fields/{name}.json", schema.get_field, _READ_SCHEMA),
    Route("POST", "/rest/v1/leads/schema/fields/{name}.json", schema.update_field, _WRITE_SCHEMA),
    Route("GET", "/rest/v1/lead/{id}.json", reading.get_lead, _READ_LEAD),
    Route("GET", "/rest/v1/leads.json", reading.get_leads, _READ_LEAD),
    Route("POST", "/rest/v1/leads.json", writing.sync_leads, _WRITE_LEAD),
    # Source: the public client marketorestpython deletes this way.
    Route("DELETE", "/rest/v1/leads.json", removing.delete_leads, _WRITE_LEAD),
    Route("POST", "/rest/v1/leads/delete.json", removing.delete_leads, _WRITE_LEAD),
    Route("POST", "/rest/v1/leads/{id}/merge.json", removing.merge_leads, _WRITE_LEAD),
    Route("GET", "/rest/v1/leads/partitions.json", removing.list_partitions, _READ_LEAD),
    Route("POST", "/rest/v1/leads/partitions.json", removing.update_partitions, _WRITE_LEAD),
    Route("GET", "/rest/v1/activities/pagingtoken.json", feeds.get_paging_token, _READ_ACTIVITY),
    Route("GET", "/rest/v1/activities/leadchanges.json", feeds.get_lead_changes, _READ_ACTIVITY),
    Route("GET", "/rest/v1/activities/deletedleads.json", feeds.get_deleted_leads, _READ_ACTIVITY),
    Route("GET", "/rest/v1/activities.json", feeds.get_activities, _READ_ACTIVITY),
    Route("GET", "/rest/v1/activities/types.json", activity_types.list_types, _READ_ACTIVITY),
    Route("GET", "/rest/v1/activities/external/types.json", activity_types.list_custom_types, _READ_METADATA),
    Route("POST", "/rest/v1/activities/external/type.json", activity_types.create_type, _WRITE_METADATA),
    Route("POST", f"{_TYPE}.json", activity_types.update_type, _WRITE_METADATA),
    Route("GET", f"{_TYPE}/describe.json", activity_types.describe_type, _READ_METADATA),
    Route("POST", f"{_TYPE}/approve.json", activity_types.approve_type, _WRITE_METADATA),
    Route("POST", f"{_TYPE}/discardDraft.json", activity_types.discard_draft, _WRITE_METADATA),
    Route("POST", f"{_TYPE}/delete.json", activity_types.delete_type, _WRITE_METADATA),
    Route("POST", f"{_TYPE}/attributes/create.json", activity_types.create_attributes, _WRITE_METADATA),
    Route("POST", f"{_TYPE}/attributes/update.json", activity_types.update_attributes, _WRITE_METADATA),
    Route("POST", f"{_TYPE}/attributes/delete.json", activity_types.delete_attributes, _WRITE_METADATA),
    Route("POST", "/rest/v1/activities/external.json", custom_activities.add_custom_activities, _WRITE_ACTIVITY),
    Route("GET", "/bulk/v1/leads/export.json", bulk_lead_extract.list_jobs, _READ_LEAD),
    Route("POST", "/bulk/v1/leads/export/create.json", bulk_lead_extract.create_job, _READ_LEAD),
    Route("POST", f"{_EXPORT}/enqueue.json", bulk_lead_extract.enqueue_job, _READ_LEAD),
    Route("GET", f"{_EXPORT}/status.json", bulk_lead_extract.get_status, _READ_LEAD),
    Route("GET", f"{_EXPORT}/file.json", bulk_lead_extract.get_file, _READ_LEAD),
    Route("POST", f"{_EXPORT}/cancel.json", bulk_lead_extract.cancel_job, _READ_LEAD),
    Route("GET", "/rest/v1/stats/usage.json", usage.usage_today, _ANYBODY),
    Route("GET", "/rest/v1/stats/usage/last7days.json", usage.usage_last_week, _ANYBODY),
    Route("GET", "/rest/v1/stats/errors.json", usage.errors_today, _ANYBODY),
    Route("GET", "/rest/v1/stats/errors/last7days.json", usage.errors_last_week, _ANYBODY),
)

# [ND] which addresses take `_method=GET`; the documentation speaks of lead-database queries.
_OVERRIDDEN: Final = re.compile(r"/rest/v1/(leads|activities|activities/(leadchanges|deletedleads))\.json")


def takes_method_override(path: str) -> bool:
    """Whether `POST … _method=GET` is understood at this address. Source: rest-api.md."""
    return _OVERRIDDEN.fullmatch(path) is not None


def find_route(method: str, path: str) -> tuple[Route, dict[str, str]]:
    """
    Return the route of an address and the variable parts of its path.

    Raises ApiError 605 when only the method is wrong, GapError for what the sandbox does not build, 610 otherwise.
    """
    known = False
    for route in ROUTES:
        found = route.match(path)
        if found is not None and route.method == method:
            return route, found
        known = known or found is not None
    gap = None if known else find_gap(method, path)
    if gap is not None:
        raise GapError(gap)
    raise ApiError("605" if known else "610")
