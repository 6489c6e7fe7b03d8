from __future__ import annotations

import gzip
import logging
import threading
from pathlib import Path
from time import sleep as wait_a_moment

import pytest
import trustme

from include.errors import ConfigError, ContractViolation, LostAnswer, RetryableError
from include.http import RateLimit, Request, Transport, UnreachableHost, Verdict
from tests.unit.http.scripted_server import Answer, FakeTime, ScriptedServer, Wire, script, serve


def transport_to(server: ScriptedServer, time: FakeTime, **options) -> Transport:
    """Return a transport on the fake clock that trusts the server."""
    options = {
        "sleep": time.sleep,
        "clock": time.clock,
        "random": lambda: 0.5,
        "ca_bundle": server.ca_bundle,
        **options,
    }
    return Transport(name="vendor", **options)


@pytest.fixture
def time() -> FakeTime:
    """Return a clock of the test's own."""
    return FakeTime()


def test_answer_comes_back_whole_when_nothing_goes_wrong(tmp_path, time):
    """Status, headers and the decompressed body arrive; one call is counted and nobody sleeps."""
    answer = Answer(201, gzip.compress(b'{"a":1}'), {"Content-Encoding": "gzip", "X-Id": "7"})
    with serve(tmp_path, script(answer)) as server:
        transport = transport_to(server, time)

        response = transport.send(Request("POST", f"{server.url}/x", params=[("q", "ü")], body=b"in"))

    assert (response.status, response.json(), response.headers["x-id"]) == (201, {"a": 1}, "7")
    assert (server.received[0].target, server.received[0].body) == ("/x?q=%C3%BC", b"in")
    assert server.received[0].headers["accept-encoding"] == "gzip"
    assert server.received[0].headers["user-agent"].startswith("marketo-dynamics-person-sync")
    assert (transport.calls, time.slept) == (1, [])


def test_retry_waits_as_advised_when_throttled(tmp_path, time):
    """After 429 the transport waits what Retry-After says, a little longer, and sends the same again."""
    with serve(tmp_path, script(Answer(429, headers={"Retry-After": "10"}), Answer())) as server:
        transport = transport_to(server, time)

        assert transport.send(Request("GET", server.url)).status == 200

    assert time.slept[0] == pytest.approx(10.5)
    assert transport.calls == 2


def test_retry_is_left_to_the_scheduler_when_the_advised_wait_is_too_long(tmp_path, time):
    """A wait beyond the bound is not slept; the exception carries the advice."""
    with (
        serve(tmp_path, script(Answer(429, headers={"Retry-After": "300"}))) as server,
        pytest.raises(RetryableError) as caught,
    ):
        transport_to(server, time).send(Request("GET", server.url))

    assert caught.value.retry_after_s == 300
    assert time.slept == []


def test_retry_backs_off_and_gives_up_when_the_server_stays_down(tmp_path, time):
    """Waits grow, attempts are bounded, and the exception names the request and the cause."""
    with (
        serve(tmp_path, script(Answer(503))) as server,
        pytest.raises(RetryableError, match=r"vendor thing: gave up after 4 attempts: HTTP 503"),
    ):
        transport_to(server, time, attempts=4).send(Request("GET", server.url, label="vendor thing"))

    assert time.slept == [0.5, 1.0, 2.0]
    assert len(server.received) == 4


@pytest.mark.parametrize("wire", [Wire.DROPPED, Wire.TRUNCATED, Wire.SLOW])
def test_lost_answer_is_asked_for_again_when_the_request_is_repeatable(tmp_path, time, wire):
    """A dropped, truncated or late answer to a harmless request leads to a second one."""
    with serve(tmp_path, script(Answer(body=b"x" * 99, wire=wire), Answer())) as server:
        transport = transport_to(server, time)

        response = transport.send(Request("GET", server.url, read_timeout_s=0.2))

    assert response.body == b"{}"
    assert transport.calls == 2


@pytest.mark.parametrize(
    "answer",
    [
        Answer(wire=Wire.DROPPED),
        Answer(body=b"x" * 99, wire=Wire.TRUNCATED),
        Answer(wire=Wire.SLOW),
        Answer(500),
        Answer(502),
        Answer(503),
        Answer(504),
    ],
)
def test_lost_answer_is_raised_when_the_request_must_not_be_repeated(tmp_path, time, answer):
    """What may have been carried out is never sent twice: the caller has to look first."""
    request = {"read_timeout_s": 0.2, "repeatable": False, "label": "vendor write"}
    with serve(tmp_path, script(answer, Answer())) as server, pytest.raises(LostAnswer, match="vendor write"):
        transport_to(server, time).send(Request("POST", server.url, body=b"{}", **request))

    assert len(server.received) == 1


def test_write_is_sent_again_when_it_was_certainly_not_started(tmp_path, time):
    """Throttling leaves no doubt, so even a request that must not happen twice is repeated."""
    with serve(tmp_path, script(Answer(429), Answer())) as server:
        assert transport_to(server, time).send(Request("POST", server.url, repeatable=False)).status == 200


def test_judge_decides_when_the_vendor_speaks_inside_the_answer(tmp_path, time):
    """A vendor's own signal in a 200 steers the same loop, with its own error at the end."""
    error = ContractViolation("still nonsense")

    def judge(response):
        return Verdict.retry("nonsense", after_s=3.0, max_repeats=1, error=error)

    with serve(tmp_path, script(Answer())) as server, pytest.raises(ContractViolation, match="still nonsense"):
        transport_to(server, time).send(Request("GET", server.url), judge=judge)

    assert len(server.received) == 2


class Tokens:
    """Hands out numbered tokens."""

    def __init__(self) -> None:
        self.number = 1
        self.renewed: list[str] = []

    def authorization(self) -> str:
        """Return the header with the current token."""
        return f"Bearer t{self.number}"

    def renew(self, refused: str) -> str:
        """Return the header with the next token."""
        self.renewed.append(refused)
        self.number += 1
        return self.authorization()


def renew_on_401(response):
    """Return the verdict of a vendor that answers 401 to an expired token."""
    return Verdict.renew("HTTP 401") if response.status == 401 else Verdict.accept()


def test_credentials_are_renewed_when_refused(tmp_path, time):
    """After a refusal the same request goes out once more with the new token, without waiting."""
    tokens = Tokens()
    with serve(tmp_path, script(Answer(401), Answer())) as server:
        response = transport_to(server, time).send(
            Request("POST", server.url, body=b"same", repeatable=False), judge=renew_on_401, credentials=tokens
        )

    assert response.status == 200
    assert [r.headers["authorization"] for r in server.received] == ["Bearer t1", "Bearer t2"]
    assert [r.body for r in server.received] == [b"same", b"same"]
    assert (tokens.renewed, time.slept) == (["Bearer t1"], [])


def test_credentials_are_renewed_only_once_when_refused_again(tmp_path, time):
    """A second refusal of the same request is handed to the caller: no loop."""
    with serve(tmp_path, script(Answer(401))) as server:
        response = transport_to(server, time).send(Request("GET", server.url), judge=renew_on_401, credentials=Tokens())

    assert response.status == 401
    assert len(server.received) == 2


def test_credentials_are_asked_for_again_when_a_wait_lies_between(tmp_path, time):
    """A token may end while a throttled request waits, so every attempt takes the current one."""
    tokens = Tokens()

    def sleep(seconds):
        time.sleep(seconds)
        tokens.number += 1

    with serve(tmp_path, script(Answer(429, headers={"Retry-After": "60"}), Answer())) as server:
        transport_to(server, time, sleep=sleep).send(Request("GET", server.url), credentials=tokens)

    assert [r.headers["authorization"] for r in server.received] == ["Bearer t1", "Bearer t2"]


def test_other_threads_wait_too_when_one_was_throttled(tmp_path, time):
    """The server's advice holds for the whole client: nobody else sends before the advised moment."""
    neighbour: list[threading.Thread] = []

    def sleep(seconds):
        if not neighbour:
            neighbour.append(threading.Thread(target=transport.send, args=(Request("GET", f"{server.url}/neighbour"),)))
            neighbour[0].start()
            neighbour[0].join(5)
        else:
            time.sleep(seconds)

    with serve(tmp_path, script(Answer(429, headers={"Retry-After": "10"}), Answer())) as server:
        transport = transport_to(server, time, sleep=sleep)
        transport.send(Request("GET", server.url))

    assert server.received[1].target == "/neighbour"
    assert time.slept[0] == pytest.approx(10.5)


def test_redirect_is_not_followed_when_the_server_sends_one(tmp_path, time):
    """Credentials never travel to an address that an answer names."""
    with serve(tmp_path, script(Answer(302, headers={"Location": "/elsewhere"}))) as server:
        assert transport_to(server, time).send(Request("GET", server.url)).status == 302

    assert len(server.received) == 1


def test_cookies_are_not_returned_when_the_server_sets_them(tmp_path, time):
    """An affinity cookie would pin all requests to one server."""
    with serve(tmp_path, script(Answer(headers={"Set-Cookie": "affinity=1"}))) as server:
        transport = transport_to(server, time)
        transport.send(Request("GET", server.url))
        transport.send(Request("GET", server.url))

    assert "cookie" not in server.received[1].headers


def test_netrc_does_not_replace_the_token_when_there_is_one(tmp_path, time, monkeypatch):
    """The environment's stored logins are not used."""
    (tmp_path / "netrc").write_text("default login a password b\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with serve(tmp_path, script(Answer())) as server:
        transport_to(server, time).send(Request("GET", server.url, headers={"Authorization": "Bearer mine"}))

    assert server.received[0].headers["authorization"] == "Bearer mine"


def test_post_announces_an_empty_body_when_it_has_none(tmp_path, time):
    """A POST without body says so, because servers refuse one without framing."""
    with serve(tmp_path, script(Answer())) as server:
        transport_to(server, time).send(Request("POST", server.url))

    assert server.received[0].headers["content-length"] == "0"


def test_rate_limit_spreads_calls_when_there_are_many(tmp_path, time):
    """The third call within the window waits for the first to leave it."""
    with serve(tmp_path, script(Answer())) as server:
        transport = transport_to(server, time, rate=RateLimit(2, 20.0))
        for _ in range(3):
            transport.send(Request("GET", server.url))

    assert time.slept == [20.0]


def test_concurrency_stays_within_its_bound_when_many_threads_send(tmp_path, time):
    """Never more than so many requests are in flight, and every thread gets its answer."""
    in_flight, most, lock, gate = 0, 0, threading.Lock(), threading.Event()

    def respond(received, number):
        nonlocal in_flight, most
        with lock:
            in_flight += 1
            most = max(most, in_flight)
            if number >= 2:
                gate.set()
        gate.wait(5)
        wait_a_moment(0.05)
        with lock:
            in_flight -= 1
        return Answer()

    with serve(tmp_path, respond) as server:
        transport = transport_to(server, time, concurrency=2)
        threads = [threading.Thread(target=transport.send, args=(Request("GET", server.url),)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

    assert most == 2
    assert transport.calls == 8


def test_certificate_is_refused_when_no_bundle_vouches_for_it(tmp_path, time):
    """TLS is always verified; the message names the two settings that may be wrong, and nothing is retried."""
    with serve(tmp_path, script(Answer())) as server, pytest.raises(ConfigError, match="ca_bundle") as caught:
        transport_to(server, time, ca_bundle=None).send(Request("GET", server.url))

    assert "'host'" in str(caught.value)
    assert (server.received, time.slept) == ([], [])


def test_bundle_of_the_connection_counts_when_the_environment_names_another(tmp_path, time, monkeypatch):
    """REQUESTS_CA_BUNDLE does not override an explicit bundle."""
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other))
    with serve(tmp_path, script(Answer())) as server:
        assert transport_to(server, time).send(Request("GET", server.url)).status == 200


def test_bundle_of_the_environment_counts_when_the_connection_names_none(tmp_path, time, monkeypatch):
    """Without a bundle of its own a connection takes the environment's."""
    with serve(tmp_path, script(Answer())) as server:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", server.ca_bundle)
        assert transport_to(server, time, ca_bundle=None).send(Request("GET", server.url)).status == 200


def test_bundle_counts_anew_when_its_file_is_replaced(tmp_path, time):
    """A renewed private authority is trusted by the next session, and the old one no longer."""
    bundle = tmp_path / "bundle.pem"
    with serve(tmp_path, script(Answer())) as server:
        bundle.write_bytes(Path(server.ca_bundle).read_bytes())
        assert transport_to(server, time, ca_bundle=str(bundle)).send(Request("GET", server.url)).status == 200

        trustme.CA().cert_pem.write_to_path(bundle)
        with pytest.raises(ConfigError, match="ca_bundle"):
            transport_to(server, time, ca_bundle=str(bundle)).send(Request("GET", server.url))


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_bundle_is_named_when_it_cannot_be_read(tmp_path, content):
    """A missing or senseless bundle is reported before anything is sent."""
    path = tmp_path / "missing.pem"
    if content:
        path.write_text(content)

    with pytest.raises(ConfigError, match="ca_bundle"):
        Transport(name="vendor", ca_bundle=str(path))


@pytest.mark.parametrize("url", ["http://127.0.0.1/", "ftp://x/", "https://:::/", "nonsense"])
def test_address_is_refused_when_it_is_not_https(time, url):
    """Nothing ever goes over plain HTTP, and a bad address names its setting."""
    with pytest.raises(ConfigError, match="'authority'"):
        Transport(name="vendor", setting="authority", sleep=time.sleep).send(Request("GET", url))


def test_host_is_named_when_its_name_is_unknown(time):
    """The reserved top-level domain `invalid` never resolves; depending on the resolver that is final or not."""
    with pytest.raises((ConfigError, UnreachableHost), match=r"nowhere\.invalid") as caught:
        Transport(name="vendor", sleep=time.sleep, clock=time.clock).send(Request("GET", "https://nowhere.invalid/"))

    assert caught.value.exit_code == 4
    assert "'host'" in str(caught.value)


def test_host_is_named_when_nothing_listens(tmp_path, time):
    """A refused connection is tried again, then reported with the setting to look at; no call was made."""
    with serve(tmp_path, script(Answer())) as server:
        url = server.url
    transport = Transport(name="vendor", sleep=time.sleep, clock=time.clock)

    with pytest.raises(UnreachableHost, match=r"127\.0\.0\.1.*refused.*'host'") as caught:
        transport.send(Request("POST", url, repeatable=False))

    assert isinstance(caught.value, RetryableError)
    assert (len(time.slept), transport.calls) == (4, 0)


def test_log_shows_no_secret_when_a_request_is_retried(tmp_path, time, caplog):
    """A retry leaves a line with the label and the cause, and nothing of the request's contents."""
    caplog.set_level(logging.DEBUG)
    with serve(tmp_path, script(Answer(503), Answer())) as server:
        transport_to(server, time).send(
            Request("GET", server.url, params=[("client_secret", "hush")], label="vendor thing")
        )

    lines = [record.getMessage() for record in caplog.records if record.name.startswith("include")]
    assert any("vendor thing: HTTP 503" in line for line in lines)
    assert not any("hush" in line for line in lines)
