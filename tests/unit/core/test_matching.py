"""Matching unlinked people by their address."""

from __future__ import annotations

import pandas as pd

from include.person_sync.core.matching import MATCH_COLUMNS, match_by_email
from include.person_sync.core.values import UNREADABLE


def rows(*entries: tuple[str, str, str | None], **more: object) -> pd.DataFrame:
    """Return Dynamics rows of (table, id, e-mail)."""
    return pd.DataFrame(entries, columns=["dynamics_table", "dynamics_id", "email"]).assign(**more)


def people(*entries: tuple[object, ...], **more: object) -> pd.DataFrame:
    """Return Marketo people of (id, e-mail) or (id, e-mail, dynamics table, dynamics id)."""
    columns = ["marketo_id", "email", "dynamics_table", "dynamics_id"][: len(entries[0]) if entries else 2]
    return pd.DataFrame(entries, columns=columns).assign(**more)


def verdicts(matches: pd.DataFrame) -> set[tuple[object, ...]]:
    """Return the verdicts as tuples, `-` for an absent id."""
    assert list(matches.columns) == list(MATCH_COLUMNS)
    return set(matches.astype(object).where(matches.notna(), "-").itertuples(index=False, name=None))


def test_match_links_exactly_one_on_each_side_whatever_the_case() -> None:
    """Addresses are compared trimmed and case-folded, Unicode included (T-11)."""
    found = match_by_email(rows(("contact", "a", "Ünal@Straße.example")), people((1, " ÜNAL@STRASSE.EXAMPLE ")))

    assert verdicts(found) == {("link", 1, "contact", "a", "same_email")}


def test_match_holds_everyone_who_shares_an_address_with_several() -> None:
    """A contact and a lead with the address of one person: somebody has to choose (T-26)."""
    found = match_by_email(rows(("contact", "a", "x@y"), ("lead", "b", "x@y")), people((1, "x@y")))

    assert verdicts(found) == {
        ("ambiguous", "-", "contact", "a", "several_share_email"),
        ("ambiguous", "-", "lead", "b", "several_share_email"),
        ("ambiguous", 1, "-", "-", "several_share_email"),
    }


def test_match_holds_a_row_that_two_people_fit() -> None:
    """Duplicates in Marketo are no smaller a doubt than duplicates in Dynamics (T-26)."""
    found = match_by_email(rows(("lead", "a", "x@y")), people((1, "x@y"), (2, "X@y")))

    assert {verdict[0] for verdict in verdicts(found)} == {"ambiguous"}


def test_match_finds_none_without_a_counterpart_and_tells_twins() -> None:
    """Nobody on the other side means none; that others share the address is said."""
    found = match_by_email(rows(("lead", "a", "x@y"), ("lead", "b", "x@y"), ("lead", "c", "z@y")), people())

    assert verdicts(found) == {
        ("none", "-", "lead", "a", "twins"),
        ("none", "-", "lead", "b", "twins"),
        ("none", "-", "lead", "c", "no_match"),
    }


def test_match_never_pairs_blank_addresses() -> None:
    """Two people without an address are not the same person."""
    found = match_by_email(rows(("lead", "a", None), ("lead", "b", "  ")), people((1, None), (2, "")))

    assert {(verdict[0], verdict[4]) for verdict in verdicts(found)} == {("none", "no_email")}


def test_match_holds_a_person_whose_address_is_unreadable() -> None:
    """What can't be read allows no conclusion, least of all that nobody is there (S-06)."""
    found = match_by_email(rows(("lead", "a", UNREADABLE)), people((1, "x@y")))

    assert ("ambiguous", "-", "lead", "a", "unreadable_email") in verdicts(found)


def test_match_answers_only_for_those_asked() -> None:
    """Candidates take part in the comparison but get no verdict of their own; a pair counts when either is asked."""
    dynamics = rows(("lead", "a", "x@y"), ("lead", "b", "p@q"), ("lead", "c", "r@s"), asked=[False, False, False])
    marketo = people((1, "x@y"), (2, "n@n"), asked=[True, True])

    found = match_by_email(dynamics, marketo)

    assert verdicts(found) == {("link", 1, "lead", "a", "same_email"), ("none", 2, "-", "-", "no_match")}


def test_match_of_nobody_is_empty_with_its_columns() -> None:
    """No people, no verdicts, no error."""
    assert verdicts(match_by_email(rows(), people())) == set()
