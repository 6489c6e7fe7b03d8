"""Writing rows: operations into parallel batches, and their results back in order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from include.dynamics.batching import run_parts
from include.dynamics.literals import parse_guid
from include.dynamics.outcomes import build_part, read_result, unsendable
from include.dynamics.values import Operation, OperationResult
from include.errors import SyncError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from include.dynamics.multipart import Part
    from include.dynamics.values import Table
    from include.dynamics.web_api import WebApi

OnBatch = Callable[[list[int], list[OperationResult]], None]


@dataclass(slots=True)
class _BatchOutcome:
    """The results of one batch by position, and the obstacle that left some operations without one."""

    results: dict[int, OperationResult] = field(default_factory=dict)
    obstacle: SyncError | None = None


class Writer:
    """Carries out operations on the given tables. Safe to use from several threads."""

    def __init__(self, api: WebApi, tables: Mapping[str, Table]) -> None:
        self._api = api
        self._tables = tables

    def apply(self, operations: Sequence[Operation], *, on_batch: OnBatch | None = None) -> list[OperationResult]:
        """
        Carry out the operations and return one result each, in order. Writes.

        Batches go out in parallel; operations on one row one after the other, in their order. `on_batch(positions,
        results)` is called in this thread after each batch. An obstacle that concerns more than one row (a missing
        privilege, throttling without end) raises its exception, after the results that were had went to `on_batch`.
        """
        results: dict[int, OperationResult] = {}
        for wave in split_waves(operations):
            self._run_wave(operations, wave, results, on_batch)
        return [results[position] for position in range(len(operations))]

    def _run_wave(
        self,
        operations: Sequence[Operation],
        wave: list[int],
        results: dict[int, OperationResult],
        on_batch: OnBatch | None,
    ) -> None:
        size = self._api.settings.batch_size
        batches = [wave[start : start + size] for start in range(0, len(wave), size)]
        stop = threading.Event()
        obstacle: SyncError | None = None
        with ThreadPoolExecutor(min(self._api.settings.concurrency, len(batches)), "dynamics") as pool:
            try:
                for outcome in _completed(pool, lambda batch: self._run_batch(operations, batch, stop), batches):
                    obstacle = obstacle or outcome.obstacle
                    results.update(outcome.results)
                    if on_batch is not None and outcome.results:
                        on_batch(list(outcome.results), list(outcome.results.values()))
            finally:
                stop.set()
        if obstacle is not None:
            raise obstacle

    def _run_batch(self, operations: Sequence[Operation], batch: list[int], stop: threading.Event) -> _BatchOutcome:
        outcome = _BatchOutcome()
        if stop.is_set():
            return outcome
        parts: dict[int, Part] = {}
        for position in batch:
            try:
                parts[position] = self._build(operations[position])
            except (ValueError, TypeError):
                outcome.results[position] = unsendable(operations[position])
        answers = run_parts(self._api, list(parts.values()), repeatable=False, label="writing rows")
        for position, answer in zip(parts, answers, strict=True):
            operation = operations[position]
            result = read_result(operation, answer, doing=f"{operation.kind} in {operation.table}")
            if isinstance(result, SyncError):
                outcome.obstacle = outcome.obstacle or result
            else:
                outcome.results[position] = result
        if outcome.obstacle is not None:
            stop.set()
        return outcome

    def _build(self, operation: Operation) -> Part:
        return build_part(
            operation,
            self._tables[operation.table],
            path=self._api.part_path(""),
            duplicate_detection=self._api.settings.duplicate_detection,
        )


def split_waves(operations: Sequence[Operation]) -> list[list[int]]:
    """Return positions in waves, so that no row occurs twice in a wave and each row's operations keep their order."""
    turns: dict[tuple[str, str], int] = {}
    waves: list[list[int]] = []
    for position, operation in enumerate(operations):
        row = (operation.table, parse_guid(operation.row_id))
        turn = turns.get(row, 0)
        turns[row] = turn + 1
        if turn == len(waves):
            waves.append([])
        waves[turn].append(position)
    return waves


def _completed(
    pool: ThreadPoolExecutor, work: Callable[[list[int]], _BatchOutcome], batches: list[list[int]]
) -> Iterator[_BatchOutcome]:
    futures: list[Future[_BatchOutcome]] = [pool.submit(work, batch) for batch in batches]
    for future in as_completed(futures):
        yield future.result()
