"""
Values: what a body may carry for a column, and the form in which it is stored.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api and
.../behavior-format-date-time-attribute for dates.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.errors import Refusal, invalid_argument, payload_error
from include.sandbox.dataverse.schema.columns import Column, ColumnType, DateBehavior

if TYPE_CHECKING:
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.dataverse.settings import DynamicsSettings

__all__ = ["GUID", "moment_text", "parse_moment", "stored_value"]

GUID: Final = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.\d{1,7})?)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_EARLIEST: Final = "1753-01-01"
_INT32: Final = range(-(2**31), 2**31)
_EDM: Final = {
    ColumnType.STRING: "Edm.String",
    ColumnType.MEMO: "Edm.String",
    ColumnType.ENTITY_NAME: "Edm.String",
    ColumnType.MULTI_SELECT: "Edm.String",
    ColumnType.IMAGE: "Edm.Binary",
    ColumnType.INTEGER: "Edm.Int32",
    ColumnType.BIGINT: "Edm.Int64",
    ColumnType.DECIMAL: "Edm.Decimal",
    ColumnType.DOUBLE: "Edm.Double",
    ColumnType.MONEY: "Edm.Decimal",
    ColumnType.BOOLEAN: "Edm.Boolean",
    ColumnType.PICKLIST: "Edm.Int32",
    ColumnType.STATE: "Edm.Int32",
    ColumnType.STATUS: "Edm.Int32",
    ColumnType.UNIQUEIDENTIFIER: "Edm.Guid",
}


def edm_type(column: Column) -> str:
    """Return the OData type of a column."""
    if column.type is ColumnType.DATETIME:
        return "Edm.Date" if column.behavior is DateBehavior.DATE_ONLY else "Edm.DateTimeOffset"
    return "Edm.Guid" if column.is_lookup else _EDM[column.type]


def stored_value(value: Any, column: Column, table: Table, settings: DynamicsSettings) -> Any:
    """Return the stored form of a JSON value for a column, None for an empty one. Raises Refusal as the vendor does."""
    if value is None:
        return None
    match column.type:
        case ColumnType.STRING | ColumnType.MEMO | ColumnType.ENTITY_NAME:
            return _text(value, column, table, settings)
        case ColumnType.BOOLEAN:
            return value if isinstance(value, bool) else _wrong_type(value, column, table)
        case ColumnType.INTEGER | ColumnType.BIGINT:
            return _whole(value, column, table)
        case ColumnType.DECIMAL | ColumnType.DOUBLE | ColumnType.MONEY:
            return _fraction(value, column, table)
        case ColumnType.PICKLIST | ColumnType.STATE | ColumnType.STATUS:
            return _choice(value, column, table)
        case ColumnType.MULTI_SELECT:
            return _choices(value, column, table)
        case ColumnType.DATETIME:
            return _date(value, column, table)
        case ColumnType.UNIQUEIDENTIFIER:
            is_guid = isinstance(value, str) and GUID.fullmatch(value)
            return value.lower() if is_guid else _wrong_type(value, column, table)
        case _:
            return value


def _wrong_type(value: Any, column: Column, table: Table) -> Any:
    literal = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    text = f"Cannot convert the literal '{literal}' to the expected type '{edm_type(column)}'."
    raise payload_error(table.entity_set, text)


def _text(value: Any, column: Column, table: Table, settings: DynamicsSettings) -> str | None:
    if not isinstance(value, str):
        _wrong_type(value, column, table)
    if column.max_length is not None and _length(value, settings) > column.max_length:
        text = (
            f"A validation error occurred.  The length of the '{column.name}' attribute of the '{table.name}' entity "
            f"exceeded the maximum allowed length of '{column.max_length}'."
        )
        raise Refusal(400, "0x80044331", text)
    return None if value == "" and settings.empty_text_is_null else value


def _length(value: str, settings: DynamicsSettings) -> int:
    return len(value.encode("utf-16-le")) // 2 if settings.lengths_in_utf16_units else len(value)


def _whole(value: Any, column: Column, table: Table) -> int:
    fits = isinstance(value, int) and not isinstance(value, bool)
    if not fits or (column.type is ColumnType.INTEGER and value not in _INT32):
        _wrong_type(value, column, table)
    _check_range(value, column, table, "0x8004432f")
    return int(value)


def _fraction(value: Any, column: Column, table: Table) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _wrong_type(value, column, table)
    _check_range(value, column, table, "0x80044330")
    return round(float(value), column.precision) if column.precision is not None else float(value)


def _check_range(value: float, column: Column, table: Table, code: str) -> None:
    too_small = column.minimum is not None and value < column.minimum
    too_great = column.maximum is not None and value > column.maximum
    if too_small or too_great or value != value:
        text = (
            f"A validation error occurred. The value {value} of '{column.name}' on record of type '{table.name}' "
            "is outside the valid range."
        )
        raise Refusal(400, code, text)


def _choice(value: Any, column: Column, table: Table) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        _wrong_type(value, column, table)
    if column.option(value) is None:
        raise _not_an_option(value, column, table)
    return int(value)


def _choices(value: Any, column: Column, table: Table) -> str | None:
    if not isinstance(value, str):
        _wrong_type(value, column, table)
    if not value:
        return None
    pieces = [piece.strip() for piece in value.split(",")]
    for piece in pieces:
        if not piece.lstrip("-").isdigit() or column.option(int(piece)) is None:
            raise _not_an_option(piece, column, table)
    return ",".join(dict.fromkeys(pieces))


def _not_an_option(value: Any, column: Column, table: Table) -> Refusal:
    accepted = ",".join(str(option.value) for option in column.options)
    text = (
        f"A validation error occurred. The value {value} of '{column.name}' on record of type '{table.name}' is "
        f"outside the valid range. Accepted Values: {accepted}"
    )
    return Refusal(400, "0x8004431a", text)


def _date(value: Any, column: Column, table: Table) -> str:
    if not isinstance(value, str):
        _wrong_type(value, column, table)
    if column.behavior is DateBehavior.DATE_ONLY:
        stored = value if _is_day(value) else _wrong_type(value, column, table)
    else:
        stored = parse_moment(value) or _wrong_type(value, column, table)
    if stored < _EARLIEST:
        raise invalid_argument(
            f"DateTime is less than minimum value supported by CrmDateTime. Minimum value supported: {_EARLIEST}"
        )
    return str(stored)


def _is_day(value: str) -> bool:
    return _DAY.fullmatch(value) is not None and parse_moment(value) is not None


def parse_moment(value: str) -> str | None:
    """
    Return a moment as rows show it (`2026-01-05T10:04:11Z`), or None when it is no moment.

    Without an offset it is read as UTC; fractions of a second are dropped.
    """
    found = _MOMENT.fullmatch(value)
    if found is None:
        return None
    year, month, day, hour, minute, second, zone = found.groups()
    try:
        moment = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
        return moment_text(moment - _offset(zone))
    except (ValueError, OverflowError):
        return None


def _offset(zone: str | None) -> timedelta:
    if zone is None or zone == "Z":
        return timedelta()
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return timedelta(minutes=-minutes if zone[0] == "-" else minutes)


def moment_text(moment: datetime) -> str:
    """Return an aware moment as rows show it: UTC, whole seconds, `Z`."""
    # isoformat writes years below 1000 with four digits on every platform, which strftime does not.
    return moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat() + "Z"
