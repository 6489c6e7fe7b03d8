r"""
Raw values of both systems → canonical values, the only form in which values are compared.

| type | canonical text | Marketo | Dynamics |
|---|---|---|---|
| text, email, phone, url, lookup | trimmed, newlines as `\n`, no NUL | string | string |
| boolean | `true`, `false` | true/false | true/false |
| integer | `42`, `-3` | number | number |
| decimal, money | shortest plain decimal, rounded to the column's precision: `10.5` | number | number |
| date | `YYYY-MM-DD` | the same | the same |
| datetime | `YYYY-MM-DDTHH:MM:SSZ`, UTC, whole seconds | any offset | UTC |
| choice | the option's number as text: `3` | label | number |
| multi_choice | the numbers in order: `1;9` | `Label; Label` | `1,9` |

Laws: normalising twice is normalising once; what `wire` makes of a canonical value is read back as that value; empty,
unreadable and missing are never confused; the words `null`, `None` and `NaN` are data (surnames) when they arrive as
text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from include.person_sync.core.fields import Side
from include.person_sync.core.forms import TEXT_TYPES, Unusable, value_parser
from include.person_sync.core.values import MISSING, TEXT_DTYPE, UNREADABLE
from include.person_sync.core.wire import check_values, wire_values

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from include.person_sync.core.schema import EffectiveField

__all__ = [
    "PROBLEM_COLUMNS",
    "Canonical",
    "canonical_dynamics",
    "canonical_marketo",
    "check_values",
    "wire_values",
]

PROBLEM_COLUMNS = ("index_value", "field", "side", "code", "message")
_MARK_SIGN = MISSING[0]


@dataclass(frozen=True)
class Canonical:
    """
    One side in canonical form.

    `values`: the index of the raw frame, one `str` column per field, named and ordered as the fields.
    `problems`: one row per cell that became UNREADABLE, with columns `index_value`, `field`, `side`, `code`, `message`;
    no message contains a value.
    """

    values: pd.DataFrame
    problems: pd.DataFrame


def canonical_marketo(raw: pd.DataFrame, fields: Sequence[EffectiveField]) -> Canonical:
    """
    Return Marketo's side in canonical form.

    `raw` has any index and one column per Marketo REST name, of any dtype that JSON or Parquet yields. None, NaN and
    `""` are empty; an unusable value is UNREADABLE with a problem; so is every cell of a column that is not there.
    """
    return _canonical(raw, fields, Side.MARKETO, [field.marketo.name for field in fields])


def canonical_dynamics(raw: pd.DataFrame, fields: Sequence[EffectiveField]) -> Canonical:
    """
    Return the Dynamics side in canonical form; as `canonical_marketo`.

    `raw` has one column per Dynamics column; a lookup's text stands in a column named like the field.
    """
    return _canonical(raw, fields, Side.DYNAMICS, [field.raw_column for field in fields])


def _canonical(raw: pd.DataFrame, fields: Sequence[EffectiveField], side: Side, columns: Sequence[str]) -> Canonical:
    values: dict[str, pd.Series] = {}
    problems: list[pd.DataFrame] = []
    for field, column in zip(fields, columns, strict=True):
        parsed = _parse_column(raw[column], field, side) if column in raw else _not_delivered(len(raw))
        values[field.name] = pd.Series(parsed.values, index=raw.index, dtype=TEXT_DTYPE)
        if parsed.codes.null_count < len(raw):
            problems.append(_problem_rows(parsed, raw.index, field, side))
    frame = pd.DataFrame(values, index=raw.index, columns=[field.name for field in fields])
    return Canonical(frame, pd.concat(problems, ignore_index=True) if problems else _no_problems())


@dataclass(frozen=True)
class _Parsed:
    """Canonical values, and per cell a problem's code and message (null where all is well)."""

    values: pa.Array
    codes: pa.Array
    messages: pa.Array


def _not_delivered(length: int) -> _Parsed:
    column = partial(pa.repeat, size=length)
    return _Parsed(column(UNREADABLE), column("not_delivered"), column("the system did not deliver the column"))


def _no_problems() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=TEXT_DTYPE) for name in PROBLEM_COLUMNS})


def _problem_rows(parsed: _Parsed, index: pd.Index, field: EffectiveField, side: Side) -> pd.DataFrame:
    rows = pc.is_valid(parsed.codes).to_numpy(zero_copy_only=False).nonzero()[0]
    frame = {
        "index_value": index[rows],
        "field": field.name,
        "side": side.value,
        "code": parsed.codes.take(rows).to_pylist(),
        "message": parsed.messages.take(rows).to_pylist(),
    }
    return pd.DataFrame(frame, columns=list(PROBLEM_COLUMNS))


def _parse_column(raw: pd.Series, field: EffectiveField, side: Side) -> _Parsed:
    """Return the canonical values; a cell that arrives marked as unreadable stays so, and is no problem of its own."""
    parsed = _parse_text(_clean(_as_text(raw)), field, side)
    marked = raw == UNREADABLE
    if not marked.any():
        return parsed
    known = pa.array(marked.fillna(False).to_numpy(dtype=bool))
    nothing = pa.scalar(None, pa.large_string())
    told = (parsed.codes.cast(pa.large_string()), parsed.messages.cast(pa.large_string()))
    return _Parsed(parsed.values, *(pc.if_else(known, nothing, one) for one in told))


def _parse_text(text: pa.Array, field: EffectiveField, side: Side) -> _Parsed:
    if field.field.type in TEXT_TYPES:
        unusable = pc.fill_null(pc.starts_with(text, _MARK_SIGN), fill_value=False)
        code = pc.if_else(unusable, "not_text", pa.scalar(None, pa.string()))
        message = pc.if_else(unusable, "not a readable text", pa.scalar(None, pa.string()))
        return _Parsed(pc.if_else(unusable, UNREADABLE, text), code, message)
    return _parse_distinct(text, value_parser(field, side), is_foreign=side is Side.MARKETO and field.is_one_way)


def _parse_distinct(text: pa.Array, parse: Callable[[str], str], *, is_foreign: bool) -> _Parsed:
    """
    Parse every distinct text once and spread the results over the column.

    `is_foreign`: the side is only ever written, so a text of its own that nobody understands is simply another value,
    to be replaced; it must not keep ours away.
    """
    encoded = text.dictionary_encode()
    parsed: list[tuple[str | None, str | None, str | None]] = []
    for value in encoded.dictionary.to_pylist():
        try:
            parsed.append((parse(value) or None, None, None))
        except Unusable as problem:
            is_other = is_foreign and not value.startswith(_MARK_SIGN)
            parsed.append((value, None, None) if is_other else (UNREADABLE, problem.code, problem.message))
    columns = zip(*parsed, strict=True) if parsed else ([], [], [])
    return _Parsed(*(pa.array(column, pa.large_string()).take(encoded.indices) for column in columns))


def _clean(text: pa.Array) -> pa.Array:
    r"""Return `text` trimmed, with `\n` newlines and without NUL (which PostgreSQL can't store); blank becomes null."""
    if pc.any(pc.match_substring(text, "\0")).as_py():
        text = pc.replace_substring(text, "\0", "")
    if pc.any(pc.match_substring(text, "\r")).as_py():
        text = pc.replace_substring_regex(text, r"\r\n?", "\n")
    text = pc.utf8_trim_whitespace(text)
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.large_string()), text)


def _as_text(raw: pd.Series) -> pa.Array:
    """Return the column as text, one way for each kind of value; None and NaN are null."""
    try:
        array = pa.array(raw, from_pandas=True)
        text = array.cast(pa.large_string())
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        text = pa.array([_text_of(value) for value in raw], pa.large_string())
    return text.combine_chunks() if isinstance(text, pa.ChunkedArray) else text


def _text_of(value: Any) -> str | None:
    """Return one value of a column of mixed types as text; the mark UNREADABLE where there is no sensible text."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, str):
        return value if _is_encodable(value) else UNREADABLE
    return UNREADABLE


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
