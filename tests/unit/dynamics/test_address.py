"""What people type as host and authority."""

from __future__ import annotations

import pytest

from include.dynamics.address import parse_authority, parse_organization, same_service
from include.errors import ConfigError

ROOT = "https://org.crm4.dynamics.com"


@pytest.mark.parametrize(
    "host",
    [
        "org.crm4.dynamics.com",
        ROOT,
        f"{ROOT}/",
        f"{ROOT}/api/data/v9.2",
        f"{ROOT}/api/data/v9.2/",
        f"{ROOT}/api/data/v9.1/contacts?$top=1",
        f"{ROOT}/main.aspx?appid=1",
        " HTTPS://Org.CRM4.dynamics.com ",
    ],
)
def test_host_in_any_usual_form_gives_the_same_addresses(host: str) -> None:
    """Scheme, slash, API path and case don't matter; the scope is the root with one slash before .default."""
    address = parse_organization(host)

    assert address.root == ROOT
    assert address.service == f"{ROOT}/api/data/v9.2/"
    assert address.scope == f"{ROOT}/.default"


def test_host_with_api_is_called_as_given_with_a_token_for_the_organisation() -> None:
    """The token is asked for the organisation's own address, whichever name the API is called by."""
    address = parse_organization("https://org.api.crm.dynamics.com")

    assert address.service.startswith("https://org.api.crm.dynamics.com/")
    assert address.scope == "https://org.crm.dynamics.com/.default"


def test_host_keeps_its_port() -> None:
    """A local service on a port is reached there."""
    assert parse_organization("localhost:8443").service == "https://localhost:8443/api/data/v9.2/"


@pytest.mark.parametrize(
    "host",
    ["", "http://org.crm.dynamics.com", "https://u:p@org.crm.dynamics.com", "https://", f"{ROOT}/some/page", "a b"],
)
def test_host_that_cannot_be_one_is_refused_naming_the_field(host: str) -> None:
    """Plain HTTP, credentials in the address and foreign paths are a wrong setting."""
    with pytest.raises(ConfigError, match="host"):
        parse_organization(host)


@pytest.mark.parametrize(
    "authority",
    [
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.com/",
        "https://login.microsoftonline.com/t1",
        "https://login.microsoftonline.com/t1/v2.0",
        "https://login.microsoftonline.com/t1/oauth2/v2.0/token",
    ],
)
def test_authority_gets_the_tenant_once_and_no_slash(authority: str) -> None:
    """MSAL needs host and tenant exactly, without /v2.0."""
    assert parse_authority(authority, "t1") == "https://login.microsoftonline.com/t1"


@pytest.mark.parametrize(("authority", "tenant"), [("https://login.example", ""), ("https://login.example", "a/b")])
def test_authority_without_a_usable_tenant_names_the_field(authority: str, tenant: str) -> None:
    """A missing tenant is a wrong setting of its own."""
    with pytest.raises(ConfigError, match=r"extra\.tenant_id"):
        parse_authority(authority, tenant)


def test_authority_in_clear_is_refused() -> None:
    """Secrets never travel over plain HTTP (S-44)."""
    with pytest.raises(ConfigError, match=r"extra\.authority"):
        parse_authority("http://login.example", "t1")


@pytest.mark.parametrize(
    ("link", "root", "same"),
    [
        ("https://org.api.crm.dynamics.com/api/data/v9.2/contacts?$deltatoken=1", "https://org.crm.dynamics.com", True),
        ("https://127.0.0.1:8443/x", "https://localhost:8443", True),
        ("https://localhost:8444/x", "https://localhost:8443", False),
        ("https://other.crm.dynamics.com/x", "https://org.crm.dynamics.com", False),
        ("https://org.crm.dynamics.com:443/x", "https://org.crm.dynamics.com", True),
    ],
)
def test_same_service_knows_the_names_of_one_organisation(link: str, root: str, *, same: bool) -> None:
    """A stored link is tied to its organisation, not to one of the organisation's names."""
    assert same_service(link, root) is same
