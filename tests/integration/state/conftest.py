"""A store on either database, with a clock that stands still until a test moves it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from include.person_sync.state import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

LEASE = "person_sync"


@dataclass
class Clock:
    """The time of the store under test."""

    time: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        """Return the time it shows."""
        return self.time

    def advance(self, **parts: float) -> None:
        """Move on by a timedelta given in parts."""
        self.time += timedelta(**parts)


@pytest.fixture
def clock() -> Clock:
    """Return the clock of the store."""
    return Clock()


@pytest.fixture
def store(migrated_url: str, clock: Clock) -> Iterator[Store]:
    """Yield an empty store, once per kind of database."""
    opened = Store.open(migrated_url, now=clock)
    yield opened
    opened.close()


@pytest.fixture
def begin(store: Store) -> Callable[..., str]:
    """Return a function that starts a run and takes the lease for it."""

    def start(run_id: str = "run-1", **changes: Any) -> str:
        asked: dict[str, Any] = {"kind": "cycle", "mode": "incremental", "params": {}, "origin": {}}
        store.start_run(run_id, **{**asked, **changes})
        store.acquire_lease(LEASE, run_id, ttl_s=300, host="host", pid=None)
        return run_id

    return start


def text(values: list[str | None]) -> pd.Series:
    """Return a text column."""
    return pd.Series(values, dtype="str")


def changes_frame(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Return plan changes, numbered from 0; each row needs what it is about and has plain defaults."""
    usual = {
        "direction": "to_dynamics",
        "action": "update",
        "marketo_id": None,
        "dynamics_table": "lead",
        "dynamics_id": None,
        "generation": 0,
        "if_match": None,
        "note": None,
        "status": "planned",
    }
    frame = pd.DataFrame([{"change_no": number, **usual, **row} for number, row in enumerate(rows)])
    frame["marketo_id"] = frame["marketo_id"].astype("Int64")
    texts = ["direction", "action", "dynamics_table", "dynamics_id", "if_match", "note", "status"]
    return frame.astype(dict.fromkeys(texts, "str"))


def values_frame(*rows: Mapping[str, Any]) -> pd.DataFrame:
    """Return plan values; each row needs change_no and field."""
    usual = {"outcome": "to_dynamics", "winner": None, "base": None, "marketo": None, "dynamics": None, "planned": None}
    frame = pd.DataFrame([{**usual, "rule": "two_way", **row} for row in rows])
    columns = ["change_no", "field", "outcome", "winner", "base", "marketo", "dynamics", "planned", "rule"]
    return frame[columns].astype(dict.fromkeys(columns[1:], "str"))


def links_frame(*rows: tuple[int, int, str, str]) -> pd.DataFrame:
    """Return links of (link_id, marketo_id, dynamics_table, dynamics_id), generation 0."""
    frame = pd.DataFrame(rows, columns=["link_id", "marketo_id", "dynamics_table", "dynamics_id"])
    return frame.assign(generation=0)


def moves_frame(*rows: tuple[int, str, str | None]) -> pd.DataFrame:
    """Return base moves of (link_id, field, value)."""
    frame = pd.DataFrame(rows, columns=["link_id", "field", "value"])
    return frame.astype({"field": "str", "value": "str"})
