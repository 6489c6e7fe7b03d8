"""Moments, and names taken apart."""

from __future__ import annotations

import pytest

from include.sandbox.dataverse.paths import segments
from include.sandbox.dataverse.preferences import parse_preferences
from include.sandbox.dataverse.values import parse_moment


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05T10:04:11Z", "2026-01-05T10:04:11Z"),
        ("2026-01-05T10:04:11.999Z", "2026-01-05T10:04:11Z"),
        ("2026-01-05T10:04:11", "2026-01-05T10:04:11Z"),
        ("2026-01-05", "2026-01-05T00:00:00Z"),
        ("2026-01-05T00:30:00+02:00", "2026-01-04T22:30:00Z"),
        ("2026-01-05T23:30:00-02:00", "2026-01-06T01:30:00Z"),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-05T10:04:11Z+02:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("today", None),
    ],
)
def test_moments_become_utc(text, expected):
    """Offsets are applied, fractions dropped, nonsense refused."""
    assert parse_moment(text) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("contacts", ["contacts"]),
        ("contacts(1)/parentcustomerid_account/$ref", ["contacts(1)", "parentcustomerid_account", "$ref"]),
        ("accounts(name='a/b(c)''d')/name", ["accounts(name='a/b(c)''d')", "name"]),
        (
            "EntityDefinitions(LogicalName='contact')/Attributes",
            ["EntityDefinitions(LogicalName='contact')", "Attributes"],
        ),
    ],
)
def test_addresses_are_taken_apart_outside_of_brackets(path, expected):
    """Slashes inside a key do not end a segment."""
    assert segments(f"/api/data/v9.2/{path}") == expected


def test_preferences_split_outside_of_quotes():
    """A list of annotations holds commas of its own."""
    found = parse_preferences('odata.maxpagesize=7, odata.include-annotations="a.b,c.*",return=representation')

    assert (found.max_page_size, found.annotations, found.representation) == (7, ("a.b", "c.*"), True)
    assert found.wants("c.anything")
    assert not found.wants("a.c")
