"""What is known from elsewhere about differences and findings: refusals, holds, and changes that are on their way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.person_sync.audit.findings import Explanation
from include.person_sync.audit.pending import Pending
from include.person_sync.core.schema import TABLES
from include.person_sync.core.watermarks import MARKETO_FEEDS, dynamics_watermark

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from include.person_sync.run.context import SyncContext

AMBIGUOUS = "ambiguous"


@dataclass(frozen=True)
class Facts:
    """
    What the state and the feeds know about the people in doubt.

    `pending`: what the feeds name. `letters`: their open dead letters. `queued`: link ids left to the next cycle.
    `waiting`: people and rows that the feeds named before and that wait for their turn.
    """

    pending: Pending
    letters: pd.DataFrame
    queued: frozenset[int]
    waiting: Pending = field(default_factory=Pending)


def gather_facts(ctx: SyncContext, pending: Pending, people: Collection[int], rows: Collection[str]) -> Facts:
    """Return what the state knows about some people and rows."""
    recheck, unsettled = ctx.store.links_to_recheck(), ctx.store.unsettled()
    return Facts(
        pending=pending,
        letters=ctx.store.dead_letters(marketo_ids=list(people), dynamics_ids=list(rows)),
        queued=frozenset({*recheck["link_id"], *unsettled["link_id"]}),
        waiting=waiting_for_their_turn(ctx, people, rows),
    )


def waiting_for_their_turn(ctx: SyncContext, people: Collection[int], rows: Collection[str]) -> Pending:
    """Return those of some people and rows whom a cycle has put off, because it takes up a bounded number of each."""
    tables = [ctx.store.waiting_among(dynamics_watermark(table), rows) for table in TABLES]
    return Pending(
        people={int(one) for one in ctx.store.waiting_among(MARKETO_FEEDS, [str(one) for one in people])},
        rows=set().union(*tables),
    )


def explain_differences(differences: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Return differences with an explanation where a fact gives one; what the look itself explained stays. Pure."""
    refused = cell_keys(differences["marketo_id"], differences["field"], differences["planned"])
    reasons = {
        Explanation.DEAD_LETTER: refused.isin(refused_cells(facts.letters)),
        Explanation.IN_FLIGHT: names(facts.pending, differences),
        Explanation.QUEUED: differences["link_id"].isin(facts.queued) | names(facts.waiting, differences),
    }
    return explained(differences, reasons)


def explain_findings(findings: pd.DataFrame, facts: Facts) -> pd.DataFrame:
    """Return findings with an explanation where a fact gives one. Pure."""
    letters = facts.letters
    reasons = {
        Explanation.HOLD: is_named(findings, letters[letters["kind"] == AMBIGUOUS]),
        Explanation.DEAD_LETTER: is_named(findings, letters[letters["kind"] != AMBIGUOUS]),
        Explanation.IN_FLIGHT: names(facts.pending, findings),
        Explanation.QUEUED: findings["link_id"].isin(facts.queued) | names(facts.waiting, findings),
    }
    return explained(findings, reasons)


def explained(frame: pd.DataFrame, reasons: Mapping[Explanation, pd.Series]) -> pd.DataFrame:
    """Return the frame with the first reason that applies where there was no explanation."""
    conditions = [one.to_numpy(dtype=bool) for one in reasons.values()]
    chosen = np.select(conditions, [one.value for one in reasons], default=Explanation.UNEXPLAINED.value)
    before = frame["explanation"]
    found = pd.Series(chosen, index=frame.index, dtype="str")
    return frame.assign(explanation=before.where(before != Explanation.UNEXPLAINED, found))


def names(who: Pending, frame: pd.DataFrame) -> pd.Series:
    """Return True per entry whose person or row is among `who`."""
    return frame["marketo_id"].isin(who.people) | frame["dynamics_id"].isin(who.rows)


def is_named(findings: pd.DataFrame, letters: pd.DataFrame) -> pd.Series:
    """Return True per finding whose person or row a letter is about as a whole: a hold, or a refused create."""
    whole = letters[letters["action"] == "create"]
    person = findings["marketo_id"].isin(whole["marketo_id"].dropna())
    return person | findings["dynamics_id"].isin(whole["dynamics_id"].dropna())


def refused_cells(letters: pd.DataFrame) -> set[str]:
    """Return the keys of the cells that open letters refuse; a value changed since is another cell."""
    cells = [
        (person, field, value)
        for person, payload in zip(letters["marketo_id"], letters["payload"], strict=True)
        for field, value in (payload or {}).get("fields", {}).items()
    ]
    frame = pd.DataFrame(cells, columns=["marketo_id", "field", "planned"])
    return set(cell_keys(frame["marketo_id"], frame["field"], frame["planned"].astype("str")))


def cell_keys(people: pd.Series, fields: pd.Series, planned: pd.Series) -> pd.Series:
    """Return one text per person, field and planned value."""
    return people.astype("Int64").astype("str") + "\x1f" + fields.astype("str") + "\x1f" + planned.fillna("\x1f")
