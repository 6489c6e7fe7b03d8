"""Writes on the wire: conditions, values, lookups, states, rights, business rules."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.contract.dataverse_sandbox.conftest import error_of

PAYLOAD = "0x80048d19"


@pytest.fixture
def contact(sandbox) -> str:
    """Return the id of a contact."""
    return sandbox.dynamics.create("contact", {"lastname": "Ruiz"})


def test_create_answers_with_the_rows_address(sandbox, wire):
    """A create has no content but says where the row is."""
    answer = wire.post("contacts", {"lastname": "Ruiz"})

    assert answer.status_code == 204
    row_id = answer.headers["OData-EntityId"].removesuffix(")").rpartition("(")[2]
    assert sandbox.dynamics.row("contact", row_id)["lastname"] == "Ruiz"


def test_create_returns_the_row_when_preferred(wire):
    """With return=representation the selected columns come back with 201."""
    answer = wire.post(
        "contacts?$select=fullname", {"firstname": "Ana", "lastname": "Ruiz"}, prefer="return=representation"
    )

    assert answer.status_code == 201
    assert answer.headers["Preference-Applied"] == "return=representation"
    assert answer.json()["fullname"] == "Ana Ruiz"
    assert "OData-EntityId" not in answer.headers


def test_row_starts_with_its_defaults(sandbox, wire):
    """Defaults, owner, maker and stamps are filled in."""
    row = sandbox.dynamics.row("contact", wire.post("contacts", {}, prefer="return=representation").json()["contactid"])

    assert (row["statecode"], row["statuscode"]) == (0, 1)
    assert (row["donotemail"], row["followemail"], row["preferredcontactmethodcode"]) == (False, True, 1)
    assert row["_ownerid_value"] == row["_owninguser_value"] == row["_createdby_value"] == sandbox.dynamics.user_id
    assert row["createdon"] == row["modifiedon"]


@pytest.mark.parametrize("first", [{"If_Match": "*"}, {"If_None_Match": "*"}, {}])
def test_conditions_on_an_absent_row(sandbox, wire, first):
    """If-Match never creates; the other two do, with the chosen id."""
    row_id = str(uuid4())

    answer = wire.patch(f"contacts({row_id})", {"lastname": "Ruiz"}, **first)

    if "If_Match" in first:
        assert error_of(answer) == (404, "0x80040217")
        assert sandbox.dynamics.row("contact", row_id) is None
    else:
        assert answer.status_code == 204
        assert sandbox.dynamics.row("contact", row_id)["lastname"] == "Ruiz"


def test_conditions_on_an_existing_row(sandbox, wire, contact):
    """Current versions update, stale ones are refused, create-only requests too."""
    tag = sandbox.dynamics.row("contact", contact)["@odata.etag"]

    assert error_of(wire.patch(f"contacts({contact})", {}, If_None_Match="*")) == (412, "0x80040237")
    assert wire.patch(f"contacts({contact})", {"jobtitle": "A"}, If_Match=tag).status_code == 204
    assert error_of(wire.patch(f"contacts({contact})", {"jobtitle": "B"}, If_Match=tag)) == (412, "0x80060882")
    assert error_of(wire.send("DELETE", f"contacts({contact})", If_Match=tag)) == (412, "0x80060882")
    assert wire.patch(f"contacts({contact})", {"jobtitle": "C"}, If_Match="*").status_code == 204
    assert sandbox.dynamics.row("contact", contact)["jobtitle"] == "C"


def test_both_conditions_are_refused(wire, contact):
    """The two conditions contradict each other."""
    assert wire.patch(f"contacts({contact})", {}, If_Match="*", If_None_Match="*").status_code == 400


def test_used_id_is_refused_on_post(wire, contact):
    """A second create with the same id is told apart from a first one."""
    assert error_of(wire.post("contacts", {"contactid": contact})) == (412, "0x80040237")


def test_table_without_versions_refuses_version_checks(sandbox, wire, contact):
    """A table without optimistic concurrency says so."""
    tag = sandbox.dynamics.row("contact", contact)["@odata.etag"]
    sandbox.dynamics.organization.table("contact").optimistic_concurrency = False
    try:
        assert error_of(wire.patch(f"contacts({contact})", {}, If_Match=tag)) == (400, "0x8006088d")
    finally:
        sandbox.dynamics.organization.table("contact").optimistic_concurrency = True


def test_delete_is_final(wire, contact):
    """A deleted row is gone, and deleting it again says so."""
    assert wire.send("DELETE", f"contacts({contact})").status_code == 204
    assert error_of(wire.send("DELETE", f"contacts({contact})")) == (404, "0x80040217")


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"nope": 1}, PAYLOAD, "Invalid property 'nope'"),
        ({"Lastname": "x"}, PAYLOAD, "Invalid property 'Lastname'"),
        ({"_parentcustomerid_value": None}, PAYLOAD, "Invalid property"),
        ({"parentcustomerid@odata.bind": "/accounts(x)"}, PAYLOAD, "Invalid property 'parentcustomerid'"),
        ({"parentcustomerid_account@odata.bind": None}, PAYLOAD, "null value"),
        ({"parentcustomerid_account@odata.bind": "nonsense"}, "0x80090800", "Invalid URI"),
        ({"parentcustomerid_account@odata.bind": "/contacts(00000000-0000-4000-8000-000000000000)"}, "0x80090800", ""),
        ({"jobtitle": 5}, PAYLOAD, "literal '5' to the expected type 'Edm.String'"),
        ({"jobtitle": "x" * 101}, "0x80044331", "'jobtitle' attribute of the 'contact' entity"),
        ({"jobtitle": "\U0001f600" * 51}, "0x80044331", "'100'"),
        ({"donotemail": 0}, PAYLOAD, "literal '0' to the expected type 'Edm.Boolean'"),
        ({"gendercode": "Male"}, PAYLOAD, "Edm.Int32"),
        ({"gendercode": 3}, "0x8004431a", "Accepted Values: 1,2"),
        ({"numberofchildren": -1}, "0x8004432f", "outside the valid range"),
        ({"numberofchildren": 1.5}, PAYLOAD, "Edm.Int32"),
        ({"annualincome": -0.01}, "0x80044330", "outside the valid range"),
        ({"annualincome": "1"}, PAYLOAD, "Edm.Decimal"),
        ({"birthdate": "1980-04-30T00:00:00Z"}, PAYLOAD, "Edm.Date"),
        ({"birthdate": "1980-02-30"}, PAYLOAD, "Edm.Date"),
        ({"lastonholdtime": "yesterday"}, PAYLOAD, "Edm.DateTimeOffset"),
        ({"lastonholdtime": "1700-01-01T00:00:00Z"}, "0x80040203", "minimum value"),
        ({"statecode": None}, "0x80040203", "cannot be set to null"),
        (
            {"statecode": 0, "statuscode": 2},
            "0x80048408",
            "2 is not a valid status code for state code ContactState.Active",
        ),
    ],
)
def test_value_that_does_not_fit_is_refused(sandbox, wire, contact, body, code, text):
    """Each kind of misfit has the vendor's code, and nothing of the request is stored."""
    answer = wire.patch(f"contacts({contact})", {"department": "must not arrive", **body}, If_Match="*")

    assert error_of(answer) == (400, code)
    assert text in answer.json()["error"]["message"]
    assert sandbox.dynamics.row("contact", contact)["department"] is None


@pytest.mark.parametrize("content", [b"{", b"[]", b'"x"', b"\xff"])
def test_malformed_body_is_refused(wire, contact, content):
    """A body that is no JSON object is a payload error."""
    answer = wire.send("PATCH", f"contacts({contact})", data=content, Content_Type="application/json")

    assert error_of(answer) == (400, PAYLOAD)


def test_values_are_stored_in_the_vendors_form(sandbox, wire, contact):
    """Numbers are rounded, moments become UTC in whole seconds, empty texts become null."""
    body = {
        "annualincome": 10.556,
        "lastonholdtime": "2026-01-05T10:04:11.9+02:00",
        "jobtitle": "",
        "address1_latitude": 1.1234567,
    }

    wire.patch(f"contacts({contact})", body, If_Match="*")

    row = sandbox.dynamics.row("contact", contact)
    assert (row["annualincome"], row["annualincome_base"], row["exchangerate"]) == (10.56, 10.56, 1.0)
    assert row["lastonholdtime"] == "2026-01-05T08:04:11Z"
    assert row["jobtitle"] is None
    assert row["address1_latitude"] == 1.12346


def test_read_only_columns_are_ignored(sandbox, wire):
    """A value for a column that cannot be written is dropped without a word, unless switched."""
    body = {"fullname": "x", "statecode": 1, "lastusedincampaign": "2026-01-01T00:00:00Z"}

    row = wire.post("contacts", body, prefer="return=representation").json()
    assert (row["fullname"], row["statecode"], row["lastusedincampaign"]) == (None, 0, None)

    sandbox.dynamics.settings.read_only_columns_refused = True
    assert wire.post("contacts", body).status_code == 400


def test_state_cannot_be_set_at_creation(wire):
    """The state is ignored, so its status does not fit."""
    assert error_of(wire.post("contacts", {"statecode": 1, "statuscode": 2})) == (400, "0x80048408")


def test_state_alone_takes_its_first_status(sandbox, wire):
    """Giving only the state picks the first status configured for it."""
    lead = sandbox.dynamics.create("lead", {"subject": "x"})

    wire.patch(f"leads({lead})", {"statecode": 2}, If_Match="*")

    assert sandbox.dynamics.row("lead", lead)["statuscode"] == 4


def test_lookups_bind_and_clear(sandbox, wire, contact):
    """A lookup is bound by its navigation property and cleared in two ways."""
    account = sandbox.dynamics.create("account", {"name": "Contoso"})
    bind = {"parentcustomerid_account@odata.bind": f"{sandbox.dynamics_url}/api/data/v9.2/accounts({account})"}

    wire.patch(f"contacts({contact})", bind, If_Match="*")
    row = sandbox.dynamics.row("contact", contact)
    assert (row["_parentcustomerid_value"], row["_accountid_value"]) == (account, account)

    assert wire.send("DELETE", f"contacts({contact})/parentcustomerid_account/$ref").status_code == 204
    assert sandbox.dynamics.row("contact", contact)["_parentcustomerid_value"] is None

    wire.patch(f"contacts({contact})", {"parentcustomerid_account@odata.bind": f"/accounts({account})"}, If_Match="*")
    wire.patch(f"contacts({contact})", {"parentcustomerid_account": None}, If_Match="*")
    assert sandbox.dynamics.row("contact", contact)["_accountid_value"] is None


def test_binding_to_an_absent_row_is_not_found(wire, contact):
    """The target of a lookup has to exist."""
    bind = {"parentcustomerid_account@odata.bind": f"/accounts({uuid4()})"}

    assert error_of(wire.patch(f"contacts({contact})", bind, If_Match="*")) == (404, "0x80040217")


def test_owner_may_be_a_team(sandbox, wire, contact):
    """Assigning moves the owning columns; the owner cannot be emptied."""
    team = sandbox.dynamics.create("team", {"name": "Field Sales"})

    wire.patch(f"contacts({contact})", {"ownerid@odata.bind": f"/teams({team})"}, If_Match="*")

    row = sandbox.dynamics.row("contact", contact)
    assert (row["_ownerid_value"], row["_owningteam_value"], row["_owninguser_value"]) == (team, team, None)
    assert wire.patch(f"contacts({contact})", {"ownerid": None}, If_Match="*").status_code == 400


def test_single_columns_can_be_set_and_cleared(sandbox, wire, contact):
    """PUT sets one column, DELETE empties it."""
    assert wire.send("PUT", f"contacts({contact})/jobtitle", json_body={"value": "CEO"}).status_code == 204
    assert sandbox.dynamics.row("contact", contact)["jobtitle"] == "CEO"
    assert wire.send("DELETE", f"contacts({contact})/jobtitle").status_code == 204
    assert sandbox.dynamics.row("contact", contact)["jobtitle"] is None


def test_missing_privilege_is_named(sandbox, wire, contact):
    """A refusal for want of a right names the privilege; a narrow one ends at others' rows."""
    sandbox.dynamics.revoke("Create", "contact")
    refused = wire.post("contacts", {})
    assert error_of(refused) == (403, "0x80040220")
    assert "prvCreateContact" in refused.json()["error"]["message"]

    sandbox.dynamics.grant("Read", "contact", "Basic")
    assert wire.get("contacts").json()["value"] == []
    assert error_of(wire.get(f"contacts({contact})")) == (403, "0x80040220")


def test_secured_column_reads_as_null_and_refuses_writes(sandbox, wire, contact):
    """A secured column hides in reads and fails whole writes; a grant opens it."""
    sandbox.dynamics.edit("contact", contact, {"governmentid": "secret"})
    sandbox.dynamics.secure_column("contact", "governmentid")
    body = {"governmentid": "x"}

    assert wire.get(f"contacts({contact})?$select=governmentid").json()["governmentid"] is None
    assert error_of(wire.patch(f"contacts({contact})", body, If_Match="*")) == (403, "0x8004f507")
    assert error_of(wire.post("contacts", body)) == (403, "0x8004f502")

    sandbox.dynamics.secure_column("contact", "governmentid", read=True, update=True)
    assert wire.patch(f"contacts({contact})", body, If_Match="*").status_code == 204
    assert wire.get(f"contacts({contact})?$select=governmentid").json()["governmentid"] == "x"


def test_plugin_refuses_with_its_authors_text(sandbox, wire, contact):
    """A business rule refuses clients with its own text; people at work are not subject to it here."""
    sandbox.dynamics.refuse("contact", lambda row: row.get("jobtitle") == "CEO", "Only one CEO, please.")

    refused = wire.patch(f"contacts({contact})", {"jobtitle": "CEO"}, If_Match="*")

    assert error_of(refused) == (400, "0x80040265")
    assert refused.json()["error"]["message"] == "Only one CEO, please."
    sandbox.dynamics.edit("contact", contact, {"jobtitle": "CEO"})


@pytest.mark.parametrize("status", [412, 500])
def test_duplicates_are_detected_only_when_asked_for(sandbox, wire, status):
    """Detection runs when suppression is *false*; its status is a matter of version."""
    sandbox.dynamics.settings.duplicate_status = status
    sandbox.dynamics.create("contact", {"emailaddress1": "ana@example.com"})
    body = {"emailaddress1": "ANA@example.com"}
    header = "MSCRM.SuppressDuplicateDetection"

    assert error_of(wire.post("contacts", body, **{header: "false"})) == (status, "0x80040333")
    assert wire.post("contacts", body, **{header: "true"}).status_code == 204
    assert wire.post("contacts", body).status_code == 204


def test_alternate_keys_work_only_when_defined(sandbox, wire):
    """A key has to be defined; then it addresses rows and keeps them unique."""
    path = "accounts(accountnumber='A-17')"
    assert wire.patch(path, {"name": "x"}).status_code == 400

    sandbox.dynamics.add_key("account", "by_number", "accountnumber")
    assert error_of(wire.patch(path, {"name": "x"}, If_Match="*")) == (404, "0x80060891")
    assert wire.patch(path, {"name": "x"}).status_code == 204
    assert wire.get(f"{path}?$select=name").json()["name"] == "x"
    assert error_of(wire.post("accounts", {"accountnumber": "a-17"})) == (412, "0x80060892")


def test_closed_lead_is_read_only_unless_switched(sandbox, wire):
    """A qualified lead refuses clients by default; reactivating it opens it again."""
    lead = sandbox.dynamics.create("lead", {"subject": "x", "statecode": 1, "statuscode": 3})

    assert error_of(wire.patch(f"leads({lead})", {"jobtitle": "x"}, If_Match="*")) == (400, "0x80040233")
    sandbox.dynamics.settings.qualified_leads_writable = True
    assert wire.patch(f"leads({lead})", {"jobtitle": "x"}, If_Match="*").status_code == 204
    sandbox.dynamics.settings.qualified_leads_writable = False
    assert wire.patch(f"leads({lead})", {"statecode": 0, "statuscode": 1}, If_Match="*").status_code == 204


def test_set_up_tables_are_read_only_here(sandbox, wire):
    """Users cannot be changed through the API; other set-up tables are not built for writing."""
    user = sandbox.dynamics.user_id
    assert error_of(wire.patch(f"systemusers({user})", {"title": "x"})) == (400, "0x80041d48")
    assert wire.post("teams", {"name": "x"}).status_code == 501


def test_many_rows_are_written_all_or_none(sandbox, wire):
    """One bad row takes the whole action back; each item needs its type."""
    kind = {"@odata.type": "Microsoft.Dynamics.CRM.contact"}
    path = "contacts/Microsoft.Dynamics.CRM.CreateMultiple"

    assert wire.post(path, {"Targets": [{**kind, "lastname": "A"}, {**kind, "lastname": "x" * 51}]}).status_code == 400
    assert wire.post(path, {"Targets": [{"lastname": "A"}]}).status_code == 400
    assert sandbox.dynamics.count("contact") == 0
    assert len(wire.post(path, {"Targets": [{**kind, "lastname": "A"}, kind]}).json()["Ids"]) == 2
    gone = {"Targets": [{**kind, "contactid": str(uuid4())}]}
    assert wire.post("contacts/Microsoft.Dynamics.CRM.UpdateMultiple", gone).status_code == 404


def test_deleted_account_takes_its_contacts_along(sandbox, wire):
    """Contacts belong to their account, by the relationship as shipped; leads only lose the reference."""
    account = sandbox.dynamics.create("account", {"name": "Contoso"})
    contact = sandbox.dynamics.create("contact", {"parentcustomerid": ("account", account)})
    lead = sandbox.dynamics.create("lead", {"parentaccountid": ("account", account)})

    wire.send("DELETE", f"accounts({account})")

    assert sandbox.dynamics.row("contact", contact) is None
    assert sandbox.dynamics.row("lead", lead)["_parentaccountid_value"] is None
