from __future__ import annotations

import json

import pytest

from include.http.redaction import excerpt, redact

SECRETS = [
    ("Authorization: Bearer 7d0f3c5e-58c1-4b0e-9a5c-0a4f5e2b9d11:sj", "7d0f3c5e"),
    ("GET /identity/oauth/token?client_id=a&client_secret=S3cr%20et!&x=1", "S3cr"),
    ('{"access_token":"abc.def","token_type":"bearer"}', "abc.def"),
    ('{"access_token": "abc\\"def', "def"),
    ("token eyJhbGciOi.eyJzdWIiOi.c2ln was refused", "eyJ"),
    ("no access for 7d0f3c5e-58c1-4b0e-9a5c-0a4f5e2b9d11:sj here", "7d0f3c5e"),
    ("AADSTS50034: the user ada.o'hara@example.com does not exist", "example.com"),
    ("filterValues=ada%40example.com", "ada"),
    ("password='hunter two'", "hunter two"),
    ("proxy http://user:pa55@proxy:8080", "pa55"),
    ("Invalid value 'Ada', required of type 'integer'", "Ada"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_redact_masks_the_secret_when_a_text_holds_one(text, secret):
    """Tokens, passwords, addresses and quoted values never survive, in whatever shape they come."""
    assert secret not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Field 'favouriteColour' not found",
        "AADSTS7000215: Invalid client secret provided.",
        "row 00000000-0000-0000-0000-000000000001 refused",
        "Too many results match the filter",
        "refused for 4711, request 1a2b#18c0ffee123",
    ],
)
def test_redact_leaves_a_message_alone_when_it_holds_no_secret(text):
    """Ids, codes and field names stay readable."""
    assert redact(text) == text


def test_excerpt_hides_values_but_not_codes_when_the_answer_is_json():
    """What describes the answer stays, what describes a person goes."""
    answer = json.dumps({"requestId": "1#2", "result": [{"firstName": "Ada", "phone": 12345678, "status": "skipped"}]})

    shown = excerpt(answer)

    assert "1#2" in shown
    assert "skipped" in shown
    assert "Ada" not in shown
    assert "12345678" not in shown


def test_excerpt_hides_values_when_the_answer_breaks_off():
    """A truncated answer is no way around the masking."""
    assert "Ada" not in excerpt('{"result":[{"firstName":"Ada Love')


def test_excerpt_is_short_when_the_answer_is_long():
    """An exception carries a glimpse, not a page."""
    assert len(excerpt("<html>" + "x" * 10_000)) <= 301
