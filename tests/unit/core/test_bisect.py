"""Finding the refused fields of a change in few requests."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.person_sync.core.bisect import Search

Taken = Callable[[tuple[str, ...]], bool]


def names(count: int) -> tuple[str, ...]:
    """Return so many field names."""
    return tuple(f"f{number}" for number in range(count))


def run(fields: tuple[str, ...], taken: Taken) -> tuple[Search, list[tuple[str, ...]], set[str]]:
    """Return the search's end, the parts it sent, and the fields the system took."""
    search, sent, written = Search.of(fields), [], set()
    while search.part:
        sent.append(search.part)
        if taken(search.part):
            written |= set(search.part)
            search = search.after_taken()
        else:
            search = search.after_refused()
    return search, sent, written


def without(*bad: str) -> Taken:
    """Return a system that refuses whatever holds one of these fields."""
    return lambda part: not set(bad) & set(part)


def test_a_change_that_is_taken_costs_one_request() -> None:
    """The first part is the whole change."""
    search, sent, written = run(names(5), lambda _: True)

    assert sent == [names(5)]
    assert search.refused == ()
    assert written == set(names(5))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 9, 20, 64])
def test_one_refused_field_is_found_in_few_requests(count: int) -> None:
    """Wherever it stands, it alone is refused and all others are written, in a logarithmic number of requests."""
    for bad in names(count):
        search, sent, written = run(names(count), without(bad))

        assert search.refused == ((bad,),)
        assert written == {*names(count)} - {bad}
        assert len(sent) <= 1 + ceil(log2(count)) + 2


@pytest.mark.parametrize("count", [2, 3, 5, 8, 20])
def test_two_refused_fields_are_found_as_well(count: int) -> None:
    """Every two of them, each by itself."""
    for bad in combinations(names(count), 2):
        search, _, written = run(names(count), without(*bad))

        assert sorted(search.refused) == sorted((one,) for one in bad)
        assert written == {*names(count)} - {*bad}


def test_fields_that_are_refused_only_together_are_written_one_after_the_other() -> None:
    """What is taken by itself is no dead letter."""
    search, _, written = run(names(4), lambda part: not {"f0", "f3"} <= set(part))

    assert search.refused == ()
    assert written == set(names(4))


def test_a_refusal_that_passed_leaves_nothing_refused() -> None:
    """A plug-in that failed once is no reason for a dead letter: a lone suspect is asked for again."""
    answers = iter([False])
    search, _, written = run(names(6), lambda _: next(answers, True))

    assert search.refused == ()
    assert written == set(names(6))


def test_the_tries_are_bounded_when_everything_is_refused() -> None:
    """A person of many bad values does not cost a request each: the rest is refused as a group."""
    search, sent, _ = run(names(64), lambda _: False)

    assert len(sent) <= 2 * (6 + 2) + 2
    assert sorted(name for group in search.refused for name in group) == sorted(names(64))


@given(st.integers(1, 24), st.randoms(use_true_random=False))
def test_nothing_is_lost_and_nothing_written_twice(count: int, random: object) -> None:
    """However the system answers, each field ends up written or refused, once, after a bounded number of requests."""
    fields = names(count)
    search, sent, written = run(fields, lambda _: random.random() < 0.5)  # type: ignore[attr-defined]
    refused = [name for group in search.refused for name in group]

    assert len(refused) == len(set(refused))
    assert written.isdisjoint(refused)
    assert written | set(refused) == set(fields)
    assert len(sent) <= 2 * (ceil(log2(count)) + 2) + 4
