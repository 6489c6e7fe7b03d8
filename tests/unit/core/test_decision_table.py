"""The table in the docstring of `merge` is the specification: every row of it is carried out here."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest

from include.person_sync.core import merge as merge_module
from include.person_sync.core.decision import OUTCOMES, differs
from include.person_sync.core.fields import Blank, Rule, Table
from include.person_sync.core.merge import merge
from include.person_sync.core.values import MISSING, UNREADABLE
from tests.unit.core.build import effective, frame

HEAD = ["rule", "blank", "table", "base", "marketo", "dynamics", "outcome", "winner", "planned"]
CELLS = {"-": None, "?": MISSING, "!": UNREADABLE}


def documented_rows() -> list[list[str]]:
    """Return the rows of the docstring's table, each once per Dynamics table it speaks of."""
    block = (merge_module.__doc__ or "").split("```text\n")[1].split("```")[0]
    head, *rows = (line.split() for line in block.splitlines())
    assert head == HEAD
    spread = []
    for row in rows:
        tables = [str(table) for table in Table] if row[2] == "any" else [row[2]]
        spread += [[*row[:2], table, *row[3:]] for table in tables]
    return spread


@pytest.mark.parametrize("row", documented_rows(), ids=" ".join)
def test_merge_decides_as_its_docstring_says(row: list[str]) -> None:
    """Each documented case gives the documented outcome, winner and planned value (P-022, P-024, S-09)."""
    rule, blank, table, base, marketo, dynamics, outcome, *rest = row
    field = effective(rule=Rule(rule), blank=Blank(blank), table=Table(table))
    sides = [frame({7: {field.name: CELLS.get(cell, cell)}}) for cell in (base, marketo, dynamics)]

    decided = merge(*sides, [field], Table(table))

    if outcome == "nothing":
        assert decided.empty
        return
    winner, planned = rest
    assert decided["outcome"].tolist() == [outcome]
    assert decided["winner"].fillna(".").tolist() == [winner]
    assert decided["planned"].fillna("-").tolist() == [planned]


def test_table_speaks_of_every_rule_policy_and_outcome() -> None:
    """No rule, blank policy or outcome is left out of the documented table."""
    rows = documented_rows()

    assert {row[0] for row in rows} == {str(rule) for rule in Rule} - {"off"}
    assert {row[1] for row in rows} == {str(blank) for blank in Blank}
    assert {row[6] for row in rows} == {str(outcome) for outcome in OUTCOMES} | {"nothing"}


def test_merge_names_what_decided_when_the_blank_policy_did() -> None:
    """The `rule` column says `keep` where the blank policy decided, and the field's rule elsewhere."""
    field = effective(blank=Blank.KEEP)
    base = frame({number: {field.name: "a"} for number in (1, 2, 3, 4)})
    marketo = frame({1: {field.name: None}, 2: {field.name: "b"}, 3: {field.name: "b"}, 4: {field.name: None}})
    dynamics = frame({1: {field.name: "a"}, 2: {field.name: None}, 3: {field.name: "c"}, 4: {field.name: None}})

    decided = merge(base, marketo, dynamics, [field], Table.CONTACT)

    assert decided["rule"].tolist() == ["keep", "keep", "two_way", "two_way"]
    assert isinstance(decided["rule"].dtype, pd.StringDtype)


@pytest.mark.parametrize("base", [[None, "z"], [None, "a"], ["a", None], [None, None]])
@pytest.mark.parametrize("marketo", [["a", "z"], [None, "a"], ["b", None], [None, None]])
def test_columns_differ_where_their_values_do(base: list[str | None], marketo: list[str | None]) -> None:
    """Empty equals empty and nothing else."""
    one, other = (pa.array(side, pa.large_string()) for side in (marketo, base))

    assert differs(one, other).tolist() == [ours != theirs for ours, theirs in zip(marketo, base, strict=True)]
