"""
The lead table as Dynamics 365 Sales ships it.

Source: https://learn.microsoft.com/dynamics365/sales/developer/entities/lead
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.schema.columns import (
    Column,
    ColumnType,
    Option,
    Required,
    boolean,
    choice,
    customer,
    day,
    double,
    integer,
    key,
    lookup,
    memo,
    moment,
    money,
    text,
)
from include.sandbox.dataverse.schema.shared import (
    INDUSTRIES,
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

__all__ = ["lead_table"]

_SOURCES: Final = (
    "Advertisement",
    "Employee Referral",
    "External Referral",
    "Partner",
    "Public Relations",
    "Seminar",
    "Trade Show",
    "Web",
    "Word of Mouth",
    "Other",
)
_STATUSES: Final = (
    Option(1, "New", 0),
    Option(2, "Contacted", 0),
    Option(3, "Qualified", 1),
    Option(4, "Lost", 2),
    Option(5, "Cannot Contact", 2),
    Option(6, "No Longer Interested", 2),
    Option(7, "Canceled", 2),
)


def lead_table() -> Table:
    """Return the definition of lead."""
    columns = columns_by_name([*_texts(), *_choices(), *_answers(), *_facts(), *_relations()])
    return Table("lead", "leads", "leadid", "fullname", 4, columns)


def _texts() -> Iterator[Column]:
    yield key("leadid")
    yield text("subject", 300, required=Required.APPLICATION)
    yield from name_columns()
    for name in ("salutation", "jobtitle", "yomicompanyname"):
        yield text(name, 100)
    yield text("companyname", 100, required=Required.RECOMMENDED)
    for name in ("emailaddress1", "emailaddress2", "emailaddress3"):
        yield text(name, 100, format="Email")
    for name in ("telephone1", "telephone2", "telephone3", "fax"):
        yield text(name, 50, format="Phone")
    yield text("mobilephone", 20, format="Phone")
    yield text("pager", 20)
    yield text("websiteurl", 200, format="Url")
    yield text("sic", 20)
    yield memo("description", 2000)
    yield memo("qualificationcomments", 2000)
    yield from address_columns("address1", name_length=100, person=False, kinds=False)
    yield from address_columns("address2", name_length=100, person=False, kinds=False)


def _choices() -> Iterator[Column]:
    yield choice("industrycode", *INDUSTRIES)
    yield choice("leadqualitycode", "Hot", "Warm", "Cold", default=2)
    yield choice("leadsourcecode", *_SOURCES)
    yield choice("prioritycode", "Default Value", default=1)
    yield choice("salesstagecode", "Default Value", default=1)
    yield choice("salesstage", "Qualify", first=0)
    yield choice("preferredcontactmethodcode", "Any", "Email", "Phone", "Fax", "Mail", default=1)
    yield choice("budgetstatus", "No Committed Budget", "May Buy", "Can Buy", "Will Buy", first=0)
    yield choice("need", "Must have", "Should have", "Good to have", "No need", first=0)
    yield choice("purchaseprocess", "Individual", "Committee", "Unknown", first=0)
    yield choice("purchasetimeframe", "Immediate", "This Quarter", "Next Quarter", "This Year", "Unknown", first=0)
    yield choice("initialcommunication", "Contacted", "Not Contacted", first=0)
    yield from state_columns(("Open", "Qualified", "Disqualified"), _STATUSES)


def _answers() -> Iterator[Column]:
    yield boolean("decisionmaker", "No", "completed")
    # The vendor's page labels these two the wrong way round; so does this table.
    yield boolean("confirminterest", "Yes", "No")
    yield boolean("evaluatefit", "Yes", "No")
    yield from consent_columns(("donotemail", "donotbulkemail", "donotphone", "donotfax", "donotpostalmail"))
    yield boolean("msdyn_gdproptout")
    yield boolean("participatesinworkflow")
    yield boolean("merged").read_only()


def _facts() -> Iterator[Column | tuple[Column, ...]]:
    yield integer("numberofemployees", 0, 1_000_000)
    yield money("revenue", 100_000_000_000_000)
    yield money("budgetamount", 1_000_000_000_000)
    yield money("estimatedamount", 1_000_000_000_000)
    yield double("estimatedvalue", 0, 1_000_000_000, 2)
    yield from currency_columns(precision=10)
    yield day("estimatedclosedate")
    yield moment("schedulefollowup_prospect", format="DateOnly")
    yield moment("schedulefollowup_qualify", format="DateOnly")
    yield moment("lastusedincampaign", format="DateOnly").update_only()
    yield moment("lastonholdtime")
    yield Column("entityimage", ColumnType.IMAGE, securable=False)
    yield from record_columns()


def _relations() -> Iterator[Column]:
    yield customer("customerid")
    yield lookup("parentaccountid", "account")
    yield lookup("parentcontactid", "contact")
    yield lookup("accountid", "account").read_only()
    yield lookup("contactid", "contact").read_only()
    yield lookup("campaignid", "campaign")
    yield lookup("qualifyingopportunityid", "opportunity")
    yield lookup("originatingcaseid", "incident")
    yield lookup("relatedobjectid", "campaignresponse").create_only()
    yield lookup("masterid", "lead").read_only()
    yield from owner_columns()
