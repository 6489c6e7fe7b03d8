"""Numbers add up, shares are honest, the sample stays small, and links are remembered in bits."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from include.person_sync.audit.compare import compare_pairs
from include.person_sync.audit.examine import Examined, about_links
from include.person_sync.audit.findings import DIFFERENCE_COLUMNS, FINDING_COLUMNS
from include.person_sync.audit.looking import in_chunks
from include.person_sync.audit.sweep import SeenLinks
from include.person_sync.audit.tally import Tally, share
from include.person_sync.core.fields import Rule, Table
from tests.unit.audit.build import entries, field, side

FIELDS = [field("city"), field("state", Rule.DYNAMICS_TO_MARKETO)]


def examined(first: int, explanation: str = "unexplained") -> Examined:
    """Return a look at three pairs: one differs in a city, one in a one-way state."""
    base = side(city=["a", "a", "a"], state=["x", "x", "x"])
    marketo, dynamics = side(city=["b", "a", "a"], state=["x", "y", "x"]), base
    compared = compare_pairs(base, marketo, dynamics, FIELDS, Table.LEAD)
    ids = {"link_id": [1, 2, 3], "marketo_id": [first, first + 1, first + 2]}
    pairs = pd.DataFrame({**ids, "dynamics_table": "lead", "dynamics_id": ["r1", "r2", "r3"]})
    differences = about_links(compared.differences, pairs)
    reasons = differences["field"].map({"city": explanation, "state": "rule"})
    findings = entries([{"kind": "row_without_person", "dynamics_id": f"r{first}"}], FINDING_COLUMNS)
    return Examined(
        differences=differences.assign(explanation=reasons)[DIFFERENCE_COLUMNS],
        cells=compared.cells,
        findings=findings,
        rows={"read": 3, "linked": 3},
        pairs=3,
        linked=np.array([1, 2, 3]),
    )


def test_tally_adds_looks_up_and_sets_apart_what_a_rule_means():
    """A pair that differs in a one-way field alone is in agreement; shares count what should agree."""
    tally = Tally(sample=5)
    tally.add(examined(10))
    tally.add(examined(20, "in_flight"))

    summary = tally.summary()

    counts = summary["counts"]
    assert counts["pairs"] == {"linked": 6, "compared": 6, "differing": 2, "in_agreement": 4}
    assert counts["fields"] == {
        "compared": 10, "equal": 8, "differing": 2, "unexplained": 1, "set_apart": 2, "unreadable": 0, "behind": 0,
    }  # fmt: skip
    assert counts["shares"] == {"pairs_in_agreement": pytest.approx(4 / 6, abs=1e-6), "fields_in_agreement": 0.8}
    assert counts["unexplained"] == {"fields": 1, "row_without_person": 2}
    city, state = summary["by_field"]
    assert (city["field"], city["differing"], city["to_dynamics"]) == ("city", 2, 2)
    assert (state["differing"], state["set_apart"], state["reasons"]) == (0, 2, {"rule": 2})


def test_sample_is_bounded_and_starts_with_what_nobody_can_explain():
    """However much differs, the report shows a few per field, the unexplained before the others."""
    tally = Tally(sample=2)
    for number in range(10, 50, 10):
        tally.add(examined(number, "in_flight"))
    tally.add(examined(90))

    shown = tally.summary()["sample"]

    assert [(one["marketo_id"], one["explanation"]) for one in shown["differences"]] == [
        (90, "unexplained"), (10, "in_flight"),
    ]  # fmt: skip
    assert len(shown["findings"]) == 2


@pytest.mark.parametrize(
    ("part", "whole", "expected"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0), (999_999_999, 10**9, 0.999999)]
)
def test_share_is_one_only_when_all_agree(part: int, whole: int, expected: float):
    """A single differing pair among a thousand million keeps the share below 1."""
    assert share(part, whole) == expected


def test_seen_links_remembers_each_link_apart():
    """Neighbours in a byte do not touch each other, and links made later are left alone."""
    seen = SeenLinks(20)
    seen.mark(np.array([1, 8, 9, 9, 20]))
    seen.mark(np.array([2, 10_000]))

    assert seen.unseen(np.arange(1, 21)).tolist() == [3, 4, 5, 6, 7, *range(10, 20)]


def test_chunks_hold_every_row_once_and_no_more_than_asked():
    """Pages larger and smaller than a chunk are cut and joined."""
    pages = [[{"n": n} for n in range(start, end)] for start, end in ((0, 7), (7, 7), (7, 8), (8, 20))]

    chunks = list(in_chunks(pages, 5))

    assert [one["n"] for chunk in chunks for one in chunk] == list(range(20))
    assert [len(chunk) for chunk in chunks] == [5, 5, 5, 5]
