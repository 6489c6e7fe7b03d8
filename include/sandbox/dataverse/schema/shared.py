"""Columns that contact, lead and account have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.schema.columns import (
    Column,
    ColumnType,
    Option,
    Required,
    boolean,
    choice,
    decimal,
    double,
    integer,
    lookup,
    memo,
    moment,
    owner,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = [
    "INDUSTRIES",
    "address_columns",
    "consent_columns",
    "name_columns",
    "owner_columns",
    "record_columns",
    "state_columns",
]

INDUSTRIES: Final = (
    "Accounting",
    "Agriculture and Non-petrol Natural Resource Extraction",
    "Broadcasting Printing and Publishing",
    "Brokers",
    "Building Supply Retail",
    "Business Services",
    "Consulting",
    "Consumer Services",
    "Design, Direction and Creative Management",
    "Distributors, Dispatchers and Processors",
    "Doctor's Offices and Clinics",
    "Durable Manufacturing",
    "Eating and Drinking Places",
    "Entertainment Retail",
    "Equipment Rental and Leasing",
    "Financial",
    "Food and Tobacco Processing",
    "Inbound Capital Intensive Processing",
    "Inbound Repair and Services",
    "Insurance",
    "Legal Services",
    "Non-Durable Merchandise Retail",
    "Outbound Consumer Service",
    "Petrochemical Extraction and Distribution",
    "Service Retail",
    "SIG Affiliations",
    "Social Services",
    "Special Outbound Trade Contractors",
    "Specialty Realty",
    "Transportation",
    "Utility Creation and Distribution",
    "Vehicle Retail",
    "Wholesale",
)
_ADDRESS_KINDS: Final = ("Bill To", "Ship To", "Primary", "Other")
_SHIPPING: Final = ("Airborne", "DHL", "FedEx", "UPS", "Postal Mail", "Full Load", "Will Call")
_DEFAULT_ONLY: Final = ("Default Value",)


def owner_columns() -> Iterator[Column]:
    """Yield who owns a row. The three owning columns follow `ownerid`."""
    yield owner()
    yield lookup("owningbusinessunit", "businessunit").read_only()
    yield lookup("owninguser", "systemuser").read_only()
    yield lookup("owningteam", "team").read_only()


def record_columns() -> Iterator[Column]:
    """Yield what every row says about its own history."""
    for name in ("createdby", "modifiedby", "createdonbehalfby", "modifiedonbehalfby"):
        yield lookup(name, "systemuser").read_only()
    yield replace(moment("createdon"), securable=False).read_only()
    yield replace(moment("modifiedon"), securable=False).read_only()
    yield moment("overriddencreatedon", format="DateOnly").create_only()
    yield integer("importsequencenumber", -2147483648, 2147483647).create_only()
    yield Column("versionnumber", ColumnType.BIGINT, securable=False).read_only()


def state_columns(states: Sequence[str], statuses: Sequence[Option]) -> Iterator[Column]:
    """Yield the state (update only) and the status reasons, whose first per state is that state's default."""
    options = tuple(Option(value, label) for value, label in enumerate(states))
    yield Column("statecode", ColumnType.STATE, options=options, required=Required.SYSTEM, default=0).update_only()
    yield Column("statuscode", ColumnType.STATUS, options=tuple(statuses), default=statuses[0].value)


def name_columns() -> Iterator[Column]:
    """Yield the parts of a person's name. The full names are computed."""
    yield text("fullname", 160).read_only()
    yield text("firstname", 50, required=Required.RECOMMENDED)
    yield text("middlename", 50)
    yield text("lastname", 50, required=Required.APPLICATION)
    yield text("yomifullname", 450).read_only()
    for name in ("yomifirstname", "yomimiddlename", "yomilastname"):
        yield text(name, 150)


def consent_columns(names: Sequence[str]) -> Iterator[Column]:
    """Yield opt-outs: true means *do not*."""
    for name in names:
        yield boolean(name, "Allow", "Do Not Allow")
    yield boolean("donotsendmm", "Send", "Do Not Send")
    yield boolean("followemail", "Do Not Allow", "Allow", default=True)


def address_columns(prefix: str, *, name_length: int, person: bool, kinds: bool) -> Iterator[Column]:
    """Yield one address. `person`: with contact name and freight terms; `kinds`: with the full lists of choices."""
    yield text(f"{prefix}_name", name_length)
    for line in ("line1", "line2", "line3"):
        yield text(f"{prefix}_{line}", 250)
    for part, length in (("city", 80), ("country", 80), ("stateorprovince", 50), ("county", 50)):
        yield text(f"{prefix}_{part}", length)
    for part, length in (("postalcode", 20), ("postofficebox", 20), ("upszone", 4), ("fax", 50)):
        yield text(f"{prefix}_{part}", length)
    for number in (1, 2, 3):
        yield text(f"{prefix}_telephone{number}", 50, format="Phone")
    if person:
        yield text(f"{prefix}_primarycontactname", 100)
        yield choice(f"{prefix}_freighttermscode", *(("FOB", "No Charge") if kinds else _DEFAULT_ONLY))
    yield integer(f"{prefix}_utcoffset", -1500, 1500)
    yield double(f"{prefix}_latitude", -90, 90)
    yield double(f"{prefix}_longitude", -180, 180)
    yield choice(f"{prefix}_addresstypecode", *(_ADDRESS_KINDS if kinds else _DEFAULT_ONLY))
    yield choice(f"{prefix}_shippingmethodcode", *(_SHIPPING if kinds else _DEFAULT_ONLY))
    yield memo(f"{prefix}_composite", 1000).read_only()
    yield Column(f"{prefix}_addressid", ColumnType.UNIQUEIDENTIFIER, securable=False)


def currency_columns(precision: int = 12) -> Iterator[Column]:
    """Yield the currency of a row's amounts and its rate against the base currency."""
    yield lookup("transactioncurrencyid", "transactioncurrency")
    yield decimal("exchangerate", 0.000000000001, 100000000000, precision).read_only()
