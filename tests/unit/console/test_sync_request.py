"""Whatever Marketo's templates may make of a token is understood; anything else is refused by name."""

from __future__ import annotations

import json

import pytest

from include.person_sync.console.sync_request import BadRequest, SyncRequest, parse_sync_request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded; charset=utf-8"


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ('{"marketoId": 1004}', JSON, SyncRequest(1004)),
        ('{"marketoId": "1004", "syncAs": "contact"}', JSON, SyncRequest(1004, "contact")),
        ('{"marketoId": 1004.0, "syncAs": null, "owner": null}', JSON, SyncRequest(1004)),
        ('{"marketoId": 1004, "syncAs": "", "owner": ""}', JSON, SyncRequest(1004)),
        ('{"marketoId": 1004, "syncAs": , "owner": }', JSON, SyncRequest(1004)),
        ('{"marketoId": "\\"1004\\"", "syncAs": "null"}', JSON, SyncRequest(1004)),
        ('{"MarketoID": " 1004 ", "sync_as": " Contact "}', JSON, SyncRequest(1004, "contact")),
        ('{"marketoId": 1004, "owner": "jo.o\'neil@ex.com"}', JSON, SyncRequest(1004, "lead", "jo.o'neil@ex.com")),
        ('{"marketoId": 1004, "email": "ada@example.com", "more": [1]}', JSON, SyncRequest(1004)),
        ('\ufeff{"marketoId": 1004}', JSON, SyncRequest(1004)),
        ('{"marketoId": 1004}', "", SyncRequest(1004)),
        ('{"marketoId": 1004}', "text/plain", SyncRequest(1004)),
        ("marketoId=1004&syncAs=lead&owner=", FORM, SyncRequest(1004)),
        ("marketoId=%221004%22&syncAs=Contact&owner=j%40ex.com", FORM, SyncRequest(1004, "contact", "j@ex.com")),
    ],
)  # fmt: skip
def test_request_is_understood(body: str, content_type: str, expected: SyncRequest):
    """Numbers, quoted numbers, nulls, empty texts and missing values all mean what the marketer meant."""
    assert parse_sync_request(body.encode(), content_type) == expected


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"nonsense", "body"),
        (b"[1004]", "body"),
        (b"\xff\xfe", "body"),
        (b"[" * 9000, "body"),
        (b'{"marketoId": ' + b"9" * 6000 + b"}", "body"),
        (b"{}", "marketoId"),
        (b'{"marketoId": null}', "marketoId"),
        (b'{"marketoId": ""}', "marketoId"),
        (b'{"marketoId": "{{lead.Id}}"}', "marketoId"),
        (b'{"marketoId": true}', "marketoId"),
        (b'{"marketoId": [1004]}', "marketoId"),
        (b'{"marketoId": 0}', "marketoId"),
        (b'{"marketoId": -4}', "marketoId"),
        (b'{"marketoId": 10.5}', "marketoId"),
        (b'{"marketoId": NaN}', "marketoId"),
        (b'{"marketoId": 99999999999}', "marketoId"),
        ('{"marketoId": "١٠٠٤"}'.encode(), "marketoId"),
        (b'{"marketoId": 1004, "syncAs": "account"}', "syncAs"),
        (b'{"marketoId": 1004, "owner": "Jane"}', "owner"),
        (b'{"marketoId": 1004, "owner": "jane@example.com owner=x@example.com"}', "owner"),
    ],
)
def test_request_that_means_nothing_is_refused_by_name(body: bytes, field: str):
    """The part that is wrong is named, and its value is not repeated."""
    with pytest.raises(BadRequest) as refusal:
        parse_sync_request(body, JSON)

    assert refusal.value.field == field
    assert "1004" not in refusal.value.message.replace("1004,", "")


def test_form_with_too_many_fields_is_refused():
    """A form is not searched without end."""
    with pytest.raises(BadRequest, match="more than 50 fields"):
        parse_sync_request("&".join(f"a{n}=1" for n in range(60)).encode(), FORM)


def test_params_are_what_the_dag_takes():
    """A request travels to the DAG as plain JSON."""
    assert json.loads(json.dumps(SyncRequest(7, "contact").params())) == {
        "marketo_id": 7, "table": "contact", "owner": None,
    }  # fmt: skip
