"""What is drawn at a terminal: every fact of the plain text, and nothing of a value read as markup."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from rich.console import Console

from include.person_sync.core.fields import Table
from include.person_sync.present.run_text import run_text
from include.person_sync.present.tables import MOST_CHANGES, audit_view, history_view, run_view, setup_view
from include.person_sync.setup.report import Check, SetupReport, TableFields

if TYPE_CHECKING:
    from rich.console import RenderableType

MARKUP = "[bold red]not markup[/]"
CHANGE = {
    "direction": "to_dynamics",
    "action": "update",
    "marketo_id": 1007,
    "dynamics_table": "contact",
    "dynamics_id": "row-7",
    "fields": {
        "job_title": {
            "base": "CTO",
            "marketo": MARKUP,
            "dynamics": None,
            "planned": MARKUP,
            "outcome": "collision",
            "winner": "marketo",
        }
    },
}


def drawn(view: RenderableType, *, width: int = 200) -> str:
    """Return what a terminal of a width shows, without colours."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(view)
    told: Any = console.file
    return str(told.getvalue())


def run_summary(**changes: Any) -> dict[str, Any]:
    """Return the summary of a cycle."""
    counts = {"to_dynamics": {"created": 0, "updated": 1234}, "to_marketo": {"created": 5, "updated": 0}}
    return {
        "run_id": "r1",
        "status": "committed",
        "counts": counts,
        "api_calls": {"marketo": 5, "dynamics": 3},
    } | changes


def test_run_shows_counts_per_direction_and_calls():
    """Directions, counted things and calls of both systems can all be read."""
    text = drawn(run_view(run_summary()))

    for told in ("r1", "committed", "to_dynamics", "to_marketo", "created", "1 234", "marketo 5, dynamics 3"):
        assert told in text


def test_plan_shows_every_value_as_it_is():
    """A dry run's plan shows who, the three values, what is planned and who wins; brackets in a value stay brackets."""
    text = drawn(run_view(run_summary(status="dry_run", plan=[CHANGE])))

    for told in ("update to_dynamics", "person 1007", "row-7", "'CTO'", "(empty)", "collision", "marketo wins"):
        assert told in text
    assert text.count(MARKUP) == 2


def test_plan_is_legible_on_a_narrow_terminal():
    """At 80 columns ids and values are folded, never cut off."""
    text = drawn(
        run_view(run_summary(plan=[{**CHANGE, "dynamics_id": "3f2504e0-4f89-11d3-9a0c-0305e82c3301"}])), width=80
    )

    assert "…" not in text
    assert max(len(line) for line in text.splitlines()) <= 80


def test_long_plan_is_told_in_lines():
    """A plan of thousands is not measured for a table first: it is written as it would be into a file."""
    summary = run_summary(plan=[CHANGE] * (MOST_CHANGES + 1))

    assert drawn(run_view(summary)).count("update to_dynamics  person 1007 ↔ contact row-7") == MOST_CHANGES + 1
    assert run_text(summary).count("update to_dynamics  person 1007") == MOST_CHANGES + 1


def test_empty_plan_and_history_say_so():
    """Nothing to show is said in words, not drawn as an empty table."""
    assert "nothing to do" in drawn(run_view(run_summary(plan=[])))
    assert "no change on record" in drawn(history_view([]))


def history_entry(**changes: Any) -> dict[str, Any]:
    """Return one field of a refused change."""
    entry = {
        "run_id": "r1", "at": "2026-05-02T07:30:00.5+00:00", "direction": "to_marketo", "action": "update",
        "status": "refused", "code": "1003", "message": MARKUP, "request_id": "q#1", "field": "job_title",
        "base": None, "marketo": "CTO", "dynamics": "CEO", "planned": "CEO", "outcome": "dynamics_changed",
        "winner": None, "rule": "two_way", "marks": {"base": "missing"},
    }  # fmt: skip
    return entry | changes


def test_history_shows_change_answer_and_values():
    """When, what, which run, what the vendor answered to which request, and the values, once per change."""
    text = drawn(history_view([history_entry(), history_entry(field="city", marks={})]))

    for told in ("Dynamics → Marketo", "2026-05-02 07:30:00 UTC", "1003", MARKUP, "q#1", "(none yet)", "city", "'CEO'"):
        assert told in text
    assert text.count("run r1") == 1


def test_audit_shows_shares_fields_and_places():
    """Shares of agreement, the differing fields with reasons, findings, places and repairs."""
    field = {
        "dynamics_table": "lead",
        "field": "city",
        "rule": "two_way",
        "differing": 3,
        "reasons": {"unexplained": 3},
    }
    summary = {
        "run_id": "audit__1",
        "status": "done",
        "counts": {
            "pairs": {"compared": 1234, "differing": 1},
            "fields": {"compared": 9876, "differing": 3, "unexplained": 3},
            "shares": {"pairs_in_agreement": 0.999189, "fields_in_agreement": 1.0},
            "findings": {"shared_identity": 2, "wrong_identity": 0},
        },
        "by_field": [field, {**field, "field": "email", "differing": 0}],
        "reports": {"page": "/r/report.html"},
        "repair": [{"run_id": "audit_repair__2", "status": "done"}],
        "api_calls": {"marketo": 12, "dynamics": 3},
    }

    text = drawn(audit_view(summary))

    shown = "99.9189 %", "100 %", "1 234", "9 876", "city", "unexplained 3", "shared_identity 2", "/r/report.html"
    for told in (*shown, "audit_repair__2"):
        assert told in text
    assert "email" not in text
    assert "wrong_identity" not in text


def test_setup_shows_outcome_and_remedy_of_each_check():
    """What failed stands with its remedy, what is fine without one, and the verdict at the end."""
    report = SetupReport(
        checks=(
            Check("marketo_host", passed=True, detail="answers", remedy="never shown"),
            Check("dynamics_secret", passed=False, detail="refused", remedy=MARKUP),
        ),
        warnings=("something new",),
        fields={Table.LEAD: TableFields((), ())},
    )

    lines = [line.strip() for line in drawn(setup_view(report)).splitlines() if line.strip()]
    text = "\n".join(lines)

    for told in (
        "marketo host",
        "FAILED",
        "dynamics secret",
        f"→ {MARKUP}",
        "please note: something new",
        "lead: 0 fields",
    ):
        assert told in text
    assert "never shown" not in text
    assert lines[-1] == "1 check failed: dynamics secret."
