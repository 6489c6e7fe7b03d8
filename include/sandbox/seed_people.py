"""Inventing people: what somebody is called and does, and how that looks in either system."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.seed_pools import (
    ACCOUNTS,
    DEPARTMENTS,
    FIRST_NAMES,
    LAST_NAMES,
    NOTES,
    PLACES,
    SALUTATIONS,
    SOURCES,
    STREETS,
    TITLES,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

__all__ = ["DYNAMICS_COLUMNS", "Kind", "Person", "dynamics_row", "invent", "marketo_record"]


class Kind(StrEnum):
    """Where a person is known, and how well the two sides agree."""

    EQUAL = "equal"
    COMPLEMENTARY = "complementary"
    DIFFERENT = "different"
    MARKETO_ONLY = "marketo only"
    DYNAMICS_ONLY = "dynamics only"
    TWICE_IN_MARKETO = "twice in marketo"
    TWICE_IN_DYNAMICS = "twice in dynamics"
    CONTACT_AND_LEAD = "contact and lead"
    WITHOUT_EMAIL = "without e-mail"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody invented. `values` are keyed by Marketo's REST names; `table` is the one in Dynamics."""

    number: int
    kind: Kind
    table: str
    values: dict[str, Any]


# Marketo field → column of both tables, of contact alone, of lead alone.
_BOTH: Final = {
    "salutation": "salutation",
    "firstName": "firstname",
    "middleName": "middlename",
    "lastName": "lastname",
    "email": "emailaddress1",
    "title": "jobtitle",
    "phone": "telephone1",
    "mobilePhone": "mobilephone",
    "address": "address1_line1",
    "city": "address1_city",
    "state": "address1_stateorprovince",
    "postalCode": "address1_postalcode",
    "country": "address1_country",
    "mktoPersonNotes": "description",
    "doNotCall": "donotphone",
    "unsubscribed": "donotbulkemail",
}
DYNAMICS_COLUMNS: Final[dict[str, dict[str, str]]] = {
    "contact": _BOTH | {"department": "department", "dateOfBirth": "birthdate"},
    "lead": _BOTH | {"fax": "fax", "company": "companyname", "annualRevenue": "revenue"},
}
_STATES: Final = {"contact": "Active", "lead": "Open"}
_OPTIONAL: Final = (
    "salutation",
    "middleName",
    "title",
    "phone",
    "mobilePhone",
    "fax",
    "address",
    "state",
    "department",
)
_LONG_TITLE: Final = (
    "Senior Deputy Assistant Vice President for International Procurement, Logistics and Special Projects"
)


def invent(draw: Random, number: int, kind: Kind) -> Person:
    """Return the person of that number. The same draws give the same person."""
    table = "contact" if draw.random() < 0.6 else "lead"
    (first, first_ascii), (last, last_ascii) = draw.choice(FIRST_NAMES), draw.choice(LAST_NAMES)
    account = draw.randrange(len(ACCOUNTS))
    city, state, postal_code, country, prefix = draw.choice(PLACES)
    values: dict[str, Any] = {
        "salutation": draw.choice(SALUTATIONS),
        "firstName": first,
        "middleName": draw.choice(("", "", "J.", "Mary", "Ø.")),
        "lastName": last,
        "email": f"{first_ascii}.{last_ascii}.{number}@{_domain(account)}",
        "title": _LONG_TITLE[:100] if number % 97 == 0 else draw.choice(TITLES),
        "company": ACCOUNTS[account],
        "department": draw.choice(DEPARTMENTS),
        "phone": f"{prefix} {draw.randrange(10**6, 10**7)}",
        "mobilePhone": draw.choice(("", f"{prefix} {draw.randrange(10**6, 10**7)}")),
        "fax": draw.choice(("", "", f"{prefix} 99{number % 10_000:04d}")),
        "address": f"{draw.choice(STREETS)} {draw.randrange(1, 300)}",
        "city": city,
        "state": state,
        "postalCode": postal_code,
        "country": country,
        "mktoPersonNotes": _notes(draw, number),
        "doNotCall": draw.random() < 0.1,
        "unsubscribed": draw.random() < 0.15,
        "leadSource": draw.choice(SOURCES)[0],
        "rating": draw.choice(("Hot", "Warm", "Cold")),
        "annualRevenue": draw.choice((None, 250_000, 1_500_000.5)),
        "dateOfBirth": draw.choice(
            (None, f"19{draw.randrange(50, 99)}-0{draw.randrange(1, 10)}-1{draw.randrange(10)}")
        ),
        "leadScore": draw.randrange(100),
        "leadStatus": _STATES[table],
    }
    if kind is Kind.WITHOUT_EMAIL:
        values["email"] = ""
    return Person(number, kind, table, values)


def _domain(account: int) -> str:
    return f"company{account:02d}.example"


def _notes(draw: Random, number: int) -> str:
    if number % 89 == 0:
        return ("A long story. " * 142)[:1_980].strip()
    return draw.choice(NOTES)


def marketo_record(person: Person, *, copy: int = 0) -> dict[str, Any]:
    """Return the Sync Leads record of a person; further copies of a person are poorer and say so in the title."""
    values = dict(person.values)
    _agree_on_table(values, person.table)
    if person.kind is Kind.COMPLEMENTARY:
        _drop(values, keep=0)
    if person.kind is Kind.DIFFERENT:
        values |= {"city": "Reykjavík", "title": "Freelancer", "unsubscribed": not values["unsubscribed"]}
        values["email"] = values["email"].upper() if person.number % 3 == 0 else values["email"]
    if person.kind is Kind.MARKETO_ONLY and person.number % 11 == 0:
        values["title"] = "Very long title " * 12
    if copy:
        values |= {"title": f"Duplicate {copy}", "phone": "", "mobilePhone": ""}
    return {name: value for name, value in values.items() if value not in {None, ""}}


def dynamics_row(person: Person, table: str, *, copy: int = 0) -> dict[str, Any]:
    """Return the columns of a person's row in a table, without lookups."""
    values = dict(person.values)
    if person.kind is Kind.COMPLEMENTARY:
        _drop(values, keep=1)
    if copy:
        values |= {"title": f"Duplicate {copy}"}
    row = {column: values[name] for name, column in DYNAMICS_COLUMNS[table].items() if values[name] not in {None, ""}}
    if table == "lead":
        row |= _lead_choices(values) | {"subject": f"Interest in product {person.number % 7}"}
    return row


def _lead_choices(values: Mapping[str, Any]) -> dict[str, int]:
    return {
        "leadsourcecode": dict(SOURCES)[values["leadSource"]],
        "leadqualitycode": {"Hot": 1, "Warm": 2, "Cold": 3}[values["rating"]],
    }


def _agree_on_table(values: dict[str, Any], table: str) -> None:
    """Leave out what the person's table in Dynamics cannot hold: a pair called equal has to be equal."""
    foreign = {"contact": ("fax", "annualRevenue", "leadSource", "rating"), "lead": ("department", "dateOfBirth")}
    for name in foreign[table]:
        values[name] = None


def _drop(values: dict[str, Any], *, keep: int) -> None:
    """Empty the optional fields that the other side keeps: every second one, which ones depends on `keep`."""
    for place, name in enumerate(_OPTIONAL):
        if place % 2 != keep:
            values[name] = ""
