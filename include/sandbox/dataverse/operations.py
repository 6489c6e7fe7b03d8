"""
One operation of the Web API, alone or as a part of a batch: address and method to handler.

Vendor faults that can be ordered here, for the service `dynamics` (see `include.sandbox.faults`):

```text
throttled           429 with `retry_after` (default 1) and `code`
error               any refusal: `status` (default 500), `code`, `message`
stale               412 0x80060882 on a write with If-Match
expired_delta_link  the refusal of an expired delta link, on a request that carries one
interleave          call `action()` first: what somebody else does in the meantime
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.errors import NotBuilt, Refusal
from include.sandbox.dataverse.functions import BoundFunctions, who_am_i
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.headers import check_headers
from include.sandbox.dataverse.limits import throttled
from include.sandbox.dataverse.links import split_resource
from include.sandbox.dataverse.metadata import Metadata
from include.sandbox.dataverse.paths import no_such_method, no_such_resource, segments
from include.sandbox.dataverse.resources import CollectionResource, RowResource
from include.sandbox.dataverse.sales import merge
from include.sandbox.dataverse.schema import KNOWN_ELSEWHERE
from include.sandbox.dataverse.tracking import expired_link
from include.sandbox.server import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.faults import Faults
    from include.sandbox.server import Call

__all__ = ["Operations"]

_SERVICE: Final = "dynamics"
_NO_REFERENCES: Final[Mapping[str, str]] = {}
_METADATA_KINDS: Final = ("RelationshipDefinitions", "GlobalOptionSetDefinitions", "ManagedPropertyDefinitions")
_UNBOUND: Final = (
    "Retrieve",
    "BulkDelete",
    "InitializeFrom",
    "Assign",
    "SetState",
    "ExecuteFetch",
    "GetTime",
    "Formatted",
)


class Operations:
    """Runs operations. Each holds the organisation's lock for as long as it runs."""

    def __init__(self, organization: Organization, faults: Faults) -> None:
        self._organization = organization
        self._faults = faults

    def run(
        self, call: Call, caller: Caller, references: Mapping[str, str] = _NO_REFERENCES, *, batched: bool = False
    ) -> Reply:
        """Return the answer of one operation. Raises Refusal."""
        self.meet_faults(call)
        check_headers(call)
        settings = self._organization.settings
        if len(call.target) > (settings.max_batched_url_length if batched else settings.max_url_length):
            # The web server in front answers this one, so the body is not the service's; its status is not documented.
            return Reply(414, {"Content-Type": "text/html"}, b"<h2>HTTP Error 414. The request URL is too long.</h2>")
        with self._organization.lock:
            return self._dispatch(call, caller, references)

    def _dispatch(self, call: Call, caller: Caller, references: Mapping[str, str]) -> Reply:
        steps = segments(call.path)
        if not steps:
            raise NotBuilt(Gap.CSDL, "service document")
        first = steps[0]
        if first in {"WhoAmI", "WhoAmI()"}:
            if call.method != "GET":
                raise no_such_resource(call.path)
            return who_am_i(self._organization, caller)
        if first == "$metadata":
            raise NotBuilt(Gap.CSDL)
        if first.startswith("EntityDefinitions"):
            return Metadata(self._organization).answer(call, steps)
        if first.startswith(_METADATA_KINDS):
            raise NotBuilt(Gap.METADATA_KIND, first)
        if first == "CreateEntities":
            raise NotBuilt(Gap.METADATA_WRITE)
        if first == "Merge":
            return merge(self._organization, caller, call)
        return self._resource(call, caller, references, steps)

    def _resource(self, call: Call, caller: Caller, references: Mapping[str, str], steps: list[str]) -> Reply:
        name, key = split_resource(steps[0])
        if name in KNOWN_ELSEWHERE:
            raise NotBuilt(Gap.TABLE, name)
        if name.startswith(_UNBOUND):
            raise NotBuilt(Gap.ACTION, name)
        table = self._organization.table_of_set(name)
        if key is None:
            return CollectionResource(self._organization, caller, table, references).answer(call, steps[1:])
        resource = RowResource(self._organization, caller, table, key, references)
        if len(steps) == 1:
            return resource.answer(call)
        if steps[1].startswith("Microsoft.Dynamics.CRM."):
            return BoundFunctions(self._organization, caller, table, resource.existing_id()).answer(call, steps[1])
        if len(steps) == 2:
            return resource.answer_property(call, steps[1])
        if len(steps) == 3 and steps[2] == "$ref":
            return resource.answer_reference(call, steps[1])
        if steps[-1] == "$value":
            raise NotBuilt(Gap.RAW_VALUE)
        raise no_such_method(call.method) if len(steps) == 3 else NotBuilt(Gap.NAVIGATION, call.path)

    def meet_faults(self, call: Call) -> None:
        """Let the faults that were ordered for this operation happen. Raises Refusal."""
        route = call.route
        if (fault := self._faults.take(_SERVICE, "interleave", route)) is not None:
            fault.details["action"]()
        if (fault := self._faults.take(_SERVICE, "throttled", route)) is not None:
            text = "Number of requests exceeded the limit of 6000 over time window of 300 seconds."
            raise throttled(fault.details.get("code", "0x80072322"), text, fault.details.get("retry_after", 1))
        if (fault := self._faults.take(_SERVICE, "error", route)) is not None:
            raise _ordered_refusal(fault.details)
        if call.header("If-Match") is not None and self._faults.take(_SERVICE, "stale", route):
            text = "The version of the existing record doesn't match the RowVersion property provided."
            raise Refusal(412, "0x80060882", text)
        if "$deltatoken" in dict(call.query) and self._faults.take(_SERVICE, "expired_delta_link", route):
            raise expired_link(self._organization)


def _ordered_refusal(details: Mapping[str, Any]) -> Refusal:
    message = str(details.get("message", "An unexpected error occurred."))
    return Refusal(int(details.get("status", 500)), str(details.get("code", "0x80040216")), message)
