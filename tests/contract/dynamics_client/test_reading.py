"""Reading rows and pages: what is sent, and what is made of every form of answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from include.dynamics import DynamicsClient, DynamicsSettings, SchemaChanged
from include.errors import ConfigError, ContractViolation
from tests.contract.dynamics_client.scripted import (
    API,
    ScriptedOrganization,
    batch_answer,
    each_part,
    ok,
    page,
    refusal,
    sent_parts,
)

if TYPE_CHECKING:
    from tests.contract.dynamics_client.conftest import Stage


def guid(number: int) -> str:
    """Return a GUID with a number in it."""
    return f"6b1c0000-0000-4000-8000-{number:012x}"


def row(number: int, **columns: Any) -> dict[str, Any]:
    """Return a contact as the server sends it."""
    return {"@odata.etag": f'W/"{number}"', "contactid": guid(number), **columns}


def test_reading_sends_the_headers_every_request_should_have(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Version, accepted form, cache switch and ids for tracing go with a read."""
    organization.answers(page([]))

    client.rows_by_id("contact", [guid(1)], ["jobtitle"])

    headers = organization.calls[0].headers
    assert headers["odata-version"] == headers["odata-maxversion"] == "4.0"
    assert headers["accept"] == "application/json"
    assert headers["if-none-match"] == "null"
    assert headers["authorization"].startswith("Bearer ")
    assert len(headers["x-ms-client-request-id"]) == len(headers["x-ms-correlation-id"]) == 36
    assert headers["prefer"] == "odata.maxpagesize=5000"


def test_rows_by_id_asks_fifty_ids_in_one_plain_call(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """One chunk is one GET; ids go unquoted, once each, in lower case."""
    organization.answers(page([row(7, jobtitle="CEO")]))

    rows = client.rows_by_id("contact", [guid(n) for n in range(50)] + [guid(7).upper()], ["jobtitle"])

    assert rows == [row(7, jobtitle="CEO")]
    assert [call.method for call in organization.calls] == ["GET"]
    query = dict(organization.calls[0].query)
    assert query["$select"] == "contactid,jobtitle"
    assert query["$filter"].split(" or ") == [f"contactid eq {guid(n)}" for n in range(50)]


def test_rows_by_id_asks_more_ids_in_one_batch(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """120 ids are three queries in one call; a part with more pages is followed to its end."""
    organization.answers(
        lambda call: batch_answer(
            [
                page([row(1)], next=f"https://{call.headers['host']}{API}contacts?$skiptoken=x"),
                page([row(51)]),
                page([]),
            ]
        ),
        page([row(2)]),
    )

    rows = client.rows_by_id("contact", [guid(n) for n in range(120)], [])

    assert sorted(r["contactid"] for r in rows) == [guid(1), guid(2), guid(51)]
    parts = sent_parts(organization.calls[0])
    assert [part.path.count("%20eq%20") for part in parts] == [50, 50, 20]
    assert {part.method for part in parts} == {"GET"}
    assert parts[0].headers["prefer"] == organization.calls[1].headers["prefer"] == "odata.maxpagesize=5000"
    assert client.calls == 2


def test_rows_by_id_asks_throttled_queries_of_a_batch_again(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Only the throttled part goes out a second time, after the advised wait."""
    organization.answers(
        batch_answer([page([row(1)]), refusal(429, "0x80072322", Retry_After="9")]), batch_answer([page([row(51)])])
    )

    rows = client.rows_by_id("contact", [guid(n) for n in range(60)], [])

    assert [r["contactid"] for r in rows] == [guid(1), guid(51)]
    assert len(sent_parts(organization.calls[1])) == 1
    assert stage.time.sleeps[0] >= 9


def test_rows_by_id_raises_what_a_query_in_a_batch_met(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """An error of a part is an error of the call."""
    organization.answers(each_part(lambda _: refusal(400, "0x80060888", "Could not find a property named 'x'")))

    with pytest.raises(SchemaChanged):
        client.rows_by_id("contact", [guid(n) for n in range(60)], ["x"])


def test_rows_by_id_sends_nothing_for_no_ids(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """No question, no call, not even for a token."""
    assert client.rows_by_id("contact", [], ["jobtitle"]) == []
    assert client.rows_by_value("contact", "emailaddress1", ["", "  "], []) == []
    assert organization.calls == []


def test_rows_by_value_escapes_values_and_asks_each_once(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Quotes are doubled, plus signs encoded, and values that differ by case only are one question."""
    organization.answers(page([]))

    client.rows_by_value(
        "lead", "emailaddress1", ["o'hara+x@example.com", "O'HARA+X@example.com", "ñ&#@example.com"], []
    )

    target = organization.calls[0].target
    assert "+" not in target.partition("?")[2]
    assert unquote(target).endswith(
        "$filter=emailaddress1 eq 'O''HARA+X@example.com' or emailaddress1 eq 'ñ&#@example.com'"
    )


def test_rows_come_with_ids_in_one_form_whatever_the_server_writes(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Key and lookups are normalised; text that happens to be a GUID is left alone."""
    organization.answers(
        page(
            [{"contactid": "{" + guid(1).upper() + "}", "_ownerid_value": guid(2).upper(), "nickname": guid(3).upper()}]
        )
    )

    assert client.rows_by_id("contact", [guid(1)], []) == [
        {"contactid": guid(1), "_ownerid_value": guid(2), "nickname": guid(3).upper()}
    ]


@pytest.mark.parametrize("absolute", [True, False])
def test_next_links_are_called_exactly_as_received(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization, *, absolute: bool
) -> None:
    """The opaque cookie reaches the server byte for byte, with the page size, also over an empty page."""
    cookie = "%3Ccookie%20pagenumber=%222%22%20pagingcookie=%253c%2521%257e%20/%3E"
    path = f"{API}contacts?$select=contactid&$skiptoken={cookie}"
    root = stage.connection["host"] if absolute else ""
    organization.answers(page([row(1)], next=f"{root}{path}"), page([], next=f"{root}{path}3"), page([row(2)]))

    pages = list(
        client.rows_modified_between(
            "contact", ["jobtitle"], datetime(2026, 1, 5, tzinfo=UTC), datetime(2026, 1, 6, tzinfo=UTC)
        )
    )

    assert [[r["contactid"] for r in rows] for rows in pages] == [[guid(1)], [], [guid(2)]]
    assert organization.calls[1].target == path
    assert [call.headers["prefer"] for call in organization.calls] == ["odata.maxpagesize=5000"] * 3
    query = dict(organization.calls[0].query)
    assert query["$filter"] == "modifiedon ge 2026-01-05T00:00:00Z and modifiedon lt 2026-01-06T00:00:00Z"
    assert query["$orderby"] == "modifiedon asc,contactid asc"


def test_pages_that_go_round_in_a_circle_are_noticed(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A link that comes back would be followed for ever."""
    circle = f"{API}contacts?$skiptoken=1"
    organization.answers(*[page([], next=circle)] * 3)

    with pytest.raises(ContractViolation, match="circle"):
        client.rows_by_id("contact", [guid(1)], [])


def test_links_in_clear_are_not_followed(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """The access token is never sent over plain HTTP, even when the server asks for it (S-44)."""
    organization.answers(page([], next="http://localhost/api/data/v9.2/contacts?$skiptoken=1"))

    with pytest.raises(ContractViolation, match="https"):
        client.rows_by_id("contact", [guid(1)], [])


def test_annotations_are_asked_for_when_wanted(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """The target table of a lookup is told by an annotation only."""
    organization.answers(page([]))

    client.rows_by_id("contact", [guid(1)], ["_parentcustomerid_value"], annotations=True)

    assert "Microsoft.Dynamics.CRM.lookuplogicalname" in organization.calls[0].headers["prefer"]


def test_entity_sets_of_other_tables_are_asked_for_once(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A custom table's plural is the server's affair."""
    definition = {"LogicalName": "new_box", "EntitySetName": "new_boxen", "PrimaryIdAttribute": "new_boxid"}
    organization.answers(ok(definition), page([]), page([]))

    client.rows_by_id("new_box", [guid(1)], [])
    client.rows_by_id("new_box", [guid(2)], [])

    assert organization.calls[0].path == f"{API}EntityDefinitions(LogicalName='new_box')"
    assert organization.calls[1].path == organization.calls[2].path == f"{API}new_boxen"


def test_an_absent_table_is_a_wrong_setting(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """An organisation without Sales has no leads; the message says so."""
    organization.answers(refusal(404, "0x80060888", "Could not find entity 'lead'"))

    with pytest.raises(ConfigError, match="lead"):
        client.table("lead")


def test_columns_read_the_details_of_the_types_that_occur(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """One call for all columns and one per type; a type whose details are refused stays without, the rest goes on.

    Choices are asked for with their shared lists first, and without them where that is refused.
    """

    def attribute(name: str, kind: str) -> dict[str, Any]:
        return {"LogicalName": name, "AttributeTypeName": {"Value": f"{kind}Type"}, "MetadataId": guid(len(name))}

    organization.answers(
        page([attribute("jobtitle", "String"), attribute("gendercode", "Picklist"), attribute("ownerid", "Owner")]),
        page([{"LogicalName": "ownerid", "Targets": ["systemuser"]}, {"LogicalName": "unheard_of", "Targets": []}]),
        refusal(400, "0x80060888", "no such expansion"),
        refusal(404, "", "no such cast"),
        page([{"LogicalName": "jobtitle", "MaxLength": 100}]),
    )

    columns = {column.name: column for column in client.columns("contact")}

    assert columns["jobtitle"].max_length == 100
    assert columns["gendercode"].options == ()
    assert columns["ownerid"].targets == ("systemuser",)
    paths = [call.path.rpartition("/")[2] for call in organization.calls]
    assert paths == [
        "Attributes",
        "Microsoft.Dynamics.CRM.LookupAttributeMetadata",
        *["Microsoft.Dynamics.CRM.PicklistAttributeMetadata"] * 2,
        "Microsoft.Dynamics.CRM.StringAttributeMetadata",
    ]


def test_columns_without_the_base_collection_are_an_error(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A partial schema would drop fields in silence."""
    organization.answers(refusal(403, "0x80040220", "is missing prvReadEntity privilege"))

    with pytest.raises(ConfigError, match="prvReadEntity"):
        client.columns("contact")


def test_privileges_keep_the_widest_depth(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """Two roles grant one privilege at two depths: the wider counts, whether named or numbered."""
    organization.answers(
        ok(
            {
                "RolePrivileges": [
                    {"PrivilegeName": "prvReadContact", "Depth": "Global"},
                    {"PrivilegeName": "prvReadContact", "Depth": "Basic"},
                    {"PrivilegeName": "prvReadLead", "Depth": 1},
                ]
            }
        )
    )

    assert client.privileges(guid(1)) == {"prvReadContact": "Global", "prvReadLead": "Local"}
    assert organization.calls[0].path.endswith(
        f"systemusers({guid(1)})/Microsoft.Dynamics.CRM.RetrieveUserPrivileges()"
    )


def test_privileges_without_names_are_joined_by_id(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """Older builds tell only the id of a privilege."""
    organization.answers(
        ok({"RolePrivileges": [{"PrivilegeId": guid(9).upper(), "Depth": "Global"}]}),
        page([{"privilegeid": guid(9), "name": "prvReadContact"}]),
    )

    assert client.privileges(guid(1)) == {"prvReadContact": "Global"}


@pytest.mark.parametrize("status", [403, 404, 501])
def test_rights_that_are_not_told_are_none(
    client: DynamicsClient, organization: ScriptedOrganization, status: int
) -> None:
    """Not knowing differs from having no rights; the caller then takes secured columns for unreadable."""
    organization.answers(refusal(status, "", "no"), refusal(status, "", "no"))

    assert client.column_privileges(guid(1)) is None
    assert client.privileges(guid(1)) is None


def test_column_privileges_are_keyed_by_the_columns_metadata_id(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """4 allows, 0 does not."""
    organization.answers(
        ok({"AttributePrivileges": [{"AttributeId": guid(5).upper(), "CanRead": 4, "CanCreate": 0, "CanUpdate": 0}]})
    )

    privileges = client.column_privileges(guid(1))

    assert privileges is not None
    assert (privileges[guid(5)].read, privileges[guid(5)].create, privileges[guid(5)].update) == (True, False, False)


def test_organization_without_the_right_to_read_it_is_unknown(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Name and expiry are good to know, not needed."""
    organization.answers(refusal(403, "0x80040220", "missing prvReadOrganization"))

    assert client.organization().name is None


def test_page_size_follows_the_settings(stage: Stage, organization: ScriptedOrganization) -> None:
    """A smaller page is a setting."""
    organization.answers(page([]))
    with stage.client(DynamicsSettings(page_size=250)) as client:
        client.rows_by_id("contact", [guid(1)], [])

    assert organization.calls[0].headers["prefer"] == "odata.maxpagesize=250"
