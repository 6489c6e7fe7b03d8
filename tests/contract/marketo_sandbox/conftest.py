"""A running sandbox, and the public client `marketorestpython` talking to it over TLS."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from marketorestpython.client import MarketoClient
from marketorestpython.helper import http_lib

from include.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """Return an empty sandbox that is stopped afterwards."""
    with Sandbox.start() as running:
        yield running


@pytest.fixture
def client(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> MarketoClient:
    """Return the public client, which composes its host name itself and would wait 0.2 s between calls."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", sandbox.ca_bundle)
    monkeypatch.setattr(http_lib, "time", SimpleNamespace(time=time.time, sleep=lambda _seconds: None))
    credentials = sandbox.credentials
    made = MarketoClient(
        "517-QXZ-204", credentials.marketo_client_id, credentials.marketo_client_secret, max_retry_time=5
    )
    made.host = sandbox.marketo_url
    return made
