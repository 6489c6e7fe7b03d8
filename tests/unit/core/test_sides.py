"""Three aligned sides from what was read and what is known; and cells that are merged again."""

from __future__ import annotations

import pandas as pd
import pytest

from include.person_sync.core.fields import Side, Table
from include.person_sync.core.identity import follow
from include.person_sync.core.relations import BASE_UPDATES, PROBLEMS
from include.person_sync.core.remerge import remerge
from include.person_sync.core.sides import Sides, base_updates, completed, edited_links, spared_blanks
from include.person_sync.core.values import MISSING, UNREADABLE
from tests.unit.core.build import effective, frame
from tests.unit.core.world import AGREED, POLICY, ann_contact, link, named, seen, unread, whole


def test_side_that_was_not_read_holds_what_was_agreed_on_and_nothing_where_it_is_to_be_made() -> None:
    """Unread is no edit: the base is assumed, and where there is none nothing is known."""
    base = frame({1: {"a": "x"}, 2: {"a": "x"}, 3: {"a": MISSING}, 4: {"a": MISSING}})
    unmade = pd.Series([False, False, False, True], index=base.index)

    side = completed(frame({1: {"a": "read"}}), base, unmade, ["a"])

    assert side["a"].fillna("-").to_dict() == {1: "read", 2: "x", 3: UNREADABLE, 4: "-"}


@pytest.mark.parametrize(
    ("base", "marketo", "dynamics", "spared"),
    [("x", "x", None, MISSING), ("x", None, "x", MISSING), ("x", "y", "x", "x"), (None, None, "x", None)],
)
def test_blank_of_a_link_that_moved_is_inherited_and_no_edit(
    base: str | None, marketo: str | None, dynamics: str | None, spared: str | None
) -> None:
    """A merge hands on some values only: without a base the filled side counts. Other links are left alone."""
    frames = [frame({1: {"a": value}, 2: {"a": value}}) for value in (base, marketo, dynamics)]
    sides = Sides(*frames, problems=PROBLEMS.empty())

    after = spared_blanks(sides, {1}, ["a"])["a"].fillna("-")

    assert after[1] == (spared or "-")
    assert after[2] == (base or "-")


def test_base_updates_are_the_cells_that_differ() -> None:
    """Also those that became empty."""
    before, after = frame({1: {"a": "x", "b": "y"}}), frame({1: {"a": None, "b": "y"}})

    updates = BASE_UPDATES.check(base_updates(before, after))

    assert updates[["link_id", "field"]].to_numpy().tolist() == [[1, "a"]]
    assert updates["value"].isna().all()


@pytest.mark.parametrize(
    ("row", "edited"),
    [({}, False), ({"last_name": "Anna"}, True), ({"last_name": None}, True), ({"rating": "1"}, True)],
)
def test_row_is_edited_when_it_holds_something_else_than_was_agreed_on(row: dict, edited: bool) -> None:
    """What was never agreed on tells nothing."""
    base = {name: value for name, value in AGREED.items() if name != "score"}
    snapshot = seen(ann_contact(score="9", **row), link(11, 1, "contact:c1", base))

    assert edited_links(snapshot, snapshot.links, POLICY) == ({11} if edited else frozenset())


def test_people_of_moved_links_and_rows_without_version_are_read() -> None:
    """The person still carries the ids from before, and a write needs a version to go against."""
    moved = whole(unread(named(1, "contact:c9")), ann_contact(merged="true", master="c2", state="1"),
                  unread(ann_contact("c2")), link(11, 1, "contact:c1", AGREED))  # fmt: skip
    unversioned = whole(
        named(1, "contact:c1"), unread(ann_contact()), link(11, 1, "contact:c1", AGREED, dynamics_version=None)
    )

    assert 1 in moved.people.index
    assert follow(moved, POLICY).relinked == {11}
    assert unversioned.rows[Table.CONTACT].index.tolist() == ["c1"]


def cells(*rows: tuple[int, int, str | None, str | None, str | None]) -> pd.DataFrame:
    """Return planned values by change, link, base, marketo and dynamics."""
    columns = ["change_no", "link_id", "base", "marketo", "dynamics"]
    return pd.DataFrame(rows, columns=columns).assign(field="job_title")


@pytest.mark.parametrize(
    ("now", "verdict"),
    [("a", "write"), ("b", "adopted"), ("c", "deferred")],
)
def test_cell_whose_target_moved_is_decided_again(now: str, verdict: str) -> None:
    """Still to be written, there already, or left to the next run since the contact's own edit wins."""
    planned = cells((5, 1, "a", "b", "a"), (6, 2, "a", "b", "a"))

    verdicts = remerge(planned, frame({1: {"job_title": now}}), [effective()], Table.CONTACT, Side.DYNAMICS)

    found = {name: getattr(verdicts, name)["change_no"].tolist() for name in ("write", "adopted", "deferred")}
    assert found.pop("deferred") == ([5, 6] if verdict == "deferred" else [6])
    assert found == {name: [5] if name == verdict else [] for name in found}


def test_cell_that_turned_out_unreadable_is_left_to_the_next_run() -> None:
    """Nothing is written over what can't be seen."""
    verdicts = remerge(
        cells((5, 1, "a", "b", "a")), frame({1: {"job_title": UNREADABLE}}), [effective()], Table.CONTACT, Side.DYNAMICS
    )

    assert verdicts.deferred["change_no"].tolist() == [5]
