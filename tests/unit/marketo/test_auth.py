from __future__ import annotations

import threading

import pytest

from include.errors import ConfigError, ContractViolation, RetryableError
from tests.unit.http.scripted_server import Answer
from tests.unit.marketo.scripted_marketo import envelope, marketo, query_of, refusal, token_answer


def bearer(number: int) -> str:
    """Return the header with the token of the n-th login."""
    return f"Bearer tok{number}"


def numbered(number: int) -> Answer:
    """Return another token for each login."""
    return token_answer(f"tok{number}")


def test_token_is_asked_for_once_when_many_calls_are_made(tmp_path):
    """One login serves all calls; the token travels in the header, the credentials in the query of the login only."""
    with marketo(tmp_path, [envelope([])]) as scene:
        scene.client.usage()
        scene.client.usage()

    login = query_of(scene.server.received[0])
    assert login == {"grant_type": "client_credentials", "client_id": "client", "client_secret": "secret"}
    assert scene.server.received[0].target.startswith("/identity/oauth/token?")
    assert [call.headers["authorization"] for call in scene.rest] == ["Bearer tok", "Bearer tok"]
    assert scene.logins == 1
    assert scene.client.calls == 2


def test_token_is_renewed_early_when_less_than_a_minute_is_left(tmp_path):
    """A token that is about to end is not used for a call that may take long."""
    with marketo(tmp_path, [envelope([])], identity=lambda n: token_answer(f"tok{n}", "100")) as scene:
        scene.client.usage()
        scene.time.now += 39
        scene.client.usage()
        scene.time.now += 2
        scene.client.usage()

    assert [call.headers["authorization"] for call in scene.rest] == [bearer(1), bearer(1), bearer(2)]


def test_token_is_used_to_its_end_when_it_comes_with_seconds_left(tmp_path):
    """Marketo hands out the old token until it ends; asking before each call would change nothing."""
    with marketo(tmp_path, [envelope([])], identity=lambda n: token_answer(f"tok{n}", 30)) as scene:
        scene.client.usage()
        scene.time.now += 20
        scene.client.usage()
        scene.time.now += 11
        scene.client.usage()

    assert scene.logins == 2


@pytest.mark.parametrize("code", ["601", "602", 602])
def test_token_is_renewed_once_when_the_api_refuses_it(tmp_path, code):
    """601 and 602 lead to one renewal and the same request again."""
    with marketo(tmp_path, [refusal(code), envelope([{"total": 3}])], identity=numbered) as scene:
        assert scene.client.usage() == 3

    assert [call.headers["authorization"] for call in scene.rest] == [bearer(1), bearer(2)]


def test_token_failure_is_reported_when_the_renewed_one_is_refused_too(tmp_path):
    """Two different tokens refused in a row are a matter of configuration; nothing loops."""
    with marketo(tmp_path, [refusal("601")], identity=numbered) as scene:
        with pytest.raises(ConfigError, match="refused again"):
            scene.client.usage()

        assert len(scene.rest) == 2


def test_token_failure_is_reported_when_the_same_one_comes_back(tmp_path):
    """A token that the identity service confirms and the API refuses would go round in circles for ever."""
    with marketo(tmp_path, [refusal("601")]) as scene:
        with pytest.raises(ConfigError, match="has just confirmed"):
            scene.client.usage()

        assert (len(scene.rest), scene.logins) == (1, 2)


def test_token_is_waited_out_when_the_same_one_comes_back_with_seconds_left(tmp_path):
    """At the very end of its life the API may refuse a token that the identity service still hands out."""
    answers = {1: token_answer("old", 3600), 2: token_answer("old", 5), 3: token_answer("new", 3600)}
    with marketo(tmp_path, [refusal("602"), envelope([{"total": 1}])], identity=answers.__getitem__) as scene:
        assert scene.client.usage() == 1

    assert scene.time.slept == [6.0]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(401, b'{"error":"invalid_client","error_description":"Bad client credentials"}'),
        Answer(401, b'{"error":"unauthorized","error_description":"No client with requested id"}'),
        Answer(401, b""),
        Answer(400, b'{"error":"invalid_request"}'),
        Answer(200, b'{"error":"invalid_client"}'),
    ],
)
def test_credentials_are_named_when_the_identity_service_refuses_them(tmp_path, answer):
    """Wrong credentials name the two settings, once, without a retry and without showing them."""
    with marketo(tmp_path, [envelope()], identity=lambda _: answer) as scene:
        with pytest.raises(ConfigError, match=r"'login'.*'password'") as caught:
            scene.client.test_connection()

        assert scene.logins == 1
        assert "secret" not in str(caught.value).replace("Client Secret", "")


@pytest.mark.parametrize("answer", [Answer(404, b"<html>"), Answer(200, b"<html>hello</html>"), Answer(302, b"")])
def test_host_is_named_when_no_identity_service_answers(tmp_path, answer):
    """Another web site in place of Marketo is reported as a wrong host."""
    with (
        marketo(tmp_path, [envelope()], identity=lambda _: answer) as scene,
        pytest.raises(ConfigError, match="'host'"),
    ):
        scene.client.test_connection()


@pytest.mark.parametrize("answer", [Answer(200, b'{"access_tok'), Answer(200, b'{"token_type":"bearer"}')])
def test_identity_answer_is_a_contract_violation_when_it_is_malformed(tmp_path, answer):
    """An answer that looks like JSON but holds no token is the vendor's fault, not the settings'."""
    with marketo(tmp_path, [envelope()], identity=lambda _: answer) as scene, pytest.raises(ContractViolation):
        scene.client.usage()


def test_login_is_repeated_when_the_identity_service_is_down_for_a_moment(tmp_path):
    """A server error of the identity service is retried like any other."""
    with marketo(tmp_path, [envelope([])], identity=lambda n: Answer(503) if n == 1 else token_answer()) as scene:
        scene.client.usage()

    assert scene.logins == 2


def test_login_gives_up_when_the_identity_service_stays_down(tmp_path):
    """An outage is a matter of time, not of settings."""
    with marketo(tmp_path, [envelope([])], identity=lambda _: Answer(503)) as scene, pytest.raises(RetryableError):
        scene.client.usage()


def test_threads_log_in_once_when_they_start_together(tmp_path):
    """Threads that all find no token wait for one login."""
    with marketo(tmp_path, [envelope([])]) as scene:
        threads = [threading.Thread(target=scene.client.usage) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)

    assert (scene.logins, len(scene.rest)) == (1, 6)
