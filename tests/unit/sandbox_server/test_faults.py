"""The order book of faults."""

from __future__ import annotations

import pytest

from include.sandbox.faults import Faults


def test_fault_happens_as_often_as_ordered():
    """A fault ordered twice is taken twice and then no more."""
    faults = Faults()
    faults.add("dynamics", "status", times=2)

    taken = [faults.take("dynamics", "status", "GET /x") is not None for _ in range(3)]

    assert taken == [True, True, False]
    assert faults.pending() == []
    assert len(faults.taken()) == 2


def test_fault_waits_until_enough_matches_were_skipped():
    """`skip` lets the first matches pass unharmed."""
    faults = Faults()
    faults.add("dynamics", "status", skip=2)

    taken = [faults.take("dynamics", "status", "GET /x") is not None for _ in range(4)]

    assert taken == [False, False, True, False]


@pytest.mark.parametrize(
    ("match", "route", "meets"),
    [
        ("", "GET /anything", True),
        ("POST /rest/v1/leads.json", "POST /rest/v1/leads.json?_method=GET", True),
        ("POST /rest/v1/leads.json", "GET /rest/v1/leads.json", False),
        ("PATCH *contacts(*", "PATCH /api/data/v9.2/contacts(1)", True),
        ("PATCH *contacts(*", "PATCH /api/data/v9.2/leads(1)", False),
        ("GET *$deltatoken=", "GET /api/data/v9.2/contacts?$deltatoken=1", True),
        ("leads", "GET /rest/v1/leads.json", False),
    ],
)
def test_match_is_a_beginning_with_wildcards(match, route, meets):
    """A route has to begin with the text, in which a star stands for anything."""
    faults = Faults()
    faults.add("x", "status", match=match)

    assert (faults.take("x", "status", route) is not None) is meets


def test_fault_meets_its_own_service_and_kind_only():
    """Orders for others stay in the book; a star is every service."""
    faults = Faults()
    faults.add("marketo", "slow")
    faults.add("*", "status", status=502)

    assert faults.take("dynamics", "slow", "GET /") is None
    taken = faults.take("dynamics", "status", "GET /")

    assert taken is not None
    assert taken.details == {"status": 502}


def test_clear_cancels_orders():
    """Nothing is left after clearing."""
    faults = Faults()
    faults.add("dynamics", "status")

    faults.clear()

    assert faults.take("dynamics", "status", "GET /") is None


@pytest.mark.parametrize("wrong", [{"times": 0}, {"skip": -1}])
def test_impossible_orders_are_refused(wrong):
    """A fault that could never happen is a mistake of the test."""
    with pytest.raises(ValueError, match="has to happen"):
        Faults().add("dynamics", "status", **wrong)
