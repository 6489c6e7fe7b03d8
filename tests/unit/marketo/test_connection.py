from __future__ import annotations

import pytest

from include.errors import ConfigError
from include.marketo import MarketoConnection


@pytest.mark.parametrize(
    "host",
    [
        "https://517-QXZ-204.mktorest.com",
        "https://517-QXZ-204.mktorest.com/",
        "517-QXZ-204.mktorest.com",
        " https://517-QXZ-204.mktorest.com/rest ",
        "https://517-QXZ-204.mktorest.com/rest/",
        "https://517-QXZ-204.mktorest.com/identity",
        "https://517-QXZ-204.mktorest.com//rest/v1",
        "517-QXZ-204",
    ],
)
def test_host_is_normalised_when_pasted_from_the_administration_pages(host):
    """Every spelling that Marketo's own pages show leads to the same address."""
    connection = MarketoConnection(host, "a", "b")

    assert connection.host == "https://517-qxz-204.mktorest.com"
    assert connection.munchkin_id == "517-QXZ-204"


def test_port_is_kept_when_the_host_has_one():
    """A local server on a port of its own can be named."""
    assert MarketoConnection("https://127.0.0.1:8443/rest", "a", "b").host == "https://127.0.0.1:8443"


@pytest.mark.parametrize(
    "host",
    ["", "  ", "http://x.mktorest.com", "ftp://x", "https://", "https://x/wrong", "https://u:p@x", "https://x:port"],
)
def test_host_is_refused_when_it_cannot_be_one(host):
    """Plain HTTP, other schemes, logins in the address and foreign paths are refused, naming the setting (S-44)."""
    with pytest.raises(ConfigError, match="'host'"):
        MarketoConnection(host, "a", "b")


@pytest.mark.parametrize(("login", "password", "setting"), [("", "b", "login"), ("a", " ", "password")])
def test_credentials_are_refused_when_empty(login, password, setting):
    """A missing credential is reported by the name of its connection field."""
    with pytest.raises(ConfigError, match=f"'{setting}'"):
        MarketoConnection("x.mktorest.com", login, password)


def test_repr_hides_the_secret_when_a_connection_is_shown():
    """The secret is not part of the representation."""
    assert "hush" not in repr(MarketoConnection("x.mktorest.com", "a", "hush"))
