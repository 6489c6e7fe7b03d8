"""A plan as text for a person at a terminal."""

from __future__ import annotations

from typing import Any


def plan_table(plan: list[dict[str, Any]]) -> str:
    """Return the plan as lines of text for a person at a terminal."""
    lines = []
    for entry in plan:
        who = f"person {entry['marketo_id'] or 'new'} ↔ {entry['dynamics_table']} {entry['dynamics_id']}"
        lines.append(f"{entry['action']} {entry['direction']}  {who}")
        lines += [field_line(name, cell) for name, cell in entry["fields"].items()]
    return "\n".join(lines) or "nothing to do"


def field_line(name: str, cell: dict[str, Any]) -> str:
    """Return one field of a change as a line: the three values, what is planned, and why."""
    values = ", ".join(f"{side} {shown(cell, side)}" for side in ("base", "marketo", "dynamics"))
    winner = f", {cell['winner']} wins" if cell.get("winner") else ""
    return f"    {name}: {values} → {shown(cell, 'planned')} ({cell['outcome']}{winner})"


def shown(cell: dict[str, Any], name: str) -> str:
    """Return a value as a person reads it: quoted, or named when there is none."""
    value = cell.get(name)
    if value is None:
        return "(empty)"
    return {"\ufdd0missing": "(none yet)", "\ufdd0unreadable": "(unreadable)"}.get(value, repr(value))
