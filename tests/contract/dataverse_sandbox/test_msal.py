"""Real MSAL against the sandbox's Entra ID."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msal
import pytest
import requests
from cryptography.hazmat.primitives import hashes

from include.sandbox.certificates import make_client_certificate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.sandbox import Sandbox


@pytest.fixture
def session(sandbox: Sandbox) -> Iterator[requests.Session]:
    """Return a session that trusts the sandbox's CA."""
    with requests.Session() as session:
        session.verify = sandbox.ca_bundle
        session.trust_env = False
        yield session


def application(sandbox: Sandbox, session: requests.Session, **changes: Any) -> msal.ConfidentialClientApplication:
    """Return a new MSAL application: MSAL remembers refusals, so every try needs its own."""
    options: dict[str, Any] = {
        "client_id": sandbox.credentials.dynamics_client_id,
        "client_credential": sandbox.credentials.dynamics_client_secret,
        "authority": f"{sandbox.authority}/{sandbox.credentials.tenant_id}",
        "instance_discovery": False,
        "http_client": session,
    }
    return msal.ConfidentialClientApplication(**(options | changes))


def ask(sandbox: Sandbox, app: msal.ConfidentialClientApplication, *, resource: str | None = None) -> dict[str, Any]:
    """Return MSAL's answer for a token."""
    return app.acquire_token_for_client(scopes=[f"{resource or sandbox.dynamics_url}/.default"])


def who_am_i(sandbox: Sandbox, session: requests.Session, token: str) -> requests.Response:
    """Return the organisation's answer to a token."""
    headers = {"Authorization": f"Bearer {token}"}
    return session.get(f"{sandbox.dynamics_url}/api/data/v9.2/WhoAmI", headers=headers, timeout=30)


def test_secret_gives_a_token_that_the_organisation_accepts(sandbox, session):
    """A client secret leads to a token for the organisation, good for about an hour."""
    result = ask(sandbox, application(sandbox, session))

    assert result["expires_in"] == 3599
    assert who_am_i(sandbox, session, result["access_token"]).json()["UserId"] == sandbox.dynamics.user_id


def test_tenant_may_be_named_by_its_domain(sandbox, session):
    """The authority works with the tenant's domain as well as with its id."""
    domain = f"{sandbox.authority}/{sandbox.credentials.tenant_domain}"

    assert "access_token" in ask(sandbox, application(sandbox, session, authority=domain))


def test_oidc_authority_accepts_the_issuer(sandbox, session):
    """The discovery document without /v2.0 names an issuer that MSAL finds to match."""
    oidc = f"{sandbox.authority}/{sandbox.credentials.tenant_id}"
    app = application(sandbox, session, authority=None, oidc_authority=oidc)

    assert "access_token" in ask(sandbox, app)


@pytest.mark.parametrize("by_thumbprint", [True, False], ids=["x5t", "x5t#S256"])
def test_certificate_gives_a_token(sandbox, session, by_thumbprint):
    """Both ways in which MSAL signs an assertion are verified and accepted."""
    credential = certificate_credential(sandbox, by_thumbprint=by_thumbprint)

    assert "access_token" in ask(sandbox, application(sandbox, session, client_credential=credential))


def certificate_credential(sandbox: Sandbox, *, by_thumbprint: bool) -> dict[str, str]:
    """Return MSAL's form of the registered certificate."""
    made = sandbox.client_certificate
    pem = made.file.read_text()
    if by_thumbprint:
        return {"private_key": pem, "thumbprint": made.certificate.fingerprint(hashes.SHA1()).hex()}  # noqa: S303
    return {"private_key": pem, "public_certificate": pem[pem.index("-----BEGIN CERTIFICATE") :]}


def test_unregistered_certificate_is_refused(sandbox, session, tmp_path: Path):
    """An assertion signed with a key that was never uploaded gets no token."""
    pem = make_client_certificate(tmp_path / "other.pem").file.read_text()
    credential = {"private_key": pem, "public_certificate": pem[pem.index("-----BEGIN CERTIFICATE") :]}

    result = ask(sandbox, application(sandbox, session, client_credential=credential))

    assert result["error_codes"] == [700027]


def test_foreign_key_under_a_registered_thumbprint_is_refused(sandbox, session, tmp_path: Path):
    """The signature itself is verified, not just the thumbprint."""
    registered = certificate_credential(sandbox, by_thumbprint=True)
    forged = registered | {"private_key": make_client_certificate(tmp_path / "other.pem").file.read_text()}

    result = ask(sandbox, application(sandbox, session, client_credential=forged))

    assert result["error_codes"] == [700027]
    assert "invalid signature" in result["error_description"]


@pytest.mark.parametrize(
    ("changes", "number", "error"),
    [
        ({"client_credential": "wrong"}, 7000215, "invalid_client"),
        ({"client_id": "00000000-0000-4000-8000-000000000000"}, 700016, "unauthorized_client"),
    ],
)
def test_wrong_credentials_answer_with_the_vendors_number(sandbox, session, changes, number, error):
    """Wrong secrets and unknown applications get the numbers that administrators search for."""
    result = ask(sandbox, application(sandbox, session, **changes))

    assert result["error"] == error
    assert result["error_codes"] == [number]
    assert result["error_description"].startswith(f"AADSTS{number}: ")


def test_unknown_resource_is_refused(sandbox, session):
    """A token for an organisation that the tenant does not know is refused."""
    result = ask(sandbox, application(sandbox, session), resource="https://other.crm.dynamics.com")

    assert result["error_codes"] == [500011]


def test_unknown_tenant_is_refused_at_discovery(sandbox, session):
    """MSAL finds out about a wrong tenant when it is constructed."""
    with pytest.raises(ValueError, match="Unable to get authority configuration"):
        application(sandbox, session, authority=f"{sandbox.authority}/unknown.example.com")


def test_expired_secret_is_refused(sandbox, session):
    """A secret whose time is over has a number of its own."""
    registered = sandbox.entra.applications[sandbox.credentials.dynamics_client_id]
    registered.secret_expired = True
    try:
        assert ask(sandbox, application(sandbox, session))["error_codes"] == [7000222]
    finally:
        registered.secret_expired = False


def test_token_expires_by_the_sandboxs_clock(sandbox, session):
    """An hour later by the sandbox's clock the organisation answers 401 and says where to get a token."""
    token = ask(sandbox, application(sandbox, session))["access_token"]

    sandbox.clock.advance(3600)
    refused = who_am_i(sandbox, session, token)

    assert refused.status_code == 401
    assert sandbox.credentials.tenant_id in refused.headers["WWW-Authenticate"]


def test_trailing_slash_in_the_scope_gives_a_useless_token(sandbox, session):
    """A doubled slash changes the audience, so the organisation refuses the token."""
    token = ask(sandbox, application(sandbox, session), resource=f"{sandbox.dynamics_url}/")["access_token"]

    assert who_am_i(sandbox, session, token).status_code == 401


def test_unknown_application_user_is_not_a_member(sandbox, session):
    """A valid token of an application without a user in the organisation is answered with 403."""
    sandbox.entra.add_application("11111111-1111-4111-8111-111111111111", secret="s")
    token = sandbox.entra.issue("11111111-1111-4111-8111-111111111111", sandbox.dynamics_url)

    refused = who_am_i(sandbox, session, token)

    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "0x80072560")


@pytest.mark.parametrize("path", ["/common/discovery/instance", "/t/oauth2/v2.0/authorize"])
def test_what_entra_does_not_build_answers_501(sandbox, session, path):
    """Addresses that exist at the vendor but not here say so."""
    answer = session.get(f"{sandbox.authority}{path}", timeout=30)

    assert answer.status_code == 501
    assert "GAPS.md" in answer.json()["error_description"]
