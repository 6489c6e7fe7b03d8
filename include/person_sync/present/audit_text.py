"""An audit's summary for a person at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.present.figures import number, percent

if TYPE_CHECKING:
    from collections.abc import Mapping


def audit_text(summary: Mapping[str, Any]) -> str:
    """Return the summary as lines: shares, what was found, the fields that differ, where the report is."""
    counts = summary["counts"]
    pairs, fields, shares = counts["pairs"], counts["fields"], counts["shares"]
    lines = [
        f"{summary['run_id']}: {summary['status']}",
        f"  pairs: {number(pairs.get('compared', 0))} compared, {percent(shares['pairs_in_agreement'])} in agreement",
        f"  fields: {number(fields['compared'])} compared, {percent(shares['fields_in_agreement'])} in agreement, "
        f"{number(fields['differing'])} differing, {number(fields['unexplained'])} of them unexplained",
    ]
    found = [f"{kind} {number(count)}" for kind, count in counts["findings"].items() if count]
    lines.append("  findings: " + (", ".join(found) or "none"))
    lines += [field_line(field) for field in summary["by_field"] if field["differing"]]
    lines += [f"  {name}: {place}" for name, place in summary["reports"].items()]
    lines += [f"  repaired by {run['run_id']}: {run['status']}" for run in summary.get("repair", ())]
    lines.append("  API calls: " + ", ".join(f"{system} {count}" for system, count in summary["api_calls"].items()))
    return "\n".join(lines)


def field_line(field: Mapping[str, Any]) -> str:
    """Return one differing field as a line."""
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(field["reasons"].items()))
    return f"    {field['dynamics_table']} {field['field']} ({field['rule']}): {field['differing']} differ ({reasons})"
