"""A snapshot grows by what is read, and is never changed."""

from __future__ import annotations

import pandas as pd

from include.person_sync.core.fields import Table
from include.person_sync.core.snapshot import Events, Needs, Snapshot, latest
from include.person_sync.core.values import MISSING
from tests.unit.core.world import (
    AGREED,
    base_frame,
    contact,
    link,
    links_frame,
    people_frame,
    person,
    rows_frame,
    seen,
)


def test_later_reading_of_people_and_rows_replaces_the_earlier_one() -> None:
    """The newest reading counts, whoever was in hand before stays, and the snapshot before is as it was."""
    before = seen(person(1, last_name="Old"), person(2), contact("c1", last_name="Old"))

    after = before.with_people(people_frame([person(1, last_name="New"), person(3)]).reset_index())
    after = after.with_rows(Table.CONTACT, rows_frame([contact("c1", last_name="New")], Table.CONTACT).reset_index())

    assert sorted(after.people.index) == [1, 2, 3]
    assert after.people.loc[1, "lastName"] == after.rows[Table.CONTACT].loc["c1", "lastname"] == "New"
    assert before.people.loc[1, "lastName"] == before.rows[Table.CONTACT].loc["c1", "lastname"] == "Old"


def test_links_that_join_the_run_bring_their_base_once() -> None:
    """A link that is in hand already is not doubled, and its base stays."""
    known, more = link(11, 1, "contact:c1", AGREED), link(12, 2, "contact:c2", {"score": "9"})
    before = seen(person(1), known)
    other = base_frame([link(11, 1, "contact:c1", {"score": "other"}), more])

    after = before.with_links(links_frame([known, more]), other)

    assert after.links["link_id"].tolist() == [11, 12]
    assert after.base.index.tolist() == [11, 12]
    assert pd.isna(after.base.loc[11, "score"])
    assert before.links["link_id"].tolist() == [11]


def test_links_that_are_only_looked_at_are_kept_apart() -> None:
    """Open and closed ones are told apart, and those of the run stay the run's."""
    mine = link(11, 1, "contact:c1")
    found = [mine, link(12, 2, "contact:c2"), link(13, 3, "contact:c3", closed_reason="over")]

    after = seen(person(1), mine).looked_at(links_frame(found)).looked_at(links_frame(found))

    assert after.links["link_id"].tolist() == [11]
    assert after.elsewhere["link_id"].tolist() == [12]
    assert after.closed["link_id"].tolist() == [13]


def test_base_of_links_is_missing_where_nothing_was_agreed_on() -> None:
    """In the order asked for; a link or field without a base is missing, an agreed empty value is empty."""
    snapshot = seen(person(1), link(11, 1, "contact:c1", {"score": None, "rating": "1"}))

    base = snapshot.base_of([12, 11], ["score", "rating", "email"])

    assert base.loc[12].tolist() == [MISSING] * 3
    assert pd.isna(base.loc[11, "score"])
    assert base.loc[11, ["rating", "email"]].tolist() == ["1", MISSING]
    assert Snapshot(pd.DataFrame(), {}).base_of([5], ["score"]).loc[5, "score"] == MISSING
    assert snapshot.base_of([], ["score"]).empty


def test_events_of_a_table_without_news_are_none() -> None:
    """A table that the feed did not name lost nobody."""
    assert Events(deleted_rows={Table.LEAD: frozenset({"l1"})}).rows_gone(Table.CONTACT) == frozenset()


def test_latest_keeps_one_row_per_id() -> None:
    """The newer row wins, also over nothing."""
    old, new = (pd.DataFrame({"a": [text]}, index=pd.Index([1])) for text in ("old", "new"))

    assert latest(old, new)["a"].tolist() == ["new"]
    assert latest(old.iloc[:0], new)["a"].tolist() == ["new"]


def test_needs_are_true_when_anything_is_needed() -> None:
    """An empty entry per table is nothing."""
    assert not Needs(follow={Table.LEAD: frozenset()}, rows_by_id={Table.LEAD: frozenset()})
    assert Needs(people_by_id=frozenset({1}))
    assert Needs(follow={Table.LEAD: frozenset({"l1"})})


def test_crowded_keys_are_known_by_their_compared_form() -> None:
    """Too many people have them to say who."""
    snapshot = seen(person(1), crowded=frozenset({"info@x.example"}))

    assert snapshot.is_crowded(pd.Series(["info@x.example", "ann@x.example"])).tolist() == [True, False]
