"""One person's history for people and programs: what was decided about each field, why, and what came of it."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from include.person_sync.core.records import records
from include.person_sync.core.values import MISSING, UNREADABLE
from include.person_sync.present.plan import field_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    import pandas as pd

ARROWS = {"to_dynamics": "Marketo → Dynamics", "to_marketo": "Dynamics → Marketo", "none": "noted only"}
SIDES = ("base", "marketo", "dynamics")
MARKS = {MISSING: "missing", UNREADABLE: "unreadable"}


def history_entries(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """
    Return a history (see `Store.history`) as JSON, one entry per field, oldest first; `at` is ISO 8601 in UTC.

    Where a side held no value for a special reason it is null, and `marks` says why: `missing` (no base yet) or
    `unreadable`.
    """
    return [without_marks({**entry, "at": iso(entry["at"])}) for entry in records(frame)]


def iso(moment: datetime | None) -> str | None:
    """Return a time as ISO 8601."""
    return None if moment is None else moment.isoformat()


def without_marks(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry whose marks stand beside its values."""
    marks = {side: MARKS[entry[side]] for side in SIDES if entry[side] in MARKS}
    return {**entry, **dict.fromkeys(marks), "marks": marks} if marks else entry


def history_text(entries: Sequence[Mapping[str, Any]]) -> str:
    """
    Return history entries for a person at a terminal: a line per change, and one per field below it.

    A refused field tells the answer itself, since the others of its change may have been written.
    """
    if not entries:
        return "no change on record"
    lines = []
    for _, group in groupby(
        entries, key=lambda entry: (entry["run_id"], entry["at"], entry["direction"], entry["action"])
    ):
        change = list(group)
        lines.append(change_line(next((entry for entry in change if not is_refused(entry)), change[0])))
        lines += [value_line(entry) for entry in change if entry["field"] is not None]
    return "\n".join(lines)


def change_line(entry: Mapping[str, Any]) -> str:
    """Return what was done, when, by which run, and what the vendor answered."""
    answer = answer_of(entry)
    direction = ARROWS.get(entry["direction"], entry["direction"])
    line = f"{time_of(entry)} UTC  {direction}  {entry['action']}: {entry['status']}"
    return f"{line}{f' - {answer}' if answer else ''}{request_of(entry)}  run {entry['run_id']}"


def time_of(entry: Mapping[str, Any]) -> str:
    """Return when a change was decided, without fractions."""
    return (entry["at"] or "")[:19].replace("T", " ")


def answer_of(entry: Mapping[str, Any]) -> str:
    """Return the vendor's code and message; empty when there is neither."""
    return " ".join(str(entry[name]) for name in ("code", "message") if entry[name])


def request_of(entry: Mapping[str, Any]) -> str:
    """Return the vendor's id of the request, ready to follow an answer; empty when there is none."""
    return f" (request {entry['request_id']})" if entry["request_id"] else ""


def value_line(entry: Mapping[str, Any]) -> str:
    """Return what was decided about one field and, if the vendor refused it, the answer."""
    line = field_line(entry["field"], with_marks(entry))
    return f"{line} - {answer_of(entry)}" if is_refused(entry) else line


def is_refused(entry: Mapping[str, Any]) -> bool:
    """Return whether this very field was refused."""
    return bool(entry["outcome"] == "refused")


def with_marks(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry with its marks back in place, as `field_line` shows them."""
    signs = {name: sign for sign, name in MARKS.items()}
    return {**entry, **{side: signs[name] for side, name in entry.get("marks", {}).items()}}
