"""Signing in and the first call: tokens, certificates, and a clear message for everything set wrong."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from include.dynamics import DynamicsClient, WhoAmI
from include.errors import ConfigError, RetryableError, SyncError
from include.sandbox.server import Reply
from tests.contract.dynamics_client.scripted import ScriptedOrganization, ok, page, refusal
from tests.contract.dynamics_client.test_reading import guid

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.dynamics_client.conftest import Stage

WHO = ok({"UserId": guid(1).upper(), "OrganizationId": guid(2), "BusinessUnitId": guid(3)})
UNAUTHORIZED = Reply(401, {"WWW-Authenticate": "Bearer authorization_uri=https://x"}, b"")


def test_connection_says_which_organisation_answered(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """The sentence for the Test button names organisation and user."""
    organization.answers(WHO, page([{"name": "Contoso", "expirechangetrackingindays": 7}]))

    sentence = client.test_connection()

    assert "Contoso" in sentence
    assert guid(1) in sentence


def test_who_am_i_gives_ids_in_one_form(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """Ids compare equal to those in rows."""
    organization.answers(WHO)

    assert client.who_am_i() == WhoAmI(guid(1), guid(2), guid(3))
    assert organization.calls[0].path == "/api/data/v9.2/WhoAmI"


def test_one_token_serves_many_calls_and_threads(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Eight threads that start together cost one token; token requests don't count as calls."""
    organization.answers(*[WHO] * 8)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.who_am_i(), range(8)))

    assert [call.method for call in stage.log.calls("entra")] == ["GET", "POST"]
    assert client.calls == 8


def test_a_refused_token_is_renewed_once_and_the_request_repeated(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """An outdated token is no failure."""
    organization.answers(WHO, UNAUTHORIZED, WHO)

    client.who_am_i()
    client.who_am_i()

    tokens = [call.headers["authorization"] for call in organization.calls]
    assert tokens[0] == tokens[1] != tokens[2]


def test_threads_whose_token_was_refused_together_renew_it_once(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """The second thread takes the token the first one fetched."""
    stage.log.clear()
    both_are_in = threading.Barrier(2, timeout=10)
    refused: list[str] = []

    def answer(call: Any) -> Reply:
        if len(refused) < 2:
            refused.append(call.headers["authorization"])
            both_are_in.wait()
            return UNAUTHORIZED
        return WHO

    organization.answers(*[answer] * 4)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: client.who_am_i(), range(2)))

    assert refused[0] == refused[1]
    assert [call.method for call in stage.log.calls("entra")].count("POST") == 2


def test_a_fresh_token_that_is_refused_too_is_a_wrong_setting(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """No loop: the second refusal names the settings that decide for whom the token is."""
    organization.answers(UNAUTHORIZED, UNAUTHORIZED)

    with pytest.raises(ConfigError, match=r"host.*extra\.tenant_id"):
        client.who_am_i()

    assert len(organization.calls) == 2


def test_a_certificate_signs_in_in_place_of_the_secret(stage: Stage, organization: ScriptedOrganization) -> None:
    """A PEM file with key and certificate is enough."""
    organization.answers(WHO)
    path = str(stage.client_certificate.file)

    with stage.client(certificate_path=path, client_secret=None) as client:
        assert client.who_am_i().user_id == guid(1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"client_secret": "wrong"}, "password"),
        ({"tenant_id": "fabrikam.onmicrosoft.com"}, r"extra\.tenant_id"),
        ({"client_id": guid(77)}, "login"),
        ({"client_id": ""}, "login"),
        ({"client_secret": None}, "password"),
        ({"tenant_id": ""}, r"extra\.tenant_id"),
        ({"host": "http://localhost"}, "host"),
        ({"host": ""}, "host"),
        ({"host": "https://does-not-exist.invalid"}, "host"),
        ({"authority": "http://localhost"}, r"extra\.authority"),
        ({"authority": "https://does-not-exist.invalid"}, r"extra\.authority"),
        ({"ca_bundle": "/nowhere/ca.pem"}, "ca_bundle"),
        ({"ca_bundle": None}, "ca_bundle"),
        ({"certificate_path": "/nowhere/client.pem"}, r"extra\.certificate_path"),
    ],
)
def test_each_wrong_setting_is_named(stage: Stage, changes: dict[str, Any], field: str) -> None:
    """Whoever set it up learns which field to correct, and no secret is told."""
    with pytest.raises(ConfigError, match=field) as caught:
        stage.client(**changes).test_connection()

    assert stage.connection["client_secret"] not in str(caught.value)


def test_a_host_the_tenant_does_not_know_is_named(stage: Stage) -> None:
    """Entra ID refuses a token for an organisation of another tenant."""
    stage.organization.answers(WHO)
    host = stage.connection["host"].replace("localhost", "localhost.localdomain")

    with pytest.raises(ConfigError, match="'host'"):
        stage.client(host=host).who_am_i()

    assert stage.organization.calls == []


def test_a_certificate_the_registration_does_not_know_is_named(stage: Stage, tmp_path: Path) -> None:
    """The wrong file is told apart from a wrong secret."""
    from include.sandbox.certificates import make_client_certificate

    stranger = make_client_certificate(tmp_path / "stranger.pem")

    with pytest.raises(ConfigError, match=r"extra\.certificate_path"):
        stage.client(certificate_path=str(stranger.file)).who_am_i()


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (refusal(403, "0x80072560", "The user is not a member of the organization."), "application user"),
        (refusal(403, "0x80040225", "The specified user is disabled."), "disabled"),
        (refusal(403, "0x80095ffc", "Access to Dataverse API is restricted"), "policy"),
        (refusal(403, "0x80095ffe", "IP"), "firewall"),
        (refusal(404, "", "No HTTP resource was found that matches the request URI"), "host"),
        (Reply(404, {"Content-Type": "text/html"}, b"<html>Not Found</html>"), "host"),
        (Reply(200, {"Content-Type": "text/html"}, b"<html>Sign in</html>"), "host"),
        (Reply(302, {"Location": "https://login.example"}, b""), "host"),
    ],
)
def test_an_organisation_that_does_not_let_us_in_says_why(
    client: DynamicsClient, organization: ScriptedOrganization, answer: Reply, says: str
) -> None:
    """Each refusal of the first call has its own remedy."""
    organization.answers(answer)

    with pytest.raises(ConfigError, match=says):
        client.who_am_i()


def test_a_mended_sign_in_works_at_once(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """MSAL remembers failed answers; the client does not make people wait for it to forget."""
    organization.answers(WHO)
    application = stage.entra.applications.pop(stage.connection["client_id"])
    with pytest.raises(ConfigError):
        client.who_am_i()

    stage.entra.applications[stage.connection["client_id"]] = application

    assert client.who_am_i().user_id == guid(1)


def test_an_outage_of_the_sign_in_passes(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """A 503 of the token endpoint is waited out."""
    organization.answers(WHO)
    stage.faults.add("entra", "status", status=503, match="POST *token")

    assert client.who_am_i().user_id == guid(1)


def test_an_outage_of_the_sign_in_that_stays_may_be_retried(stage: Stage, client: DynamicsClient) -> None:
    """What passes by itself is never called a wrong setting."""
    stage.faults.add("entra", "status", times=99, status=503)

    with pytest.raises(RetryableError):
        client.who_am_i()


def test_an_authority_that_is_no_sign_in_service_is_named(stage: Stage, client: DynamicsClient) -> None:
    """A page of HTML in place of the discovery document."""
    stage.faults.add("entra", "status", times=9, status=200, body="<html>", content_type="text/html")

    with pytest.raises(SyncError, match=r"extra\.authority"):
        client.who_am_i()
