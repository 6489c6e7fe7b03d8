"""Fields over time: isolated, filled in, done."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest

from include.person_sync.core.field_lifecycle import (
    FieldStates,
    after_backfills,
    backfill_notes,
    carry_empty_values,
    isolated_notes,
    newly,
    next_states,
    out_of_range,
)
from include.person_sync.core.fields import Blank, FieldMap, Rule, Table
from include.person_sync.core.values import MISSING, UNREADABLE
from tests.unit.core.build import effective, frame
from tests.unit.core.world import FIELDS, contact, effective_field, policy, rows_frame, schema

ALL = ["email", "last_name", "rating", "score"]
BEFORE = FieldStates(effective={"contact": ALL, "lead": ALL})
MAP = FieldMap(FIELDS)


def states_after(before: FieldStates, *, dropped=(), added=None, field_map: FieldMap = MAP) -> FieldStates:
    """Return the states after a look at schemas that lack `dropped`."""
    return next_states(before, schema(field_map.fields, dropped=dropped), field_map, added or {})


def test_field_that_took_part_and_is_gone_is_isolated() -> None:
    """It stays known as long as the map has it, and comes back by itself."""
    gone = states_after(BEFORE, dropped=["rating"])
    still_gone = states_after(gone, dropped=["rating"])

    assert gone.isolated == still_gone.isolated == {"contact": ["rating"], "lead": ["rating"]}
    assert states_after(still_gone).isolated == {"contact": [], "lead": []}


def test_field_that_never_took_part_or_left_the_map_is_not_isolated() -> None:
    """A field is missed only when it was there and is still wanted."""
    never = states_after(FieldStates(), dropped=["rating"])
    entries = [replace(entry, rule=Rule.OFF) if entry.name == "rating" else entry for entry in FIELDS]
    off = states_after(BEFORE, dropped=["rating"], field_map=FieldMap(tuple(entries)))

    assert never.isolated == off.isolated == {"contact": [], "lead": []}


def test_added_field_is_filled_in_until_nobody_waits() -> None:
    """A backfill goes on while people wait for their turn, and ends with the run after which nobody does."""
    begun = states_after(BEFORE, added={"contact": ["score"]})
    busy = after_backfills(begun, busy={"contact"})
    done = after_backfills(states_after(busy), busy=set())

    assert begun.pending(Table.CONTACT) == busy.pending(Table.CONTACT) == ["score"]
    assert begun.pending(Table.LEAD) == []
    assert done.pending(Table.CONTACT) == []
    assert states_after(done).pending(Table.CONTACT) == []


def test_backfill_of_a_field_that_is_gone_again_is_dropped() -> None:
    """There is nothing to fill in any more."""
    begun = states_after(BEFORE, added={"contact": ["score"]})

    assert states_after(begun, dropped=["score"]).pending(Table.CONTACT) == []


def test_notes_tell_which_backfills_end_and_change_nothing() -> None:
    """Computing what to tell leaves the states as they are, so that the order of asking is nobody's business."""
    begun = states_after(BEFORE, added={"contact": ["score"], "lead": ["rating"]})
    before = deepcopy(begun)

    notes = [backfill_notes(begun, {"lead"}) for _ in range(2)]
    after_backfills(begun, set())
    isolated_notes(begun, policy().schema)

    assert (
        notes[0]
        == notes[1]
        == {
            "fields_backfilled": [{"field": "score", "table": "contact"}],
            "fields_backfilling": [{"field": "rating", "table": "lead"}],
        }
    )
    assert begun == before


def test_isolated_notes_tell_reason_and_remedy() -> None:
    """Only of fields that are isolated, not of every field that takes no part."""
    resolved = schema(dropped=["rating"])

    assert isolated_notes(FieldStates(isolated={"lead": ["rating"]}), resolved) == [
        {"field": "rating", "table": "lead", "reason": "gone", "remedy": "bring it back"}
    ]
    assert isolated_notes(FieldStates(), resolved) == []


def test_newly_names_what_was_not_there_before() -> None:
    """News are told once."""
    assert newly({"lead": ["a"]}, {"lead": ["b", "a"], "contact": ["c"]}) == [("lead", "b"), ("contact", "c")]


def test_field_states_survive_the_database() -> None:
    """States come back from JSON as they went in; nothing stored is no states."""
    states = states_after(BEFORE, added={"contact": ["score"]}, dropped=["rating"])

    assert FieldStates.from_json(states.as_json()) == states
    assert FieldStates.from_json(None) == FieldStates()


@pytest.mark.parametrize(
    ("rule", "blank", "base", "marketo", "dynamics", "carried"),
    [
        (Rule.MARKETO_TO_DYNAMICS, Blank.PROPAGATE, MISSING, None, "x", "x"),
        (Rule.DYNAMICS_TO_MARKETO, Blank.PROPAGATE, MISSING, "x", None, "x"),
        (Rule.MARKETO_TO_DYNAMICS, Blank.PROPAGATE, MISSING, "x", None, MISSING),
        (Rule.TWO_WAY, Blank.PROPAGATE, MISSING, None, "x", MISSING),
        (Rule.MARKETO_TO_DYNAMICS, Blank.KEEP, MISSING, None, "x", MISSING),
        (Rule.MARKETO_TO_DYNAMICS, Blank.PROPAGATE, "a", None, "x", "a"),
        (Rule.MARKETO_TO_DYNAMICS, Blank.PROPAGATE, MISSING, None, UNREADABLE, MISSING),
    ],
)
def test_empty_value_of_the_only_master_is_carried_when_a_field_is_filled_in(
    rule: Rule, blank: Blank, base: str, marketo: str | None, dynamics: str | None, carried: str
) -> None:
    """Of a one-way field the master says so; of a two-way field the filled side counts."""
    pending = effective("score", rule=rule, blank=blank)
    sides = [frame({1: {"score": text}, 2: {"score": text}}) for text in (base, marketo, dynamics)]

    after = carry_empty_values(*sides, [pending], pd.Index([1]))

    assert after.loc[1, "score"] == carried
    assert after.loc[2, "score"] == base
    assert sides[0].loc[1, "score"] == base


def test_backfill_since_leaves_out_rows_unchanged_since_that_day() -> None:
    """A row that does not tell when it was changed is filled in."""
    since = datetime(2026, 5, 1, tzinfo=UTC)
    limited = effective_field(replace(FIELDS[3], backfill_since=since), Table.CONTACT)
    free = effective_field(FIELDS[1], Table.CONTACT)
    rows = rows_frame(
        [
            contact("old", modified="2026-04-30T23:59:59Z"),
            contact("new", modified="2026-05-01T00:00:00Z"),
            contact("silent"),
        ],
        Table.CONTACT,
    )

    late = out_of_range(rows, [limited, free], ["score", "last_name"])

    assert late["score"].to_dict() == {"old": True, "new": False, "silent": False}
    assert list(late.columns) == ["score"]
    assert out_of_range(rows, [limited], []).columns.empty
    assert not out_of_range(rows.drop(columns="modifiedon"), [limited], ["score"]).to_numpy().any()
