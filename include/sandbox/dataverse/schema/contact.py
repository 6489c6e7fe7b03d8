"""
The contact table as it ships.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/contact
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.schema.columns import (
    Column,
    ColumnType,
    Option,
    boolean,
    choice,
    customer,
    day,
    integer,
    key,
    lookup,
    memo,
    moment,
    money,
    text,
)
from include.sandbox.dataverse.schema.shared import (
    address_columns,
    consent_columns,
    currency_columns,
    name_columns,
    owner_columns,
    record_columns,
    state_columns,
)
from include.sandbox.dataverse.schema.table import Table, columns_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["contact_table"]

_PHONES: Final = (
    "telephone1",
    "telephone2",
    "telephone3",
    "mobilephone",
    "fax",
    "pager",
    "home2",
    "business2",
    "callback",
    "assistantphone",
    "managerphone",
    "company",
)
_PLACEHOLDERS: Final = (
    "leadsourcecode",
    "customertypecode",
    "customersizecode",
    "educationcode",
    "haschildrencode",
    "territorycode",
    "shippingmethodcode",
)
_STATUSES: Final = (Option(1, "Active", 0), Option(2, "Inactive", 1))


def contact_table() -> Table:
    """Return the definition of contact."""
    columns = columns_by_name([*_texts(), *_choices(), *_facts(), *_relations()])
    return Table("contact", "contacts", "contactid", "fullname", 2, columns)


def _texts() -> Iterator[Column]:
    yield key("contactid")
    yield from name_columns()
    yield text("suffix", 10)
    for name in ("salutation", "nickname", "jobtitle", "department", "assistantname", "managername", "spousesname"):
        yield text(name, 100)
    for name in ("emailaddress1", "emailaddress2", "emailaddress3"):
        yield text(name, 100, format="Email")
    for name in _PHONES:
        yield text(name, 50, format="Phone")
    yield text("childrensnames", 255)
    yield text("websiteurl", 200, format="Url")
    yield text("ftpsiteurl", 200, format="Url")
    yield memo("description", 2000)
    for name in ("employeeid", "governmentid", "externaluseridentifier"):
        yield text(name, 50)
    yield from address_columns("address1", name_length=200, person=True, kinds=True)
    yield from address_columns("address2", name_length=100, person=True, kinds=False)
    yield from address_columns("address3", name_length=100, person=True, kinds=False)


def _choices() -> Iterator[Column]:
    yield choice("gendercode", "Male", "Female")
    yield choice("familystatuscode", "Single", "Married", "Divorced", "Widowed")
    yield choice("accountrolecode", "Decision Maker", "Employee", "Influencer")
    for name in _PLACEHOLDERS:
        yield choice(name, "Default Value")
    yield choice("preferredcontactmethodcode", "Any", "Email", "Phone", "Fax", "Mail", default=1)
    days = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
    yield choice("preferredappointmentdaycode", *days, first=0)
    yield choice("preferredappointmenttimecode", "Morning", "Afternoon", "Evening")
    yield choice("paymenttermscode", "Net 30", "2% 10, Net 30", "Net 45", "Net 60")
    yield from state_columns(("Active", "Inactive"), _STATUSES)
    yield from consent_columns(("donotemail", "donotbulkemail", "donotphone", "donotfax", "donotpostalmail"))
    yield boolean("donotbulkpostalmail")
    for name in ("creditonhold", "marketingonly", "isbackofficecustomer", "participatesinworkflow"):
        yield boolean(name)
    yield boolean("merged").read_only()


def _facts() -> Iterator[Column | tuple[Column, ...]]:
    yield integer("numberofchildren", 0, 1_000_000_000)
    yield money("annualincome", 100_000_000_000_000)
    yield money("creditlimit", 100_000_000_000_000)
    yield from currency_columns()
    yield day("birthdate")
    yield day("anniversary")
    yield moment("lastusedincampaign", format="DateOnly").update_only()
    yield moment("lastonholdtime")
    yield Column("entityimage", ColumnType.IMAGE, securable=False)
    yield from record_columns()


def _relations() -> Iterator[Column]:
    yield customer("parentcustomerid")
    yield lookup("accountid", "account").read_only()
    yield lookup("parentcontactid", "contact").read_only()
    yield lookup("preferredsystemuserid", "systemuser")
    yield lookup("originatingleadid", "lead").create_only()
    yield lookup("masterid", "contact").read_only()
    yield from owner_columns()
