"""What may not be written: filtered pairs, closed targets, rows that live on elsewhere."""

from __future__ import annotations

import pandas as pd
import pytest

from include.person_sync.core.fields import Rule, Table
from include.person_sync.core.relations import DECISIONS, PAIRS, PROBLEMS
from include.person_sync.core.restrictions import (
    WRITE_BLOCKED,
    Scope,
    blocked_writes,
    scope_of,
    spare_read_only_rows,
    withheld,
)
from include.person_sync.core.sides import Sides
from include.person_sync.core.values import MISSING
from tests.unit.core.build import frame
from tests.unit.core.world import FIELDS, FILTER, Row, ann_contact, ann_lead, contact, lead, rows_frame, schema


def rows_of(*rows: Row) -> dict[Table, pd.DataFrame]:
    """Return the rows of both tables."""
    return {table: rows_frame(rows, table) for table in Table}


def pair(link_id: int, row: str, *, filtered: bool = False) -> pd.DataFrame:
    """Return a known pair (PAIRS)."""
    table, dynamics_id = row.split(":")
    return PAIRS.of(
        pd.DataFrame([{"link_id": link_id, "marketo_id": link_id, "generation": 1, "is_filtered": filtered}]),
        dynamics_table=table,
        dynamics_id=dynamics_id,
    )


def scoped(synced: str | None, *, filtered: bool, column: str | None = FILTER, is_read: bool = True) -> Scope:
    """Return whom the filter lets through of one pair."""
    rows = rows_of(ann_contact(synced=synced)) if is_read else rows_of()
    return scope_of(pair(1, "contact:c1", filtered=filtered), rows, column)


@pytest.mark.parametrize("filtered", [False, True])
@pytest.mark.parametrize("answer", ["false", "False"])
def test_filter_keeps_out_on_an_explicit_no_alone(answer: str, filtered: bool) -> None:
    """No means no, whatever was known before."""
    scope = scoped(answer, filtered=filtered)

    assert scope.pairs.empty
    assert scope.filtered == (1,)
    assert scope.unfiltered == ()


@pytest.mark.parametrize("answer", ["true", None])
def test_filter_lets_back_in_whom_it_no_longer_keeps_out(answer: str | None) -> None:
    """Yes and empty both sync; a pair that was out is named as let in again."""
    assert scoped(answer, filtered=True).unfiltered == (1,)
    assert scoped(answer, filtered=False).unfiltered == ()
    assert len(scoped(answer, filtered=True).pairs) == 1


def test_filter_goes_by_what_was_known_of_a_row_that_was_not_read() -> None:
    """An unknown answer changes nothing: who was in stays in, who was out stays out."""
    assert scoped(None, filtered=False, is_read=False).filtered == ()
    assert scoped(None, filtered=True, is_read=False).filtered == (1,)
    assert scoped(None, filtered=True, is_read=False).unfiltered == ()


def test_filter_that_is_switched_off_lets_everybody_in() -> None:
    """Without a column nobody is kept out, and whoever was is let in again."""
    assert scoped("false", filtered=True, column=None).unfiltered == (1,)


def decision(link_id: int, outcome: str, winner: str | None = None, **more: str | None) -> dict[str, object]:
    """Return one decision about the last name."""
    return {"link_id": link_id, "field": "last_name", "outcome": outcome, "winner": winner, "planned": "x", **more}


def decisions(*rows: dict[str, object]) -> pd.DataFrame:
    """Return decisions (DECISIONS)."""
    return DECISIONS.of(pd.DataFrame(list(rows)))


@pytest.mark.parametrize(
    ("row", "ref", "spared"),
    [
        (ann_lead(state="1"), "lead:l1", True),
        (ann_lead(merged="True"), "lead:l1", True),
        (ann_contact(merged="true", state="1"), "contact:c1", True),
        (ann_contact(state="1"), "contact:c1", False),
        (ann_lead(state="2"), "lead:l1", False),
    ],
)
def test_read_only_rows_are_spared_and_their_people_counted_once(row: Row, ref: str, spared: bool) -> None:
    """Qualified leads and merge losers are history; an inactive contact may be written."""
    found = decisions(
        decision(1, "to_dynamics"), decision(1, "collision", "marketo"), decision(1, "to_marketo"),
        decision(1, "collision", "dynamics"),
    )  # fmt: skip

    left, people = spare_read_only_rows(found, pair(1, ref), rows_of(row))

    out = ["withheld", "withheld"] if spared else ["to_dynamics", "collision"]
    assert left["outcome"].tolist() == [*out, "to_marketo", "collision"]
    assert people == (1 if spared else 0)


def test_read_only_row_spares_no_row_of_the_other_table() -> None:
    """A contact with the id of a qualified lead is another row."""
    left, people = spare_read_only_rows(
        decisions(decision(1, "to_dynamics")), pair(1, "contact:x"), rows_of(lead("x", state="1"), contact("x"))
    )

    assert left["outcome"].tolist() == ["to_dynamics"]
    assert people == 0


def sides(base: str | None, marketo: str | None, dynamics: str | None) -> Sides:
    """Return the sides of link 1 with one field."""
    frames = [frame({1: {"last_name": value}}) for value in (base, marketo, dynamics)]
    return Sides(*frames, problems=PROBLEMS.empty())


def blocked(left: Rule, cells: Sides) -> pd.DataFrame:
    """Return what is blocked when the rule of the last name was narrowed to `left`."""
    fields = schema(FIELDS[1:2], narrowed={"last_name": left}).fields(Table.CONTACT)
    return blocked_writes(cells.base, cells, fields, Table.CONTACT)


@pytest.mark.parametrize(
    ("left", "cells", "direction"),
    [
        (Rule.MARKETO_TO_DYNAMICS, sides("a", "a", "b"), "to_marketo"),
        (Rule.MARKETO_TO_DYNAMICS, sides("a", "b", "c"), "to_marketo"),
        (Rule.DYNAMICS_TO_MARKETO, sides("a", "b", "a"), "to_dynamics"),
    ],
)
def test_write_to_a_closed_target_is_a_problem_of_its_direction(left: Rule, cells: Sides, direction: str) -> None:
    """Left alone without a word the field would stop moving."""
    found = blocked(left, cells)

    assert found[["link_id", "direction", "field", "code"]].to_numpy().tolist() == [
        [1, direction, "last_name", WRITE_BLOCKED]
    ]
    assert "closed to the sync" in found["message"].iloc[0]


@pytest.mark.parametrize(
    ("left", "cells"),
    [
        (Rule.MARKETO_TO_DYNAMICS, sides("a", "b", "a")),
        (Rule.MARKETO_TO_DYNAMICS, sides(MISSING, "a", "b")),
        (Rule.MARKETO_TO_DYNAMICS, sides("a", "b", "b")),
        (Rule.TWO_WAY, sides("a", "b", "c")),
    ],
)
def test_write_is_not_blocked_when_its_way_is_open_or_nobodys_edit_is_lost(left: Rule, cells: Sides) -> None:
    """The open direction, the first meeting, an agreement and a field that was not narrowed are no problem."""
    assert blocked(left, cells).empty


def test_withheld_keeps_both_sides_of_a_blocked_cell_and_nothing_else() -> None:
    """Neither side overwrites the other there; other cells go on."""
    found = decisions(decision(1, "collision", "marketo"), decision(2, "to_dynamics"))
    cells = PROBLEMS.of(pd.DataFrame([{"link_id": 1, "field": "last_name"}]))

    left = withheld(found, cells)

    assert left["outcome"].tolist() == ["withheld", "to_dynamics"]
    assert left["winner"].isna().all()
