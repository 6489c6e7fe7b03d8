"""
The report as one HTML page for people: numbers, tables by field, a sample of ids.

It loads nothing from anywhere and holds no value of any person; those are in the Parquet files beside it.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from include.person_sync.audit.findings import MEANING, Explanation, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; --good: #1a7f37; --bad: #c62828; --accent: #3558d6; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 80rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
p { margin: .3rem 0; max-width: 60rem; } .quiet { opacity: .7; } code { font-size: .92em; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .8rem; margin: 1.5rem 0; }
.card { border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.card b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.good b { color: var(--good); } .bad b { color: var(--bad); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; min-width: 40rem; margin: .6rem 0; font-size: .9rem; }
th, td { text-align: left; padding: .3rem .5rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { font-weight: 600; white-space: nowrap; } tbody tr:nth-child(even) { background: var(--soft); }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.bad { color: var(--bad); font-weight: 600; }
"""

Cell = str | int | float | None


def build_page(run_id: str, manifest: Mapping[str, Any]) -> str:
    """Return the report of an audit's manifest as a page; pure. Everything in it is escaped."""
    parts = [
        header(run_id, manifest),
        cards(manifest["counts"]),
        looked_at(manifest["counts"]),
        findings(manifest["findings"]),
        by_field(manifest["by_field"]),
        sample(manifest["sample"]),
        legend(manifest["files"]),
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Audit of the person sync</title><style>{STYLE}</style></head><body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def header(run_id: str, manifest: Mapping[str, Any]) -> str:
    """Return title, run and times."""
    times = f"{moment(manifest['started_at'])} to {moment(manifest['finished_at'])}"
    calls = ", ".join(f"{escape(system)} {number(count)}" for system, count in manifest["api_calls"].items())
    return (
        "<h1>Audit of the person sync</h1>"
        f'<p class="quiet">Run <code>{escape(run_id)}</code> · {times} · API calls: {calls}</p>'
    )


def moment(text: str) -> str:
    """Return an ISO time in UTC as a person reads it."""
    return escape(text[:19].replace("T", " ")) + " UTC"


def cards(counts: Mapping[str, Any]) -> str:
    """Return the few numbers that tell most."""
    shares, unexplained = counts["shares"], sum(counts["unexplained"].values())
    shown = [
        ("pairs in agreement", percent(shares["pairs_in_agreement"]), shares["pairs_in_agreement"] == 1),
        ("fields in agreement", percent(shares["fields_in_agreement"]), shares["fields_in_agreement"] == 1),
        ("pairs compared", number(counts["pairs"].get("compared", 0)), None),
        ("unexplained", number(unexplained), unexplained == 0),
    ]
    cells = [
        f'<div class="card{"" if good is None else " good" if good else " bad"}"><b>{value}</b>{escape(label)}</div>'
        for label, value, good in shown
    ]
    return f'<div class="cards">{"".join(cells)}</div>'


def looked_at(counts: Mapping[str, Any]) -> str:
    """Return what was looked at, in numbers."""
    rows, pairs, fields = counts["rows"], counts["pairs"], counts["fields"]
    lines: list[tuple[Cell, ...]] = [
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
    ]
    waiting = [(f"records of {name} that wait for a later cycle", count) for name, count in counts["backlog"].items()]
    lines += waiting
    return "<h2>What was looked at</h2>" + table(["", "number"], lines)


def findings(found: Sequence[Mapping[str, Any]]) -> str:
    """Return findings by kind and explanation."""
    if not found:
        return "<h2>Findings</h2><p>None: every link has both halves, and everybody who should be linked is.</p>"
    lines: list[tuple[Cell, ...]] = [
        (one["kind"], MEANING[one["kind"]], one["explanation"], one["count"]) for one in found
    ]
    return "<h2>Findings</h2>" + table(["kind", "meaning", "explanation", "number"], lines)


def by_field(fields: Sequence[Mapping[str, Any]]) -> str:
    """Return the numbers per field, the most differing first."""
    names = ["compared", "differing", "unexplained", "to_dynamics", "to_marketo", "set_apart", "unreadable"]
    lines: list[tuple[Cell, ...]] = [
        (one["dynamics_table"], one["field"], one["rule"], *(one[name] for name in names)) for one in fields
    ]
    heads = ["table", "field", "rule", "compared", "differing", "unexplained", "→ Dynamics", "→ Marketo"]
    intro = "<p>The arrows count in which direction the rule would write what differs.</p>"
    body = table([*heads, "set apart", "unreadable"], lines, alarming=(4, 5))
    return f"<h2>By field</h2>{intro}{body}"


def sample(shown: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return ids to look at, without any value."""
    ids = ["link_id", "marketo_id", "dynamics_table", "dynamics_id"]
    heads = ["link", "person", "table", "row"]
    parts = ["<h2>A sample to look at</h2>"]
    if shown["findings"]:
        columns = ["kind", *ids, "explanation", "note"]
        lines = [tuple(plain(one[name]) for name in columns) for one in shown["findings"]]
        parts.append("<h3>Findings</h3>" + table(["kind", *heads, "explanation", "note"], lines))
    if shown["differences"]:
        columns = [*ids, "field", "direction", "explanation"]
        lines = [tuple(plain(one[name]) for name in columns) for one in shown["differences"]]
        parts.append("<h3>Differing fields</h3>" + table([*heads, "field", "direction", "explanation"], lines))
    return "".join(parts) if len(parts) > 1 else ""


def plain(value: Any) -> str:
    """Return an id or word as text; ids are no numbers to be read with separators."""
    return "" if value is None else str(value)


def legend(files: Mapping[str, Sequence[str]]) -> str:
    """Return what the words mean and where everything is."""
    words: list[tuple[Cell, ...]] = [(one.value, MEANING[one]) for one in (*Explanation, *Kind)]
    kept = ", ".join(f"<code>{escape(name)}/*.parquet</code>" for name, parts in files.items() if parts)
    where = f"<p>Everything, with values, is in {kept} beside this page.</p>" if kept else ""
    return "<h2>Words</h2>" + table(["word", "meaning"], words) + where


def table(heads: Sequence[str], lines: Iterable[Sequence[Cell]], *, alarming: Sequence[int] = ()) -> str:
    """Return rows as a table; numbers are set right, those in `alarming` columns stand out unless they are 0."""
    rows = [list(line) for line in lines]
    numeric = [bool(rows) and all(isinstance(row[place], int) for row in rows) for place in range(len(heads))]
    head = "".join(
        f"<th{' class=number' if is_number else ''}>{escape(name)}</th>"
        for name, is_number in zip(heads, numeric, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(cell(value, alarm=place in alarming) for place, value in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def cell(value: Cell, *, alarm: bool) -> str:
    """Return one cell."""
    if isinstance(value, int):
        return f'<td class="number{" bad" if alarm and value else ""}">{number(value)}</td>'
    return f"<td>{escape(plain(value))}</td>"


def number(value: int) -> str:
    """Return a number with thousands set apart."""
    return f"{value:,}".replace(",", " ")


def percent(value: float) -> str:
    """Return a share, rounded down: 100 % means all."""
    return "100 %" if value == 1 else f"{int(value * 1_000_000) / 10_000:.4f} %"
