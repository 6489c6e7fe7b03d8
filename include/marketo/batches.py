"""
Writes any number of records in batches, one after the other, and finds the record that spoils a batch.

Marketo joins results to records by position, so every batch is a stretch of neighbours and its results are kept at the
same offset. Batches never run at once: two upserts of one key at the same time make two people. Source: leads, "Sync".
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, Any

from include.errors import LostAnswer, RecordRejected, RetryableError
from include.marketo.api import as_config_error, require_length
from include.marketo.envelope import FIELD_NOT_FOUND, LOOKUP_NOT_SUPPORTED, SYSTEM_ERROR, TIMED_OUT, CallRefused
from include.marketo.records import LARGEST_BATCH, LARGEST_BODY_BYTES, encode_record
from include.marketo.rows import skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from include.http import RetryBudget
    from include.marketo.operations import Operation
    from include.marketo.values import RowResult

    OnBatch = Callable[[int, list[RowResult]], None]
    SendBatch = Callable[[list[bytes]], list[RowResult]]

# Halving a batch of 300 down to one bad record takes nine refusals. So many in a row, without one batch going through,
# are no longer a matter of single records, and each of them costs a call of the daily allowance.
MOST_REFUSALS_IN_A_ROW = 64
_QUOTED_NAME = re.compile(r"'([^']+)'|\"([^\"]+)\"")


class LostBatch(LostAnswer):
    """The answer to a batch was lost: records `start` to `stop` (exclusive) may have been written, later ones not."""

    def __init__(self, lost: LostAnswer, start: int, stop: int) -> None:
        super().__init__(
            f"{lost.message} Records {start} to {stop - 1} of the call are concerned.",
            retry_after_s=lost.retry_after_s,
            remedy=lost.remedy,
            request_id=lost.request_id,
        )
        self.start = start
        self.stop = stop


class BatchWriter:
    """
    One write of many records; `run` returns one result per record.

    `send` posts encoded records and returns their results, or raises CallRefused. `on_batch(offset, results)` is called
    as soon as the outcomes of a stretch are known. A record that cannot be encoded is skipped without being sent.

    A refusal that concerns the records halves the batch until the offender stands alone; it becomes `skipped` with that
    error. Such a verdict is passed on only once another batch of the same call has gone through (or there is none):
    otherwise a failing service would look like a heap of bad records.
    """

    def __init__(
        self,
        records: Sequence[Mapping[str, Any]],
        send: SendBatch,
        operation: Operation,
        *,
        retry_budget: RetryBudget,
        sleep: Callable[[float], None],
        on_batch: OnBatch | None = None,
        overhead_bytes: int = 200,
    ) -> None:
        self._records = records
        self._send = send
        self._operation = operation
        self._retry_budget, self._sleep = retry_budget, sleep
        self._on_batch = on_batch
        self._room_bytes = LARGEST_BODY_BYTES - overhead_bytes
        self._results: list[RowResult | None] = [None] * len(records)
        self._refused: dict[int, RowResult] = {}
        self._held: list[tuple[int, list[RowResult]]] = []
        self._most_records = LARGEST_BATCH
        self._refusals_in_a_row = 0
        self._one_went_through = False

    def run(self) -> list[RowResult]:
        """Return the results in the order of the records. Sends nothing when there are none."""
        encoded = [self._encode(index, record) for index, record in enumerate(self._records)]
        pending = deque(self._cut(encoded))
        while pending:
            start, stop = pending.popleft()
            if stop - start > self._most_records:
                pending.extendleft([(start + self._most_records, stop), (start, start + self._most_records)])
                continue
            try:
                results = self._send_stretch(encoded, start, stop)
            except CallRefused as refusal:
                pending.extendleft(reversed(self._divide(start, stop, refusal)))
            except LostAnswer as lost:
                raise LostBatch(lost, start, stop) from lost
            else:
                self._finish(start, results)
        self._release_held()
        return [result for result in self._results if result is not None]

    def _encode(self, index: int, record: Mapping[str, Any]) -> bytes:
        try:
            return encode_record(index, record, largest_bytes=self._room_bytes)
        except RecordRejected as rejected:
            self._refused[index] = skipped(rejected.code, rejected.message)
            return b""

    def _cut(self, encoded: list[bytes]) -> list[tuple[int, int]]:
        stretches: list[tuple[int, int]] = []
        start, size_bytes = 0, 0
        for index, item in enumerate(encoded):
            if index > start and (index - start == self._most_records or size_bytes + len(item) + 1 > self._room_bytes):
                stretches.append((start, index))
                start, size_bytes = index, 0
            size_bytes += len(item) + 1
        if len(encoded) > start:
            stretches.append((start, len(encoded)))
        return stretches

    def _live(self, start: int, stop: int) -> list[int]:
        return [index for index in range(start, stop) if index not in self._refused]

    def _send_stretch(self, encoded: list[bytes], start: int, stop: int) -> list[RowResult]:
        live = self._live(start, stop)
        results = dict(self._refused)
        if live:
            answered = self._send([encoded[index] for index in live])
            request_id = answered[0].request_id if answered else ""
            require_length(len(answered), len(live), self._operation, request_id)
            results.update(zip(live, answered, strict=True))
            self._one_went_through = True
            self._refusals_in_a_row = 0
        return [results[index] for index in range(start, stop)]

    def _finish(self, start: int, results: list[RowResult]) -> None:
        self._results[start : start + len(results)] = results
        self._held.append((start, results))
        if self._one_went_through:
            self._release()

    def _release_held(self) -> None:
        if self._held and len(self._records) > 1 and not self._one_went_through:
            codes = {error.code for _, results in self._held for result in results for error in result.errors}
            if SYSTEM_ERROR in codes:
                raise self._give_up(CallRefused(self._operation.label, SYSTEM_ERROR, "system error for every record"))
        self._release()

    def _release(self) -> None:
        for start, results in self._held:
            if self._on_batch is not None:
                self._on_batch(start, results)
        self._held.clear()

    def _divide(self, start: int, stop: int, refusal: CallRefused) -> list[tuple[int, int]]:
        if refusal.code == LOOKUP_NOT_SUPPORTED:
            raise as_config_error(refusal) from refusal
        self._refusals_in_a_row += 1
        if not refusal.concerns_records or self._refusals_in_a_row > MOST_REFUSALS_IN_A_ROW:
            raise self._give_up(refusal) from refusal
        if refusal.code == TIMED_OUT:
            self._slow_down(stop - start, refusal)
            return [(start, stop)]
        live = self._live(start, stop)
        offenders = self._holders_of_field(live, refusal) or (live if len(live) == 1 else [])
        if offenders:
            for index in offenders:
                self._refused[index] = skipped(refusal.code, refusal.detail, refusal.request_id or "")
            return [(start, stop)]
        middle = live[len(live) // 2]
        return [(start, middle), (middle, stop)]

    def _holders_of_field(self, live: list[int], refusal: CallRefused) -> list[int]:
        """Return the records holding the field that "Field 'x' not found" names: no need to find them by halves."""
        if refusal.code != FIELD_NOT_FOUND:
            return []
        named = {first or second for first, second in _QUOTED_NAME.findall(refusal.detail)}
        return [index for index in live if named & set(self._records[index])]

    def _slow_down(self, size: int, refusal: CallRefused) -> None:
        """Wait, then go on with half as many records per request. Source: error-codes, 604."""
        wait_s = self._retry_budget.next_wait(cause=TIMED_OUT)
        if size <= 1 or wait_s is None:
            raise RetryableError(
                f"{self._operation.label}: still timed out (604) with {size} records per request.",
                remedy="Try later; if it stays, ask Marketo support, as fewer than 100 records should never time out.",
                request_id=refusal.request_id,
            ) from refusal
        self._most_records = max(1, size // 2)
        self._sleep(wait_s)

    def _give_up(self, refusal: CallRefused) -> Exception:
        if refusal.code == SYSTEM_ERROR:
            return RetryableError(
                f"{self._operation.label}: Marketo answers 611 (system error) whatever is sent.",
                remedy="Try later; if it stays, ask Marketo support with the request id.",
                request_id=refusal.request_id,
            )
        return refusal
