"""Many requests in few calls: batches whose parts are repeated one by one until each has its final answer."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.dynamics.errors import Kind, read_error, to_exception
from include.dynamics.multipart import BatchAnswer
from include.errors import ContractViolation, LostAnswer, RetryableError, SyncError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.dynamics.errors import ApiError
    from include.dynamics.multipart import Part
    from include.dynamics.web_api import WebApi
    from include.http import Response, RetryBudget

_log = logging.getLogger(__name__)

_LOST = "answer lost"
_REPEATED = frozenset({Kind.THROTTLED, Kind.TRANSIENT, Kind.UNEXPECTED, Kind.TOKEN})
_REPEATS = {Kind.UNEXPECTED: 2, Kind.TOKEN: 1}
# The whole batch was refused before any part ran, and one part may be to blame: its halves are tried on their own.
_DIVISIBLE = frozenset({400, 413, 414, 422, 500})
_BLAMES_A_PART = frozenset({Kind.REFUSED, Kind.COLUMN_UNKNOWN, Kind.PAYLOAD, Kind.READ_ONLY_ROW, Kind.DUPLICATE})


@dataclass(slots=True)
class PartOutcome:
    """
    What is known of one part.

    `response` is its final answer, None when none arrived. `uncertain`: an earlier attempt may have been carried out.
    `error` is why the part has no answer.
    """

    response: Response | None = None
    uncertain: bool = False
    error: SyncError | None = None


@dataclass(slots=True)
class _Pending:
    part: Part
    outcome: PartOutcome = field(default_factory=PartOutcome)


@dataclass(slots=True)
class _Round:
    """The parts to send again, and how long the server asked to wait first."""

    again: list[_Pending] = field(default_factory=list)
    causes: dict[str, int | None] = field(default_factory=dict)
    after_s: float | None = None

    def repeat(self, pending: _Pending, cause: str, *, limit: int | None = None, after_s: float | None = None) -> None:
        self.again.append(pending)
        self.causes[cause] = limit
        if after_s is not None:
            self.after_s = max(self.after_s or 0.0, after_s)


def run_parts(api: WebApi, parts: Sequence[Part], *, repeatable: bool, label: str) -> list[PartOutcome]:
    """
    Send the parts as a batch and return one outcome per part, in order. Nothing is sent for no parts.

    Sent again are: parts that were throttled or met an outage (after the advised wait), parts that were not run because
    the server stopped at an error, and parts whose answer was lost. Those have `uncertain` set. Never raises SyncError.
    """
    pending = [_Pending(part) for part in parts]
    _run(api, pending, repeatable=repeatable, label=label)
    return [each.outcome for each in pending]


def _run(api: WebApi, pending: list[_Pending], *, repeatable: bool, label: str) -> None:
    budget = api.transport.retry_budget()
    while pending:
        todo = _send(api, pending, repeatable=repeatable, label=label)
        try:
            pending = _prepare_next(api, todo, budget, label=label)
        except SyncError as error:
            _fail(todo.again, error)
            return


def _send(api: WebApi, pending: list[_Pending], *, repeatable: bool, label: str) -> _Round:
    """Send the parts once, give those their answers that have one, and return what is to be sent again."""
    todo = _Round()
    try:
        answer = api.exchange([each.part for each in pending], repeatable=repeatable, label=label)
    except LostAnswer as lost:
        for each in pending:
            _mark_lost(todo, each, after_s=lost.retry_after_s)
    except SyncError as error:
        _fail(pending, error)
    else:
        if isinstance(answer, BatchAnswer):
            return _sort(pending, answer, label=label)
        _settle_whole(api, pending, answer, repeatable=repeatable, label=label)
    return todo


def _settle_whole(api: WebApi, pending: list[_Pending], answer: Response, *, repeatable: bool, label: str) -> None:
    """Deal with an error for the batch as a whole: divide it when one part may be to blame, else fail all parts."""
    error = read_error(answer)
    if error.status not in _DIVISIBLE or error.kind not in _BLAMES_A_PART:
        _fail(pending, to_exception(error, doing=label))
    elif "not readable" in error.message.lower():
        _fail(pending, to_exception(error, doing=f"{label}, as a batch"))
    elif len(pending) == 1:
        pending[0].outcome.response = answer
    else:
        _log.warning("%s: the batch of %d was refused (HTTP %d %s); dividing it", label, len(pending), *_tell(error))
        for each in pending:
            each.outcome.uncertain = True
        middle = len(pending) // 2
        _run(api, pending[:middle], repeatable=repeatable, label=label)
        _run(api, pending[middle:], repeatable=repeatable, label=label)


def _tell(error: ApiError) -> tuple[int, str]:
    return error.status, error.code


def _fail(pending: list[_Pending], error: SyncError) -> None:
    for each in pending:
        each.outcome.error = error


def _sort(pending: list[_Pending], answer: BatchAnswer, *, label: str) -> _Round:
    """Give each answered part its answer, by position, and return those to send again."""
    todo = _Round()
    if len(answer.parts) > len(pending):
        violation = ContractViolation(
            f"Dynamics, {label}: {len(answer.parts)} answers to {len(pending)} requests of a batch.",
            remedy="Look at the rows concerned; the next run compares them.",
        )
        for each in pending:
            each.outcome.uncertain, each.outcome.error = True, violation
        return todo
    for each, response in zip(pending, answer.parts, strict=False):
        _take(todo, each, response)
    stopped = answer.complete and bool(answer.parts) and answer.parts[-1].status >= 400
    for each in pending[len(answer.parts) :]:
        if stopped:
            todo.again.append(each)
        else:
            _mark_lost(todo, each)
    return todo


def _take(todo: _Round, each: _Pending, response: Response) -> None:
    each.outcome.response = response
    if response.status < 400:
        return
    error = read_error(response)
    if error.kind in _REPEATED:
        each.outcome.uncertain |= error.kind in {Kind.TRANSIENT, Kind.UNEXPECTED}
        todo.repeat(each, error.kind.value, limit=_REPEATS.get(error.kind), after_s=error.retry_after_s)


def _mark_lost(todo: _Round, each: _Pending, *, after_s: float | None = None) -> None:
    each.outcome.response = None
    each.outcome.uncertain = True
    todo.repeat(each, _LOST, after_s=after_s)


def _prepare_next(api: WebApi, todo: _Round, budget: RetryBudget, *, label: str) -> list[_Pending]:
    """Wait as long as need be and return the parts to send now; none when the retry budget is used up."""
    if not todo.causes:
        return todo.again
    cause, limit = next(iter(todo.causes.items())) if len(todo.causes) == 1 else ("mixed", None)
    wait_s = budget.next_wait(after_s=todo.after_s, cause=cause, max_repeats=limit)
    if wait_s is None:
        _give_up(todo, label=label)
        return []
    if Kind.TOKEN.value in todo.causes:
        api.renew_credentials()
    _log.info("%s: %d parts go out again in %.1f s (%s)", label, len(todo.again), wait_s, ", ".join(todo.causes))
    api.wait(wait_s, advised=todo.after_s is not None)
    return todo.again


def _give_up(todo: _Round, *, label: str) -> None:
    """Leave each part its last answer; one that was never run gets an error that says so."""
    for each in todo.again:
        if each.outcome.response is None and not each.outcome.uncertain:
            each.outcome.error = RetryableError(
                f"Dynamics, {label}: the server stopped before this part of the batch, again and again.",
                retry_after_s=todo.after_s,
            )
