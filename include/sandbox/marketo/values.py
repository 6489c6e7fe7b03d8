"""
Field values: what a write may contain, how it is kept, and how the change log spells it.

Values are kept exactly as JSON answers give them (dates `YYYY-MM-DD`, moments `YYYY-MM-DDThh:mm:ssZ`), empty ones not
at all, so that reading costs nothing.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from include.sandbox.marketo.errors import RefusalError
from include.sandbox.marketo.fields import DataType, FieldDefinition
from include.sandbox.marketo.settings import OverLength

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.sandbox.marketo.settings import MarketoSettings

__all__ = ["Value", "check_type", "is_refused", "log_text", "moment_text", "parse_moment", "parse_value"]

Value = str | int | float | bool

_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_MOMENT: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2}:\d{2})(?:\.\d+)?(Z|[+-]\d{2}:?\d{2}|)",
)
_EMAIL: Final = re.compile(r"[^@\s]+@[^@\s]+")
_INTEGER_RANGE: Final = range(-(2**31), 2**31)


def parse_value(field: FieldDefinition, raw: object, settings: MarketoSettings) -> Value | None:
    """
    Return the value as it is kept, None when `raw` clears the field (null and "" both do).

    Raises RefusalError for a wrong type, an unusable date, a non-ASCII e-mail address or, when so switched, a text over
    the field's length. Source: field-types.md, lead-database.md.
    """
    if raw is None or raw == "":
        return None
    checked = check_type(field.data_type, raw, settings)
    if isinstance(checked, _Refused):
        raise RefusalError(
            settings.wrong_type_code,
            f"Invalid value for field '{field.name}', required of type '{field.data_type}'",
        )
    if isinstance(checked, str) and field.length is not None:
        return _fit(field, checked, settings)
    return checked


class _Refused:
    """The mark of a value that does not fit its type."""


_REFUSED: Final = _Refused()


def check_type(data_type: DataType, raw: object, settings: MarketoSettings) -> Value | _Refused:
    """Return the value as kept for this type, or a mark that it does not fit."""
    return _CHECKS[data_type](raw, settings)


def is_refused(checked: Value | _Refused) -> bool:
    """Whether `check_type` found the value unfit."""
    return isinstance(checked, _Refused)


def _text(raw: object, _settings: MarketoSettings) -> Value | _Refused:
    return raw if isinstance(raw, str) else _REFUSED


def _email(raw: object, _settings: MarketoSettings) -> Value | _Refused:
    # Source: field-types.md, email: only ASCII is supported.
    return raw if isinstance(raw, str) and raw.isascii() and _EMAIL.fullmatch(raw) else _REFUSED


def _integer(raw: object, _settings: MarketoSettings) -> Value | _Refused:
    if isinstance(raw, float) and raw.is_integer():
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int) or raw not in _INTEGER_RANGE:
        return _REFUSED
    return raw


def _number(raw: object, _settings: MarketoSettings) -> Value | _Refused:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        return _REFUSED
    return raw


def _boolean(raw: object, _settings: MarketoSettings) -> Value | _Refused:
    return raw if isinstance(raw, bool) else _REFUSED


def _date(raw: object, _settings: MarketoSettings) -> Value | _Refused:
    if not isinstance(raw, str) or not _DATE.fullmatch(raw):
        return _REFUSED
    try:
        return date.fromisoformat(raw).isoformat()
    except ValueError:
        return _REFUSED


def _moment(raw: object, settings: MarketoSettings) -> Value | _Refused:
    if not isinstance(raw, str):
        return _REFUSED
    parsed = parse_moment(raw, zone=settings.naive_datetime_zone)
    return _REFUSED if parsed is None else moment_text(parsed)


def _never(_raw: object, _settings: MarketoSettings) -> Value | _Refused:
    return _REFUSED


_CHECKS: Final[dict[DataType, Callable[[object, MarketoSettings], Value | _Refused]]] = {
    DataType.STRING: _text,
    DataType.TEXT: _text,
    DataType.PHONE: _text,
    DataType.URL: _text,
    DataType.EMAIL: _email,
    DataType.INTEGER: _integer,
    DataType.SCORE: _integer,
    DataType.PERCENT: _number,
    DataType.FLOAT: _number,
    DataType.CURRENCY: _number,
    DataType.BOOLEAN: _boolean,
    DataType.DATE: _date,
    DataType.DATETIME: _moment,
    DataType.REFERENCE: _never,
    DataType.FORMULA: _never,
}


def parse_moment(text: str, *, zone: str | None = None) -> datetime | None:
    """
    Return the moment written as ISO 8601, aware, in UTC, whole seconds; None when it is no such text.

    Without an offset the text is read in `zone`, or refused when there is none.
    """
    match = _MOMENT.fullmatch(text)
    if match is None or (not match[3] and zone is None):
        return None
    try:
        parsed = datetime.fromisoformat(f"{match[1]}T{match[2]}{match[3]}")
    except ValueError:
        return None
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=ZoneInfo(zone or "UTC"))
    return parsed.astimezone(UTC)


def moment_text(moment: datetime | float) -> str:
    """Return the moment (aware, or seconds since the epoch) as lead answers spell it."""
    if not isinstance(moment, datetime):
        moment = datetime.fromtimestamp(moment, tz=UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _fit(field: FieldDefinition, text: str, settings: MarketoSettings) -> str:
    in_bytes = field.data_type is DataType.TEXT
    length = len(text.encode()) if in_bytes else len(text)
    if field.length is None or length <= field.length:
        return text
    if settings.over_length is OverLength.TRUNCATE:
        return text.encode()[: field.length].decode(errors="ignore") if in_bytes else text[: field.length]
    raise RefusalError(
        settings.over_length_code,
        f"Value for field '{field.name}' has length {length}, the maximum is {field.length}",
    )


def log_text(field: FieldDefinition, value: Value | None) -> str | None:
    """
    Return the value as the change log spells it: always a text.

    Booleans become `True` and `False`, moments `YYYY-MM-DD hh:mm:ss` without a zone (recorded from live instances;
    migration.md leaves it open), so the log says which lead changed but not, reliably, to what.
    """
    if value is None:
        return None
    if field.data_type is DataType.DATETIME:
        return str(value).replace("T", " ").rstrip("Z")
    return str(value)
