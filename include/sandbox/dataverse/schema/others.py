"""
The tables around people: accounts and opportunities, and what an organisation is set up with.

Only the columns that a sync can meet are here. Source:
https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/account and its siblings.
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
    decimal,
    integer,
    key,
    lookup,
    memo,
    money,
    text,
)
from include.sandbox.dataverse.schema.shared import (
    INDUSTRIES,
    address_columns,
    currency_columns,
    owner_columns,
    record_columns,
    state_columns,
)
from include.sandbox.dataverse.schema.table import Table, columns_by_name

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["other_tables"]

_ACTIVE: Final = (Option(1, "Active", 0), Option(2, "Inactive", 1))


def other_tables() -> Iterator[Table]:
    """Yield every table but contact and lead."""
    yield _account()
    yield _opportunity()
    yield _user()
    yield _team()
    yield _currency()
    yield _organization()
    yield _set_up("businessunit", "businessunits", "businessunitid", "name", 10, [text("name", 160)])
    yield _set_up(
        "role", "roles", "roleid", "name", 1036, [text("name", 100), lookup("businessunitid", "businessunit")]
    )
    yield _set_up("sdkmessage", "sdkmessages", "sdkmessageid", "name", 4606, [text("name", 256)])
    yield _message_filter()


def _set_up(name: str, entity_set: str, primary_key: str, primary_name: str, code: int, columns: list[Column]) -> Table:
    definition = columns_by_name([key(primary_key), *columns, *record_columns()])
    return Table(
        name, entity_set, primary_key, primary_name, code, definition, set_up=True, owned=False, change_tracking=False
    )


def _account() -> Table:
    columns: list[Column | tuple[Column, ...]] = [key("accountid"), text("name", 160, required=Required.APPLICATION)]
    columns += [
        text("accountnumber", 20),
        text("emailaddress1", 100, format="Email"),
        text("websiteurl", 200, format="Url"),
    ]
    columns += [text(name, 50, format="Phone") for name in ("telephone1", "telephone2", "fax")]
    columns += [
        memo("description", 2000),
        integer("numberofemployees", 0, 1_000_000_000),
        choice("industrycode", *INDUSTRIES),
    ]
    columns += [
        money("revenue", 100_000_000_000_000),
        lookup("primarycontactid", "contact"),
        lookup("parentaccountid", "account"),
    ]
    columns += [lookup("masterid", "account").read_only(), boolean("merged").read_only()]
    columns += [*address_columns("address1", name_length=200, person=True, kinds=True), *currency_columns()]
    columns += [*state_columns(("Active", "Inactive"), _ACTIVE), *owner_columns(), *record_columns()]
    return Table("account", "accounts", "accountid", "name", 1, columns_by_name(columns))


def _opportunity() -> Table:
    statuses = (Option(1, "In Progress", 0), Option(2, "On Hold", 0), Option(3, "Won", 1), Option(4, "Canceled", 2))
    columns: list[Column | tuple[Column, ...]] = [
        key("opportunityid"),
        text("name", 300, required=Required.APPLICATION),
    ]
    columns += [customer("customerid"), lookup("originatingleadid", "lead"), money("estimatedvalue", 922337203685477)]
    columns += [lookup("parentaccountid", "account"), lookup("parentcontactid", "contact"), *currency_columns()]
    columns += [*state_columns(("Open", "Won", "Lost"), statuses), *owner_columns(), *record_columns()]
    return Table("opportunity", "opportunities", "opportunityid", "name", 3, columns_by_name(columns))


def _user() -> Table:
    modes = ("Read-Write", "Administrative", "Read", "Support User", "Non-interactive", "Delegated Admin")
    columns = [
        text("fullname", 200),
        text("firstname", 256),
        text("lastname", 256),
        text("domainname", 1024),
        text("title", 128),
    ]
    columns += [text("internalemailaddress", 100, format="Email"), boolean("isdisabled", "Enabled", "Disabled")]
    columns += [
        Column("applicationid", ColumnType.UNIQUEIDENTIFIER),
        Column("azureactivedirectoryobjectid", ColumnType.UNIQUEIDENTIFIER),
    ]
    columns += [lookup("businessunitid", "businessunit"), choice("accessmode", *modes, first=0, default=0)]
    return _set_up("systemuser", "systemusers", "systemuserid", "fullname", 8, columns)


def _team() -> Table:
    columns = [
        text("name", 160),
        choice("teamtype", "Owner", "Access", "Security Group", "Office Group", first=0, default=0),
    ]
    columns += [boolean("isdefault"), lookup("businessunitid", "businessunit"), lookup("administratorid", "systemuser")]
    return _set_up("team", "teams", "teamid", "name", 9, columns)


def _currency() -> Table:
    columns = [
        text("currencyname", 100),
        text("isocurrencycode", 5),
        text("currencysymbol", 13),
        integer("currencyprecision", 0, 4),
    ]
    columns += [decimal("exchangerate", 0.0000000001, 100000000000), *state_columns(("Active", "Inactive"), _ACTIVE)]
    return _set_up(
        "transactioncurrency", "transactioncurrencies", "transactioncurrencyid", "currencyname", 9105, columns
    )


def _organization() -> Table:
    columns = [
        text("name", 160),
        integer("expirechangetrackingindays", 0, 365),
        lookup("basecurrencyid", "transactioncurrency"),
    ]
    columns += [
        integer("languagecode", 0, 2147483647),
        choice("fullnameconventioncode", "Last Name, First Name", "First Name", first=0),
    ]
    return _set_up("organization", "organizations", "organizationid", "name", 1019, columns)


def _message_filter() -> Table:
    columns = [Column("primaryobjecttypecode", ColumnType.ENTITY_NAME), lookup("sdkmessageid", "sdkmessage")]
    return _set_up(
        "sdkmessagefilter", "sdkmessagefilters", "sdkmessagefilterid", "primaryobjecttypecode", 4607, columns
    )
