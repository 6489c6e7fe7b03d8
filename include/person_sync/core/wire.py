"""Canonical values → what a system accepts on the wire, and whether it would accept them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from include.errors import SyncError
from include.person_sync.core.fields import FieldType, Side
from include.person_sync.core.forms import (
    MULTI_CHOICE_SEPARATOR,
    TEXT_TYPES,
    ChoiceLabels,
    Unusable,
    parse_decimal,
    value_parser,
)
from include.person_sync.core.values import MARKS, TEXT_DTYPE, holds_mark

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.person_sync.core.schema import EffectiveField

__all__ = ["check_values", "wire_values"]

MARKETO_STRING_CHARACTERS = 255
MARKETO_TEXT_AREA_BYTES = 30_000
DYNAMICS_EARLIEST_DATE = "1753-01-01"
_TEXT_AREAS = frozenset({"text", "textarea"})
_NUMBERS = frozenset({FieldType.INTEGER, FieldType.DECIMAL, FieldType.MONEY})


def wire_values(values: pd.Series, field: EffectiveField, target: Side) -> pd.Series:
    """
    Return `values` as JSON-ready Python values for `target`: an object column with the same index, None for empty.

    Booleans become bool, integers int, decimals and money float; dates and times stay text. A choice is its label for
    Marketo and its number for Dynamics, a multi-choice `Label; Label` or `1,9`. Raises SyncError when a cell holds a
    mark that must never be sent, or when `field` is the name of a referenced row and `target` is Dynamics.
    """
    if field.is_lookup and target is Side.DYNAMICS:
        raise SyncError(f"Field {field.name} is the name of a referenced row and can't be written to Dynamics.")
    if holds_mark(values).any():
        raise SyncError(f"Field {field.name}: a missing or unreadable value was about to be sent to {target}.")
    return _per_distinct(values, _converter(field, target))


def check_values(values: pd.Series, field: EffectiveField, target: Side) -> pd.Series:
    """
    Return, per cell, why `target` would refuse the value: NaN where it is fine, else `"code: message"`.

    A `str` column with the same index; no message contains a value. Text for Dynamics is counted in characters, as its
    documentation does: where the server counts an emoji twice, it refuses the record itself and nothing is lost, while
    counting twice here would refuse texts that fit. Marketo's text areas are counted in bytes of UTF-8.
    """
    empty = "required: the column can't be emptied" if target is Side.DYNAMICS and field.dynamics.required else None
    verdicts = _per_distinct(values, partial(_verdict, field=field, target=target), when_empty=empty)
    return verdicts.astype(TEXT_DTYPE)


def _per_distinct(values: pd.Series, convert: Callable[[str], object], when_empty: object = None) -> pd.Series:
    """Return `convert` of every cell as an object column, calling it once per distinct value."""
    array = pa.array(values, pa.large_string(), from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    encoded = array.dictionary_encode()
    distinct = [convert(text) for text in encoded.dictionary.to_pylist()]
    table = np.empty(len(distinct) + 1, dtype=object)
    table[:-1] = distinct
    table[-1] = when_empty
    codes = encoded.indices.fill_null(len(distinct)).to_numpy(zero_copy_only=False)
    return pd.Series(table[codes], index=values.index, name=values.name, dtype=object)


def _converter(field: EffectiveField, target: Side) -> Callable[[str], object]:
    kind = field.field.type
    if kind is FieldType.BOOLEAN:
        return lambda text: text == "true"
    if kind is FieldType.INTEGER:
        return int
    if kind in {FieldType.DECIMAL, FieldType.MONEY}:
        return float
    labels = ChoiceLabels.of(field.dynamics.options)
    if kind is FieldType.CHOICE:
        return labels.label if target is Side.MARKETO else int
    if kind is FieldType.MULTI_CHOICE:
        return labels.label_set if target is Side.MARKETO else _value_list
    return str


def _value_list(form: str) -> str:
    return form.replace(MULTI_CHOICE_SEPARATOR, ",")


def _verdict(text: str, *, field: EffectiveField, target: Side) -> str | None:
    kind = field.field.type
    if text in MARKS:
        return "unknown_value: the value is missing or unreadable"
    if kind in {FieldType.CHOICE, FieldType.MULTI_CHOICE}:
        return _choice_verdict(text, field, target)
    if kind in TEXT_TYPES:
        return _text_verdict(text, field, target)
    if kind in _NUMBERS:
        return _number_verdict(text, field, target)
    too_early = kind in {FieldType.DATE, FieldType.DATETIME} and text[:10] < DYNAMICS_EARLIEST_DATE
    if too_early and target is Side.DYNAMICS:
        return f"out_of_range: earlier than {DYNAMICS_EARLIEST_DATE}"
    return None


def _text_verdict(text: str, field: EffectiveField, target: Side) -> str | None:
    if target is Side.DYNAMICS:
        return _too_long(len(text), field.dynamics.max_length)
    column = field.marketo
    if column.data_type == "email" and not text.isascii():
        return "not_ascii: Marketo accepts only ASCII characters in an e-mail address"
    if column.data_type in _TEXT_AREAS:
        too_big = _too_long(len(text.encode()), MARKETO_TEXT_AREA_BYTES, "bytes")
        return too_big or _too_long(len(text), column.length)
    return _too_long(len(text), column.length or MARKETO_STRING_CHARACTERS)


def _too_long(seen: int, allowed: int | None, unit: str = "characters") -> str | None:
    return f"too_long: {seen} {unit}, {allowed} allowed" if allowed is not None and seen > allowed else None


def _number_verdict(text: str, field: EffectiveField, target: Side) -> str | None:
    if field.field.type is not FieldType.INTEGER and parse_decimal(repr(float(text))) != text:
        return "too_precise: more digits than a JSON number can carry"
    if target is Side.MARKETO:
        return None
    number, low, high = float(text), field.dynamics.minimum, field.dynamics.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        return f"out_of_range: the column takes {low} to {high}"
    return None


def _choice_verdict(text: str, field: EffectiveField, target: Side) -> str | None:
    """Return why a choice can't be sent: no such option or, for Marketo, a label that stands for another one too."""
    labels = ChoiceLabels.of(field.dynamics.options)
    if any(int(value) not in labels.labels for value in text.split(MULTI_CHOICE_SEPARATOR)):
        return "unknown_option: the choice column has no such option"
    if target is Side.DYNAMICS:
        return None
    label = labels.label(text) if field.field.type is FieldType.CHOICE else labels.label_set(text)
    try:
        is_clear = value_parser(field, Side.MARKETO)(label) == text
    except Unusable:
        is_clear = False
    if not is_clear:
        return "unclear_label: the option's label would not be read back as the same option"
    return _text_verdict(label, field, target)
