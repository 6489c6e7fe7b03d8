"""What the two clients answered to writes, as frames in our own terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from include.dynamics import Outcome
from include.person_sync.state import ChangeStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.dynamics import OperationResult
    from include.marketo import RowResult

__all__ = ["MOVED", "dynamics_answers", "marketo_answers"]

MOVED = (Outcome.STALE, Outcome.EXISTS)
"""Outcomes that say that a row is not as the plan assumes: it has to be read before anything is decided."""

_STATUS = {
    Outcome.DONE: ChangeStatus.APPLIED,
    Outcome.REFUSED: ChangeStatus.REFUSED,
    Outcome.UNKNOWN: ChangeStatus.UNKNOWN,
    Outcome.MISSING: ChangeStatus.STALE,
    Outcome.STALE: ChangeStatus.STALE,
    Outcome.EXISTS: ChangeStatus.STALE,
}


def dynamics_answers(changes: pd.DataFrame, results: Sequence[OperationResult]) -> pd.DataFrame:
    """
    Return one row per change, in order: change_no, action, status, code, message, request_id, dynamics_version,
    about_values, about_schema, and the client's own `outcome`.
    """
    return pd.DataFrame(
        {
            "change_no": changes["change_no"].to_numpy(),
            "action": changes["action"].to_numpy(),
            "outcome": [result.outcome.value for result in results],
            "status": [_STATUS[result.outcome].value for result in results],
            "code": pd.Series([result.code for result in results], dtype="str"),
            "message": pd.Series([result.message for result in results], dtype="str"),
            "request_id": pd.Series([result.request_id for result in results], dtype="str"),
            "dynamics_version": pd.Series([result.etag for result in results], dtype="str"),
            "about_values": [result.about_values for result in results],
            "about_schema": [result.about_schema for result in results],
        }
    )


def marketo_answers(changes: pd.DataFrame, results: Sequence[RowResult]) -> pd.DataFrame:
    """
    Return one row per change, in order: change_no, action, status, code, message, request_id, marketo_id,
    about_values, about_schema. A person who is gone is left to the next run.
    """
    first = [result.errors[0] if result.errors else None for result in results]
    return pd.DataFrame(
        {
            "change_no": changes["change_no"].to_numpy(),
            "action": changes["action"].to_numpy(),
            "status": [_status_of(result).value for result in results],
            "code": pd.Series([error.code if error else None for error in first], dtype="str"),
            "message": pd.Series([error.message if error else None for error in first], dtype="str"),
            "request_id": pd.Series([result.request_id for result in results], dtype="str"),
            "marketo_id": pd.Series([result.id for result in results], dtype="Int64"),
            "about_values": [result.about_values for result in results],
            "about_schema": [result.about_schema for result in results],
        }
    )


def _status_of(result: RowResult) -> ChangeStatus:
    if result.status in {"created", "updated"}:
        return ChangeStatus.APPLIED
    if result.is_gone:
        return ChangeStatus.STALE
    return ChangeStatus.UNKNOWN if result.status == "unknown" else ChangeStatus.REFUSED
