"""The standard lead fields of an instance that was never connected to a CRM by the native sync."""

from __future__ import annotations

from typing import Final

from include.sandbox.marketo.fields import DataType, FieldDefinition

__all__ = ["DEFAULT_FIELDS", "FALSE_BY_DEFAULT", "STANDARD_FIELDS"]

# Source: leads.md, Get Lead by Id: the fields returned when none are named.
DEFAULT_FIELDS: Final = ("id", "email", "firstName", "lastName", "createdAt", "updatedAt")

# System switches that hold false, not null, until someone turns them on.
FALSE_BY_DEFAULT: Final = (
    "unsubscribed",
    "emailInvalid",
    "doNotCall",
    "marketingSuspended",
    "blackListed",
    "emailSuspended",
    "isAnonymous",
    "isLead",
    "mktoIsCustomer",
    "mktoIsPartner",
)

# name | display name | type | length | flags: r read-only, c company, s searchable. Source: list-of-standard-fields.md.
_TABLE: Final = """
id|Id|integer||rs
email|Email Address|email|255|s
salutation|Salutation|string|255|
firstName|First Name|string|255|
middleName|Middle Name|string|255|
lastName|Last Name|string|255|
title|Job Title|string|255|
phone|Phone Number|phone|255|
mobilePhone|Mobile Phone Number|phone|255|
fax|Fax Number|phone|255|
address|Address|text|2000|
city|City|string|255|
state|State|string|255|
country|Country|string|255|
postalCode|Postal Code|string|255|
dateOfBirth|Date of Birth|date||
department|Department|string|255|
leadRole|Role|string|50|
leadSource|Person Source|string|255|
leadStatus|Person Status|string|255|
leadScore|Person Score|score||
rating|Person Rating|string|255|
urgency|Urgency|float||r
priority|Priority|integer||r
relativeScore|Relative Score|integer||r
relativeUrgency|Relative Urgency|integer||r
doNotCall|Do Not Call|boolean||
doNotCallReason|Do Not Call Reason|text|2000|
unsubscribed|Unsubscribed|boolean||
unsubscribedReason|Unsubscribed Reason|text|2000|
emailInvalid|Email Invalid|boolean||
emailInvalidCause|Email Invalid Cause|string|255|
marketingSuspended|Marketing Suspended|boolean||
marketingSuspendedCause|Marketing Suspended Cause|string|255|
blackListed|Block List|boolean||
blackListedCause|Block List Cause|string|255|
emailSuspended|Email Suspended|boolean||
emailSuspendedAt|Email Suspended At|datetime||
emailSuspendedCause|Email Suspended Cause|string|255|
isAnonymous|Is Anonymous|boolean||r
isLead|Is Lead|boolean||r
mktoIsCustomer|Is Customer|boolean||
mktoIsPartner|Is Partner|boolean||
personType|Person Type|string|50|
mktoName|Full Name|string|255|r
mktoPersonNotes|Person Notes|text|30000|
personTimeZone|Person Time Zone|string|255|r
personPrimaryLeadInterest|Person Primary Person Interest|reference||r
leadPerson|Lead Person|reference||r
contactCompany|Contact Company|reference||r
leadPartitionId|Lead Partition Id|reference||rs
leadRevenueCycleModelId|Revenue Cycle Model Id|reference||r
leadRevenueStageId|Revenue Stage Id|reference||r
acquisitionProgramId|Acquisition Program Id|reference||r
mktoAcquisitionDate|Acquisition Date|datetime||
originalSourceType|Original Source Type|string|255|r
originalSourceInfo|Original Source Info|string|2000|r
originalSearchEngine|Original Search Engine|string|255|r
originalSearchPhrase|Original Search Phrase|string|255|r
originalReferrer|Original Referrer|string|255|r
registrationSourceType|Registration Source Type|string|255|
registrationSourceInfo|Registration Source Info|string|2000|
anonymousIP|Anonymous IP|string|255|
inferredCompany|Inferred Company|string|255|r
inferredCountry|Inferred Country|string|255|r
inferredCity|Inferred City|string|255|r
inferredStateRegion|Inferred State Region|string|255|r
inferredPostalCode|Inferred Postal Code|string|255|r
inferredMetropolitanArea|Inferred Metropolitan Area|string|255|r
inferredPhoneAreaCode|Inferred Phone Area Code|string|255|r
cookies|Cookies|string|255|rs
facebookId|Facebook Id|string|255|s
linkedInId|LinkedIn Id|string|255|s
twitterId|Twitter Id|string|255|s
createdAt|Created At|datetime||r
updatedAt|Updated At|datetime||r
externalCompanyId|External Company Id|string|100|
externalSalesPersonId|External Sales Person Id|string|100|
company|Company Name|string|255|c
site|Site|string|255|c
website|Website|url|255|c
mainPhone|Main Phone|phone|255|c
industry|Industry|string|255|c
sicCode|SIC Code|string|40|c
annualRevenue|Annual Revenue|currency||c
numberOfEmployees|Num Employees|integer||c
billingStreet|Billing Address|text|2000|c
billingCity|Billing City|string|255|c
billingState|Billing State|string|255|c
billingPostalCode|Billing Postal Code|string|255|c
billingCountry|Billing Country|string|255|c
mktoCompanyNotes|Company Notes|text|30000|c
"""

# Known to the SOAP API and the user interface only: describe lists them without a `rest` member.
_SOAP_ONLY: Final = """
leadOwnerFirstName|Lead Owner First Name|string|255|r
leadOwnerLastName|Lead Owner Last Name|string|255|r
leadOwnerEmailAddress|Lead Owner Email Address|email|255|r
"""


def _definition(line: str, *, rest: bool) -> FieldDefinition:
    name, display_name, data_type, length, flags = line.split("|")
    return FieldDefinition(
        id=0,
        name=name,
        display_name=display_name,
        data_type=DataType(data_type),
        length=int(length) if length else None,
        soap_name=name[0].upper() + name[1:],
        rest=rest,
        read_only="r" in flags,
        is_company="c" in flags,
        searchable="s" in flags,
    )


STANDARD_FIELDS: Final = tuple(
    [_definition(line, rest=True) for line in _TABLE.strip().splitlines()]
    + [_definition(line, rest=False) for line in _SOAP_ONLY.strip().splitlines()]
)
