"""What Marketo shows of accounts and owners, and when it is refreshed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.core.fields import Table
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.rows import rows_frame
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    import pytest

    from tests.integration.stages.conftest import Pairing

ACME = {
    "name": "Acme",
    "telephone1": "+1 555 0100",
    "websiteurl": "https://acme.example",
    "industrycode": 1,
    "revenue": 1_250_000.5,
    "numberofemployees": 42,
    "address1_city": "Berlin",
    "address1_country": "Germany",
}
SHOWN = {
    "company": "Acme",
    "mainPhone": "+1 555 0100",
    "website": "https://acme.example",
    "industry": "Accounting",
    "annualRevenue": 1_250_000.5,
    "numberOfEmployees": 42,
    "billingCity": "Berlin",
    "billingCountry": "Germany",
}


def employed(pairing: Pairing, email: str = "ada@example.com", **account: Any) -> tuple[int, str, str]:
    """Return a linked contact with an account: Marketo id, contact id, account id."""
    account_id = pairing.dynamics.create("account", {**ACME, **account})
    person, row = pairing.pair("contact", email, parentcustomerid=("account", account_id))
    pairing.cycle()
    return person, row, account_id


def shown(pairing: Pairing, person: int, names: dict[str, Any]) -> dict[str, Any]:
    """Return what Marketo holds of a person in the fields named."""
    held = pairing.marketo.lead(person) or {}
    return {name: held.get(name) for name in names}


def test_the_account_of_a_contact_is_shown_in_marketo(pairing: Pairing) -> None:
    """The main account fields arrive in their own types, as one read of the account."""
    person, _, _ = employed(pairing)

    assert shown(pairing, person, SHOWN) == SHOWN
    asked = [dict(one.query).get("$filter", "") for one in pairing.sandbox.calls("dynamics")]
    reads = [text for text in asked if text.startswith("accountid")]
    assert len(reads) == 1
    pairing.quiet()


def test_a_change_of_the_account_reaches_its_people_and_nobody_else(pairing: Pairing) -> None:
    """Neither the person nor the contact row changed; all of the account's people are refreshed, at once (E-011)."""
    ada, _, acme = employed(pairing)
    bob, _ = pairing.pair("contact", "bob@example.com", parentcustomerid=("account", acme))
    eve, _, _ = employed(pairing, "eve@example.com", name="Other")
    pairing.cycle()
    pairing.mark()

    pairing.dynamics.edit("account", acme, {"name": "Acme Ltd", "numberofemployees": None, "industrycode": 2})
    summary = pairing.cycle()

    expected = {**SHOWN, "company": "Acme Ltd", "numberOfEmployees": None, "industry": SHOWN["industry"]}
    for person in (ada, bob):
        held = shown(pairing, person, expected)
        assert held["company"] == "Acme Ltd"
        assert held["numberOfEmployees"] is None
        assert held["industry"] != SHOWN["industry"]
    assert shown(pairing, eve, {"company": None}) == {"company": "Other"}
    assert summary["counts"]["to_marketo"]["updated"] == 2
    pairing.quiet()


def test_an_account_field_edited_in_marketo_stays_until_the_account_changes(pairing: Pairing) -> None:
    """It is not sent to Dynamics, and the next account update overwrites it (E-010)."""
    person, _, acme = employed(pairing)
    pairing.marketo.edit(person, {"company": "Acme?", "industry": "Biotech"})
    pairing.cycle()
    assert [one["name"] for one in pairing.dynamics.rows("account")] == ["Acme"]
    assert shown(pairing, person, {"company": None}) == {"company": "Acme?"}
    pairing.quiet()

    pairing.dynamics.edit("account", acme, {"name": "Acme Ltd", "industrycode": 2})
    pairing.cycle()

    assert shown(pairing, person, {"company": None}) == {"company": "Acme Ltd"}
    assert shown(pairing, person, {"industry": None})["industry"] not in {"Biotech", "Accounting"}
    pairing.quiet()


def test_a_company_record_of_its_own_refuses_account_fields(pairing: Pairing) -> None:
    """Marketo refuses them on a person that belongs to a company record (1021); it is explained once, and rests."""
    person, _, acme = employed(pairing)
    pairing.marketo.edit(person, {"externalCompanyId": "acme"})
    pairing.dynamics.edit("account", acme, {"name": "Acme Ltd"})

    summary = pairing.cycle()

    assert summary["counts"]["to_marketo"]["rejected"] == 1
    assert shown(pairing, person, {"company": None}) == {"company": "Acme"}
    assert len([one for one in pairing.marketo.activities(person) if one.type_id >= 100_000]) == 1
    pairing.quiet()


def test_a_contact_of_a_contact_keeps_its_company(pairing: Pairing) -> None:
    """A customer lookup may point to a person: the company's name is then unknown, which empties nothing (S-06)."""
    boss = pairing.dynamics.create("contact", {"lastname": "Boss", "emailaddress1": "boss@example.com"})
    person, row, _ = employed(pairing)

    pairing.dynamics.edit("contact", row, {"parentcustomerid": ("contact", boss)})
    summary = pairing.cycle()

    assert shown(pairing, person, SHOWN) == SHOWN
    assert summary["counts"]["to_marketo"]["rejected"] == 0
    pairing.quiet()


def test_the_owner_is_shown_once_its_fields_are_there_and_follows_the_user(pairing: Pairing) -> None:
    """Name and address of a user are refreshed when the user changes; a team as owner shows nothing (T-31)."""
    pairing.dynamics.set_change_tracking("systemuser", on=True)
    user = pairing.dynamics.create("systemuser", {"fullname": "Jane Roe", "internalemailaddress": "jane@example.com"})
    team = pairing.dynamics.create("team", {"name": "East"})
    person, row = pairing.pair("contact", "ada@example.com", ownerid=("systemuser", user))
    pairing.cycle()
    pairing.marketo.add_field("dynamicsOwnerName")
    pairing.marketo.add_field("dynamicsOwnerEmail", "email")
    pairing.setup()
    pairing.cycle()
    owner = {"dynamicsOwnerName": "Jane Roe", "dynamicsOwnerEmail": "jane@example.com"}
    assert shown(pairing, person, owner) == owner
    pairing.quiet(dynamics_calls=4)

    pairing.dynamics.edit("systemuser", user, {"fullname": "Jane Doe", "internalemailaddress": "doe@example.com"})
    pairing.cycle()
    renamed = {"dynamicsOwnerName": "Jane Doe", "dynamicsOwnerEmail": "doe@example.com"}
    assert shown(pairing, person, renamed) == renamed

    pairing.dynamics.edit("contact", row, {"ownerid": ("team", team)})
    summary = pairing.cycle()
    assert shown(pairing, person, owner) == dict.fromkeys(owner)
    assert summary["counts"]["to_marketo"]["rejected"] == 0
    pairing.quiet(dynamics_calls=4)


def test_a_table_that_cannot_be_followed_is_refreshed_with_the_person(
    pairing: Pairing, caplog: pytest.LogCaptureFixture
) -> None:
    """Without global Read on accounts the table is not followed: said once, paid for once, and nothing else suffers."""
    pairing.dynamics.grant("Read", "account", "Local")
    person, row, acme = employed(pairing)
    assert shown(pairing, person, SHOWN) == SHOWN
    assert caplog.text.count("changes of account can't be followed") == 1

    pairing.dynamics.edit("account", acme, {"name": "Acme Ltd"})
    pairing.cycle()
    assert shown(pairing, person, {"company": None}) == {"company": "Acme"}
    pairing.dynamics.edit("contact", row, {"jobtitle": "CEO"})
    pairing.cycle()

    assert shown(pairing, person, {"company": None}) == {"company": "Acme Ltd"}
    pairing.quiet()
    assert caplog.text.count("changes of account can't be followed") == 1
    assert not [one for one in pairing.sandbox.calls("dynamics") if one.path.endswith("/accounts")]


def test_an_account_that_may_not_be_read_at_all_empties_nothing(pairing: Pairing) -> None:
    """What can't be seen is unknown; the people themselves go on (S-06)."""
    person, row, _ = employed(pairing)
    pairing.dynamics.revoke("Read", "account")
    pairing.dynamics.edit("contact", row, {"jobtitle": "CEO"})

    pairing.cycle()

    assert shown(pairing, person, {**SHOWN, "title": None}) == {**SHOWN, "title": "CEO"}


def test_lookups_of_several_rows_and_columns_cost_one_read_per_table(pairing: Pairing) -> None:
    """Thirteen account fields and two owner fields of two rows are read in one call per table."""
    pairing.marketo.add_field("dynamicsOwnerName")
    pairing.marketo.add_field("dynamicsOwnerEmail", "email")
    pairing.setup()
    accounts = [pairing.dynamics.create("account", {"name": name}) for name in ("One", "Two")]
    user = pairing.dynamics.create("systemuser", {"fullname": "Jane Roe"})
    ids = [
        pairing.dynamics.create(
            "contact", {"lastname": "A", "parentcustomerid": ("account", one), "ownerid": ("systemuser", user)}
        )
        for one in accounts
    ]
    ctx = pairing.context()
    schema = load_schema(ctx)
    rows = ctx.dynamics.rows_by_id("contact", ids, schema.columns[Table.CONTACT])
    before = ctx.dynamics.calls

    names = LookupNames(ctx)
    frame = rows_frame(rows, schema, Table.CONTACT, names)
    again = rows_frame(rows, schema, Table.CONTACT, names)

    assert sorted(frame["company"]) == ["One", "Two"]
    assert set(frame["owner_name"]) == {"Jane Roe"}
    assert again.equals(frame)
    assert ctx.dynamics.calls - before == 2
