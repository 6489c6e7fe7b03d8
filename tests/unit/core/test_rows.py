"""What a Dynamics row says of itself."""

from __future__ import annotations

import pandas as pd
import pytest

from include.person_sync.core.fields import Table
from include.person_sync.core.rows import (
    all_rows,
    email_key,
    ids_by_table,
    is_alive,
    is_merged,
    is_qualified,
    is_read_only,
    masters,
    passes_filter,
    row_key,
)
from tests.unit.core.world import FILTER, contact, lead, rows_frame

BARE = pd.DataFrame(index=pd.Index(["x"], name="dynamics_id"))


@pytest.mark.parametrize(
    ("row", "alive", "lead_closed", "contact_closed"),
    [
        ({}, True, False, False),
        ({"state": None}, True, False, False),
        ({"state": "1"}, False, True, False),
        ({"state": "2"}, False, False, False),
        ({"merged": "True", "state": "1"}, False, True, True),
        ({"merged": "true"}, False, True, True),
        ({"merged": "false"}, True, False, False),
    ],
)
def test_row_is_alive_or_read_only_by_state_and_merge(
    row: dict, alive: bool, lead_closed: bool, contact_closed: bool
) -> None:
    """Only an active row may be linked; only qualified leads and merge losers are closed to writes."""
    rows = rows_frame([lead("l1", **row)], Table.LEAD)

    assert is_alive(rows).tolist() == [alive]
    assert is_read_only(rows, Table.LEAD).tolist() == [lead_closed]
    assert is_read_only(rows, Table.CONTACT).tolist() == [contact_closed]


def test_rows_without_the_columns_are_alive_and_let_in() -> None:
    """A table may lack a column; then it says nothing."""
    assert is_alive(BARE).all()
    assert not is_merged(BARE).any()
    assert not is_qualified(BARE).any()
    assert passes_filter(BARE, FILTER).all()
    assert masters(BARE) == {}


def test_filter_lets_everybody_in_but_an_explicit_no() -> None:
    """Absent, empty and Yes sync, as with the native connector."""
    rows = rows_frame(
        [contact(text, synced=None if text == "-" else text) for text in ("-", "true", "False")], Table.CONTACT
    )

    assert passes_filter(rows, FILTER).tolist() == [True, True, False]
    assert passes_filter(rows, None).all()


def test_keys_are_trimmed_without_case_and_blank_is_none() -> None:
    """Addresses and ids have one form in which they are compared."""
    texts = pd.Series([" Ann@X.example ", "STRASSE", " ", None], dtype="str")

    assert email_key(texts).fillna("-").tolist() == ["ann@x.example", "strasse", "-", "-"]
    assert row_key(texts).fillna("-").tolist() == ["ann@x.example", "strasse", "-", "-"]


def test_masters_are_those_of_merged_rows_only() -> None:
    """An active row may carry the id of an old master."""
    rows = rows_frame(
        [contact("c1", merged="true", master=" C9 "), contact("c2", master="c9"), contact("c3", merged="true")],
        Table.CONTACT,
    )

    assert masters(rows) == {"c1": "c9"}


def test_all_rows_names_each_rows_table_and_fills_absent_columns() -> None:
    """Rows of both tables in one frame."""
    rows = {Table.CONTACT: rows_frame([contact("c1", score="1")], Table.CONTACT), Table.LEAD: BARE}

    both = all_rows(rows, ["new_score"])

    assert both.fillna("-").to_dict("records") == [
        {"dynamics_id": "c1", "new_score": "1", "dynamics_table": "contact"},
        {"dynamics_id": "x", "new_score": "-", "dynamics_table": "lead"},
    ]
    assert ids_by_table(both) == {"contact": ["c1"], "lead": ["x"]}
