"""
The canonical text form of one value, type by type.

Each parser takes a non-blank trimmed text as a system wrote it and returns the canonical form, or raises `Unusable`
with a code and a message that never repeats the value. `canonical` calls them once per distinct value of a column, not
once per person.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import partial
from typing import TYPE_CHECKING

from include.person_sync.core.fields import FieldType, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from include.person_sync.core.schema import EffectiveField, Option

__all__ = [
    "DEFAULT_DECIMAL_PLACES",
    "MULTI_CHOICE_SEPARATOR",
    "TEXT_TYPES",
    "ChoiceLabels",
    "Unusable",
    "parse_boolean",
    "parse_date",
    "parse_datetime",
    "parse_decimal",
    "parse_integer",
    "value_parser",
]

TEXT_TYPES = frozenset({FieldType.TEXT, FieldType.EMAIL, FieldType.PHONE, FieldType.URL, FieldType.LOOKUP})
MULTI_CHOICE_SEPARATOR = ";"
DEFAULT_DECIMAL_PLACES = 10
"""The most that a Dataverse decimal column can have; used where the metadata gives no precision."""


class Unusable(ValueError):
    """A value that can't be brought into canonical form. `code` is stable, `message` holds no data."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_BOOLEANS = {"true": "true", "false": "false", "1": "true", "0": "false", "1.0": "true", "0.0": "false"}
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
_PLAIN_INTEGER = re.compile(r"0|-?[1-9]\d{0,30}", re.ASCII)
_PLAIN_DECIMAL = re.compile(r"-?(?:0|[1-9]\d{0,30})(?:\.(?P<fraction>\d+))?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}(?P<midnight>[T ]00:00:00(?:\.0+)?(?:Z|[+-]00:?00)?)?", re.ASCII)
_DATETIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?P<zone>Z|[+-]\d{2}:?\d{2})?", re.ASCII)
_MOST_DIGITS = 100
"""More than any column can hold, and few enough that float() stays finite."""
_WIDE = Context(prec=320, rounding=ROUND_HALF_EVEN)


def parse_boolean(text: str) -> str:
    """Return `true` or `false`. Marketo's bulk files and change logs spell them in other cases."""
    form = _BOOLEANS.get(text.lower())
    if form is None:
        raise Unusable("not_boolean", "not a yes/no value")
    return form


def _number(text: str) -> Decimal:
    number = Decimal(text) if len(text) <= _MOST_DIGITS and _NUMBER.fullmatch(text) else None
    if number is None or number.adjusted() > _MOST_DIGITS:
        raise Unusable("not_number", "not a number")
    return number


def parse_integer(text: str) -> str:
    """Return a whole number without sign of zero, leading zeros or fraction: `42`, `-3`, `0`."""
    if _PLAIN_INTEGER.fullmatch(text):
        return text
    number = _number(text)
    if number != number.to_integral_value(context=_WIDE):
        raise Unusable("not_integer", "not a whole number")
    return str(int(number))


def parse_decimal(text: str, places: int = DEFAULT_DECIMAL_PLACES) -> str:
    """Return the shortest plain decimal after rounding to `places`: `10.5`, `0`; never `1E+3`, `-0` or `10.50`."""
    found = _PLAIN_DECIMAL.fullmatch(text)
    is_short = found is not None and len(found["fraction"] or "") <= places
    plain = text if is_short else f"{_number(text).quantize(Decimal(1).scaleb(-places), context=_WIDE):f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in {"-0", ""} else plain


def parse_date(text: str) -> str:
    """Return `YYYY-MM-DD`. A date has no zone and is never converted; a time of day other than midnight is refused."""
    if not _DATE.fullmatch(text):
        raise Unusable("not_date", "not a calendar date")
    try:
        return date.fromisoformat(text[:10]).isoformat()
    except ValueError:
        raise Unusable("not_date", "not a calendar date") from None


def parse_datetime(text: str, *, zone_required: bool) -> str:
    """
    Return `YYYY-MM-DDTHH:MM:SSZ` in UTC; fractions of a second are cut off, as both systems keep whole seconds.

    Without a zone the text is read as UTC (Dataverse), or refused where `zone_required` (Marketo: undocumented zone).
    The double ending `Z+0000` of Marketo's asset API is understood.
    """
    found = _DATETIME.fullmatch(text.removesuffix("+0000") if text.endswith("Z+0000") else text)
    if found is None:
        raise Unusable("not_datetime", "not a date with time")
    if zone_required and found["zone"] is None:
        raise Unusable("no_time_zone", "a time without a time zone")
    try:
        moment = datetime.fromisoformat(found[0])
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unusable("not_datetime", "not a date with time") from None
    return moment.replace(microsecond=0, tzinfo=None).isoformat() + "Z"


@dataclass(frozen=True, slots=True)
class ChoiceLabels:
    """
    The labels of a choice column, read in both directions.

    Labels are compared exactly first, then without regard to case. A label that two options share is `ambiguous`: it
    stands for neither. Where no label fits, the option's number is understood too.
    """

    labels: dict[int, str]
    _exact: dict[str, int | None]
    _folded: dict[str, int | None]

    @classmethod
    def of(cls, options: Iterable[Option]) -> ChoiceLabels:
        """Return the labels of `options`; options without a label are known by number only."""
        labels = {option.value: option.label.strip() for option in options}
        return cls(labels, _index(labels, str), _index(labels, str.casefold))

    def parse_value(self, text: str) -> str:
        """Return the canonical form of an option's number as Dynamics writes it."""
        form = parse_integer(text)
        if int(form) not in self.labels:
            raise Unusable("unknown_option", "the choice column has no such option")
        return form

    def parse_label(self, text: str) -> str:
        """Return the number, as text, of the option with this label."""
        for index, key in ((self._exact, text), (self._folded, text.casefold())):
            if key in index:
                value = index[key]
                if value is None:
                    raise Unusable("ambiguous_label", "several options of the choice column have this label")
                return str(value)
        try:
            return self.parse_value(text)
        except Unusable:
            raise Unusable("unknown_label", "the choice column has no option with this label") from None

    def parse_values(self, text: str) -> str:
        """Return the canonical set of a multi-choice as Dynamics writes it (`9,1` → `1;9`)."""
        return _set_of(text, ",", self.parse_value)

    def parse_labels(self, text: str) -> str:
        """Return the canonical set of a multi-choice as Marketo holds it (`Label; Label`)."""
        return _set_of(text, MULTI_CHOICE_SEPARATOR, self.parse_label)

    def label(self, form: str) -> str:
        """Return the label of a canonical choice; the number itself where there is none."""
        return self.labels.get(int(form)) or form

    def label_set(self, form: str) -> str:
        """Return the labels of a canonical multi-choice, as Marketo holds them."""
        return "; ".join(self.label(value) for value in form.split(MULTI_CHOICE_SEPARATOR))


def _index(labels: dict[int, str], key: Callable[[str], str]) -> dict[str, int | None]:
    found: dict[str, int | None] = {}
    for value, label in labels.items():
        if label:
            found[key(label)] = None if key(label) in found else value
    return found


def _set_of(text: str, separator: str, parse: Callable[[str], str]) -> str:
    parts = [part.strip() for part in text.split(separator)]
    values = {int(parse(part)) for part in parts if part}
    return MULTI_CHOICE_SEPARATOR.join(str(value) for value in sorted(values))


def value_parser(field: EffectiveField, side: Side) -> Callable[[str], str]:
    """Return the parser of `field`'s values as `side` writes them. Raises KeyError for the plain-text types."""
    if field.field.type in {FieldType.CHOICE, FieldType.MULTI_CHOICE}:
        return _choice_parser(field, side)
    precision = field.dynamics.precision
    places = DEFAULT_DECIMAL_PLACES if precision is None else precision
    parsers: dict[FieldType, Callable[[str], str]] = {
        FieldType.BOOLEAN: parse_boolean,
        FieldType.INTEGER: parse_integer,
        FieldType.DECIMAL: partial(parse_decimal, places=places),
        FieldType.MONEY: partial(parse_decimal, places=places),
        FieldType.DATE: parse_date,
        FieldType.DATETIME: partial(parse_datetime, zone_required=side is Side.MARKETO),
    }
    return parsers[field.field.type]


def _choice_parser(field: EffectiveField, side: Side) -> Callable[[str], str]:
    labels = ChoiceLabels.of(field.dynamics.options)
    single = field.field.type is FieldType.CHOICE
    if side is Side.MARKETO:
        return labels.parse_label if single else labels.parse_labels
    return labels.parse_value if single else labels.parse_values
