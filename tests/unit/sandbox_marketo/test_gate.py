"""What every call passes before its endpoint: sizes, content types, addresses, permissions, limits, ordered faults."""

from __future__ import annotations

import gzip
import json
import threading
from typing import TYPE_CHECKING

import pytest

from include.sandbox.marketo import Permission

from .conftest import envelope, error_code, reason_code

if TYPE_CHECKING:
    from .conftest import Instance

_USAGE = "/rest/v1/stats/usage.json"
_LEADS = "/rest/v1/leads.json"


def test_request_without_token_is_603(instance: Instance) -> None:
    """A call without a token is denied inside the envelope."""
    assert error_code(envelope(instance.send("GET", _USAGE))) == "603"


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("PUT", _LEADS, "605"), ("GET", "/rest/v1/nothing.json", "610"), ("DELETE", _USAGE, "605")],
)
def test_address_is_refused_with_its_code(instance: Instance, method: str, path: str, code: str) -> None:
    """A wrong method and an unknown address are told apart."""
    assert error_code(envelope(instance.send(method, path, headers=instance.headers()))) == code


@pytest.mark.parametrize(
    ("body", "content_type", "code"),
    [
        (b'{"input":[]}', "text/plain", "612"),
        (b'{"input":[]}', None, "612"),
        (b'{"input":[{"email":NaN}]}', "application/json", "609"),
        (b'{"input":[{"email":"a@x.example","email":"b@x.example"}]}', "application/json", "609"),
        (b"[]", "application/json", "609"),
        (b"", "application/json", "609"),
        (b'{"input":[]}', "application/json", "1003"),
        (b'{"inputs":[{}]}', "application/json", "1003"),
        (b'{"action":"createOnly"}', "application/json", "1002"),
    ],
)
def test_body_is_refused_with_its_code(instance: Instance, body: bytes, content_type: str | None, code: str) -> None:
    """A body that cannot be understood refuses the whole call."""
    reply = instance.send("POST", _LEADS, body=body, headers=instance.headers(content_type))

    assert error_code(envelope(reply)) == code


def test_unknown_parameter_is_refused(instance: Instance) -> None:
    """A misspelled parameter is not silently ignored."""
    assert error_code(instance.get("/rest/v1/leads/describe.json", field="email")) == "1003"


def test_body_over_one_mebibyte_is_413(instance: Instance) -> None:
    """A body over the limit is refused below the envelope."""
    reply = instance.send("POST", _LEADS, body=b"x" * 1_048_577, headers=instance.headers("application/json"))

    assert reply.status == 413


def test_uri_over_8_kib_is_414_but_its_form_is_not(instance: Instance) -> None:
    """Three hundred GUIDs do not fit into an address, and do fit into a form with `_method=GET`."""
    instance.world.add_field("dynamicsId")
    values = [f"{number:032x}" for number in range(300)]
    params = {"filterType": "dynamicsId", "filterValues": ",".join(values)}

    assert instance.send("GET", _LEADS, params, headers=instance.headers()).status == 414
    assert instance.find("dynamicsId", values)["result"] == []


def test_large_answer_is_compressed_on_request(instance: Instance) -> None:
    """`Accept-Encoding: gzip` is honoured from 1024 bytes on."""
    headers = instance.headers() | {"accept-encoding": "gzip"}
    large = instance.send("GET", "/rest/v1/leads/describe.json", headers=headers)
    small = instance.send("GET", _USAGE, headers=headers)

    assert json.loads(gzip.decompress(large.body))["success"]
    assert "Content-Encoding" not in small.headers


def test_missing_permission_is_603(instance: Instance) -> None:
    """A user without the right to write leads may still read them."""
    instance.world.settings.permissions = frozenset({Permission.READ_LEAD})

    assert error_code(instance.post(_LEADS, {"input": [{"email": "a@x.example"}]})) == "603"
    assert instance.get("/rest/v1/leads/describe.json")["success"]


def test_hundred_and_first_call_in_twenty_seconds_is_606(instance: Instance) -> None:
    """The rate window slides: 20 seconds later calls are let through again."""
    instance.world.settings.rate_calls = 100
    answers = [instance.get(_USAGE) for _ in range(101)]
    instance.clock.advance(20)

    assert all(answer["success"] for answer in answers[:100])
    assert error_code(answers[100]) == "606"
    assert instance.get(_USAGE)["success"]


def test_quota_ends_at_midnight_in_chicago(instance: Instance) -> None:
    """The daily quota is shared by all users and starts anew at midnight Central time, not UTC."""
    instance.world.meter.use_up(instance.world.settings.daily_quota)
    refused = error_code(instance.get(_USAGE))
    instance.clock.advance(instance.world.meter.next_reset() - instance.clock.now())

    assert refused == "607"
    assert instance.get(_USAGE)["success"]


def test_eleventh_call_in_flight_is_615(instance: Instance) -> None:
    """Ten calls may be under way at once, an eleventh is refused."""
    instance.world.settings.handling_time_s = 0.5
    headers = instance.headers()
    answers: list[dict[str, object]] = []

    def call() -> None:
        answers.append(envelope(instance.send("GET", _USAGE, headers=headers)))

    threads = [threading.Thread(target=call) for _ in range(11)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(bool(answer["success"]) for answer in answers) == [False] + [True] * 10
    assert [error_code(answer) for answer in answers if not answer["success"]] == ["615"]


def test_codes_with_an_asterisk_do_not_count(instance: Instance) -> None:
    """A system error costs neither quota nor rate, a malformed body costs both."""
    instance.faults.add("marketo", "611", times=5)
    for _ in range(5):
        instance.get(_USAGE)
    before = instance.get(_USAGE)["result"][0]["total"]
    instance.post(_LEADS, {"input": []})

    assert before == 0
    assert instance.get(_USAGE)["result"][0]["total"] == 2


@pytest.mark.parametrize("code", ["603", "604", "606", "607", "608", "611", "614", "615", "713"])
def test_ordered_code_is_answered_once_and_nothing_is_done(instance: Instance, code: str) -> None:
    """An ordered error stands in for the call's work."""
    instance.faults.add("marketo", code, match="POST /rest/v1/leads.json")
    first = instance.post(_LEADS, {"input": [{"email": "a@x.example"}]})

    assert error_code(first) == code
    assert instance.world.leads() == []
    assert instance.sync([{"email": "a@x.example"}])[0]["status"] == "created"


def test_ordered_timeout_may_come_after_the_work(instance: Instance) -> None:
    """A timed-out write can have been applied."""
    instance.faults.add("marketo", "applied_then_timed_out")
    answer = instance.post(_LEADS, {"input": [{"email": "a@x.example"}]})

    assert error_code(answer) == "604"
    assert len(instance.world.leads()) == 1


def test_ordered_expiry_answers_602_until_the_client_signs_in_again(instance: Instance) -> None:
    """An expired token is renewed by asking the identity endpoint, which gives another one."""
    old = instance.headers()
    instance.faults.add("marketo", "expired_token")
    refused = error_code(envelope(instance.send("GET", _USAGE, headers=old)))

    assert refused == "602"
    assert instance.headers() != old
    assert instance.get(_USAGE)["success"]


def test_ordered_601_leaves_the_same_token_in_force(instance: Instance) -> None:
    """A renewal may give the very token that was just refused."""
    old = instance.headers()
    instance.faults.add("marketo", "invalid_token")

    assert error_code(envelope(instance.send("GET", _USAGE, headers=old))) == "601"
    assert instance.headers() == old


def test_ordered_partial_failure_spoils_the_named_records(instance: Instance) -> None:
    """One record of a batch can fail while the others go through."""
    instance.faults.add("marketo", "skip_records", positions=[1], code="1003", message="Invalid data")
    items = instance.sync([{"email": f"{name}@x.example"} for name in "abc"])

    assert [item["status"] for item in items] == ["created", "skipped", "created"]
    assert reason_code(items[1]) == "1003"


def test_unbuilt_address_is_501_naming_the_gap(instance: Instance) -> None:
    """What the sandbox lacks is never mistaken for what the vendor refuses."""
    reply = instance.send("POST", "/bulk/v1/activities/export/create.json", headers=instance.headers())

    assert reply.status == 501
    assert b"bulk activity extract" in reply.body
