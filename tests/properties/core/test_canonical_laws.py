"""Normalising is stable, and what goes onto the wire comes back as what it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from include.person_sync.core.canonical import canonical_dynamics, canonical_marketo, check_values, wire_values
from include.person_sync.core.fields import FieldType, Side
from include.person_sync.core.values import MARKS, MISSING, TEXT_DTYPE, UNREADABLE
from tests.unit.core.build import OPTIONS, effective

if TYPE_CHECKING:
    from decimal import Decimal

CANONICAL = {Side.MARKETO: canonical_marketo, Side.DYNAMICS: canonical_dynamics}
ANY_TEXT = st.text(max_size=12)
READABLE = st.characters(exclude_categories=["Cs"], exclude_characters=MISSING[0])
CHOICES = [option.value for option in OPTIONS]
RAW: dict[FieldType, st.SearchStrategy[object]] = {
    FieldType.TEXT: st.text(READABLE, max_size=20),
    FieldType.EMAIL: st.emails(),
    FieldType.PHONE: st.text("+0123456789 -", max_size=12),
    FieldType.URL: st.text(READABLE, max_size=20),
    FieldType.BOOLEAN: st.booleans(),
    FieldType.INTEGER: st.integers(-(2**53), 2**53),
    FieldType.DECIMAL: st.decimals(-(10**9), 10**9, places=2).map(float),
    FieldType.MONEY: st.decimals(0, 10**12, places=2).map(float),
    FieldType.DATE: st.dates().map(str),
    FieldType.DATETIME: st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
    FieldType.CHOICE: st.sampled_from(CHOICES),
    FieldType.MULTI_CHOICE: st.lists(st.sampled_from(CHOICES), min_size=1).map(lambda some: ",".join(map(str, some))),
}


def canonical(side: Side, field: object, raw: list[object]) -> pd.Series:
    """Return one column of raw values in canonical form."""
    return CANONICAL[side](pd.DataFrame({"job_title": pd.Series(raw, dtype=object)}), [field]).values["job_title"]


@pytest.mark.parametrize("kind", RAW, ids=str)
@given(data=st.data())
def test_canonical_value_survives_the_wire_on_both_sides(kind: FieldType, data: st.DataObject) -> None:
    """A canonical value that a system would accept is read back from it as the same value (S-07)."""
    field = effective(kind=kind)
    values = canonical(
        Side.DYNAMICS, field, data.draw(st.lists(st.one_of(st.none(), RAW[kind]), min_size=1, max_size=5))
    )
    assert not values.isin(MARKS).any()

    for side in Side:
        fine = values.where(check_values(values, field, side).isna())
        sent = json.loads(json.dumps(wire_values(fine, field, side).tolist(), allow_nan=False))
        assert canonical(side, field, sent).fillna("∅").tolist() == fine.fillna("∅").tolist()


@pytest.mark.parametrize("kind", RAW, ids=str)
@pytest.mark.parametrize("side", Side)
@given(data=st.data())
def test_normalising_twice_is_normalising_once(kind: FieldType, side: Side, data: st.DataObject) -> None:
    """
    Canonical text, read as if it were raw, stays as it is (choices are read as numbers, as Dynamics writes them)
    (S-07).
    """
    field = effective(kind=kind)
    once = canonical(Side.DYNAMICS, field, data.draw(st.lists(RAW[kind], min_size=1, max_size=5)))
    raw = once.str.replace(";", ",") if kind is FieldType.MULTI_CHOICE and side is Side.DYNAMICS else once

    assert canonical(side, field, raw.astype(object).where(raw.notna(), None).tolist()).equals(once)


@given(raw=st.lists(st.one_of(ANY_TEXT, st.integers(), st.floats(), st.booleans(), st.none()), max_size=6))
@pytest.mark.parametrize("kind", RAW, ids=str)
@pytest.mark.parametrize("side", Side)
def test_any_raw_value_becomes_text_empty_or_unreadable_with_a_problem(
    kind: FieldType, side: Side, raw: list[object]
) -> None:
    """Whatever a system says, nothing raises; each unreadable cell has one problem, which repeats no value (S-06)."""
    field = effective(kind=kind)

    result = CANONICAL[side](
        pd.DataFrame({"job_title": pd.Series(raw, dtype=object)}, index=range(5, 5 + len(raw))), [field]
    )

    column = result.values["job_title"]
    assert column.dtype == TEXT_DTYPE
    assert not (column == MISSING).any()
    assert not (column == "").any()
    assert column.index[column == UNREADABLE].tolist() == result.problems["index_value"].tolist()


@given(word=st.sampled_from(["null", "None", "NaN", "NA", "nan", "<NA>", "true", "0"]))
def test_words_that_look_like_nothing_are_data_in_text(word: str) -> None:
    """A person called Null keeps the name; None, NaN and blanks are empty (S-07)."""
    values = canonical(Side.MARKETO, effective(), [word, None, float("nan"), "", "  \n"])

    assert values.iloc[0] == word
    assert values.iloc[1:].isna().all()


@given(number=st.decimals(-(10**6), 10**6, places=4))
def test_decimals_are_equal_when_they_agree_to_the_coarser_precision(number: Decimal) -> None:
    """What Dynamics would round away is no difference between the sides."""
    assume(abs(number) < 10**6)
    field = effective(kind=FieldType.DECIMAL, precision=2)
    rounded = round(number, 2)

    assert canonical(Side.MARKETO, field, [str(number)]).equals(canonical(Side.DYNAMICS, field, [str(rounded)]))
