from __future__ import annotations

import threading
from datetime import timedelta

import pytest

from include.errors import ConfigError, ContractViolation, QuotaExhausted, RetryableError
from include.marketo import MarketoClient, MarketoConnection
from include.sandbox.marketo.settings import ALL_PERMISSIONS, Permission

DESCRIBE = "GET /rest/v1/leads/describe.json"


@pytest.mark.parametrize("kind", ["606", "615", "608", "614", "713", "604", "611"])
def test_call_succeeds_when_the_trouble_passes(sandbox, waiting, client, kind):
    """Every passing error is waited out and the same call repeated (S-21)."""
    sandbox.faults.add("marketo", kind)

    assert client.describe()
    assert client.calls == 2
    assert (waiting.slept[0] >= 20) == (kind == "606")


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_call_succeeds_when_the_gateway_fails_once(sandbox, client, status):
    """Server errors of the wire are repeated for reading calls."""
    sandbox.faults.add("marketo", "status", match=DESCRIBE, status=status, retry_after=3)

    assert client.describe()
    assert client.calls == 2


@pytest.mark.parametrize("kind", ["lost_before", "lost_after", "truncated"])
def test_call_succeeds_when_the_connection_breaks_once(sandbox, client, kind):
    """A broken connection to a reading call costs one more call."""
    sandbox.faults.add("marketo", kind, match=DESCRIBE)

    assert client.describe()


def test_call_succeeds_when_the_server_is_slow_once(sandbox, connect):
    """A read time-out is repeated."""
    sandbox.faults.add("marketo", "slow", match=DESCRIBE, seconds=1.5)

    client = connect(timeout_s=0.7)

    assert client.describe()
    assert client.calls == 2


@pytest.mark.parametrize("kind", ["606", "608", "615", "713", "604"])
def test_call_is_left_to_the_scheduler_when_the_trouble_stays(sandbox, client, kind):
    """After a bounded number of attempts the run may be tried again later; the cause is named."""
    sandbox.faults.add("marketo", kind, times=50)

    with pytest.raises(RetryableError, match=kind):
        client.describe()

    assert client.calls <= 5


def test_run_stops_when_the_quota_is_used_up(sandbox, client):
    """607 is not repeated and says when the day ends in Chicago (S-20)."""
    sandbox.faults.add("marketo", "607", times=50)

    with pytest.raises(QuotaExhausted) as caught:
        client.describe()

    assert client.calls == 1
    now = sandbox.clock.now()
    assert now < caught.value.resets_at <= now + timedelta(hours=25)


def test_token_is_renewed_when_it_has_expired_in_the_middle(sandbox, client):
    """A token that ends early costs one renewal and no failure."""
    client.describe()
    sandbox.faults.add("marketo", "expired_token")

    assert client.describe()
    assert sum("/identity/" in call.path for call in sandbox.calls("marketo")) == 2


def test_token_is_renewed_when_its_hour_is_over(sandbox, client):
    """After an hour the next call fetches another token before it is refused."""
    client.describe()
    sandbox.clock.advance(3601)

    assert client.describe()
    assert client.calls == 2


def test_token_is_not_asked_for_ever_when_the_api_keeps_refusing_it(sandbox, client):
    """A good token that is refused again and again ends in a clear message."""
    sandbox.faults.add("marketo", "invalid_token", times=50)

    with pytest.raises(ConfigError, match="token"):
        client.describe()

    assert len(sandbox.calls("marketo")) <= 5


def test_credentials_are_named_when_they_are_wrong(connect):
    """A wrong secret names both settings and is shown in none of them."""
    with pytest.raises(ConfigError, match=r"'login'.*'password'") as caught:
        connect(secret="not-the-secret").test_connection()

    assert "not-the-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("missing", "call"),
    [
        (Permission.WRITE_LEAD, lambda c: c.sync_leads([{"id": 1}], action="updateOnly", lookup_field="id")),
        (Permission.WRITE_ACTIVITY, lambda c: c.add_activities([{"leadId": 1}])),
        (Permission.WRITE_ACTIVITY_METADATA, lambda c: c.approve_custom_activity_type("x")),
        (Permission.SCHEMA_CUSTOM, lambda c: c.create_fields([])),
    ],
    ids=lambda value: value.value if isinstance(value, Permission) else "",
)
def test_permission_is_named_when_the_role_lacks_it(sandbox, client, missing, call):
    """603 says which permission to add."""
    settings = sandbox.marketo.settings
    related = {p for p in Permission if p.value.split(" ", 1)[1] == missing.value.split(" ", 1)[1]}
    settings.permissions = ALL_PERMISSIONS - related
    try:
        if missing is Permission.SCHEMA_CUSTOM:
            settings.permissions = ALL_PERMISSIONS - {Permission.SCHEMA_CUSTOM, Permission.SCHEMA_STANDARD}
            call = MarketoClient.schema_fields
        with pytest.raises(ConfigError, match=missing.value):
            call(client)
    finally:
        settings.permissions = ALL_PERMISSIONS


def test_host_is_named_when_nothing_listens(connect, sandbox):
    """An address where nobody answers names the setting."""
    connection = MarketoConnection("https://127.0.0.1:9", "a", "b", sandbox.ca_bundle)

    with pytest.raises(RetryableError, match="'host'") as caught:
        MarketoClient(connection, sleep=lambda _: None).test_connection()

    assert caught.value.exit_code == 4


def test_bundle_is_named_when_the_certificate_is_private(sandbox):
    """A certificate of an unknown authority names the setting that adds one (S-44)."""
    connection = MarketoConnection(sandbox.marketo_url, "a", "b")

    with pytest.raises(ConfigError, match="'ca_bundle'"):
        MarketoClient(connection).test_connection()


def test_host_is_named_when_it_belongs_to_dynamics(sandbox):
    """Addresses of the two systems mixed up: the message points at the setting."""
    connection = MarketoConnection(sandbox.dynamics_url, "a", "b", sandbox.ca_bundle)

    with pytest.raises((ConfigError, ContractViolation), match=r"'host'|'login'"):
        MarketoClient(connection).test_connection()


def test_rate_stays_within_its_share_when_many_calls_are_made(sandbox, waiting, client):
    """More calls than the window allows wait for it; the server never has to refuse one."""
    for _ in range(60):
        client.usage()

    assert client.calls == 60
    assert sum(waiting.slept) >= 15


def test_threads_share_one_client_when_they_write_at_once(sandbox, client):
    """Calls from several threads keep their answers apart and log in once."""
    ids = [sandbox.marketo.create({"email": f"p{n}@x.example"}) for n in range(8)]
    found: dict[int, list] = {}

    def work(lead_id):
        found[lead_id] = [row["id"] for page in client.leads_by("id", [lead_id], ["email"]) for row in page]

    threads = [threading.Thread(target=work, args=(lead_id,)) for lead_id in ids]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert found == {lead_id: [lead_id] for lead_id in ids}
    assert sum("/identity/" in call.path for call in sandbox.calls("marketo")) == 1
