"""How single values of each system are read, written and checked."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import pytest

from include.errors import SyncError
from include.person_sync.core.canonical import canonical_dynamics, canonical_marketo, check_values, wire_values
from include.person_sync.core.fields import FieldType, Rule, Side
from include.person_sync.core.schema import EffectiveField, Option
from include.person_sync.core.values import MISSING, UNREADABLE, text_series
from tests.unit.core.build import effective

TWINS = (Option(1, "A"), Option(2, "A"))
COUNT = effective(kind=FieldType.INTEGER, minimum=0, maximum=10)
READERS = {Side.MARKETO: canonical_marketo, Side.DYNAMICS: canonical_dynamics}


def read(side: Side, field: EffectiveField, value: object) -> tuple[object, str | None]:
    """Return the canonical form of one raw value (None: empty) and the code of its problem."""
    result = READERS[side](pd.DataFrame({"job_title": pd.Series([value], dtype=object)}), [field])
    cell = result.values["job_title"].iloc[0]
    codes = result.problems["code"].tolist()
    return None if pd.isna(cell) else cell, codes[0] if codes else None


@pytest.mark.parametrize(
    ("kind", "raw", "form"),
    [
        (FieldType.TEXT, "  Jürgen \r\n O'Neil\t", "Jürgen \n O'Neil"),
        (FieldType.TEXT, "nul\0byte", "nulbyte"),
        (FieldType.TEXT, 4155551234, "4155551234"),
        (FieldType.TEXT, "null", "null"),
        (FieldType.BOOLEAN, True, "true"),
        (FieldType.BOOLEAN, "False", "false"),
        (FieldType.BOOLEAN, None, None),
        (FieldType.INTEGER, 42.0, "42"),
        (FieldType.INTEGER, "-007", "-7"),
        (FieldType.INTEGER, 2**60 + 1, str(2**60 + 1)),
        (FieldType.DECIMAL, "10.50", "10.5"),
        (FieldType.DECIMAL, 1e3, "1000"),
        (FieldType.DECIMAL, Decimal("-0.001"), "0"),
        (FieldType.MONEY, 250000.0, "250000"),
        (FieldType.DATE, "1980-04-30", "1980-04-30"),
        (FieldType.DATE, date(1980, 4, 30), "1980-04-30"),
        (FieldType.DATETIME, "2026-01-05T10:04:11Z", "2026-01-05T10:04:11Z"),
        (FieldType.DATETIME, "2026-05-02T07:30:00Z+0000", "2026-05-02T07:30:00Z"),
        (FieldType.DATETIME, "2026-05-02T07:30:00+0000", "2026-05-02T07:30:00Z"),
        (FieldType.DATETIME, "2026-05-02T00:30:00.999-08:00", "2026-05-02T08:30:00Z"),
        (FieldType.DATETIME, datetime(2026, 5, 2, 7, 30, tzinfo=UTC), "2026-05-02T07:30:00Z"),
        (FieldType.CHOICE, "warm", "2"),
        (FieldType.CHOICE, " Cold ", "9"),
        (FieldType.MULTI_CHOICE, "Cold; hot;Cold;", "1;9"),
    ],
)
def test_marketo_value_is_read(kind: FieldType, raw: object, form: str | None) -> None:
    """Each type has one form, whatever spelling Marketo uses."""
    assert read(Side.MARKETO, effective(kind=kind), raw) == (form, None)


@pytest.mark.parametrize(
    ("kind", "raw", "form"),
    [
        (FieldType.CHOICE, 9, "9"),
        (FieldType.CHOICE, 9.0, "9"),
        (FieldType.MULTI_CHOICE, "9,1", "1;9"),
        (FieldType.MULTI_CHOICE, 9, "9"),
        (FieldType.DATETIME, "2026-01-05T10:04:11", "2026-01-05T10:04:11Z"),
        (FieldType.MONEY, 250000.0000, "250000"),
        (FieldType.BOOLEAN, False, "false"),
    ],
)
def test_dynamics_value_is_read(kind: FieldType, raw: object, form: str) -> None:
    """Numbers stand for choices, and a time without a zone is UTC."""
    assert read(Side.DYNAMICS, effective(kind=kind), raw) == (form, None)


@pytest.mark.parametrize(
    ("side", "kind", "raw", "code"),
    [
        (Side.MARKETO, FieldType.CHOICE, "Lukewarm", "unknown_label"),
        (Side.DYNAMICS, FieldType.CHOICE, 77, "unknown_option"),
        (Side.DYNAMICS, FieldType.CHOICE, "Hot", "not_number"),
        (Side.MARKETO, FieldType.MULTI_CHOICE, "Hot; Lukewarm", "unknown_label"),
        (Side.MARKETO, FieldType.INTEGER, "12.5", "not_integer"),
        (Side.MARKETO, FieldType.INTEGER, "1_000", "not_number"),
        (Side.MARKETO, FieldType.DECIMAL, float("inf"), "not_number"),
        (Side.MARKETO, FieldType.DECIMAL, "1e999999999", "not_number"),
        (Side.MARKETO, FieldType.INTEGER, "9" * 5000, "not_number"),
        (Side.MARKETO, FieldType.BOOLEAN, "perhaps", "not_boolean"),
        (Side.MARKETO, FieldType.DATE, "2026-02-30", "not_date"),
        (Side.DYNAMICS, FieldType.DATE, "2026-02-03T10:00:00Z", "not_date"),
        (Side.MARKETO, FieldType.DATETIME, "2023-01-26 18:46:00", "no_time_zone"),
        (Side.MARKETO, FieldType.DATETIME, "0001-01-01T00:00:00+14:00", "not_datetime"),
        (Side.MARKETO, FieldType.TEXT, "\ud800", "not_text"),
        (Side.MARKETO, FieldType.TEXT, MISSING, "not_text"),
        (Side.MARKETO, FieldType.TEXT, {"a": 1}, "not_text"),
    ],
)
def test_unusable_value_is_unreadable_with_a_problem(side: Side, kind: FieldType, raw: object, code: str) -> None:
    """What can't be understood is neither empty nor an edit (S-06)."""
    assert read(side, effective(kind=kind), raw) == (UNREADABLE, code)


def test_column_that_was_not_delivered_is_unreadable() -> None:
    """An absent column is not a column of empty values (S-06)."""
    result = canonical_dynamics(pd.DataFrame(index=[5, 6]), [effective()])

    assert result.values["job_title"].tolist() == [UNREADABLE, UNREADABLE]
    assert result.problems["index_value"].tolist() == [5, 6]
    assert set(result.problems["code"]) == {"not_delivered"}


def test_lookup_is_read_from_the_column_named_like_the_field() -> None:
    """Names of referenced rows arrive as ready text."""
    owner = effective("owner", FieldType.LOOKUP)

    result = canonical_dynamics(pd.DataFrame({"owner": ["Jane Roe ", None]}), [owner])

    assert result.values["owner"].fillna("-").tolist() == ["Jane Roe", "-"]


def test_value_marked_as_unreadable_stays_so_and_is_no_problem_of_its_own() -> None:
    """Whoever read the row knew already that it would not say; the person has nothing to correct."""
    for kind in (FieldType.TEXT, FieldType.LOOKUP, FieldType.INTEGER):
        field = effective(kind=kind)
        result = canonical_dynamics(pd.DataFrame({"job_title": pd.Series([UNREADABLE, None], dtype="str")}), [field])

        assert result.values["job_title"].fillna("-").tolist() == [UNREADABLE, "-"]
        assert result.problems.empty


def test_foreign_text_in_a_field_that_is_only_written_is_just_another_value() -> None:
    """A label of Marketo's own must not keep the one from Dynamics away; on a two-way field it would be lost."""
    one_way = effective(kind=FieldType.CHOICE, rule=Rule.DYNAMICS_TO_MARKETO)

    assert read(Side.MARKETO, one_way, "Biotech") == ("Biotech", None)
    assert read(Side.MARKETO, effective(kind=FieldType.CHOICE), "Biotech") == (UNREADABLE, "unknown_label")
    assert read(Side.DYNAMICS, one_way, 77) == (UNREADABLE, "unknown_option")


def test_label_that_two_options_share_stands_for_neither() -> None:
    """A guess could write the wrong option, so there is none; the exact spelling still decides."""
    twins = effective(kind=FieldType.CHOICE, options=(Option(1, "Other"), Option(2, "Other"), Option(3, "OTHER")))

    assert read(Side.MARKETO, twins, "Other") == (UNREADABLE, "ambiguous_label")
    assert read(Side.MARKETO, twins, "OTHER") == ("3", None)


def test_option_number_is_understood_where_no_label_is_in_the_way() -> None:
    """Marketo may hold the number; a label that looks like a number goes first."""
    field = effective(kind=FieldType.CHOICE, options=(Option(1, "2"), Option(2, "x")))

    assert read(Side.MARKETO, field, "2") == ("1", None)
    assert read(Side.MARKETO, effective(kind=FieldType.CHOICE), "9") == ("9", None)


@pytest.mark.parametrize(
    ("kind", "form", "marketo", "dynamics"),
    [
        (FieldType.TEXT, "a", "a", "a"),
        (FieldType.BOOLEAN, "false", False, False),
        (FieldType.INTEGER, "42", 42, 42),
        (FieldType.MONEY, "10.5", 10.5, 10.5),
        (FieldType.DATE, "1980-04-30", "1980-04-30", "1980-04-30"),
        (FieldType.DATETIME, "2026-01-05T10:04:11Z", "2026-01-05T10:04:11Z", "2026-01-05T10:04:11Z"),
        (FieldType.CHOICE, "9", "Cold", 9),
        (FieldType.MULTI_CHOICE, "1;9", "Hot; Cold", "1,9"),
        (FieldType.CHOICE, None, None, None),
    ],
)
def test_wire_value_has_the_type_the_system_expects(
    kind: FieldType, form: str | None, marketo: object, dynamics: object
) -> None:
    """Labels for Marketo, numbers for Dynamics, plain JSON types for both."""
    values = text_series([form])

    for side, expected in ((Side.MARKETO, marketo), (Side.DYNAMICS, dynamics)):
        sent = wire_values(values, effective(kind=kind), side).iloc[0]
        assert sent == expected
        assert type(sent) is type(expected)


@pytest.mark.parametrize("mark", [MISSING, UNREADABLE])
def test_wire_refuses_marks(mark: str) -> None:
    """A mark never leaves the house."""
    with pytest.raises(SyncError, match="about to be sent"):
        wire_values(text_series([mark]), effective(), Side.MARKETO)


def test_wire_refuses_to_write_the_name_of_a_referenced_row() -> None:
    """Dynamics keeps a reference there, not a text."""
    with pytest.raises(SyncError, match="referenced row"):
        wire_values(text_series(["Jane"]), effective("owner", FieldType.LOOKUP), Side.DYNAMICS)


@pytest.mark.parametrize(
    ("field", "side", "form", "verdict"),
    [
        (effective(max_length=3), Side.DYNAMICS, "abcd", "too_long: 4 characters, 3 allowed"),
        (effective(max_length=3), Side.DYNAMICS, "😀😀😀", None),
        (effective(), Side.MARKETO, "x" * 256, "too_long: 256 characters, 255 allowed"),
        (effective(), Side.MARKETO, "ä" * 255, None),
        (effective(marketo_length=10), Side.MARKETO, "x" * 11, "too_long: 11 characters, 10 allowed"),
        (effective(marketo_type="text"), Side.MARKETO, "ä" * 15_001, "too_long: 30002 bytes, 30000 allowed"),
        (effective(marketo_type="text"), Side.MARKETO, "ä" * 15_000, None),
        (effective(kind=FieldType.EMAIL), Side.MARKETO, "jürgen@example.com", "not_ascii: "),
        (effective(kind=FieldType.EMAIL), Side.DYNAMICS, "jürgen@example.com", None),
        (
            effective(kind=FieldType.INTEGER, minimum=0, maximum=10),
            Side.DYNAMICS,
            "11",
            "out_of_range: the column takes 0 to 10",
        ),
        (COUNT, Side.DYNAMICS, "-1", "out_of_range: "),
        (COUNT, Side.DYNAMICS, "10", None),
        (effective(kind=FieldType.MONEY), Side.DYNAMICS, "99999999999999999.99", "too_precise: "),
        (effective(kind=FieldType.DATE), Side.DYNAMICS, "1752-12-31", "out_of_range: earlier than 1753-01-01"),
        (effective(kind=FieldType.DATE), Side.MARKETO, "1752-12-31", None),
        (effective(kind=FieldType.CHOICE), Side.DYNAMICS, "77", "unknown_option: "),
        (
            effective(kind=FieldType.CHOICE, options=TWINS),
            Side.MARKETO,
            "1",
            "unclear_label: ",
        ),
        (effective(kind=FieldType.CHOICE, options=TWINS), Side.DYNAMICS, "1", None),
        (effective(kind=FieldType.MULTI_CHOICE, options=(Option(1, "A; B"),)), Side.MARKETO, "1", "unclear_label: "),
        (effective(kind=FieldType.CHOICE, options=(Option(1, "x" * 300),)), Side.MARKETO, "1", "too_long: 300"),
        (effective(kind=FieldType.MONEY), Side.DYNAMICS, "9" * 100, "too_precise: "),
        (effective(kind=FieldType.MONEY), Side.DYNAMICS, "1" + "0" * 100, None),
        (effective(kind=FieldType.MONEY), Side.DYNAMICS, UNREADABLE, "unknown_value: "),
        (effective(required=True), Side.DYNAMICS, None, "required: "),
        (effective(required=True), Side.MARKETO, None, None),
        (effective(), Side.DYNAMICS, None, None),
    ],
)
def test_check_says_why_a_value_would_be_refused(
    field: EffectiveField, side: Side, form: str | None, verdict: str | None
) -> None:
    """The reason names what was seen and what is allowed, without the value (S-08)."""
    seen = check_values(text_series([form]), field, side).iloc[0]

    if verdict is None:
        assert pd.isna(seen)
    else:
        assert seen.startswith(verdict)
        assert form is None or form not in seen
