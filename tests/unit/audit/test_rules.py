"""Rules an audit shares with the sync: which rows are closed, which row a person names, what a repair counts."""

from __future__ import annotations

import pandas as pd

from include.person_sync.audit.repair import count_cells
from include.person_sync.config.settings import CustomFields
from include.person_sync.core.brakes import DirectionCounts
from include.person_sync.core.claims import named_rows
from include.person_sync.core.fields import Table
from include.person_sync.core.rows import is_read_only


def test_qualified_leads_and_merged_rows_are_read_only() -> None:
    """An inactive contact may be written; a qualified lead, and whoever lost a merge, may not."""
    rows = pd.DataFrame({"statecode": ["0", "1", "0", None], "merged": ["False", "False", "True", None]}, dtype="str")

    assert is_read_only(rows, Table.LEAD).tolist() == [False, True, True, False]
    assert is_read_only(rows, Table.CONTACT).tolist() == [False, False, True, False]


def test_a_person_names_a_row_without_regard_to_case() -> None:
    """Ids are compared trimmed and in lower case, and a person who names nothing names no row."""
    people = pd.DataFrame({"dynamicsId": pd.Series([" ABC-1 ", None], dtype="str")})

    named = named_rows(people, CustomFields())

    assert named[0] == "abc-1"
    assert pd.isna(named[1])


def test_a_repair_is_counted_by_the_people_it_would_change_and_empty() -> None:
    """Two fields of a person are one change; a value that gives way to nothing empties the side that had it."""
    cells = pd.DataFrame(
        {
            "link_id": [1, 1, 2, 3],
            "direction": ["to_dynamics", "to_dynamics", "to_dynamics", "to_marketo"],
            "planned": pd.Series(["x", None, None, "y"], dtype="str"),
            "dynamics": pd.Series(["a", "b", None, "y"], dtype="str"),
            "marketo": pd.Series(["x", None, None, "z"], dtype="str"),
        }
    )

    assert count_cells(cells, "to_dynamics") == DirectionCounts(changed=2, emptied=1)
    assert count_cells(cells, "to_marketo") == DirectionCounts(changed=1)
