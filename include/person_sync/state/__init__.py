"""
The state database: what the sync remembers between runs.

`Store` is its only door. Tables, migrations and every SQL statement of the project live in this package.
"""

from __future__ import annotations

from include.person_sync.state.records import (
    ActivityState,
    ChangeStatus,
    Commit,
    DeadLetterKind,
    Lease,
    LinkState,
    Run,
    RunStatus,
    StoredPlan,
)
from include.person_sync.state.store import Store

__all__ = [
    "ActivityState",
    "ChangeStatus",
    "Commit",
    "DeadLetterKind",
    "Lease",
    "LinkState",
    "Run",
    "RunStatus",
    "Store",
    "StoredPlan",
]
