"""Links and base snapshots come back exactly as they were stored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest

from include.errors import SyncError
from include.person_sync.core.values import MISSING, UNREADABLE
from include.person_sync.state import Commit, Store
from tests.integration.state.conftest import links_frame, moves_frame

if TYPE_CHECKING:
    from collections.abc import Callable

AWKWARD = {
    "quotes": 'O\'Neill "Bobby" \\ \\" ',
    "lines": "first\nsecond\r\n\tthird",
    "unicode": "Zoë 🚀 \u200f日本\u2028 \u00a0",
    "null text": "null",
    "backslash dot": "\\.",
    "json": '{"a": [1, "\\u0000"]}',
    "control": "\x00\x01\x1f",
    "csv": 'a,b;"c"',
    "long": "x" * 30_000,
    "unreadable": UNREADABLE,
}


def test_base_returns_every_text_as_it_was(store: Store, begin: Callable[..., str]) -> None:
    """Whatever a person's field can hold survives the way into the base and back (S-07)."""
    fields = list(AWKWARD)
    moves = moves_frame(*((1, name, value) for name, value in AWKWARD.items()))

    store.commit(begin(), Commit(links=links_frame((1, 10, "lead", "g1")), base_moves=moves))

    assert store.load_base([1], fields).loc[1].to_dict() == AWKWARD


def test_base_tells_empty_from_never_agreed(store: Store, begin: Callable[..., str]) -> None:
    """NaN is a value both sides agreed on; MISSING says that there was never any agreement (S-07)."""
    links = links_frame((1, 10, "lead", "g1"), (2, 20, "lead", "g2"))
    store.commit(begin(), Commit(links=links, base_moves=moves_frame((1, "email", None), (1, "city", "Rome"))))

    base = store.load_base([2, 1, 7], ["city", "email", "phone"])

    expected = pd.DataFrame(
        {"city": [MISSING, "Rome", MISSING], "email": [MISSING, None, MISSING], "phone": [MISSING] * 3},
        index=pd.Index([2, 1, 7], name="link_id"),
        dtype="str",
    )
    pd.testing.assert_frame_equal(base, expected)


def test_base_moves_only_the_fields_named(store: Store, begin: Callable[..., str]) -> None:
    """A later run changes its own fields; MISSING forgets one; of a field named twice the later row counts."""
    first = moves_frame((1, "a", "1"), (1, "b", "2"), (1, "c", "3"))
    store.commit(begin("one"), Commit(links=links_frame((1, 10, "lead", "g1")), base_moves=first))
    store.release_lease("person_sync", "one")

    moves = moves_frame((1, "b", "old"), (1, "c", MISSING), (1, "b", "new"), (1, "d", None))
    store.commit(begin("two"), Commit(base_moves=moves))

    row = store.load_base([1], ["a", "b", "c", "d"]).loc[1]
    assert row.iloc[:3].tolist() == ["1", "new", MISSING]
    assert pd.isna(row["d"])


def test_base_takes_any_number_of_links_and_fields(store: Store) -> None:
    """No links, no fields, and links without a base are answers of the right shape."""
    assert store.load_base([], ["a"]).shape == (0, 1)
    assert store.load_base([5], []).shape == (1, 0)
    assert store.load_base(np.array([3, 4]), ["a"])["a"].tolist() == [MISSING, MISSING]


def test_base_of_an_unknown_link_is_refused_without_its_values(store: Store, begin: Callable[..., str]) -> None:
    """A base without a link is a mistake of ours; the error names the constraint and no value."""
    with pytest.raises(SyncError) as caught:
        store.commit(begin(), Commit(base_moves=moves_frame((99, "email", "ada@example.com"))))

    assert "ada" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.fixture
def linked(store: Store, begin: Callable[..., str]) -> Store:
    """Return a store with three open links and a closed one."""
    links = links_frame((1, 10, "lead", "G1"), (2, 20, "lead", "g2"), (3, 30, "contact", "g3"), (4, 40, "lead", "g4"))
    store.commit(begin("setup"), Commit(links=links))
    store.release_lease("person_sync", "setup")
    store.commit(begin("close"), Commit(closed_links={4: "deleted in Dynamics"}))
    store.release_lease("person_sync", "close")
    return store


def test_links_are_found_by_any_id(linked: Store) -> None:
    """The three ways of naming a link are joined, each link comes once, Dynamics ids in any case."""
    found = linked.load_links(
        link_ids=[1], marketo_ids=[10, 20], dynamics_ids={"contact": ["G3"], "lead": ["g1", "g3"]}
    )

    assert found["link_id"].tolist() == [1, 2, 3]
    assert found.loc[0, "dynamics_id"] == "g1"
    assert [str(found[name].dtype) for name in ("link_id", "dynamics_id", "needs_recheck")] == ["int64", "str", "bool"]


@pytest.mark.parametrize(("state", "expected"), [("open", [1, 2, 3]), ("closed", [4]), (None, [1, 2, 3, 4])])
def test_links_are_filtered_by_state(linked: Store, state: str | None, expected: list[int]) -> None:
    """Open links are the default elsewhere; closed ones are asked for by name."""
    assert linked.load_links(state=state)["link_id"].tolist() == expected


def test_no_ids_find_no_links(linked: Store) -> None:
    """An empty list of ids means nobody, not everybody."""
    assert linked.load_links(marketo_ids=[]).empty
    assert linked.load_links(dynamics_ids={"lead": []}).empty
    assert linked.count_links() == 3


def test_closed_link_frees_its_ids_for_a_new_one(linked: Store, begin: Callable[..., str]) -> None:
    """After a delete the same person may be linked again, as another link of the next generation."""
    again = links_frame((5, 40, "lead", "g5")).assign(generation=1)

    linked.commit(begin("again"), Commit(links=again))

    found = linked.load_links(marketo_ids=[40], state=None)
    assert found[["link_id", "state", "generation"]].values.tolist() == [[4, "closed", 0], [5, "open", 1]]


def test_link_moves_to_another_row_and_keeps_its_base(linked: Store, begin: Callable[..., str]) -> None:
    """A qualified lead's link points to the contact from then on; what was agreed stays agreed (T-18)."""
    linked.commit(begin("base"), Commit(base_moves=moves_frame((1, "city", "Rome"))))
    linked.release_lease("person_sync", "base")

    linked.commit(begin("move"), Commit(links=links_frame((1, 10, "contact", "g9"))))

    assert linked.load_links(dynamics_ids={"contact": ["g9"]})["link_id"].tolist() == [1]
    assert linked.load_links(dynamics_ids={"lead": ["g1"]}).empty
    assert linked.load_base([1], ["city"]).loc[1, "city"] == "Rome"


def test_two_open_links_never_share_an_id(linked: Store, begin: Callable[..., str]) -> None:
    """The database itself refuses a second link of a Marketo person or of a Dynamics row."""
    begin("twice")

    with pytest.raises(SyncError, match="refused a row"):
        linked.commit("twice", Commit(links=links_frame((8, 10, "lead", "g8"))))
    with pytest.raises(SyncError, match="refused a row"):
        linked.commit("twice", Commit(links=links_frame((8, 80, "lead", "g2"))))


def test_versions_and_rechecks_are_remembered(linked: Store, begin: Callable[..., str]) -> None:
    """A commit stores row versions, asks for links to be looked at again, and takes such requests back."""
    versions = pd.DataFrame({"link_id": [1, 2], "dynamics_version": ['W/"7"', 'W/"8"']})
    linked.commit(begin("mark"), Commit(versions=versions, recheck=[2, 3]))
    linked.release_lease("person_sync", "mark")
    assert linked.links_to_recheck()["link_id"].tolist() == [2, 3]

    linked.commit(begin("done"), Commit(rechecked=[2, 3], recheck=[3]))

    assert linked.links_to_recheck()["link_id"].tolist() == [3]
    assert linked.load_links(link_ids=[1, 3])["dynamics_version"].fillna("none").tolist() == ['W/"7"', "none"]


def test_highest_link_id_follows_what_was_given_out(store: Store) -> None:
    """Nothing before the first id; then the last one reserved, whether it came to be used or not."""
    assert store.highest_link_id() == 0

    store.reserve_link_ids(3)
    store.reserve_link_ids(2)

    assert store.highest_link_id() == 5


def test_reserved_ids_are_given_once(store: Store) -> None:
    """Several writers at once never get the same number."""
    with ThreadPoolExecutor(4) as pool:
        ranges = list(pool.map(store.reserve_link_ids, [3] * 20))

    assert sorted(number for one in ranges for number in one) == list(range(1, 61))
    assert list(store.reserve_link_ids(0)) == []
