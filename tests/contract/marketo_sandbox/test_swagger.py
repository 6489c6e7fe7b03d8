"""Every answer of the Marketo sandbox against the vendor's Swagger file, where that file is at hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
import requests

from include.sandbox.marketo.gaps import find_gap
from include.sandbox.marketo.router import ROUTES

from .swagger import DEVIATIONS, Swagger, swagger_file

if TYPE_CHECKING:
    from include.sandbox import Sandbox

pytestmark = pytest.mark.skipif(not swagger_file().is_file(), reason="the vendor's Swagger file is not at hand")

_SINCE = "2020-01-01T00:00:00Z"
# Built although the file does not have it: a public client deletes this way.
_NOT_IN_THE_FILE = {("DELETE", "/rest/v1/leads.json")}
_FILE = ("GET", "/bulk/v1/leads/export/{}/file.json")  # answers a file, not an envelope


@pytest.fixture
def swagger() -> Swagger:
    """Return the vendor's file with our deviations."""
    return Swagger(swagger_file())


class _Caller:
    """Calls the sandbox and keeps every answer with the address it came from."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._url, self._session = sandbox.marketo_url, requests.Session()
        self._session.trust_env = False
        self._session.verify = sandbox.ca_bundle
        self.answers: list[tuple[str, str, Any]] = []
        credentials = sandbox.credentials
        self._session.headers["Authorization"] = (
            "Bearer "
            + self._session.get(
                f"{self._url}/identity/oauth/token",
                params={
                    "grant_type": "client_credentials",
                    "client_id": credentials.marketo_client_id,
                    "client_secret": credentials.marketo_client_secret,
                },
            ).json()["access_token"]
        )

    def call(self, method: str, template: str, body: Any = None, *, path: str = "", **params: Any) -> Any:
        """Send one call; `path` is the address where it differs from the template."""
        query = f"?{urlencode(params)}" if params else ""
        response = self._session.request(method, f"{self._url}{path or template}{query}", json=body, timeout=10)
        assert response.status_code == 200, response.text
        self.answers.append((method, template, response.json()))
        return response.json()


def _use_everything(sandbox: Sandbox, caller: _Caller) -> None:
    _leads(caller)
    _schema(caller)
    _feeds(sandbox, caller)
    _custom_activities(sandbox, caller)
    for name in ("usage", "usage/last7days", "errors", "errors/last7days"):
        caller.call("GET", f"/rest/v1/stats/{name}.json")
    _bulk_lead_extract(sandbox, caller)


def _bulk_lead_extract(sandbox: Sandbox, caller: _Caller) -> None:
    bulk = "/bulk/v1/leads/export"
    span = {"startAt": "2026-01-01T00:00:00Z", "endAt": "2026-01-31T00:00:00Z"}
    wish = {"fields": ["id", "email"], "format": "CSV", "filter": {"createdAt": span}}
    for outcome in ("done", "failed", "canceled"):
        number = caller.call("POST", f"{bulk}/create.json", wish)["result"][0]["exportId"]
        job = f"{bulk}/{{exportId}}"
        if outcome == "failed":
            sandbox.faults.add("marketo", "bulk_failed")
        caller.call("POST", f"{job}/enqueue.json", path=f"{bulk}/{number}/enqueue.json")
        caller.call("POST", f"{job}/enqueue.json", path=f"{bulk}/{number}/enqueue.json")
        if outcome == "canceled":
            caller.call("POST", f"{job}/cancel.json", path=f"{bulk}/{number}/cancel.json")
        sandbox.clock.advance(61)
        caller.call("GET", f"{job}/status.json", path=f"{bulk}/{number}/status.json")
    caller.call("GET", f"{bulk}.json", batchSize=2)


def _leads(caller: _Caller) -> None:
    leads = "/rest/v1/leads.json"
    people = [{"email": f"{name}@x.example", "leadScore": 4} for name in "abc"]
    made = caller.call("POST", leads, {"input": [*people, {"email": None}, {"nothing": 1}]})["result"]
    ids = [one["id"] for one in made[:3]]
    caller.call("GET", leads, filterType="email", filterValues="a@x.example", fields="firstName,leadScore,company")
    caller.call("GET", leads, filterType="firstName", filterValues="x")
    caller.call("GET", "/rest/v1/lead/{leadId}.json", path=f"/rest/v1/lead/{ids[0]}.json")
    caller.call("GET", "/rest/v1/leads/describe.json")
    caller.call("GET", "/rest/v1/leads/describe2.json")
    caller.call("GET", "/rest/v1/leads/partitions.json")
    move = {"input": [{"id": ids[0], "partitionName": "Default"}, {"id": 99, "partitionName": "Default"}]}
    caller.call("POST", "/rest/v1/leads/partitions.json", move)
    merge = "/rest/v1/leads/{leadId}/merge.json"
    caller.call("POST", merge, path=f"/rest/v1/leads/{ids[0]}/merge.json", leadIds=ids[1])
    caller.call("POST", merge, path=f"/rest/v1/leads/{ids[0]}/merge.json", leadIds=ids[1])
    caller.call("POST", "/rest/v1/leads/delete.json", {"input": [{"id": ids[2]}, {"id": 99}]})


def _schema(caller: _Caller) -> None:
    fields, field = "/rest/v1/leads/schema/fields.json", "/rest/v1/leads/schema/fields/{fieldApiName}.json"
    new = {"displayName": "Dynamics Id", "name": "dynamicsId", "dataType": "string"}
    caller.call("POST", fields, {"input": [new, new]})
    caller.call("GET", fields)
    path = field.replace("{fieldApiName}", "dynamicsId")
    caller.call("GET", field, path=path)
    caller.call("POST", field, {"input": [{"description": "key"}]}, path=path)


def _feeds(sandbox: Sandbox, caller: _Caller) -> None:
    lead_id = sandbox.marketo.create({"lastName": "X", "city": "Oslo"})
    for _ in range(3):
        sandbox.marketo.edit(lead_id, {"title": "CTO", "leadScore": 3, "unsubscribed": True, "city": None})
        sandbox.marketo.edit(lead_id, {"title": None, "leadScore": 9, "unsubscribed": False, "city": "Oslo"})
    feeds = "/rest/v1/activities"
    token = caller.call("GET", f"{feeds}/pagingtoken.json", sinceDatetime=_SINCE)["nextPageToken"]
    caller.call("GET", f"{feeds}/leadchanges.json", nextPageToken=token, fields="title,city,unsubscribed")
    caller.call("GET", f"{feeds}.json", nextPageToken=token, activityTypeIds="12,13,22,32")
    caller.call("GET", f"{feeds}/deletedleads.json", nextPageToken=token)
    caller.call("GET", f"{feeds}/types.json")


def _custom_activities(sandbox: Sandbox, caller: _Caller) -> None:
    base, one = "/rest/v1/activities/external", "/rest/v1/activities/external/type/{apiName}"
    body = {"apiName": "t1", "name": "T 1", "triggerName": "T 1 tr", "filterName": "T 1 fi"}
    body |= {"primaryAttribute": {"apiName": "p", "name": "P"}}
    [made] = caller.call("POST", f"{base}/type.json", body)["result"]
    attribute = {"attributes": [{"apiName": "a", "name": "A", "dataType": "string"}]}
    for step, content in (
        ("/attributes/create", attribute),
        ("/attributes/update", {"attributes": [{"apiName": "a", "name": "B"}]}),
        ("/approve", None),
        ("/attributes/delete", {"attributes": [{"apiName": "a"}]}),
        ("/discardDraft", None),
        ("", {"description": "more"}),
        ("/approve", None),
    ):
        caller.call("POST", f"{one}{step}.json", content, path=f"{base}/type/t1{step}.json")
    caller.call("GET", f"{one}/describe.json", path=f"{base}/type/t1/describe.json", draft="true")
    caller.call("GET", f"{base}/types.json")
    record = {"leadId": sandbox.marketo.create({"lastName": "X"}), "activityDate": _SINCE, "activityTypeId": made["id"]}
    record |= {"primaryAttributeValue": "x", "attributes": [{"apiName": "a", "value": "y"}]}
    caller.call("POST", f"{base}.json", {"input": [record, record | {"leadId": 99}]})
    unused = body | {"apiName": "t2", "name": "T 2"}
    caller.call("POST", f"{base}/type.json", unused)
    caller.call("POST", f"{one}/delete.json", path=f"{base}/type/t2/delete.json")


def test_every_answer_fits_the_vendors_file(sandbox: Sandbox, swagger: Swagger) -> None:
    """Each built address is called, in good and in bad ways, and nothing but the listed deviations differs."""
    caller = _Caller(sandbox)
    _use_everything(sandbox, caller)
    violations = [
        f"{method} {template} {violation}"
        for method, template, answer in caller.answers
        for violation in swagger.violations(method, template, answer)
    ]
    called = {(method, re.sub(r"\{\w+\}", "{}", template)) for method, template, _ in caller.answers}
    built = {(route.method, re.sub(r"\{\w+\}", "{}", route.path)) for route in ROUTES} - _NOT_IN_THE_FILE

    assert violations == []
    assert called == built - {_FILE}


def test_every_address_of_the_file_is_built_or_a_gap(swagger: Swagger) -> None:
    """Nothing the vendor offers is mistaken for an unknown address."""
    unknown = []
    for method, template in swagger.templates():
        path = re.sub(r"\{\w+\}", "1", template)
        built = any(route.method == method and route.match(path) is not None for route in ROUTES)
        if not built and find_gap(method, path) is None:
            unknown.append(f"{method} {template}")

    assert unknown == []


def test_each_deviation_is_needed(sandbox: Sandbox) -> None:
    """Without any one of the listed deviations some answer would not fit: the list holds nothing that is not true."""
    caller = _Caller(sandbox)
    _use_everything(sandbox, caller)
    needless = []
    for deviation in DEVIATIONS:
        stricter = Swagger(swagger_file(), [one for one in DEVIATIONS if one is not deviation])
        if not any(stricter.violations(*answer) for answer in caller.answers):
            needless.append(deviation)

    assert needless == []
