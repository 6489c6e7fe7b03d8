"""
The report as one HTML page for people: numbers, tables by field, a sample of ids.

It loads nothing from anywhere and holds no value of any person; those are in the Parquet files beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.present.pages import render_page

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

BY_FIELD = (
    "dynamics_table",
    "field",
    "rule",
    "compared",
    "differing",
    "unexplained",
    "to_dynamics",
    "to_marketo",
    "set_apart",
    "unreadable",
)
IDS = ("link_id", "marketo_id", "dynamics_table", "dynamics_id")

Row = tuple[Any, ...]


def build_page(run_id: str, manifest: Mapping[str, Any], meanings: Mapping[str, str]) -> str:
    """Return the report of an audit's manifest as a page; `meanings` explains kinds and explanations in a line each."""
    sample = manifest["sample"]
    return render_page(
        "audit.html",
        run_id=run_id,
        audit=manifest,
        looked_at=looked_at(manifest["counts"]),
        found=found(manifest["findings"], meanings),
        by_field=picked(manifest["by_field"], BY_FIELD),
        sample_of_findings=picked(sample["findings"], ("kind", *IDS, "explanation", "note")),
        sample_of_differences=picked(sample["differences"], (*IDS, "field", "direction", "explanation")),
        meanings=list(meanings.items()),
    )


def found(findings: Iterable[Mapping[str, Any]], meanings: Mapping[str, str]) -> list[Row]:
    """Return findings by kind and explanation."""
    return [
        (finding["kind"], finding["count"], finding["explanation"], meanings[finding["kind"]]) for finding in findings
    ]


def picked(entries: Iterable[Mapping[str, Any]], names: Sequence[str]) -> list[Row]:
    """Return the named parts of each entry, as rows of a table."""
    return [tuple(entry[name] for name in names) for entry in entries]


def looked_at(counts: Mapping[str, Any]) -> list[Row]:
    """Return what was looked at, in numbers."""
    rows, pairs, fields = counts["rows"], counts["pairs"], counts["fields"]
    waiting = [(f"records of {name} that wait for a later cycle", count) for name, count in counts["backlog"].items()]
    return [
        ("contacts and leads read", rows.get("read", 0)),
        ("… linked to a person", rows.get("linked", 0)),
        ("… kept out by the sync filter", rows.get("filtered", 0)),
        ("… inactive, qualified or merged, and not linked", rows.get("inactive", 0)),
        ("… whose link was closed", rows.get("closed", 0)),
        ("… that should have a person and have none", rows.get("missing", 0)),
        ("pairs compared", pairs.get("compared", 0)),
        ("… that differ in a field that should agree", pairs.get("differing", 0)),
        ("fields compared", fields["compared"]),
        ("… that differ", fields["differing"]),
        ("fields set apart: a rule, the filter or a read-only row means them to differ", fields["set_apart"]),
        ("fields unreadable on one side", fields["unreadable"]),
        ("fields equal on both sides that the base does not know yet", fields["behind"]),
        *waiting,
    ]
