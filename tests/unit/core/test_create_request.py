"""The requests people carry, and the identity of the rows made for them."""

from __future__ import annotations

import uuid

import pytest

from include.person_sync.core.create_request import CreateRequest, RequestProblem, dynamics_row_id, parse_request
from include.person_sync.core.fields import Table
from include.person_sync.core.values import UNREADABLE


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
    """A campaign's typing error is reported, not ignored, and its value is not repeated."""
    problem = parse_request(text)

    assert isinstance(problem, RequestProblem)
    assert "lead, contact" in problem.message
    assert "jane" not in problem.message
