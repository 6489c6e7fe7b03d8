from __future__ import annotations

import json
import math

import numpy as np
import pytest

from include.errors import ConfigError, ContractViolation, LostAnswer, RetryableError
from include.http.retry import RetryBudget, RetryPolicy
from include.marketo import operations
from include.marketo.batches import MOST_REFUSALS_IN_A_ROW, BatchWriter, LostBatch
from include.marketo.envelope import CallRefused
from include.marketo.values import RowResult


class Recorder:
    """Plays Marketo: remembers the batches, refuses a batch that holds a bad record."""

    def __init__(self, *, bad=(), code="1003", detail="m", fail=None) -> None:
        self.batches: list[list[dict]] = []
        self.bad, self.code, self.detail, self.fail = set(bad), code, detail, fail
        self.slept: list[float] = []
        self.told: list[tuple[int, int]] = []

    def send(self, encoded):
        """Answer one batch."""
        batch = [json.loads(item) for item in encoded]
        self.batches.append(batch)
        if self.fail:
            self.fail(batch)
        if self.bad & {record["n"] for record in batch}:
            raise CallRefused("sync", self.code, self.detail, request_id="r#1")
        return [RowResult("updated", record["n"]) for record in batch]

    def on_batch(self, offset, results):
        """Remember what was reported."""
        self.told.append((offset, len(results)))

    def write(self, records):
        """Write the records the way the client does."""
        return BatchWriter(
            records,
            self.send,
            operations.SYNC_LEADS,
            retry_budget=RetryBudget(RetryPolicy(), lambda: 0.5),
            sleep=self.slept.append,
            on_batch=self.on_batch,
        ).run()


def people(count):
    """Return that many numbered records."""
    return [{"n": number} for number in range(count)]


def test_nothing_is_sent_when_there_are_no_records():
    """An empty write makes no call."""
    recorder = Recorder()

    assert recorder.write([]) == []
    assert recorder.batches == []


def test_batches_hold_300_records_when_there_are_more():
    """Any number of records is cut into full batches, and each is reported at its offset once it is done."""
    recorder = Recorder()

    results = recorder.write(people(650))

    assert [len(batch) for batch in recorder.batches] == [300, 300, 50]
    assert recorder.told == [(0, 300), (300, 300), (600, 50)]
    assert [result.id for result in results] == list(range(650))


def test_batches_stay_below_a_megabyte_when_records_are_big():
    """The body limit cuts earlier than the number of records; bytes count, not characters."""
    recorder = Recorder()
    records = [{"n": number, "text": "ü" * 60_000} for number in range(20)]

    recorder.write(records)

    sizes = [len(json.dumps(batch, ensure_ascii=False, separators=(",", ":")).encode()) for batch in recorder.batches]
    assert max(sizes) <= 1_000_000
    assert len(recorder.batches) == 3


def test_record_is_skipped_when_it_alone_exceeds_the_body():
    """A record that fits into no request is named; its neighbours are written."""
    results = Recorder().write([{"n": 0}, {"n": 1, "text": "x" * 1_100_000}, {"n": 2}])

    assert [result.status for result in results] == ["updated", "skipped", "updated"]
    assert results[1].errors[0].code == "RECORD_TOO_LARGE"


@pytest.mark.parametrize("value", [math.nan, math.inf, np.nan, np.int64(7), object(), "\ud800"])
def test_record_is_skipped_when_a_value_is_not_json(value):
    """NaN above all: it is never sent, the record and field are named, the value is not, and others go on."""
    recorder = Recorder()

    results = recorder.write([{"n": 0}, {"n": 1, "leadScore": value}])

    assert [result.status for result in results] == ["updated", "skipped"]
    assert results[1].errors[0].code == "INVALID_VALUE"
    assert "record 1" in results[1].errors[0].message
    assert "'leadScore'" in results[1].errors[0].message
    assert recorder.batches == [[{"n": 0}]]


def test_text_is_sent_when_it_merely_looks_like_nothing():
    """Null, None and NaN are surnames too."""
    recorder = Recorder()
    records = [{"n": 0, "lastName": "null"}, {"n": 1, "lastName": "NaN"}, {"n": 2, "lastName": None}]

    recorder.write(records)

    assert recorder.batches == [records]


@pytest.mark.parametrize("bad", [{0}, {299}, {137}, {3, 4, 250}])
@pytest.mark.parametrize("code", ["609", "611", "1001", "1003", "413", "4242"])
def test_offender_is_found_and_others_go_on_when_a_batch_is_refused(bad, code):
    """
    A refusal of a batch is narrowed down to the records that cause it; each record is written at most once (S-19).
    """
    recorder = Recorder(bad=bad, code=code)

    results = recorder.write(people(300))

    assert {n for n, result in enumerate(results) if result.status == "skipped"} == bad
    assert {result.errors[0].code for result in results if result.errors} == {code}
    assert all(result.id == n for n, result in enumerate(results) if n not in bad)
    written = [record["n"] for batch in recorder.batches if not bad & {r["n"] for r in batch} for record in batch]
    assert sorted(written) == sorted(set(range(300)) - bad)
    assert len(recorder.batches) <= 1 + 18 * len(bad)
    assert sum(count for _, count in recorder.told) == 300


def test_holders_of_a_field_are_skipped_at_once_when_the_field_is_unknown():
    """A message "Field 'x' not found" names the offenders: one refusal and one more call, however many."""
    recorder = Recorder(code="1006", detail="Field 'gone' not found")
    recorder.fail = lambda batch: recorder.bad.update(r["n"] for r in batch if "gone" in r)
    records = [{"n": n, **({"gone": 1} if n % 2 else {})} for n in range(300)]

    results = recorder.write(records)

    assert [result.status for result in results] == ["updated", "skipped"] * 150
    assert len(recorder.batches) == 2


def test_single_record_is_skipped_when_it_is_refused_alone():
    """With one record there is nothing to halve."""
    results = Recorder(bad={0}, code="1003").write(people(1))

    assert [result.status for result in results] == ["skipped"]


def test_all_records_are_skipped_when_each_is_refused_on_its_own():
    """A handful of bad records is a handful of skipped ones."""
    recorder = Recorder(bad={0, 1, 2}, code="1003")

    assert [result.status for result in recorder.write(people(3))] == ["skipped"] * 3


def test_service_is_blamed_when_nothing_at_all_goes_through():
    """611 for every record is an outage, not a heap of bad records: nobody becomes a dead letter."""
    recorder = Recorder(bad=range(8), code="611")

    with pytest.raises(RetryableError, match="611"):
        recorder.write(people(8))

    assert recorder.told == []


def test_halving_ends_when_too_many_refusals_follow_each_other():
    """A cause that has nothing to do with single records does not eat up the day's calls."""
    recorder = Recorder(bad=range(300), code="1003")

    with pytest.raises(CallRefused):
        recorder.write(people(300))

    assert len(recorder.batches) == MOST_REFUSALS_IN_A_ROW + 1


@pytest.mark.parametrize("code", ["610", "605", "1009", "1018"])
def test_batch_is_not_halved_when_the_refusal_concerns_the_call(code):
    """A wrong path or a missing partition name is not cured by fewer records."""
    recorder = Recorder(bad={0}, code=code)

    with pytest.raises(CallRefused):
        recorder.write(people(300))

    assert len(recorder.batches) == 1


def test_lookup_field_is_a_configuration_error_when_it_is_not_supported():
    """1011 names a field that the settings chose."""
    with pytest.raises(ConfigError, match="1011"):
        Recorder(bad={0}, code="1011").write(people(2))


def test_batches_get_smaller_when_the_server_times_out():
    """604 halves this and all later batches, after a wait."""
    recorder = Recorder()

    def time_out(batch):
        if len(batch) > 100:
            raise CallRefused("sync", "604", "timed out")

    recorder.fail = time_out
    results = recorder.write(people(400))

    assert [len(batch) for batch in recorder.batches] == [300, 150, 75, 75, 75, 75, 75, 25]
    assert [result.id for result in results] == list(range(400))
    assert len(recorder.slept) == 2


def test_time_out_is_given_up_when_small_batches_time_out_too():
    """Below any sensible size a time-out is a matter for the support, not for more calls."""

    def time_out(_):
        raise CallRefused("sync", "604", "timed out")

    recorder = Recorder(fail=time_out)

    with pytest.raises(RetryableError, match="604"):
        recorder.write(people(300))

    assert len(recorder.batches) == 5


def test_mismatch_is_a_contract_violation_when_results_are_missing():
    """Results belong to records by position alone, so a missing one makes all of them worthless."""
    writer = BatchWriter(
        people(3),
        lambda encoded: [RowResult("updated", 1, request_id="r#9")] * (len(encoded) - 1),
        operations.SYNC_LEADS,
        retry_budget=RetryBudget(RetryPolicy(), lambda: 0.5),
        sleep=lambda _: None,
    )

    with pytest.raises(ContractViolation, match="3 records") as caught:
        writer.run()

    assert caught.value.request_id == "r#9"


def test_lost_batch_says_which_records_are_in_doubt_when_an_answer_is_lost():
    """What came before is reported, what is in doubt is named, what follows was not sent."""
    recorder = Recorder()

    def lose(batch):
        if batch[0]["n"] == 300:
            raise LostAnswer("sync: lost")

    recorder.fail = lose
    with pytest.raises(LostBatch) as caught:
        recorder.write(people(700))

    assert (caught.value.start, caught.value.stop) == (300, 600)
    assert recorder.told == [(0, 300)]
    assert len(recorder.batches) == 2
