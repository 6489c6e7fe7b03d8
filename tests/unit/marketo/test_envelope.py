from __future__ import annotations

import json

import pytest

from include.errors import ConfigError, ContractViolation, QuotaExhausted
from include.http import Action, Response
from include.marketo import operations
from include.marketo.envelope import ApiError, CallRefused, parse_envelope
from include.marketo.judge import EnvelopeJudge
from include.marketo.rows import parse_row
from include.marketo.values import RowError
from tests.unit.marketo.scripted_marketo import NOW


def response(document, status=200) -> Response:
    """Return an answer with this JSON document."""
    return Response(status, {}, json.dumps(document).encode())


def judge_of(*handed_back: str) -> EnvelopeJudge:
    """Return a judge for one call of Sync Leads."""
    return EnvelopeJudge(operations.SYNC_LEADS, rate_window_s=20.0, now=lambda: NOW, handed_back=frozenset(handed_back))


def failed(code) -> Response:
    """Return a refusal of the whole call."""
    return response({"requestId": "r#1", "success": False, "errors": [{"code": code, "message": "m"}]})


def test_envelope_fills_in_what_is_missing_when_members_are_absent():
    """Result, errors, warnings, token and moreResult may all be absent."""
    envelope = parse_envelope(response({"requestId": "r#1", "success": True}), "label")

    assert (envelope.result, envelope.errors, envelope.warnings) == ([], (), ())
    assert (envelope.next_page_token, envelope.more_result) == (None, None)


def test_envelope_is_read_when_types_differ_from_the_documentation():
    """Booleans as text, codes as numbers, warnings as text or objects, a single result outside of an array."""
    envelope = parse_envelope(
        response(
            {
                "success": "false",
                "moreResult": "True",
                "errors": {"code": 1003, "message": "m"},
                "warnings": ["plain", {"code": 7, "message": "object"}],
                "result": {"id": 1},
            }
        ),
        "label",
    )

    assert (envelope.success, envelope.more_result) == (False, True)
    assert envelope.errors == (ApiError("1003", "m"),)
    assert envelope.warnings == ("plain", "7 object")
    assert envelope.result == [{"id": 1}]


@pytest.mark.parametrize("document", [[], "text", {}, {"error": "x"}, {"result": []}])
def test_answer_is_a_contract_violation_when_it_is_no_envelope(document):
    """A document that does not say whether the call succeeded is never taken for a success."""
    with pytest.raises(ContractViolation, match="label"):
        parse_envelope(response(document), "label")


@pytest.mark.parametrize(
    ("code", "action", "after_s", "max_repeats"),
    [
        ("601", Action.RENEW, None, None),
        (602, Action.RENEW, None, None),
        ("606", Action.RETRY, 20.0, None),
        ("608", Action.RETRY, None, None),
        ("614", Action.RETRY, None, None),
        ("615", Action.RETRY, 2.0, None),
        ("713", Action.RETRY, None, None),
        ("611", Action.RETRY, None, 1),
        ("502", Action.UNSURE, None, None),
        ("604", Action.UNSURE, None, None),
        ("609", Action.ACCEPT, None, None),
        ("610", Action.ACCEPT, None, None),
        ("1003", Action.ACCEPT, None, None),
        ("1077", Action.ACCEPT, None, None),
        ("", Action.ACCEPT, None, None),
    ],
)
def test_code_decides_about_the_retry_when_the_call_failed(code, action, after_s, max_repeats):
    """Each documented code has one consequence: renew, wait and repeat, repeat if harmless, or report."""
    verdict = judge_of()(failed(code))

    assert (verdict.action, verdict.after_s, verdict.max_repeats) == (action, after_s, max_repeats)


def test_code_is_handed_back_when_the_caller_asked_for_it():
    """A caller that can do better than repeat gets the code at once."""
    assert judge_of("604")(failed("604")).action is Action.ACCEPT


@pytest.mark.parametrize("code", ["600", "603"])
def test_denied_call_names_the_permission_when_the_role_lacks_it(code):
    """603 is a matter of configuration: the message says which permission is missing and where to add it."""
    with pytest.raises(ConfigError, match="Read-Write Lead") as caught:
        judge_of()(failed(code))

    assert caught.value.request_id == "r#1"


def test_quota_error_says_when_to_come_back_when_the_day_is_used_up():
    """607 carries the moment of the renewal."""
    with pytest.raises(QuotaExhausted) as caught:
        judge_of()(failed("607"))

    assert caught.value.resets_at.isoformat() == "2026-05-03T05:00:00+00:00"


@pytest.mark.parametrize(
    ("status", "action"),
    [(500, Action.UNSURE), (502, Action.UNSURE), (429, Action.RETRY), (401, Action.RENEW), (200, Action.UNSURE)],
)
def test_status_decides_when_there_is_no_envelope(status, action):
    """A page without envelope is judged by its status; a malformed 200 may have been carried out."""
    assert judge_of()(Response(status, {}, b"<html>")).action is action


@pytest.mark.parametrize("status", [301, 302, 400, 403, 404])
def test_host_is_suspected_when_something_else_answers(status):
    """Redirects and client errors without envelope do not come from the API: the setting 'host' is wrong."""
    with pytest.raises(ConfigError, match="'host'"):
        judge_of()(Response(status, {}, b"<html>"))


@pytest.mark.parametrize(("status", "code"), [(413, "413"), (414, "414")])
def test_size_limits_are_refusals_when_the_request_is_too_big(status, code):
    """Too large a body can be cut, so it is a refusal of this call and not of the connection."""
    with pytest.raises(CallRefused) as caught:
        judge_of()(Response(status, {}, b""))

    assert (caught.value.code, caught.value.concerns_records) == (code, code == "413")


@pytest.mark.parametrize("member", ["reasons", "errors"])
def test_row_reasons_are_read_when_called_differently(member):
    """Skipped rows give their reasons as `reasons`, custom activities as `errors`."""
    row = parse_row({"status": "skipped", member: [{"code": 1007, "message": "m"}]}, "r#1")

    assert (row.status, row.id, row.errors, row.request_id) == ("skipped", None, (RowError("1007", "m"),), "r#1")


def test_row_reason_is_read_when_it_is_a_single_object():
    """The interface description has one `reason` object."""
    assert parse_row({"status": "Skipped", "reason": {"code": "1", "message": "m"}}, "").errors == (RowError("1", "m"),)


@pytest.mark.parametrize(
    ("item", "status", "lead_id"),
    [
        ({"id": 7, "status": "created"}, "created", 7),
        ({"id": "7", "status": "updated"}, "updated", 7),
        ({"id": 7}, "unknown", 7),
        ({"id": 7, "status": "pending"}, "unknown", 7),
        ({"reasons": [{"code": "1"}]}, "skipped", None),
    ],
)
def test_row_status_is_never_guessed_when_it_is_not_documented(item, status, lead_id):
    """An unknown status is unknown, unless reasons show that the row was skipped."""
    row = parse_row(item, "")

    assert (row.status, row.id) == (status, lead_id)


def test_message_hides_the_value_when_marketo_quotes_it():
    """A person's value never reaches a dead letter's message (S-43)."""
    row = parse_row({"status": "skipped", "reasons": [{"code": "1001", "message": "Invalid value 'Ada'"}]}, "")

    assert "Ada" not in row.errors[0].message
