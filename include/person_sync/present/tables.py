"""
What a command answers, as tables for a person at a terminal.

The twins of the plain texts beside this module: same facts, same words. Loaded only when there is a terminal to draw
on. Values come from people and vendors, so they are never read as markup.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from include.person_sync.present.figures import number, percent
from include.person_sync.present.history import ARROWS, answer_of, request_of, time_of, with_marks
from include.person_sync.present.plan import plan_text, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rich.console import RenderableType

    from include.person_sync.setup.report import SetupReport, TableFields

MOST_CHANGES = 500
"""A plan of more changes is told in lines: a table is measured as a whole before its first line appears."""
FIELD_HEADS = ("field", "base", "Marketo", "Dynamics", "new value", "why")
GOOD, BAD, QUIET = "green", "red", "dim"
STATUS_STYLES = {"applied": GOOD, "committed": GOOD, "done": GOOD, "failed": BAD, "refused": BAD, "stopped": BAD}


def run_view(summary: Mapping[str, Any]) -> RenderableType:
    """Return a run's summary: its plan if it was a dry run, its people if it created some, counts and calls."""
    parts: list[RenderableType] = [heading(summary)]
    if "plan" in summary:
        parts.append(plan_view(summary["plan"]))
    parts.append(counts_view(summary["counts"]))
    if "people" in summary:
        parts += [Text("  " + " ".join(str(value) for value in person.values())) for person in summary["people"]]
    return Group(*parts, calls_line(summary["api_calls"]))


def heading(summary: Mapping[str, Any]) -> Text:
    """Return which run it was and how it ended."""
    return Text.assemble((str(summary["run_id"]), "bold"), ": ", status(summary["status"]))


def status(word: str) -> Text:
    """Return a status in its colour."""
    return Text(word, style=STATUS_STYLES.get(word, ""))


def calls_line(calls: Mapping[str, int]) -> Text:
    """Return what was asked of the systems."""
    return Text("API calls: " + ", ".join(f"{system} {number(count)}" for system, count in calls.items()), style=QUIET)


def counts_view(counts: Mapping[str, Mapping[str, int]]) -> RenderableType:
    """Return the counts, a row per direction."""
    names = list(dict.fromkeys(name for counted in counts.values() for name in counted))
    table = plain_table("", *names, numbers=names)
    for direction, counted in counts.items():
        table.add_row(Text(direction), *(count_text(counted.get(name, 0)) for name in names))
    return table


def count_text(count: int) -> Text:
    """Return a count; none is quiet."""
    return Text(number(count), style="" if count else QUIET)


def plan_view(plan: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return a plan, a row per field of each change."""
    if not plan or len(plan) > MOST_CHANGES:
        return Text(plan_text(plan))
    table = plain_table("change", *FIELD_HEADS, whole="change")
    for entry in plan:
        rows = [field_cells(name, cell) for name, cell in entry["fields"].items()] or [[]]
        add_rows(table, planned_change(entry), rows)
    return table


def planned_change(entry: Mapping[str, Any]) -> Text:
    """Return what is to be done, and to whom; the id stays whole, to be copied."""
    done = Text(f"{entry['action']} {entry['direction']}", style="bold")
    who = f"\nperson {entry['marketo_id'] or 'new'} ↔ {entry['dynamics_table']}\n{entry['dynamics_id']}"
    return done.append(who, style="not bold")


def field_cells(name: str, cell: Mapping[str, Any]) -> list[Text]:
    """Return one field of a change: its name, the three values, what is planned, and why."""
    values = [value_text(cell, side) for side in ("base", "marketo", "dynamics")]
    winner = f"\n{cell['winner']} wins" if cell.get("winner") else ""
    return [Text(name), *values, value_text(cell, "planned", style="bold"), Text(f"{cell['outcome']}{winner}")]


def value_text(cell: Mapping[str, Any], side: str, *, style: str = "") -> Text:
    """Return a value as a person reads it; that there is none is quiet."""
    told = shown(cell, side)
    return Text(told, style=QUIET if told.startswith("(") else style)


def add_rows(table: Table, change: Text, rows: Iterable[Sequence[Text]]) -> None:
    """Add a change: a row per field, the first of which says what was done."""
    for place, cells in enumerate(rows):
        table.add_row(change if place == 0 else "", *cells)
    table.add_section()


def history_view(entries: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return one person's history, oldest change first."""
    if not entries:
        return Text("no change on record")
    table = plain_table("change", *FIELD_HEADS)
    for _, group in groupby(entries, key=lambda one: (one["run_id"], one["at"], one["direction"], one["action"])):
        change = list(group)
        rows = [field_cells(one["field"], with_marks(one)) for one in change if one["field"] is not None]
        add_rows(table, past_change(change[0]), rows or [[]])
    return table


def past_change(entry: Mapping[str, Any]) -> Text:
    """Return when what was done, what the vendor answered, and by which run."""
    direction = ARROWS.get(entry["direction"], entry["direction"])
    done = Text.assemble(
        (f"{time_of(entry)} UTC\n", "bold"), f"{direction}\n{entry['action']}: ", status(entry["status"])
    )
    answer = f"{answer_of(entry)}{request_of(entry)}".strip()
    if answer:
        done.append(f"\n{answer}", style=BAD if answer_of(entry) else QUIET)
    return done.append(f"\nrun {entry['run_id']}", style=QUIET)


def audit_view(summary: Mapping[str, Any]) -> RenderableType:
    """Return an audit's summary: shares, what was found, the fields that differ, where the report is."""
    parts: list[RenderableType] = [heading(summary), shares_view(summary["counts"])]
    found = {kind: count for kind, count in summary["counts"]["findings"].items() if count}
    parts.append(Text("findings: " + (", ".join(f"{kind} {number(count)}" for kind, count in found.items()) or "none")))
    differing = [field for field in summary["by_field"] if field["differing"]]
    if differing:
        parts.append(differing_view(differing))
    parts += [Text.assemble((f"{name}: ", QUIET), str(place)) for name, place in summary["reports"].items()]
    parts += [
        Text.assemble(f"repaired by {run['run_id']}: ", status(run["status"])) for run in summary.get("repair", ())
    ]
    return Group(*parts, calls_line(summary["api_calls"]))


def shares_view(counts: Mapping[str, Any]) -> Table:
    """Return how many pairs and fields agree."""
    pairs, fields, shares = counts["pairs"], counts["fields"], counts["shares"]
    names = ("compared", "in agreement", "differing", "unexplained")
    table = plain_table("", *names, numbers=names)
    table.add_row(
        "pairs",
        number(pairs.get("compared", 0)),
        share_text(shares["pairs_in_agreement"]),
        count_text(pairs.get("differing", 0)),
        "",
    )
    table.add_row(
        "fields",
        number(fields["compared"]),
        share_text(shares["fields_in_agreement"]),
        count_text(fields["differing"]),
        count_text(fields["unexplained"]),
    )
    return table


def share_text(share: float) -> Text:
    """Return a share of agreement; only all of it is good."""
    return Text(percent(share), style=GOOD if share == 1 else BAD)


def differing_view(fields: Iterable[Mapping[str, Any]]) -> Table:
    """Return the fields that differ, with reasons."""
    table = plain_table("table", "field", "rule", "differing", "reasons", numbers=("differing",))
    for field in fields:
        reasons = ", ".join(f"{name} {number(count)}" for name, count in sorted(field["reasons"].items()))
        told = (field["dynamics_table"], field["field"], field["rule"], number(field["differing"]), reasons)
        table.add_row(*(Text(str(cell)) for cell in told))
    return table


def setup_view(report: SetupReport) -> RenderableType:
    """Return what setup found: checks with remedies, what was made, the fields of each table, the verdict."""
    checks = plain_table("", "check", "seen")
    for check in report.checks:
        seen = Text(check.detail)
        if check.remedy and check.passed is not True:
            seen.append(f"\n→ {check.remedy}", style="bold")
        style = {True: GOOD, False: BAD, None: QUIET}[check.passed]
        checks.add_row(Text(check.word, style=style), Text(check.title), seen)
    made = [Text(f"made in Marketo: {made}") for made in report.provisioned]
    warnings = [Text(f"please note: {warning}", style="yellow") for warning in report.warnings]
    fields = [fields_view(table.value, fields) for table, fields in report.fields.items()]
    return Group(checks, *made, *warnings, *fields, Text(report.verdict, style=GOOD if report.ok else BAD))


def fields_view(table_name: str, fields: TableFields) -> RenderableType:
    """Return the fields of one table that flow in fewer directions than mapped, or not at all."""
    title = Text(f"{table_name}: {len(fields.effective)} fields synced, {len(fields.dropped)} not", style="bold")
    if not fields.narrowed and not fields.dropped:
        return title
    table = plain_table("field", "what", "remedy")
    for narrowed in fields.narrowed:
        table.add_row(Text(narrowed.name), Text(f"only {narrowed.rule}, the other side can't be written"), "")
    for dropped in fields.dropped:
        table.add_row(Text(dropped.name), Text(dropped.reason), Text(dropped.remedy))
    return Group(title, table)


def plain_table(*heads: str, numbers: Iterable[str] = (), whole: str | None = None) -> Table:
    """Return an empty table: a line below its heads, numbers set right, the column `whole` folded last."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    right = set(numbers)
    for head in heads:
        justify: Literal["left", "right"] = "right" if head in right else "left"
        table.add_column(Text(head), justify=justify, overflow="fold", no_wrap=head == whole)
    return table
