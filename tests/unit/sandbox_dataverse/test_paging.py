"""Continuation tokens and links."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.sandbox.dataverse.errors import Refusal
from include.sandbox.dataverse.paging import Cookie, link, parse_cookie
from include.sandbox.server import Call

GUID = "5d0f6a3e-0000-4000-8000-0123456789ab"
VALUES = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.just(GUID))
ENTRIES = st.dictionaries(st.sampled_from(["fullname", "contactid", "modifiedon"]), VALUES, min_size=1)


@given(st.integers(2, 99), ENTRIES, st.booleans())
def test_cookie_survives_the_journey(page, entries, tracking):
    """Whatever a position holds, it comes back as it went."""
    cookie = Cookie(page, entries, entries, tracking)

    assert parse_cookie(unquote(cookie.encoded())) == cookie


def test_cookie_has_the_vendors_shape():
    """Braced upper-case keys inside twice-encoded brackets, as the vendor sends them."""
    encoded = Cookie(2, {"contactid": GUID}, {"contactid": GUID}).encoded()

    assert encoded.startswith("%3Ccookie%20pagenumber=%222%22%20pagingcookie=%22%253ccookie%2520page%253d")
    assert encoded.endswith("%22%20istracking=%22False%22%20/%3E")
    assert f'last="{{{GUID.upper()}}}"' in unquote(unquote(unquote(encoded)))


@pytest.mark.parametrize("text", ["", "x", '<cookie pagenumber="x" pagingcookie="" istracking="True" />'])
def test_foreign_token_is_refused(text):
    """A token that was not made here is an error."""
    with pytest.raises(Refusal) as refused:
        parse_cookie(text)

    assert refused.value.status == 400


def test_link_keeps_the_other_options_as_sent():
    """Only the token is replaced; the rest of the address is the caller's own spelling."""
    call = Call("GET", "/contacts", target="/contacts?$select=a,b&$skiptoken=old&$filter=a%20eq%20'x'")

    assert (
        link(call, "https://org", skiptoken="new")
        == "https://org/contacts?$select=a,b&$filter=a%20eq%20'x'&$skiptoken=new"
    )
