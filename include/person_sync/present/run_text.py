"""A run's summary for a person, as lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.person_sync.present.plan import plan_text

if TYPE_CHECKING:
    from collections.abc import Mapping


def run_text(summary: Mapping[str, Any]) -> str:
    """Return status, plan (of a dry run), counts per direction, calls, and the people that were asked for by id."""
    lines = [f"{summary['run_id']}: {summary['status']}"]
    lines += [plan_text(summary["plan"])] if "plan" in summary else []
    for direction, counted in summary["counts"].items():
        lines.append(f"  {direction}: " + ", ".join(f"{name} {count}" for name, count in counted.items()))
    lines.append("  API calls: " + ", ".join(f"{system} {count}" for system, count in summary["api_calls"].items()))
    lines += [f"  {' '.join(str(part) for part in person.values())}" for person in summary.get("people", ())]
    return "\n".join(lines)
