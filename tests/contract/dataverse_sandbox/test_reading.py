"""Queries on the wire: options, filters, paging, annotations, conditions."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.contract.dataverse_sandbox.conftest import error_of


@pytest.fixture
def people(sandbox):
    """Return the ids of four contacts, by last name."""
    account = sandbox.dynamics.create("account", {"name": "Contoso"})
    rows = {
        "Alba": {"emailaddress1": "Ana+news@Example.com", "numberofchildren": 2, "birthdate": "1980-04-30"},
        "O'Hara": {"emailaddress1": "kate@example.com", "parentcustomerid": ("account", account), "annualincome": 10.5},
        "Cruz": {"jobtitle": "50% sales", "donotemail": True},
        "Diaz": {"jobtitle": "500 sales", "gendercode": 2},
    }
    return {name: sandbox.dynamics.create("contact", {"lastname": name, **values}) for name, values in rows.items()}


def names(wire, filter_text: str) -> list[str]:
    """Return the last names that a filter finds, in order."""
    answer = wire.get(f"contacts?$select=lastname&$orderby=lastname&$filter={quote(filter_text)}")
    assert answer.status_code == 200, answer.text
    return [row["lastname"] for row in answer.json()["value"]]


@pytest.mark.parametrize(
    ("filter_text", "expected"),
    [
        ("emailaddress1 eq 'ana+NEWS@example.COM'", ["Alba"]),
        ("lastname eq 'O''Hara'", ["O'Hara"]),
        ("jobtitle ne '50% sales'", ["Diaz"]),
        ("not (jobtitle eq '50% sales')", ["Diaz"]),
        ("jobtitle eq null", ["Alba", "O'Hara"]),
        ("jobtitle ne null and donotemail eq true", ["Cruz"]),
        ("contains(jobtitle,'50% s')", ["Cruz", "Diaz"]),
        ("contains(jobtitle,'50[%] s')", ["Cruz"]),
        ("startswith(lastname,'a') or endswith(lastname,'Z')", ["Alba", "Cruz", "Diaz"]),
        ("numberofchildren gt 1 and numberofchildren le 2", ["Alba"]),
        ("birthdate eq 1980-04-30", ["Alba"]),
        ("createdon gt 2020-01-01T00:00:00Z and gendercode eq 2", ["Diaz"]),
        ("createdon lt 2020-01-01", []),
        ("annualincome eq 10.5", ["O'Hara"]),
        ("parentcustomerid_account/name eq 'contoso'", None),
        ("Microsoft.Dynamics.CRM.In(PropertyName='lastname',PropertyValues=['alba','x'])", ["Alba"]),
        ("Microsoft.Dynamics.CRM.In(PropertyName='gendercode',PropertyValues=[\"2\"])", ["Diaz"]),
        ("(lastname eq 'Alba' or lastname eq 'Cruz') and not contains(jobtitle,'x')", ["Cruz"]),
    ],
)
def test_filter_finds(wire, people, filter_text, expected):
    """Every operator means what the documentation says, nulls and case included."""
    assert names(wire, filter_text) == (["O'Hara"] if expected is None else expected)


@pytest.mark.parametrize(
    ("operator", "found"), [("eq", [2]), ("ne", [1, 3]), ("gt", [3]), ("ge", [2, 3]), ("lt", [1]), ("le", [1, 2])]
)
def test_moments_compare_to_the_second(sandbox, wire, operator, found):
    """Bounds within the same minute hold exactly."""
    for second in (1, 2, 3):
        values = {"lastname": str(second), "lastonholdtime": f"2026-01-05T10:04:0{second}Z"}
        sandbox.dynamics.create("contact", values)

    assert names(wire, f"lastonholdtime {operator} 2026-01-05T10:04:02Z") == [str(second) for second in found]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("$select=nope", "Could not find a property named 'nope'"),
        ("$select=Lastname", "Could not find a property named 'Lastname'"),
        ("$select=parentcustomerid", "Could not find a property named 'parentcustomerid'"),
        ("$filter=nope%20eq%201", "Could not find a property named 'nope'"),
        ("$filter=lastname%20like%20'x'", "Syntax error"),
        ("$filter=lastname%20eq%201", "incompatible types"),
        ("$filter=contactid%20eq%20'00000000-0000-4000-8000-000000000000'", "incompatible types"),
        ("$filter=(lastname%20eq%20'x'", "Syntax error"),
        ("$orderby=lastname%20up", "Syntax error"),
        ("$top=0", "positive integer"),
        ("$count=yes", "Valid values"),
        ("$skip=10", "not supported"),
        ("$search=x", "not supported"),
        ("$select=lastname&$select=firstname", "more than once"),
        ("select=lastname", "not supported"),
        ("$filter=lastname%20eq%20'a'+or+'", "Syntax error"),
    ],
)
def test_wrong_query_is_refused(wire, query, text):
    """Unknown options, unknown columns and ill-formed values are errors, each naming what is wrong."""
    answer = wire.get(f"contacts?{query}")

    assert error_of(answer) == (400, "0x80060888")
    assert text in answer.json()["error"]["message"]


def test_unencoded_plus_becomes_a_blank(wire, people):
    """A plus sign that was not encoded no longer matches the address."""
    answer = wire.get("contacts?$select=lastname&$filter=emailaddress1%20eq%20'ana+news@example.com'")

    assert answer.json()["value"] == []


def test_unknown_entity_set_is_not_found(wire):
    """Entity sets are case-sensitive."""
    assert error_of(wire.get("Contacts")) == (404, "0x8006088a")


def test_single_row_carries_key_and_etag(wire, people):
    """A single row has the selected columns, its key and its version."""
    answer = wire.get(f"contacts({people['Alba'].upper()})?$select=lastname")

    row = answer.json()
    assert (row["lastname"], row["contactid"]) == ("Alba", people["Alba"])
    assert answer.headers["ETag"] == row["@odata.etag"]
    assert answer.headers["Content-Type"] == "application/json; odata.metadata=minimal"


def test_absent_row_is_not_found(wire):
    """An id that no row has is answered with the vendor's code."""
    assert error_of(wire.get("contacts(00000000-0000-4000-8000-000000000000)")) == (404, "0x80040217")


def test_known_version_answers_304(wire, people):
    """A reader that has the current version gets no body; the word null is harmless."""
    path = f"contacts({people['Alba']})?$select=lastname"
    tag = wire.get(path).headers["ETag"]

    assert wire.get(path, If_None_Match=tag).status_code == 304
    assert wire.get(path, If_None_Match="null").status_code == 200
    assert wire.get(path, If_None_Match='W/"1"').status_code == 200


def test_money_brings_its_currency(wire, people):
    """Selecting an amount also brings the currency's id."""
    hara = people["O'Hara"]
    row = wire.get(f"contacts({hara})?$select=annualincome").json()

    assert row["annualincome"] == 10.5
    assert row["_transactioncurrencyid_value"]


def test_annotations_explain_values(wire, people):
    """Labels, names and the kind of a lookup's target come when asked for."""
    wanted = 'odata.include-annotations="*"'
    hara = people["O'Hara"]
    path = f"contacts({hara})?$select=_parentcustomerid_value,statecode,birthdate,annualincome"

    row = wire.get(path, prefer=wanted).json()

    lookup = "_parentcustomerid_value"
    assert row[f"{lookup}@OData.Community.Display.V1.FormattedValue"] == "Contoso"
    assert row[f"{lookup}@Microsoft.Dynamics.CRM.lookuplogicalname"] == "account"
    assert row[f"{lookup}@Microsoft.Dynamics.CRM.associatednavigationproperty"] == "parentcustomerid_account"
    assert row["statecode@OData.Community.Display.V1.FormattedValue"] == "Active"
    assert row["annualincome@OData.Community.Display.V1.FormattedValue"] == "$10.50"
    assert not any(name.startswith("birthdate@") for name in row)


def test_only_the_wanted_annotations_come(wire, people):
    """A list of annotations is a choice, not a switch."""
    path = f"contacts({people['Diaz']})?$select=gendercode,_ownerid_value"

    row = wire.get(path, prefer='odata.include-annotations="Microsoft.Dynamics.CRM.lookuplogicalname"').json()

    annotations = {name.partition("@")[2] for name in row if "@" in name and not name.startswith("@")}
    assert annotations == {"Microsoft.Dynamics.CRM.lookuplogicalname"}


def test_expand_joins_a_lookup(wire, people):
    """A joined lookup has the selected columns of its target; an empty one is null."""
    answer = wire.get("contacts?$select=lastname&$orderby=lastname desc&$expand=parentcustomerid_account($select=name)")

    joined = {row["lastname"]: row["parentcustomerid_account"] for row in answer.json()["value"]}
    assert joined["O'Hara"]["name"] == "Contoso"
    assert joined["Alba"] is None


@pytest.mark.parametrize("order", ["", "&$orderby=jobtitle desc,lastname", "&$orderby=createdon,contactid"])
def test_pages_hold_each_row_once_even_when_rows_change(sandbox, wire, people, order):
    """Pages continue behind the last row served, whatever happens to rows already seen."""
    prefer = "odata.maxpagesize=1"
    answer = wire.get(f"contacts?$select=lastname{order}", prefer=prefer).json()
    seen = [row["lastname"] for row in answer["value"]]
    while "@odata.nextLink" in answer:
        sandbox.dynamics.delete("contact", answer["value"][0]["contactid"])
        answer = wire.get(answer["@odata.nextLink"], prefer=prefer).json()
        seen += [row["lastname"] for row in answer["value"]]

    assert sorted(seen) == ["Alba", "Cruz", "Diaz", "O'Hara"]


def test_page_size_has_to_be_repeated(wire, people):
    """Without the preference the next link serves all that is left."""
    first = wire.get("contacts?$select=lastname", prefer="odata.maxpagesize=1")

    assert first.headers["Preference-Applied"] == "odata.maxpagesize=1"
    assert len(wire.get(first.json()["@odata.nextLink"]).json()["value"]) == 3


def test_top_ends_without_a_next_link_and_yields_to_the_page_size(wire, people):
    """$top cuts; together with a page size it is ignored."""
    assert "@odata.nextLink" not in wire.get("contacts?$top=2").json()
    assert "@odata.nextLink" in wire.get("contacts?$top=2", prefer="odata.maxpagesize=1").json()


def test_counts(wire, people):
    """Counts come in the answer, as annotations and as plain text."""
    answer = wire.get("contacts?$count=true&$top=1", prefer='odata.include-annotations="*"').json()

    assert answer["@odata.count"] == 4
    assert answer["@Microsoft.Dynamics.CRM.totalrecordcount"] == 4
    assert answer["@Microsoft.Dynamics.CRM.totalrecordcountlimitexceeded"] is False
    assert wire.get("contacts/$count").text == "4"


def test_column_and_related_row_have_addresses(wire, people):
    """A column and the row behind a lookup can be read by themselves; empty ones have no content."""
    hara = people["O'Hara"]
    assert wire.get(f"contacts({hara})/lastname").json()["value"] == "O'Hara"
    assert wire.get(f"contacts({hara})/jobtitle").status_code == 204
    assert wire.get(f"contacts({hara})/parentcustomerid_account?$select=name").json()["name"] == "Contoso"
    assert wire.get(f"contacts({people['Alba']})/parentcustomerid_account").status_code == 204


def test_too_long_an_address_never_reaches_the_service(wire):
    """Over 32,768 characters the web server in front answers."""
    answer = wire.get("contacts?$filter=" + quote("lastname eq '" + "x" * 33_000 + "'"))

    assert answer.status_code == 414
    assert "json" not in answer.headers["Content-Type"]


@pytest.mark.parametrize(
    "path",
    [
        "$metadata",
        "contacts?$apply=aggregate($count as n)",
        "contacts?fetchXml=<fetch/>",
        "contacts?UnMaskedData=true",
        "accounts?$expand=contact_customer_accounts",
        "contacts?$expand=parentcustomerid_account($top=1)",
        "contacts?$filter=Microsoft.Dynamics.CRM.LastXHours(PropertyName='createdon',PropertyValue=1)",
        "campaigns",
        "RetrieveTotalRecordCount(EntityNames=['contact'])",
        "RelationshipDefinitions",
        "contacts?$select=entityimage",
    ],
)
def test_what_is_not_built_answers_501(wire, path):
    """What exists at the vendor but not here says so by name."""
    answer = wire.get(path)

    assert answer.status_code == 501
    assert "GAPS.md" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"MSCRMCallerID": "x"},
        {"CallerObjectId": "x"},
        {"MSCRM.BypassCustomPluginExecution": "true"},
        {"Prefer": "respond-async"},
        {"Accept": "application/atom+xml"},
    ],
)
def test_headers_that_are_not_built_answer_501(wire, headers):
    """Headers that would change the outcome are not passed over in silence."""
    assert wire.get("contacts", **headers).status_code == 501


def test_foreign_protocol_version_is_refused(wire):
    """The service speaks OData 4.0."""
    assert wire.get("contacts", OData_MaxVersion="4.01").status_code == 400
