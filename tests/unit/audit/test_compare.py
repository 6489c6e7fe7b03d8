"""The comparison tells agreement from difference, and in which direction a rule would act."""

from __future__ import annotations

import pandas as pd

from include.person_sync.audit.compare import CELL_COLUMNS, compare_pairs
from include.person_sync.core.fields import Rule, Table
from include.person_sync.core.values import MISSING, UNREADABLE
from tests.unit.audit.build import field, side


def numbers(cells: pd.DataFrame, name: str) -> dict[str, int]:
    """Return the counts of a field."""
    return cells.set_index("field").loc[name, CELL_COLUMNS[3:]].to_dict()


def test_compare_counts_equal_cells_whatever_the_base_says():
    """Two sides that hold the same agree; where the base does not know it yet, that is counted beside."""
    city = [field("city")]

    compared = compare_pairs(
        side(city=["a", "a", MISSING, None]), side(city=["a", "b", "c", None]), side(city=["a", "b", "c", None]),
        city, Table.LEAD,
    )  # fmt: skip

    assert compared.differences.empty
    assert numbers(compared.cells, "city") == {"comparable": 4, "equal": 4, "unreadable": 0, "behind": 2}


def test_compare_gives_each_difference_the_direction_of_the_merge():
    """One-sided edits go to the other side; on a lead Marketo's edit wins a collision, on a contact the other's."""
    base, marketo, dynamics = side(city=["a", "a", "a"]), side(city=["b", "a", "b"]), side(city=["a", "c", None])

    lead = compare_pairs(base, marketo, dynamics, [field("city")], Table.LEAD).differences
    contact = compare_pairs(base, marketo, dynamics, [field("city", table=Table.CONTACT)], Table.CONTACT).differences

    assert lead["direction"].tolist() == ["to_dynamics", "to_marketo", "to_dynamics"]
    assert contact["direction"].tolist() == ["to_dynamics", "to_marketo", "to_marketo"]
    assert lead["outcome"].tolist() == ["to_dynamics", "to_marketo", "collision"]


def test_compare_gives_what_a_rule_withholds_no_direction():
    """A one-way field that was edited on its receiving side differs, and nothing would be written."""
    one_way = [field("city", Rule.DYNAMICS_TO_MARKETO)]

    compared = compare_pairs(side(city=["a"]), side(city=["b"]), side(city=["a"]), one_way, Table.LEAD)

    assert compared.differences[["outcome", "direction"]].values.tolist() == [["withheld", "none"]]


def test_compare_takes_no_unreadable_cell_for_a_difference():
    """What a side would not say is neither equal nor different."""
    compared = compare_pairs(
        side(city=["a", "a"]), side(city=[UNREADABLE, "a"]), side(city=["b", UNREADABLE]), [field("city")], Table.LEAD
    )

    assert compared.differences.empty
    assert numbers(compared.cells, "city") == {"comparable": 0, "equal": 0, "unreadable": 2, "behind": 0}


def test_compare_does_not_depend_on_the_order_of_links():
    """The three frames may list the pairs in orders of their own."""
    fields = [field("city"), field("name")]
    base = side(city=["a", "a", "a"], name=["x", "x", "x"])
    marketo = side(city=["b", "a", UNREADABLE], name=["x", "x", "x"])
    dynamics = side(city=["a", "a", "c"], name=["x", "y", "x"])

    ordered = compare_pairs(base, marketo, dynamics, fields, Table.LEAD)
    mixed = compare_pairs(base.loc[[3, 1, 2]], marketo.loc[[2, 3, 1]], dynamics, fields, Table.LEAD)

    pd.testing.assert_frame_equal(ordered.differences, mixed.differences)
    pd.testing.assert_frame_equal(ordered.cells, mixed.cells)
    assert numbers(ordered.cells, "city") == {"comparable": 2, "equal": 1, "unreadable": 1, "behind": 0}
