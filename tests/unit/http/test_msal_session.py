from __future__ import annotations

import json

import msal
import pytest

from include.errors import ConfigError
from include.http import Transport
from include.http.msal_session import MsalSession
from tests.unit.http.scripted_server import Answer, FakeTime, serve


def test_msal_gets_a_token_when_the_session_is_its_http_client(tmp_path):
    """Real MSAL discovers the authority and fetches a token through the one request path, a throttled try included."""
    time = FakeTime()

    def respond(received, number):
        if "openid-configuration" in received.target:
            base = f"https://{received.headers['host']}/tenant"
            return Answer(
                body=json.dumps(
                    {
                        "token_endpoint": f"{base}/oauth2/v2.0/token",
                        "authorization_endpoint": f"{base}/authorize",
                        "issuer": f"{base}/v2.0",
                    }
                ).encode()
            )
        if number == 2:
            return Answer(429, headers={"Retry-After": "1"})
        return Answer(body=b'{"access_token":"t","expires_in":3600,"token_type":"Bearer"}')

    with serve(tmp_path, respond) as server:
        transport = Transport(
            name="vendor", setting="authority", ca_bundle=server.ca_bundle, sleep=time.sleep, clock=time.clock
        )
        application = msal.ConfidentialClientApplication(
            "app",
            client_credential="s3cret & more",
            authority=f"{server.url}/tenant",
            instance_discovery=False,
            http_client=MsalSession(transport),
        )
        token = application.acquire_token_for_client(["https://org/.default"])

    assert token["access_token"] == "t"
    assert b"client_secret=s3cret+%26+more" in server.received[-1].body
    assert server.received[-1].headers["content-type"].startswith("application/x-www-form-urlencoded")


def test_msal_failure_is_a_configuration_error_when_the_certificate_is_not_trusted(tmp_path):
    """MSAL lets our exception through, so a person reads which setting to mend."""
    with serve(tmp_path, lambda *_: Answer()) as server, pytest.raises(ConfigError, match="'authority'"):
        MsalSession(Transport(name="vendor", setting="authority")).get(f"{server.url}/x")
