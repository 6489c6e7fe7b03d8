"""
Dead letters: changes that were refused for good, kept until something makes them obsolete.

A letter is known by its fingerprint (what was refused, to whom, under which schema). The same refusal again counts up;
another one about the same fields of the same person replaces it; a write that gets through resolves it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
from sqlalchemy import Connection, Select, String, and_, literal_column, or_, select, text, update

from include.person_sync.state.bulk import NUL, NUL_STAND_IN, id_set, read_frame
from include.person_sync.state.dialects import upsert
from include.person_sync.state.links import reserve
from include.person_sync.state.plans import NOT_WRITTEN
from include.person_sync.state.records import OPEN, RESOLVED, ActivityState, ChangeStatus, DeadLetterKind
from include.person_sync.state.tables import dead_letter, plan_change, plan_value

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement

__all__ = [
    "Filter",
    "load",
    "load_pending",
    "open_fingerprints",
    "resolve",
    "resolve_obsolete",
    "save",
    "set_activity_state",
]

_DTYPES = {
    "dead_letter_id": "int64",
    "kind": "str",
    "state": "str",
    "link_id": "Int64",
    "marketo_id": "Int64",
    "dynamics_table": "str",
    "dynamics_id": "str",
    "direction": "str",
    "action": "str",
    "fingerprint": "str",
    "code": "str",
    "message": "str",
    "payload": "object",
    "first_run_id": "str",
    "last_run_id": "str",
    "first_at": "datetime",
    "last_at": "datetime",
    "attempts": "int64",
    "activity_state": "str",
}

_is_open = dead_letter.c.state == literal_column("'open'", String())
"""As a constant, so that the partial index of open letters serves."""

Key = tuple[str, str]
"""A direction and the id of the person on the side the change comes from, the one id that is always known."""


@dataclass(frozen=True, slots=True)
class Filter:
    """
    Which letters to read; what is None does not narrow.

    The three kinds of ids widen each other: a letter is found by any of them.
    """

    state: str | None = OPEN
    kind: str | None = None
    activity_state: str | None = None
    dead_letter_ids: Collection[int] | None = None
    link_ids: Collection[int] | None = None
    marketo_ids: Collection[int] | None = None
    dynamics_ids: Collection[str] | None = None


def load(connection: Connection, chosen: Filter, limit: int | None) -> pd.DataFrame:
    """Return the letters `chosen` finds, oldest first, with their payload as a dict."""
    statement = select(*(dead_letter.c[name] for name in _DTYPES)).where(*_conditions(connection, chosen))
    ordered = statement.order_by(dead_letter.c.dead_letter_id).limit(limit)
    return _read(connection, ordered)


def _read(connection: Connection, statement: Select[Any]) -> pd.DataFrame:
    letters = read_frame(connection, statement, _DTYPES)
    payloads = [_replaced(payload, NUL_STAND_IN, NUL) for payload in letters["payload"]]
    return letters.assign(payload=pd.Series(payloads, index=letters.index, dtype=object))


def _replaced(value: Any, old: str, new: str) -> Any:
    """Return a JSON value with `old` replaced in all its texts."""
    if isinstance(value, dict):
        return {name: _replaced(part, old, new) for name, part in value.items()}
    if isinstance(value, list):
        return [_replaced(part, old, new) for part in value]
    return value.replace(old, new) if isinstance(value, str) else value


def open_fingerprints(connection: Connection, fingerprints: Collection[str] | None) -> set[str]:
    """Return the fingerprints of open letters, or those of the given ones that are open."""
    statement = select(dead_letter.c.fingerprint).where(_is_open)
    if fingerprints is not None:
        statement = statement.where(dead_letter.c.fingerprint.in_(id_set(connection, fingerprints, text=True)))
    return set(connection.execute(statement).scalars())


def _conditions(connection: Connection, chosen: Filter) -> list[ColumnElement[bool]]:
    exact = {"state": chosen.state, "kind": chosen.kind, "activity_state": chosen.activity_state}
    found = [dead_letter.c[name] == str(value) for name, value in exact.items() if value is not None]
    if chosen.dead_letter_ids is not None:
        found.append(dead_letter.c.dead_letter_id.in_(id_set(connection, chosen.dead_letter_ids)))
    ids = {"link_id": chosen.link_ids, "marketo_id": chosen.marketo_ids, "dynamics_id": chosen.dynamics_ids}
    named = [
        dead_letter.c[name].in_(id_set(connection, values, text=name == "dynamics_id"))
        for name, values in ids.items()
        if values is not None
    ]
    return [*found, or_(*named)] if named else found


def save(connection: Connection, letters: pd.DataFrame, run_id: str, now: datetime) -> None:
    """Store refusals; one that is open under the same fingerprint counts up and keeps its activity state."""
    if letters.empty:
        return
    numbers = reserve(connection, "dead_letter", len(letters))
    rows = [
        _row(letter, dead_letter_id=number, run_id=run_id, now=now)
        for number, letter in zip(numbers, letters.to_dict("records"), strict=True)
    ]
    statement = upsert(connection, dead_letter)
    again = {name: statement.excluded[name] for name in ("link_id", "code", "message", "last_run_id", "last_at")}
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["fingerprint"],
            index_where=text("state = 'open'"),
            set_={**again, "attempts": dead_letter.c.attempts + 1},
        ),
        rows,
    )


def _row(letter: Mapping[Any, Any], *, dead_letter_id: int, run_id: str, now: datetime) -> dict[str, Any]:
    plain = {name: None if name != "payload" and pd.isna(letter.get(name)) else letter.get(name) for name in _DTYPES}
    payload = plain["payload"]
    return {
        **plain,
        "dead_letter_id": dead_letter_id,
        "kind": DeadLetterKind(str(plain["kind"])).value,
        "state": OPEN,
        "link_id": _whole(plain["link_id"]),
        "marketo_id": _whole(plain["marketo_id"]),
        "payload": _replaced(payload if isinstance(payload, dict) else {}, NUL, NUL_STAND_IN),
        "first_run_id": run_id,
        "last_run_id": run_id,
        "first_at": now,
        "last_at": now,
        "attempts": 1,
        "activity_state": ActivityState(plain["activity_state"] or ActivityState.NONE).value,
    }


def _whole(value: Any) -> int | None:
    return None if value is None else int(value)


def resolve(connection: Connection, dead_letter_ids: Collection[int], run_id: str, now: datetime) -> None:
    """Mark letters as needing nobody any more."""
    if dead_letter_ids:
        chosen = dead_letter.c.dead_letter_id.in_(id_set(connection, dead_letter_ids))
        changes = {"state": RESOLVED, "last_run_id": run_id, "last_at": now}
        connection.execute(update(dead_letter).where(chosen, dead_letter.c.state == OPEN).values(**changes))


@dataclass
class _Touched:
    """What a run did about each person: the fields it settled, and who was linked or refused as a whole."""

    fields: dict[Key, set[str]] = field(default_factory=lambda: defaultdict(set))
    whole: set[Key] = field(default_factory=set)
    fingerprints: set[str] = field(default_factory=set)

    def covers(self, key: Key, letter: Mapping[Any, Any]) -> bool:
        """Return True when nothing of the letter is left to be told."""
        if letter["fingerprint"] in self.fingerprints:
            return False
        whole = letter["action"] == "create" or letter["kind"] == DeadLetterKind.AMBIGUOUS.value
        if whole:
            return key in self.whole
        return key in self.fields and _fields(letter) <= self.fields[key]


def resolve_obsolete(
    connection: Connection,
    plan_id: int | None,
    letters: pd.DataFrame,
    links: pd.DataFrame,
    run_id: str,
    now: datetime,
) -> None:
    """
    Resolve the open letters that this run made obsolete.

    About an update: when each of its fields was applied, or refused anew (then the new letter stands for it). About a
    creation or an ambiguous match: when the person is linked now, or held anew. `letters` are the run's own, `links`
    the links it stored.
    """
    touched = _touched(connection, plan_id, letters, links)
    keys = touched.whole | touched.fields.keys()
    candidates = _open_letters_of(connection, keys)
    obsolete = [
        int(letter["dead_letter_id"])
        for letter in candidates.to_dict("records")
        if touched.covers(_key(letter), letter)
    ]
    resolve(connection, obsolete, run_id, now)


def _touched(connection: Connection, plan_id: int | None, letters: pd.DataFrame, links: pd.DataFrame) -> _Touched:
    touched = _Touched()
    for row in _applied(connection, plan_id):
        touched.fields[_key(row)].add(row["field"])
    for letter in letters.to_dict("records"):
        touched.fingerprints.add(letter["fingerprint"])
        touched.fields[_key(letter)] |= _fields(letter)
        if letter["action"] == "create" or letter["kind"] == DeadLetterKind.AMBIGUOUS.value:
            touched.whole.add(_key(letter))
    for link in links.to_dict("records"):
        touched.whole.add(("to_dynamics", str(link["marketo_id"])))
        touched.whole.add(("to_marketo", str(link["dynamics_id"]).lower()))
    return touched


def _applied(connection: Connection, plan_id: int | None) -> Iterable[Mapping[Any, Any]]:
    """Return the applied fields of people who have an open letter; looking at all of them would be the whole plan."""
    letter_of = and_(
        _is_open,
        dead_letter.c.direction == plan_change.c.direction,
        or_(
            dead_letter.c.marketo_id == plan_change.c.marketo_id,
            dead_letter.c.dynamics_id == plan_change.c.dynamics_id,
        ),
    )
    same = and_(plan_value.c.plan_id == plan_change.c.plan_id, plan_value.c.change_no == plan_change.c.change_no)
    columns = (plan_change.c.direction, plan_change.c.marketo_id, plan_change.c.dynamics_id, plan_value.c.field)
    statement = select(*columns).distinct().select_from(plan_change).join(dead_letter, letter_of).join(plan_value, same)
    applied = (plan_change.c.status == ChangeStatus.APPLIED.value, plan_value.c.outcome.not_in(NOT_WRITTEN))
    return connection.execute(statement.where(plan_change.c.plan_id == plan_id, *applied)).mappings()


def _open_letters_of(connection: Connection, keys: Collection[Key]) -> pd.DataFrame:
    marketo_ids = [int(target) for direction, target in keys if direction == "to_dynamics" and target]
    dynamics_ids = [target for direction, target in keys if direction == "to_marketo" and target]
    return load(connection, Filter(marketo_ids=marketo_ids, dynamics_ids=dynamics_ids), None)


def _key(row: Mapping[Any, Any]) -> Key:
    name = "marketo_id" if row["direction"] == "to_dynamics" else "dynamics_id"
    value = row[name]
    if pd.isna(value):
        return (row["direction"], "")
    return (row["direction"], str(int(value)) if name == "marketo_id" else str(value).lower())


def _fields(letter: Mapping[Any, Any]) -> set[str]:
    payload = letter.get("payload")
    return set(payload.get("fields") or {}) if isinstance(payload, dict) else set()


def load_pending(connection: Connection, limit: int) -> pd.DataFrame:
    """
    Return the letters whose activity-log entry is not known to be written, oldest first.

    A letter about somebody who is not in Marketo has no log to be written into.
    """
    waiting = dead_letter.c.activity_state.in_([ActivityState.PENDING.value, ActivityState.SENDING.value])
    columns = [dead_letter.c[name] for name in _DTYPES]
    statement = select(*columns).where(waiting, dead_letter.c.marketo_id.is_not(None))
    return _read(connection, statement.order_by(dead_letter.c.dead_letter_id).limit(limit))


_BEFORE = {
    ActivityState.SENDING: [ActivityState.PENDING],
    ActivityState.SENT: [ActivityState.PENDING, ActivityState.SENDING],
    ActivityState.PENDING: [ActivityState.SENDING],
    ActivityState.NONE: [ActivityState.PENDING],
}


def set_activity_state(connection: Connection, dead_letter_ids: Collection[int], state: ActivityState) -> list[int]:
    """Move the letters that are in a state from which `state` can follow; return their ids."""
    before = [known.value for known in _BEFORE[state]]
    chosen = dead_letter.c.dead_letter_id.in_(id_set(connection, dead_letter_ids))
    statement = update(dead_letter).where(chosen, dead_letter.c.activity_state.in_(before))
    moved = connection.execute(statement.values(activity_state=state.value).returning(dead_letter.c.dead_letter_id))
    return sorted(moved.scalars())
