"""Qualifying and merging on the wire."""

from __future__ import annotations

from tests.contract.dataverse_sandbox.conftest import error_of

QUALIFY = "Microsoft.Dynamics.CRM.QualifyLead"
NOTHING_ELSE = {"CreateOpportunity": False, "Status": 3}


def test_qualifying_makes_the_rows_and_links_both_ways(sandbox, wire):
    """The contact carries the lead's values and points back; the lead is closed and points forward."""
    lead = sandbox.dynamics.create(
        "lead", {"subject": "Pumps", "lastname": "Ruiz", "companyname": "Contoso", "jobtitle": "CEO"}
    )

    answer = wire.post(f"leads({lead})/{QUALIFY}", {"CreateAccount": True, "CreateContact": True, **NOTHING_ELSE})

    made = {entry["@odata.type"].rpartition(".")[2]: entry for entry in answer.json()["value"]}
    contact = sandbox.dynamics.row("contact", made["contact"]["contactid"])
    assert (contact["lastname"], contact["jobtitle"], contact["_originatingleadid_value"]) == ("Ruiz", "CEO", lead)
    assert contact["_parentcustomerid_value"] == made["account"]["accountid"]
    closed = sandbox.dynamics.row("lead", lead)
    assert (closed["statecode"], closed["statuscode"]) == (1, 3)
    assert closed["_parentcontactid_value"] == contact["contactid"]


def test_closed_lead_cannot_be_qualified_again(sandbox, wire):
    """A lead is qualified once."""
    lead = sandbox.dynamics.create("lead", {"subject": "Pumps"})
    body = {"CreateAccount": False, "CreateContact": True, **NOTHING_ELSE}

    assert wire.post(f"leads({lead})/{QUALIFY}", body).status_code == 200
    assert error_of(wire.post(f"leads({lead})/{QUALIFY}", body)) == (400, "0x80040519")


def test_qualify_needs_its_parameters(sandbox, wire):
    """A missing parameter is a payload error."""
    lead = sandbox.dynamics.create("lead", {"subject": "Pumps"})

    assert error_of(wire.post(f"leads({lead})/{QUALIFY}", {"CreateContact": True})) == (400, "0x80048d19")


def test_merge_closes_the_subordinate_and_moves_what_is_related(sandbox, wire):
    """The loser stays, closed and pointing to the winner; its children move; both surface as updates."""
    winner = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    loser = sandbox.dynamics.create("contact", {"lastname": "Ruíz"})
    child = sandbox.dynamics.create("contact", {"lastname": "Child", "parentcustomerid": ("contact", loser)})
    kind = {"@odata.type": "Microsoft.Dynamics.CRM.contact"}
    link = wire.get("contacts?$select=merged", prefer="odata.track-changes").json()["@odata.deltaLink"]

    body = {"Target": {**kind, "contactid": winner}, "Subordinate": {**kind, "contactid": loser}}
    answer = wire.post("Merge", {**body, "UpdateContent": {**kind, "jobtitle": "CEO"}, "PerformParentingChecks": False})

    assert answer.status_code == 204
    assert sandbox.dynamics.row("contact", winner)["jobtitle"] == "CEO"
    closed = sandbox.dynamics.row("contact", loser)
    assert (closed["merged"], closed["_masterid_value"], closed["statecode"]) == (True, winner, 1)
    assert sandbox.dynamics.row("contact", child)["_parentcustomerid_value"] == winner
    changed = [entry["contactid"] for entry in wire.get(link).json()["value"]]
    assert sorted(changed) == sorted([winner, loser, child])


def test_merge_needs_two_rows_of_one_table(sandbox, wire):
    """A contact cannot be merged with a lead, nor with itself."""
    contact = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    lead = sandbox.dynamics.create("lead", {"lastname": "Ruiz"})
    of_contact = {"@odata.type": "Microsoft.Dynamics.CRM.contact", "contactid": contact}
    of_lead = {"@odata.type": "Microsoft.Dynamics.CRM.lead", "leadid": lead}

    assert wire.post("Merge", {"Target": of_contact, "Subordinate": of_lead}).status_code == 400
    assert wire.post("Merge", {"Target": of_contact, "Subordinate": of_contact}).status_code == 400
