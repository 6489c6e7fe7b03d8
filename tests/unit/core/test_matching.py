"""Pairing unlinked people, and the identities and requests of new ones."""

from __future__ import annotations

import uuid

import pandas as pd
import pytest

from include.person_sync.core.fields import Table
from include.person_sync.core.matching import (
    MATCH_COLUMNS,
    CreateRequest,
    RequestProblem,
    dynamics_row_id,
    match_by_email,
    match_people,
    parse_request,
)
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


def test_match_prefers_the_id_a_person_carries_over_the_address() -> None:
    """A written-back id says who is who, even when addresses point elsewhere (S-04)."""
    dynamics = rows(("contact", "AA", "x@y"), ("lead", "bb", "z@y"))
    marketo = people((1, "z@y", "contact", "aa"), (2, "x@y", None, None))

    found = match_people(dynamics, marketo)

    assert verdicts(found) == {
        ("link", 1, "contact", "AA", "same_id"),
        ("none", "-", "lead", "bb", "no_match"),
        ("none", 2, "-", "-", "no_match"),
    }


def test_match_holds_a_row_that_several_people_name() -> None:
    """Copies of a person carry the same id; which one is real is for a person to say (S-04)."""
    found = match_people(rows(("lead", "a", "x@y")), people((1, "x@y", "lead", "a"), (2, "q@y", "lead", "a")))

    assert {(verdict[0], verdict[4]) for verdict in verdicts(found)} == {("ambiguous", "several_claim_row")}
    assert len(found) == 3


def test_match_by_id_respects_the_table_and_ignores_unknown_ids() -> None:
    """An id of another table, or of a row that is not there, falls back to the address."""
    found = match_people(rows(("lead", "a", "x@y")), people((1, "x@y", "contact", "a"), (2, "q@y", "lead", "gone")))

    assert verdicts(found) == {("link", 1, "lead", "a", "same_email"), ("none", 2, "-", "-", "no_match")}


def test_match_of_nobody_is_empty_with_its_columns() -> None:
    """No people, no verdicts, no error."""
    assert verdicts(match_people(rows(), people())) == set()


def test_row_id_is_the_same_for_the_same_person_and_differs_otherwise() -> None:
    """A repeated create finds its own row; a person created anew gets another one (S-03)."""
    known = dynamics_row_id("517-QXZ-204", 7, "lead", 0)

    assert known == dynamics_row_id("517-qxz-204", 7, "lead", 0)
    assert known == str(uuid.UUID(known))
    others = [("517-QXZ-204", 8, "lead", 0), ("517-QXZ-204", 7, "contact", 0), ("517-QXZ-204", 7, "lead", 1)]
    assert known not in {dynamics_row_id(*other) for other in others}


def test_row_id_never_changes_between_releases() -> None:
    """Rows made by an older release must be found again (S-03)."""
    assert dynamics_row_id("517-QXZ-204", 7, "lead", 0) == "c0326961-a003-5812-9da8-1f85487b1e22"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("lead", CreateRequest(Table.LEAD)),
        (" Contact ", CreateRequest(Table.CONTACT)),
        ("LEAD owner=jane@example.com", CreateRequest(Table.LEAD, "jane@example.com")),
        ("contact  Owner = jane@example.com", CreateRequest(Table.CONTACT, "jane@example.com")),
        (None, None),
        ("  ", None),
        (UNREADABLE, None),
        (float("nan"), None),
    ],
)
def test_request_is_understood(text: str | None, meaning: CreateRequest | None) -> None:
    """The field takes a table, in any case, with an owner if wanted; empty asks for nothing."""
    assert parse_request(text) == meaning


@pytest.mark.parametrize(
    "text", ["yes", "lead contact", "lead owner=", "owner=jane@example.com", "lead owner=jane", "null"]
)
def test_request_that_makes_no_sense_is_a_problem_that_says_what_is_valid(text: str) -> None:
    """A campaign's typing error is reported, not ignored, and its value is not repeated (T-09)."""
    problem = parse_request(text)

    assert isinstance(problem, RequestProblem)
    assert "lead, contact" in problem.message
    assert "jane" not in problem.message
