"""The identity endpoint and the life of tokens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .conftest import CLIENT_ID, CLIENT_SECRET, envelope, error_code

if TYPE_CHECKING:
    from .conftest import Instance

_PATH = "/identity/oauth/token"
_GOOD = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}


def test_token_has_no_envelope_and_names_the_api_user(instance: Instance) -> None:
    """A token answer is plain JSON whose scope is the API user."""
    answer = json.loads(instance.send("POST", _PATH, _GOOD).body)

    assert answer["token_type"] == "bearer"
    assert answer["scope"] == "person-sync@api.example.com"
    assert answer["expires_in"] > 3_590
    assert "success" not in answer


def test_token_stays_the_same_with_less_life_left(instance: Instance) -> None:
    """Asking again before the end gives the same token, not a longer one."""
    first = json.loads(instance.send("GET", _PATH, _GOOD).body)
    instance.clock.advance(1_000)
    second = json.loads(instance.send("GET", _PATH, _GOOD).body)
    instance.clock.advance(2_601)
    third = json.loads(instance.send("GET", _PATH, _GOOD).body)

    assert second["access_token"] == first["access_token"]
    assert second["expires_in"] <= first["expires_in"] - 1_000
    assert third["access_token"] != first["access_token"]


def test_wrong_secret_is_401_without_an_envelope(instance: Instance) -> None:
    """Wrong credentials are told by the HTTP status and an OAuth error."""
    reply = instance.send("GET", _PATH, _GOOD | {"client_secret": "guess"})

    assert reply.status == 401
    assert json.loads(reply.body)["error"] == "invalid_client"


def test_credentials_in_a_form_body_are_refused(instance: Instance) -> None:
    """The parameters go into the query, for POST too."""
    reply = instance.send("POST", _PATH, body=b"grant_type=client_credentials&client_id=client&client_secret=secret")

    assert reply.status == 400


def test_expired_token_answers_602_once_and_601_afterwards(instance: Instance) -> None:
    """The end of a token is told once, then the token is simply unknown."""
    headers = instance.headers()
    instance.clock.advance(3_601)
    codes = [error_code(envelope(instance.send("GET", "/rest/v1/stats/usage.json", headers=headers))) for _ in range(3)]

    assert codes == ["602", "601", "601"]


def test_token_in_the_query_is_refused(instance: Instance) -> None:
    """A token counts in the Authorization header alone."""
    token = instance.token()
    answer = envelope(instance.send("GET", "/rest/v1/stats/usage.json", {"access_token": token}))

    assert error_code(answer) == "603"


def test_services_of_one_instance_have_tokens_of_their_own(instance: Instance) -> None:
    """A second integration signs in by itself."""
    instance.world.add_service("other", "hush", "crm@api.example.com")

    assert instance.token("other", "hush") != instance.token()
