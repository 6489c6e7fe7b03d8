"""Rows and their indexes, held against a plain dictionary."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.sandbox.dataverse.store import Store

AT = datetime(2026, 1, 5, tzinfo=UTC)
IDS = st.sampled_from(["a", "b", "c", "d"])
NAMES = st.sampled_from(["Ana", "ana ", "Bo", None])
STEPS = st.lists(st.tuples(st.sampled_from(["put", "remove", "abandon"]), IDS, NAMES), max_size=30)


class Abandoned(Exception):
    """Ends a transaction that must leave nothing behind."""


def row_of(name: str | None) -> dict[str, Any]:
    """Return a row; an empty name is not stored at all."""
    return {} if name is None else {"name": name}


def play(store: Store, model: dict[str, str | None], deleted: list[str], step: tuple[str, str, str | None]) -> None:
    """Carry out a step in the store and in the model."""
    kind, row_id, name = step
    rows = store.table("t")
    if kind == "put":
        store.put("t", row_id, row_of(name))
        model.pop(row_id, None)
        model[row_id] = name
    elif kind == "remove" and rows.get(row_id) is not None:
        store.remove("t", row_id, AT)
        del model[row_id]
        deleted.append(row_id)
    elif kind == "abandon":
        with pytest.raises(Abandoned):
            abandon(store, row_id, name)


def abandon(store: Store, row_id: str, name: str | None) -> None:
    """Change rows in a transaction that fails at its end."""
    with store.transaction():
        store.put("t", row_id, row_of(name))
        store.put("t", "other", row_of("Ana"))
        store.remove("t", row_id, AT)
        raise Abandoned


@given(STEPS, STEPS)
def test_every_view_agrees_with_a_plain_dictionary(before, after):
    """Order of keys, order of changes, deletions and look-ups by value all tell the same story."""
    store, model, deleted = Store(["t"]), {}, []
    for step in before:
        play(store, model, deleted, step)
    rows = store.table("t")
    rows.ids_with("name", ["ana"])  # builds the index, which has to follow from here on
    since, unchanged = store.version, dict(model)
    deleted.clear()
    for step in after:
        play(store, model, deleted, step)

    assert list(rows.ids_after()) == sorted(model)
    assert list(rows.ids_after("b")) == sorted(row_id for row_id in model if row_id > "b")
    assert [row_id for _, row_id in rows.changed_after(0)] == list(model)
    assert rows.ids_with("name", ["ANA"]) == sorted(row_id for row_id, name in model.items() if name in {"Ana", "ana "})
    changed = {row_id for _, row_id in rows.changed_after(since)}
    assert {row_id for row_id, name in model.items() if unchanged.get(row_id, "absent") != name} <= changed
    assert [deletion.row_id for deletion in rows.deleted_after(since)] == deleted


def test_changes_since_a_version_cost_what_changed():
    """Asking for changes looks at the changed rows, not at the table."""
    store = Store(["t"])
    for number in range(5_000):
        store.put("t", f"{number:05}", {"name": "x"})
    since = store.version
    store.put("t", "00007", {"name": "y"})
    rows = store.table("t")
    looked_at: list[str] = []
    inner = rows._rows
    rows._rows = _Watched(inner, looked_at)

    assert [row_id for _, row_id in rows.changed_after(since)] == ["00007"]
    assert looked_at == ["00007"]


class _Watched(dict[str, Any]):
    """A dictionary that notes which keys were looked at."""

    def __init__(self, content: dict[str, Any], looked_at: list[str]) -> None:
        super().__init__(content)
        self._looked_at = looked_at

    def get(self, key: str, default: Any = None) -> Any:
        self._looked_at.append(key)
        return super().get(key, default)


def test_history_is_tidied_up():
    """A row changed over and over does not make the order of changes grow without end."""
    store = Store(["t"])
    for number in range(1_000):
        store.put("t", "a", {"name": str(number)})
    rows = store.table("t")

    assert [row_id for _, row_id in rows.changed_after(0)] == ["a"]
    assert len(rows._versions) < 200
