"""Sign-in, service protection and ordered faults on the wire."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.contract.dataverse_sandbox.conftest import error_of


def test_missing_foreign_and_expired_tokens_get_401(sandbox, wire):
    """Without a good token there is an empty 401 that says where to get one."""
    for token in ("", "nonsense", sandbox.entra.issue(sandbox.credentials.dynamics_client_id, "https://other")):
        wire.token = token
        refused = wire.get("WhoAmI")
        assert (refused.status_code, refused.text) == (401, "")
        assert refused.headers["WWW-Authenticate"].startswith("Bearer authorization_uri=")


def test_expired_token_fault_strikes_once(sandbox, wire):
    """An ordered expiry refuses one call; the next one passes."""
    sandbox.faults.add("dynamics", "expired_token")

    assert [wire.get("WhoAmI").status_code for _ in range(2)] == [401, 200]


def test_tokens_can_all_be_expired(sandbox, wire):
    """Every token issued so far can be ended at once."""
    sandbox.entra.expire_tokens()

    assert wire.get("WhoAmI").status_code == 401


def test_disabled_user_is_refused(sandbox, wire):
    """A disabled application user breaks the integration at once."""
    sandbox.dynamics.edit("systemuser", sandbox.dynamics.user_id, {"isdisabled": True})
    try:
        assert error_of(wire.get("WhoAmI")) == (403, "0x80040225")
    finally:
        sandbox.dynamics.edit("systemuser", sandbox.dynamics.user_id, {"isdisabled": False})


def test_every_answer_carries_the_vendors_headers(wire):
    """Request ids, remaining allowances and the affinity cookie are on refusals too."""
    for answer in (wire.get("WhoAmI"), wire.get("nothing")):
        assert answer.headers["REQ_ID"] == answer.headers["x-ms-service-request-id"]
        assert answer.headers["x-ms-ratelimit-time-remaining-xrm-requests"].count(".") == 1
        assert "ApplicationGatewayAffinity" in answer.headers["Set-Cookie"]


def test_too_many_requests_have_to_wait_for_the_window(sandbox, wire):
    """Past the limit the answer is 429 until the window has moved on."""
    sandbox.clock.advance(300)
    wire.token = sandbox.entra.issue(sandbox.credentials.dynamics_client_id, sandbox.dynamics_url)
    sandbox.dynamics.settings.request_limit = 3

    answers = [wire.get("WhoAmI") for _ in range(4)]

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert error_of(answers[3]) == (429, "0x80072322")
    wait_s = int(answers[3].headers["Retry-After"])
    assert 290 < wait_s <= 300
    sandbox.clock.advance(wait_s)
    assert wire.get("WhoAmI").status_code == 200


def test_execution_time_is_limited(sandbox, wire):
    """Time spent counts, however few the requests."""
    sandbox.dynamics.settings.execution_limit_s = 0.0

    assert error_of(wire.get("WhoAmI")) == (429, "0x80072321")


def test_too_many_at_once_are_refused(sandbox, wire):
    """A request beyond the limit of concurrent ones gets a short wait."""
    sandbox.dynamics.settings.concurrency_limit = 1
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        entered.set()
        leave.wait(10)

    sandbox.faults.add("dynamics", "interleave", match="GET *organizations", action=hold)
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(wire.get, "organizations?$select=name")
        assert entered.wait(10)
        with requests.Session() as other:
            other.verify, other.trust_env = sandbox.ca_bundle, False
            url = f"{sandbox.dynamics_url}/api/data/v9.2/WhoAmI"
            refused = other.get(url, headers={"Authorization": f"Bearer {wire.token}"}, timeout=30)
        leave.set()

        assert error_of(refused) == (429, "0x80072326")
        assert refused.headers["Retry-After"] == "1"
        assert held.result().status_code == 200


def test_throttled_fault_names_its_wait(sandbox, wire):
    """An ordered 429 carries the wait that was ordered, and strikes the route that was meant."""
    sandbox.faults.add("dynamics", "throttled", match="GET /api/data/v9.2/contacts", retry_after=5)

    assert wire.get("WhoAmI").status_code == 200
    assert wire.get("contacts").headers["Retry-After"] == "5"


def test_stale_fault_strikes_conditional_writes_only(sandbox, wire):
    """An ordered stale version meets the next write that carries a version."""
    contact = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    sandbox.faults.add("dynamics", "stale")

    assert wire.patch(f"contacts({contact})", {"jobtitle": "A"}).status_code == 204
    assert error_of(wire.patch(f"contacts({contact})", {"jobtitle": "B"}, If_Match="*")) == (412, "0x80060882")
    assert sandbox.dynamics.row("contact", contact)["jobtitle"] == "A"


@pytest.mark.parametrize("prefer", ["", "return=representation"])
@pytest.mark.parametrize(("kind", "applied"), [("lost_before", False), ("lost_after", True), ("truncated", True)])
def test_lost_answers(sandbox, wire, kind, applied, prefer):
    """A connection may break before the write, after it, or in the middle of the answer."""
    contact = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    sandbox.faults.add("dynamics", kind, match="PATCH")

    with pytest.raises(requests.exceptions.RequestException):
        wire.patch(f"contacts({contact})?$select=jobtitle", {"jobtitle": "CEO"}, prefer=prefer)

    assert (sandbox.dynamics.row("contact", contact)["jobtitle"] == "CEO") is applied
    assert wire.get("WhoAmI").status_code == 200


def test_gateway_errors_are_not_json(sandbox, wire):
    """A failing gateway answers in HTML."""
    sandbox.faults.add("dynamics", "status", status=503, retry_after=2)

    answer = wire.get("WhoAmI")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.headers["Content-Type"].startswith("text/html")


def test_slow_answer_takes_its_time(sandbox, wire):
    """An ordered delay passes before the handler runs."""
    sandbox.faults.add("dynamics", "slow", seconds=0.2)

    started = time.monotonic()
    wire.get("WhoAmI")

    assert time.monotonic() - started >= 0.2


def test_older_codes_can_be_switched_on(sandbox, wire):
    """Older builds say 0x0 for errors of queries and bodies."""
    sandbox.dynamics.settings.empty_payload_codes = True

    assert error_of(wire.get("contacts?$select=nope")) == (400, "0x0")


def test_errors_are_annotated_when_asked_for(wire):
    """With all annotations wanted, errors say more."""
    answer = wire.get("contacts?$select=nope", prefer='odata.include-annotations="*"')

    assert "@Microsoft.PowerApps.CDS.HelpLink" in answer.json()["error"]
