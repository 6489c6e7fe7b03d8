"""Writing in batches: every permitted form of answer, faults of the wire, and what is sent again."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from include.dynamics import DynamicsClient, DynamicsSettings, Operation, Outcome
from include.errors import ConfigError, ContractViolation, RetryableError
from include.sandbox.server import Reply
from tests.contract.dynamics_client.scripted import (
    NO_CONTENT,
    ScriptedOrganization,
    SentPart,
    batch_answer,
    each_part,
    refusal,
    sent_parts,
)
from tests.contract.dynamics_client.test_reading import guid

if TYPE_CHECKING:
    from include.dynamics import OperationResult
    from tests.contract.dynamics_client.conftest import Stage

TOO_LONG = refusal(400, "0x80044331", "exceeded the maximum allowed length of '100'")
STALE = refusal(412, "0x80060882", "RowVersion")


def updates(count: int, **changes: Any) -> list[Operation]:
    """Return updates of so many contacts."""
    return [Operation("update", "contact", guid(n), {"jobtitle": "CEO"}, **changes) for n in range(count)]


def outcomes(results: list[OperationResult]) -> list[str]:
    """Return the outcomes as text."""
    return [result.outcome.value for result in results]


def test_apply_sends_one_batch_that_goes_on_after_failures(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Each operation is a part with its own condition; each answer finds its operation by position."""
    organization.answers(
        batch_answer([Reply(204, {"etag": 'W/"8"', "req_id": "r1"}), refusal(412, "0x80040237"), STALE, TOO_LONG])
    )

    results = client.apply(
        [
            Operation("update", "contact", guid(1), {"jobtitle": "CEO"}, if_match='W/"7"'),
            Operation("create", "lead", guid(2), {"lastname": "Ruiz"}),
            Operation("update", "lead", guid(3), {"lastname": "Chen"}, if_match='W/"7"'),
            Operation("update", "lead", guid(4), {"lastname": "Chen"}),
        ]
    )

    assert outcomes(results) == ["done", "exists", "stale", "refused"]
    assert (results[0].etag, results[0].request_id) == ('W/"8"', "r1")
    assert (results[3].status, results[3].code) == (400, "0x80044331")
    call = organization.calls[0]
    assert (call.method, call.path) == ("POST", "/api/data/v9.2/$batch")
    assert call.headers["prefer"] == "odata.continue-on-error"
    parts = sent_parts(call)
    assert parts[0] == SentPart(
        "PATCH",
        f"/api/data/v9.2/contacts({guid(1)})",
        {"content-type": "application/json; type=entry", "if-match": 'W/"7"'},
        {"jobtitle": "CEO"},
    )
    assert parts[1].path == f"/api/data/v9.2/leads({guid(2)})"
    assert client.calls == 1


def test_apply_sends_nothing_for_no_operations(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """An empty plan costs no call."""
    assert client.apply([]) == []
    assert organization.calls == []


@pytest.mark.parametrize("line_end", ["\r\n", "\n"])
@pytest.mark.parametrize("quoted", [True, False])
@pytest.mark.parametrize("closed", [True, False])
def test_apply_reads_answers_in_any_spelling(
    client: DynamicsClient, organization: ScriptedOrganization, line_end: str, *, quoted: bool, closed: bool
) -> None:
    """Line ends, quotes around the boundary and a missing last line make no difference."""
    organization.answers(batch_answer([TOO_LONG, NO_CONTENT], line_end=line_end, quoted=quoted, closed=closed))

    assert outcomes(client.apply(updates(2))) == ["refused", "done"]
    assert len(organization.calls) == 1


def test_apply_sends_again_what_a_server_that_stops_at_errors_did_not_run(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A server may ignore continue-on-error and answer with the failing part's status: the rest goes out again."""
    organization.answers(
        batch_answer([NO_CONTENT, TOO_LONG], status=400),
        batch_answer([STALE], status=412),
        batch_answer([NO_CONTENT, NO_CONTENT]),
    )

    results = client.apply(updates(5))

    assert outcomes(results) == ["done", "refused", "stale", "done", "done"]
    assert [len(sent_parts(call)) for call in organization.calls] == [5, 3, 2]
    assert not any(result.after_lost_answer for result in results)


def test_apply_waits_and_repeats_only_throttled_parts(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A 429 inside a batch concerns its part; the server's delay is kept."""
    throttled = refusal(429, "0x80072322", Retry_After="17")
    organization.answers(batch_answer([NO_CONTENT, throttled, TOO_LONG]), batch_answer([NO_CONTENT]))

    results = client.apply(updates(3))

    assert outcomes(results) == ["done", "done", "refused"]
    assert [part.path for part in sent_parts(organization.calls[1])] == [f"/api/data/v9.2/contacts({guid(1)})"]
    assert stage.time.sleeps[0] >= 17
    assert not results[1].after_lost_answer


def test_apply_waits_when_the_whole_batch_is_throttled(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """The whole batch goes out again, unchanged, and nothing counts as lost."""
    organization.answers(refusal(429, "0x80072326", Retry_After="3"), batch_answer([STALE, NO_CONTENT]))

    results = client.apply(updates(2, if_match='W/"7"'))

    assert outcomes(results) == ["stale", "done"]
    assert not results[0].after_lost_answer
    assert stage.time.sleeps[0] >= 3


def test_apply_gives_up_on_endless_throttling_after_telling_what_was_done(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """The results that were had reach `on_batch`; the throttled operation is reported as not done by the exception."""
    told: dict[int, OperationResult] = {}
    throttled = refusal(429, "0x80072322", Retry_After="2")
    organization.answers(batch_answer([NO_CONTENT, throttled]), *[batch_answer([throttled])] * 9)

    with pytest.raises(RetryableError) as caught:
        client.apply(updates(2), on_batch=lambda positions, results: told.update(zip(positions, results, strict=True)))

    assert {position: result.outcome for position, result in told.items()} == {0: Outcome.DONE}
    assert caught.value.retry_after_s == 2


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "truncated"])
def test_apply_repeats_a_batch_whose_answer_was_lost_and_says_so(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization, fault: str
) -> None:
    """The repeat is harmless by its conditions; a conflict after it may be our own work and is marked."""
    stage.faults.add("dynamics", fault, match="POST *$batch")
    organization.answers(*[batch_answer([NO_CONTENT, STALE])] * 2)

    results = client.apply(updates(2, if_match='W/"7"'))

    assert outcomes(results) == ["done", "stale"]
    assert [result.after_lost_answer for result in results] == [True, True]


def test_apply_without_any_answer_claims_nothing(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """When every repeat is lost as well, the outcome is unknown, for this batch alone."""
    stage.faults.add("dynamics", "lost_after", times=99, match="POST *$batch")
    organization.answers(*[batch_answer([NO_CONTENT, NO_CONTENT])] * 99)

    results = client.apply(updates(2))

    assert outcomes(results) == ["unknown", "unknown"]
    assert all(result.after_lost_answer for result in results)
    assert client.calls == DynamicsSettings().attempts


def test_apply_keeps_the_answers_before_the_place_where_a_batch_breaks_off(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A multipart text that ends early is no loss for the parts before; only the rest is repeated, and marked."""
    whole = batch_answer([NO_CONTENT, TOO_LONG, NO_CONTENT])
    cut = Reply(200, whole.headers, whole.body[: whole.body.index(b"maximum")])
    organization.answers(cut, batch_answer([TOO_LONG, NO_CONTENT]))

    results = client.apply(updates(3))

    assert outcomes(results) == ["done", "refused", "done"]
    assert [result.after_lost_answer for result in results] == [False, True, True]


def test_apply_marks_repeats_after_an_outage(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """After a gateway's 504 the batch may have been carried out."""
    organization.answers(Reply(504, {"Content-Type": "text/html"}, b"<html>"), batch_answer([STALE]))

    (result,) = client.apply(updates(1, if_match='W/"7"'))

    assert result.outcome is Outcome.STALE
    assert result.after_lost_answer


@pytest.mark.parametrize(("status", "code"), [(500, "0x80044150"), (500, "0x80044339"), (400, "0x80048549")])
def test_apply_repeats_a_part_that_met_a_passing_database_error(
    client: DynamicsClient, organization: ScriptedOrganization, status: int, code: str
) -> None:
    """Deadlocks and locks pass; the other parts stay as they are."""
    organization.answers(batch_answer([refusal(status, code), TOO_LONG]), batch_answer([NO_CONTENT]))

    assert outcomes(client.apply(updates(2))) == ["done", "refused"]


def test_apply_refuses_a_row_on_which_the_server_always_fails(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """An unexpected error that stays with one row is that row's; it does not hold up the others for ever."""
    organization.answers(batch_answer([refusal(500, "0x80040216"), NO_CONTENT]), *[batch_answer([refusal(500)])] * 9)

    results = client.apply(updates(2))

    assert outcomes(results) == ["refused", "done"]
    assert len(organization.calls) == 3


def test_apply_divides_a_batch_that_is_refused_as_a_whole(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """One part that makes the whole batch unreadable is found; the others are written."""
    bad = f"contacts({guid(2)})"

    def answer(call: Any) -> Reply:
        parts = sent_parts(call)
        if any(part.path.endswith(bad) for part in parts):
            return refusal(400, "0x80048d19", "something in this batch")
        return batch_answer([NO_CONTENT] * len(parts))

    organization.answers(*[answer] * 20)

    assert outcomes(client.apply(updates(5))) == ["done", "done", "refused", "done", "done"]


def test_apply_does_not_divide_over_a_batch_the_server_cannot_read_at_all(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A general refusal of our format is a breach of contract, and no row's fault."""
    organization.answers(*[refusal(400, "0x80048d19", "Stream was not readable.")] * 9)

    with pytest.raises(ContractViolation):
        client.apply(updates(4))

    assert len(organization.calls) == 1


def test_apply_stops_at_a_missing_privilege_after_telling_what_was_done(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A missing privilege would meet every row: no dead letters, one clear message, and finished work is not lost."""
    told: dict[int, OperationResult] = {}
    missing = refusal(403, "0x80040220", "Principal user (Id=9f) is missing prvCreateLead privilege (Id=1)")
    organization.answers(batch_answer([NO_CONTENT, missing]))

    with pytest.raises(ConfigError, match="prvCreateLead"):
        client.apply(
            [*updates(1), Operation("create", "lead", guid(9), {"lastname": "Ruiz"})],
            on_batch=lambda positions, results: told.update(zip(positions, results, strict=True)),
        )

    assert {position: result.outcome for position, result in told.items()} == {0: Outcome.DONE}


def test_apply_renews_the_token_for_parts_refused_for_it(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A token may run out in the middle of a long batch."""
    organization.answers(batch_answer([NO_CONTENT, Reply(401)]), batch_answer([NO_CONTENT]))

    assert outcomes(client.apply(updates(2))) == ["done", "done"]
    tokens = [call.headers["authorization"] for call in organization.calls]
    assert tokens[0] != tokens[1]


def test_apply_distrusts_more_answers_than_requests(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """When positions can't be right, no result is claimed."""
    organization.answers(batch_answer([NO_CONTENT] * 3))

    assert outcomes(client.apply(updates(2))) == ["unknown", "unknown"]


def test_apply_sends_several_batches_and_reports_each_in_the_callers_thread(
    stage: Stage, organization: ScriptedOrganization
) -> None:
    """25 operations by 10 are three batches; results come in order, `on_batch` is safe to write a database from."""
    threads: Counter[int] = Counter()
    told: dict[int, OperationResult] = {}

    def on_batch(positions: list[int], results: list[OperationResult]) -> None:
        threads[threading.get_ident()] += 1
        told.update(zip(positions, results, strict=True))

    def answer(part: SentPart) -> Reply:
        return Reply(204, {"ETag": part.path[-13:-1]})

    organization.answers(*[each_part(answer)] * 3)
    with stage.client(DynamicsSettings(batch_size=10)) as client:
        results = client.apply(updates(25), on_batch=on_batch)

    assert [result.etag for result in results] == [guid(n)[-12:] for n in range(25)]
    assert [told[n] for n in range(25)] == results
    assert threads == {threading.get_ident(): 3}
    assert sorted(len(sent_parts(call)) for call in organization.calls) == [5, 10, 10]


def test_apply_runs_two_operations_on_one_row_one_after_the_other(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A state change follows its create in a batch of its own, after the create was answered."""
    organization.answers(batch_answer([NO_CONTENT]), batch_answer([NO_CONTENT]))

    client.apply(
        [
            Operation("create", "contact", guid(1), {"lastname": "Ruiz"}),
            Operation("update", "contact", guid(1).upper(), {"statecode": 1, "statuscode": 2}),
        ]
    )

    assert [sent_parts(call)[0].body for call in organization.calls] == [
        {"lastname": "Ruiz"},
        {"statecode": 1, "statuscode": 2},
    ]


def test_apply_refuses_unsendable_values_alone(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """A value without a JSON form costs its own row, not the batch."""
    organization.answers(batch_answer([NO_CONTENT]))

    results = client.apply([Operation("update", "contact", guid(1), {"revenue": float("inf")}), *updates(1)])

    assert outcomes(results) == ["refused", "done"]
