"""
What became of a run's changes: stored as the answers come in, batch by batch, so that a killed run knows what it did.

A system refuses a row as a whole, whichever of its values it minds. So an update that is refused for its values is not
over: the next rounds send parts of it, one per person and round and all people's together, until the refused fields
stand alone (see core.bisect). They are stored with their change, whose other fields are written in the same run.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.core.bisect import Search
from include.person_sync.core.vocabulary import Action, ChangeStatus, Outcome
from include.person_sync.systems.schema import mark_stale

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from include.person_sync.core.remerge import Remerged
    from include.person_sync.run.context import SyncContext
    from include.person_sync.state import StoredPlan

__all__ = ["OutcomeRecorder", "unsettled_values"]

WRITTEN = (Outcome.TO_DYNAMICS.value, Outcome.TO_MARKETO.value, Outcome.COLLISION.value)

WHOLE = (Action.CREATE.value, Action.DELETE.value)
"""Actions that are carried out as a whole or not at all."""

REASON = ("code", "message", "request_id")

Answer = dict[Any, Any]


class OutcomeRecorder:
    """
    Stores what became of one stage's changes; holds the fields that are still to be written.

    `values`: the planned values, at least change_no, field and what the stage needs to send them. Fields in `together`
    are never sent one without the other.
    """

    def __init__(
        self, ctx: SyncContext, run_id: str, values: pd.DataFrame, *, together: Collection[str] = frozenset()
    ) -> None:
        self._ctx = ctx
        self._run_id = run_id
        self._values = values.assign(piece=values["field"].mask(values["field"].isin(list(together)), "together"))
        self._searches: dict[int, Search] = {}
        self._left: dict[int, dict[str, list[str]]] = {}  # of searched changes: the fields of each piece that remains
        self._written: dict[int, Answer] = {}
        self._refused: dict[int, list[Answer]] = defaultdict(list)
        self._open: set[int] = set()

    def remaining(self, changes: pd.DataFrame) -> pd.DataFrame:
        """Return the values of these changes that are neither written nor refused yet."""
        return self._chosen(changes, self._left)

    def part(self, changes: pd.DataFrame) -> pd.DataFrame:
        """Return the values to send now: all that remain, but only the next part of a change that is taken apart."""
        for number in self._searches.keys() & set(changes["change_no"]):
            self._skip_settled(number)
        return self._chosen(changes, {number: search.part for number, search in self._searches.items()})

    def _chosen(self, changes: pd.DataFrame, pieces: Mapping[int, Collection[str]]) -> pd.DataFrame:
        values = self._values[self._values["change_no"].isin(changes["change_no"])]
        if not values["change_no"].isin(list(pieces)).any():
            return values
        cells = zip(values["change_no"], values["piece"], strict=True)
        return values[[number not in pieces or piece in pieces[number] for number, piece in cells]]

    def take_open(self) -> set[int]:
        """Return the changes of which another part is to be sent, and forget that they are."""
        found, self._open = self._open, set()
        return found

    def amend(self, verdict: Remerged) -> None:
        """Store what a second merge decided about remaining values; what it does not write remains no longer."""
        keys = ["change_no", "field"]
        adopted = verdict.adopted.assign(outcome=Outcome.ADOPT.value)
        given_up = pd.concat([verdict.deferred.assign(outcome=Outcome.DEFERRED.value), adopted])
        amended = pd.concat([given_up, verdict.write[[*keys, "outcome"]]], ignore_index=True)
        self._ctx.store.amend_values(self._run_id, amended)
        others = self._values.merge(amended[keys], on=keys, how="left", indicator="decided")
        others = others[others["decided"] == "left_only"].drop(columns="decided")
        known = self._values[[*keys, *self._values.columns.difference(verdict.write.columns)]]
        again = verdict.write.merge(known, on=keys)[list(others.columns)]
        self._values = pd.concat([others, again], ignore_index=True)
        for number, name in zip(given_up["change_no"], given_up["field"], strict=True):
            self._left.get(int(number), {}).pop(name, None)

    def take(self, answers: pd.DataFrame) -> None:
        """
        Store the outcomes of changes that have come to their end, and keep those open that go on in parts.

        `answers`: change_no, action, status and, as far as known, code, message, request_id, marketo_id,
        dynamics_version; of refusals, `about_values` and `about_schema` as the client told.
        """
        if flags(answers, "about_schema").any():
            mark_stale(self._ctx)
        divisible = flags(answers, "about_values") & ~answers["action"].isin(WHOLE)
        in_parts = divisible | answers["change_no"].isin(list(self._searches))
        self._ctx.store.record_outcomes(self._run_id, answers[~in_parts])
        if not in_parts.any():
            return
        self._begin(answers.loc[in_parts, "change_no"])
        told = answers[in_parts].astype(object).where(answers[in_parts].notna(), None).to_dict("records")
        ended = [outcome for answer in told if (outcome := self._advance(int(answer["change_no"]), answer))]
        fields = pd.DataFrame([field for _, fields in ended for field in fields])
        self._ctx.store.record_outcomes(self._run_id, pd.DataFrame([change for change, _ in ended]), fields)

    def _begin(self, numbers: pd.Series) -> None:
        """Begin a search for each change that has none yet."""
        ours = self._values[self._values["change_no"].isin(numbers) & ~self._values["change_no"].isin(self._searches)]
        for number, piece, name in zip(ours["change_no"], ours["piece"], ours["field"], strict=True):
            self._left.setdefault(int(number), {}).setdefault(piece, []).append(name)
        for number in map(int, numbers):
            self._searches.setdefault(number, Search.of(tuple(self._left.setdefault(number, {}))))

    def _advance(self, number: int, answer: Answer) -> tuple[Answer, list[Answer]] | None:
        """Take one change a step further; return its outcome, and those of single fields, when that was the end."""
        search = self._searches[number]
        if answer["status"] == "applied":
            self._written[number] = answer
            for piece in search.part:
                self._left[number].pop(piece, None)
            self._searches[number] = search.after_taken()
        elif answer.get("about_values"):
            self._searches[number] = search.after_refused()
            if len(self._searches[number].refused) > len(search.refused):
                self._refuse(number, search.part, answer)
        else:
            return self._cut_off(number, answer)
        self._skip_settled(number)
        if self._searches[number].part:
            self._open.add(number)
            return None
        refused = self._refused[number]
        first = refused[0] if refused else {}
        return self._written.get(number) or {**answer, **first, "status": ChangeStatus.REFUSED.value}, refused

    def _refuse(self, number: int, pieces: Collection[str], answer: Answer) -> None:
        reason = {"change_no": number, "outcome": Outcome.REFUSED.value, **{name: answer.get(name) for name in REASON}}
        names = [name for piece in pieces for name in self._left[number].pop(piece, [])]
        self._refused[number] += [{**reason, "field": name} for name in names]

    def _skip_settled(self, number: int) -> None:
        """Pass over parts of which nothing remains: a second merge found them to be there, or left them alone."""
        search = self._searches[number]
        while search.part and self._left[number].keys().isdisjoint(search.part):
            search = search.after_taken()
        self._searches[number] = search

    def _cut_off(self, number: int, answer: Answer) -> tuple[Answer, list[Answer]]:
        """
        Return the outcome of a change of which nothing more can be sent: the row moved, is gone, or can't be reached.

        What was written before stays written, and the rest is left to the next run. A lost answer leaves all in doubt.
        """
        refused = self._refused[number]
        if number not in self._written or answer["status"] == "unknown":
            return answer, refused
        names = [name for names in self._left[number].values() for name in names]
        left = [{"change_no": number, "field": name, "outcome": Outcome.DEFERRED.value} for name in names]
        return self._written[number], [*refused, *left]


def unsettled_values(plan: StoredPlan, changes: pd.DataFrame) -> pd.DataFrame:
    """
    Return the values that are still to be written, with the columns of `changes`, for these changes only.

    Left out is what an earlier attempt of the stage found to be refused, there already, or not for this run.
    """
    return plan.values[plan.values["outcome"].isin(WRITTEN)].merge(changes, on="change_no")


def flags(answers: pd.DataFrame, name: str) -> pd.Series:
    """Return a column of truth values; what was not told is false."""
    return answers[name].eq(other=True) if name in answers else pd.Series(data=False, index=answers.index)
