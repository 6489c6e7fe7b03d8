"""The tenant's token endpoint: forms and signed assertions, looked at closely."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
import pytest

from include.sandbox.certificates import make_client_certificate
from include.sandbox.clock import Clock
from include.sandbox.entra import EntraDirectory, EntraService
from include.sandbox.server import Call

if TYPE_CHECKING:
    from include.sandbox.server import Reply

TENANT = "11111111-1111-4111-8111-111111111111"
CLIENT = "22222222-2222-4222-8222-222222222222"
RESOURCE = "https://localhost:1"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Tenant:
    """A tenant with one application that has a secret and a certificate."""

    def __init__(self, directory: EntraDirectory, certificate: Any) -> None:
        self.directory = directory
        self.certificate = certificate
        self.service = EntraService(directory, clock=Clock())

    def ask(self, *, content_type: str = "application/x-www-form-urlencoded", **form: str) -> Reply:
        """Return the answer of the token endpoint to a form."""
        whole = {"grant_type": "client_credentials", "client_id": CLIENT, "scope": f"{RESOURCE}/.default"} | form
        body = urlencode({name: value for name, value in whole.items() if value}).encode()
        return self.service.handle(
            Call("POST", f"/{TENANT}/oauth2/v2.0/token", [], {"content-type": content_type}, body)
        )

    def assertion(self, **changes: Any) -> str:
        """Return a signed assertion with some claims changed."""
        now = int(time.time())
        audience = f"{self.directory.url}/{TENANT}/oauth2/v2.0/token"
        claims = {"aud": audience, "iss": CLIENT, "sub": CLIENT, "exp": now + 600, "iat": now, "jti": "1"}
        key = self.certificate.file.read_text()
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        thumbprint = "".join(self.thumbprint())
        return jwt.encode(claims, key, algorithm="PS256", headers={"x5t#S256": thumbprint})

    def thumbprint(self) -> str:
        """Return the certificate's SHA-256 thumbprint as base64url."""
        import base64

        from cryptography.hazmat.primitives import hashes

        return base64.urlsafe_b64encode(self.certificate.certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def tenant(tmp_path_factory) -> Tenant:
    """Return the tenant."""
    directory = EntraDirectory(TENANT, "x.example", clock=Clock())
    directory.url = "https://localhost:2"
    directory.add_resource(RESOURCE)
    directory.add_application(CLIENT, secret="right")
    certificate = make_client_certificate(tmp_path_factory.mktemp("entra") / "client.pem")
    directory.add_certificate(CLIENT, certificate.certificate)
    return Tenant(directory, certificate)


def number_of(reply: Reply) -> int:
    """Return the AADSTS number of a refusal."""
    import json

    return int(json.loads(reply.body)["error_codes"][0])


def test_sound_assertion_is_accepted(tenant):
    """The assertion that the others below are spoilt copies of is good."""
    reply = tenant.ask(client_assertion=tenant.assertion(), client_assertion_type=ASSERTION_TYPE)

    assert reply.status == 200


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"aud": "https://localhost:2/other/oauth2/v2.0/token"}, 700023),
        ({"iss": "somebody"}, 700021),
        ({"sub": "somebody"}, 700021),
        ({"jti": None}, 50027),
        ({"exp": 1}, 700024),
        ({"exp": None}, 700024),
    ],
)
def test_unsound_assertion_is_refused(tenant, changes, number):
    """Audience, issuer, subject, identity and time are each checked."""
    reply = tenant.ask(client_assertion=tenant.assertion(**changes), client_assertion_type=ASSERTION_TYPE)

    assert (reply.status, number_of(reply)) == (401, number)


@pytest.mark.parametrize(
    ("form", "status", "number"),
    [
        ({"client_secret": ""}, 401, 7000218),
        ({"client_secret": "right", "scope": RESOURCE}, 400, 1002012),
        ({"client_secret": "right", "scope": ""}, 400, 900144),
        ({"client_secret": "right", "content_type": "application/json"}, 400, 900144),
        ({"client_secret": "right", "surprise": "1"}, 400, 9002313),
        ({"client_assertion": "x", "client_assertion_type": "y"}, 400, 700025),
        ({"client_assertion": "x", "client_assertion_type": ASSERTION_TYPE}, 401, 50027),
    ],
)
def test_incomplete_form_is_refused(tenant, form, status, number):
    """Whatever is missing, unknown or malformed is named by its number."""
    reply = tenant.ask(**form)

    assert (reply.status, number_of(reply)) == (status, number)


def test_other_grants_are_not_built(tenant):
    """People do not sign in here."""
    assert tenant.ask(grant_type="password", client_secret="right").status == 501


def test_keys_verify_the_tokens(tenant):
    """A token can be verified with the published keys, as any resource would."""
    token = tenant.directory.issue(CLIENT, RESOURCE)
    key = jwt.PyJWKSet.from_dict(tenant.directory.public_keys()).keys[0]

    claims = jwt.decode(token, key, algorithms=["RS256"], audience=RESOURCE)

    assert (claims["appid"], claims["tid"]) == (CLIENT, TENANT)
