"""Ids, names, literals and filters in OData notation."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from include.dynamics.literals import (
    FILTER_CHARACTERS,
    check_name,
    equality_filters,
    moment_literal,
    parse_guid,
    select_option,
    string_literal,
)
from include.errors import ConfigError
from include.http import encode_params

GUID = "6b1c0000-0000-4000-8000-00000000ab01"


@pytest.mark.parametrize("text", [GUID, GUID.upper(), "{" + GUID.upper() + "}", f" {GUID} "])
def test_parse_guid_gives_one_form_for_every_spelling(text: str) -> None:
    """Upper case and braces make no other id."""
    assert parse_guid(text) == GUID


@pytest.mark.parametrize("text", ["", "42", GUID[:-1], f"{GUID},{GUID}", f"{GUID}) or (1 eq 1"])
def test_parse_guid_refuses_everything_else(text: str) -> None:
    """Nothing but an id ever gets into an address."""
    with pytest.raises(ConfigError):
        parse_guid(text)


def test_string_literal_doubles_quotes_and_keeps_the_rest() -> None:
    """An apostrophe, a plus sign or a percent sign in a value is data."""
    assert string_literal("O'Hara+a%b") == "'O''Hara+a%b'"


def test_moment_literal_is_utc_in_whole_seconds() -> None:
    """A moment of any zone becomes the same instant in UTC."""
    madrid = datetime(2026, 1, 5, 11, 4, 11, 900_000, tzinfo=timezone(timedelta(hours=1)))

    assert moment_literal(madrid) == "2026-01-05T10:04:11Z"
    with pytest.raises(ValueError, match="time zone"):
        moment_literal(datetime(2026, 1, 5, tzinfo=UTC).replace(tzinfo=None))


@pytest.mark.parametrize("name", ["a b", "a,b", "a'b", "x)/y", ""])
def test_check_name_refuses_what_could_change_a_query(name: str) -> None:
    """A column name from a file can't smuggle in options."""
    with pytest.raises(ConfigError):
        check_name(name)


def test_select_option_names_each_column_once() -> None:
    """A column that two fields use is selected once."""
    assert select_option(["contactid", "jobtitle", "contactid"]) == ("$select", "contactid,jobtitle")


def test_equality_filters_hold_fifty_conditions_at_most() -> None:
    """51 values make two filters that together ask for each value once."""
    filters = list(equality_filters("emailaddress1", [f"'{n}'" for n in range(51)], limit=50))

    assert [text.count(" eq ") for text in filters] == [50, 1]
    assert filters[1] == "emailaddress1 eq '50'"


def test_equality_filters_stay_short_when_values_are_long() -> None:
    """Fifty long values outside ASCII would exceed the length of an address; they are spread over several filters."""
    filters = list(equality_filters("emailaddress1", [string_literal("é" * 100 + str(n)) for n in range(50)], limit=50))

    assert sum(text.count(" eq ") for text in filters) == 50
    assert max(len(encode_params([("$filter", text)])) for text in filters) < FILTER_CHARACTERS + 1000
    assert len(filters) > 1


def test_equality_filters_ask_nothing_for_no_values() -> None:
    """No values, no filter."""
    assert list(equality_filters("contactid", [], limit=50)) == []
