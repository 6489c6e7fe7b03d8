"""
Columns: their types, limits and the small words that table definitions are written in.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/entity-attribute-metadata
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, StrEnum
from typing import Any, Final

__all__ = ["Column", "ColumnType", "DateBehavior", "Option", "Required"]


class ColumnType(StrEnum):
    """Kinds of column. The value is the name that metadata gives, without `Type`."""

    STRING = "String"
    MEMO = "Memo"
    INTEGER = "Integer"
    BIGINT = "BigInt"
    DECIMAL = "Decimal"
    DOUBLE = "Double"
    MONEY = "Money"
    BOOLEAN = "Boolean"
    PICKLIST = "Picklist"
    MULTI_SELECT = "MultiSelectPicklist"
    STATE = "State"
    STATUS = "Status"
    DATETIME = "DateTime"
    LOOKUP = "Lookup"
    CUSTOMER = "Customer"
    OWNER = "Owner"
    UNIQUEIDENTIFIER = "Uniqueidentifier"
    IMAGE = "Image"
    ENTITY_NAME = "EntityName"
    VIRTUAL = "Virtual"


class DateBehavior(StrEnum):
    """What a date column means by its value; not to be confused with the format in which forms show it."""

    USER_LOCAL = "UserLocal"
    DATE_ONLY = "DateOnly"
    TIME_ZONE_INDEPENDENT = "TimeZoneIndependent"


class Required(Enum):
    """Required levels. Only SYSTEM is enforced by the API."""

    NONE = "None"
    SYSTEM = "SystemRequired"
    APPLICATION = "ApplicationRequired"
    RECOMMENDED = "Recommended"


@dataclass(frozen=True, slots=True)
class Option:
    """One value of a choice. `state` is set for status reasons: the state they belong to."""

    value: int
    label: str
    state: int | None = None


LOOKUPS: Final = frozenset({ColumnType.LOOKUP, ColumnType.CUSTOMER, ColumnType.OWNER})
TEXTS: Final = frozenset(
    {ColumnType.STRING, ColumnType.MEMO, ColumnType.ENTITY_NAME, ColumnType.MULTI_SELECT, ColumnType.IMAGE}
)
CHOICES: Final = frozenset({ColumnType.PICKLIST, ColumnType.STATE, ColumnType.STATUS})
NUMBERS: Final = frozenset(
    {ColumnType.INTEGER, ColumnType.BIGINT, ColumnType.DECIMAL, ColumnType.DOUBLE, ColumnType.MONEY}
)


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column of a table.

    `navigations` maps each target table to the navigation property that binds to it; `money_of` names the column whose
    amount this one repeats in base currency; `default` is the value of a new row that says nothing.
    """

    name: str
    type: ColumnType
    label: str = ""
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    precision: int | None = None
    options: tuple[Option, ...] = ()
    behavior: DateBehavior | None = None
    format: str | None = None
    required: Required = Required.NONE
    creatable: bool = True
    updatable: bool = True
    navigations: tuple[tuple[str, str], ...] = ()
    default: Any = None
    money_of: str | None = None
    secured: bool = False
    securable: bool = True
    custom: bool = False

    @property
    def property_name(self) -> str:
        """The name under which rows show the column: `_x_value` for lookups."""
        return f"_{self.name}_value" if self.is_lookup else self.name

    @property
    def is_lookup(self) -> bool:
        """Whether the column refers to a row of another table."""
        return self.type in LOOKUPS

    @property
    def targets(self) -> tuple[str, ...]:
        """Tables that a lookup may refer to."""
        return tuple(target for target, _ in self.navigations)

    def option(self, value: int) -> Option | None:
        """Return the option with this value, or None."""
        return next((option for option in self.options if option.value == value), None)

    def read_only(self) -> Column:
        """Return the same column, closed to writing."""
        return replace(self, creatable=False, updatable=False)

    def create_only(self) -> Column:
        """Return the same column, open to writing at creation only."""
        return replace(self, updatable=False)

    def update_only(self) -> Column:
        """Return the same column, open to writing after creation only."""
        return replace(self, creatable=False)

    def needed(self, level: Required) -> Column:
        """Return the same column with a required level."""
        return replace(self, required=level)


def text(name: str, max_length: int, *, format: str = "Text", required: Required = Required.NONE) -> Column:  # noqa: A002 - the vendor's word
    """Return a single-line text column."""
    return Column(name, ColumnType.STRING, max_length=max_length, format=format, required=required)


def memo(name: str, max_length: int) -> Column:
    """Return a multi-line text column."""
    return Column(name, ColumnType.MEMO, max_length=max_length, format="TextArea")


def integer(name: str, minimum: int, maximum: int) -> Column:
    """Return a whole-number column."""
    return Column(name, ColumnType.INTEGER, minimum=minimum, maximum=maximum, format="None")


def double(name: str, minimum: float, maximum: float, precision: int = 5) -> Column:
    """Return a floating-point column."""
    return Column(name, ColumnType.DOUBLE, minimum=minimum, maximum=maximum, precision=precision)


def decimal(name: str, minimum: float, maximum: float, precision: int = 10) -> Column:
    """Return a decimal column."""
    return Column(name, ColumnType.DECIMAL, minimum=minimum, maximum=maximum, precision=precision)


def money(name: str, maximum: float, *, minimum: float = 0) -> tuple[Column, Column]:
    """Return an amount of money and its read-only shadow in base currency."""
    amount = Column(name, ColumnType.MONEY, minimum=minimum, maximum=maximum, precision=2)
    base = Column(
        f"{name}_base", ColumnType.MONEY, minimum=-922337203685477, maximum=922337203685477, precision=4, money_of=name
    )
    return amount, base.read_only()


def boolean(name: str, false: str = "No", true: str = "Yes", *, default: bool = False) -> Column:
    """Return a two-option column with its labels."""
    return Column(name, ColumnType.BOOLEAN, options=(Option(1, true), Option(0, false)), default=default)


def choice(name: str, *labels: str, first: int = 1, default: int | None = None) -> Column:
    """Return a choice whose values count up from `first`."""
    return Column(
        name,
        ColumnType.PICKLIST,
        options=tuple(Option(first + i, label) for i, label in enumerate(labels)),
        default=default,
    )


def moment(name: str, *, format: str = "DateAndTime") -> Column:  # noqa: A002 - the vendor's word
    """Return a date and time column of user-local behaviour."""
    return Column(name, ColumnType.DATETIME, behavior=DateBehavior.USER_LOCAL, format=format)


def day(name: str) -> Column:
    """Return a date column of date-only behaviour."""
    return Column(name, ColumnType.DATETIME, behavior=DateBehavior.DATE_ONLY, format="DateOnly")


def lookup(name: str, target: str) -> Column:
    """Return a lookup to one table, whose navigation property has the column's own name."""
    return Column(name, ColumnType.LOOKUP, navigations=((target, name),))


def customer(name: str) -> Column:
    """Return a lookup to account or contact, with one navigation property for each."""
    navigations = (("account", f"{name}_account"), ("contact", f"{name}_contact"))
    return Column(name, ColumnType.CUSTOMER, navigations=navigations)


def owner() -> Column:
    """Return the owner column: a user or a team, never empty."""
    navigations = (("systemuser", "ownerid"), ("team", "ownerid"))
    return Column("ownerid", ColumnType.OWNER, navigations=navigations, required=Required.SYSTEM)


def key(name: str) -> Column:
    """Return a primary key."""
    return Column(name, ColumnType.UNIQUEIDENTIFIER, required=Required.SYSTEM, securable=False).create_only()
