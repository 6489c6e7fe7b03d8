"""A plan as text for a person at a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def plan_text(plan: Sequence[Mapping[str, Any]]) -> str:
    """Return the plan as lines of text for a person at a terminal."""
    lines = []
    for entry in plan:
        who = f"person {entry['marketo_id'] or 'new'} ↔ {entry['dynamics_table']} {entry['dynamics_id']}"
        lines.append(f"{entry['action']} {entry['direction']}  {who}")
        lines += [field_line(name, cell) for name, cell in entry["fields"].items()]
    return "\n".join(lines) or "nothing to do"


def field_line(name: str, cell: Mapping[str, Any]) -> str:
    """Return one field of a change as a line: the three values, what is planned, and why."""
    values = ", ".join(f"{side} {shown(cell, side)}" for side in ("base", "marketo", "dynamics"))
    winner = f", {cell['winner']} wins" if cell.get("winner") else ""
    return f"    {name}: {values} → {shown(cell, 'planned')} ({cell['outcome']}{winner})"


def shown(cell: Mapping[str, Any], name: str) -> str:
    """Return a value as a person reads it: quoted, or named when there is none."""
    value = cell.get(name)
    if value is None:
        return "(empty)"
    return {"\ufdd0missing": "(none yet)", "\ufdd0unreadable": "(unreadable)"}.get(value, repr(value))
