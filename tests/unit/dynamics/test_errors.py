"""What an error answer means, for every row of the documented tables and for answers that say little."""

from __future__ import annotations

import json

import pytest

from include.dynamics.errors import FeedExpired, Kind, SchemaChanged, read_error, to_exception
from include.errors import ConfigError, ContractViolation, RetryableError
from include.http import Response


def _error_answer(status: int, code: object = "", message: str = "", **headers: str) -> Response:
    body = json.dumps({"error": {"code": code, "message": message}}).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, "0x80072322", "", Kind.THROTTLED),
        (429, "", "", Kind.THROTTLED),
        (400, "0x80060308", "", Kind.THROTTLED),
        (503, "0x0", "", Kind.TRANSIENT),
        (500, "0x80044150", "Sql Number: 1205", Kind.TRANSIENT),
        (400, "0x80048549", "cascade", Kind.TRANSIENT),
        (500, "0x80040216", "", Kind.UNEXPECTED),
        (500, "0x80044172", "plug-in timeout", Kind.UNEXPECTED),
        (500, "0x80040224", "plug-in crashed", Kind.REFUSED),
        (500, "0x80048D0A", "plug-in chose the status", Kind.REFUSED),
        (401, "", "", Kind.TOKEN),
        (401, "", "The user is not a member of the organization.", Kind.NOT_A_MEMBER),
        (412, "0x80060882", "", Kind.STALE),
        (412, "", "doesn't match the RowVersion property provided.", Kind.STALE),
        (412, "0x80040237", "", Kind.KEY_TAKEN),
        (412, "0x0", "A record with matching key values already exists.", Kind.KEY_TAKEN),
        (412, "", "", Kind.PRECONDITION),
        (412, "0x80040333", "", Kind.DUPLICATE),
        (500, "0x80040333", "", Kind.DUPLICATE),
        (500, "", "because a duplicate of the current record already exists.", Kind.DUPLICATE),
        (412, "0x80060892", "Entity Key X violated.", Kind.DUPLICATE),
        (404, "0x80040217", "contact With Id = 1 Does Not Exist", Kind.MISSING),
        (404, "", "Entity 'contact' With Id = 1 Does Not Exist", Kind.MISSING),
        (404, "0x80060891", "", Kind.MISSING),
        (404, "0x8006088a", "", Kind.TABLE_UNKNOWN),
        (404, "", "Resource not found for the segment 'leads'.", Kind.TABLE_UNKNOWN),
        (404, "", "No HTTP resource was found that matches the request URI", Kind.NO_API),
        (400, "0x80060888", "", Kind.COLUMN_UNKNOWN),
        (
            400,
            "0x0",
            "Could not find a property named 'x' on type 'Microsoft.Dynamics.CRM.contact'.",
            Kind.COLUMN_UNKNOWN,
        ),
        (400, "0x80044352", "Version stamp", Kind.EXPIRED),
        (400, -2147204270, "", Kind.EXPIRED),
        (410, "", "", Kind.EXPIRED),
        (400, "0x8006088d", "", Kind.NO_VERSIONS),
        (403, "0x80072560", "", Kind.NOT_A_MEMBER),
        (403, "", "The user is not a member of the organization.", Kind.NOT_A_MEMBER),
        (403, "0x80040225", "", Kind.USER_DISABLED),
        (403, "0x80095ffc", "", Kind.APP_BLOCKED),
        (403, "0x80095ffe", "", Kind.FIREWALL),
        (403, "0x80040220", "Principal user (Id=9f) is missing prvReadContact privilege (Id=1)", Kind.PRIVILEGE),
        (403, "0x80040220", "Principal with id 1 does not have WriteAccess right(s)", Kind.NO_ROW_ACCESS),
        (403, "", "", Kind.NO_ROW_ACCESS),
        (403, "0x8004F507", "", Kind.FIELD_SECURITY),
        (403, "0x80050401", "", Kind.STORAGE),
        (501, "", "", Kind.NOT_BUILT),
        (400, "0x80044331", "too long", Kind.REFUSED),
        (400, "0x80040265", "by a plug-in", Kind.REFUSED),
        (405, "0x80040237", "restricted", Kind.REFUSED),
        (400, "0x80048d19", "undeclared property", Kind.PAYLOAD),
        (400, "0x0", "Error identified in Payload provided by the user for Entity :'contacts'", Kind.PAYLOAD),
        (400, "0x80040233", "", Kind.READ_ONLY_ROW),
        (400, "0x80040519", "already closed", Kind.READ_ONLY_ROW),
        (400, "", "Cannot Update a Read-Only Entity", Kind.READ_ONLY_ROW),
        (413, "", "", Kind.REFUSED),
    ],
)
def test_classify_gives_the_documented_meaning(status: int, code: object, message: str, kind: Kind) -> None:
    """Status first, then code in any case or notation, then text; nothing-codes are no codes."""
    assert read_error(_error_answer(status, code, message)).kind is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (502, b"<html>Bad Gateway</html>", Kind.TRANSIENT),
        (401, b"", Kind.TOKEN),
        (404, b"<html>Not here</html>", Kind.NO_API),
        (302, b"", Kind.NO_API),
        (404, b'{"Message":"No HTTP resource was found"}', Kind.NO_API),
        (400, b'{"error":"bad"}', Kind.REFUSED),
        (500, b"[]", Kind.UNEXPECTED),
    ],
)
def test_classify_copes_with_bodies_that_are_no_odata_error(status: int, body: bytes, kind: Kind) -> None:
    """Gateways answer with anything."""
    assert read_error(Response(status, {}, body)).kind is kind


@pytest.mark.parametrize("name", ["REQ_ID", "x-ms-service-request-id", "X-MS-Request-Id"])
def test_read_error_keeps_the_request_id_from_whichever_header(name: str) -> None:
    """Support asks for it, so it is always carried along."""
    assert read_error(Response(400, {name: "abc"}, b"")).request_id == "abc"


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        (
            "A validation error occurred. The value 1000001 of 'numberofemployees' on record of type 'lead' is",
            "1000001",
        ),
        ("Cannot convert the literal 'Ana Ruiz' to the expected type 'Edm.Int32'.", "Ana Ruiz"),
        ("Somebody with ana@example.com exists.", "ana@example.com"),
    ],
)
def test_read_error_masks_the_values_that_texts_quote(message: str, secret: str) -> None:
    """No field value of a person gets into an exception, a log or a dead letter's message (S-43)."""
    told = read_error(_error_answer(400, "0x80048d19", message)).message

    assert secret not in told
    assert told


def test_read_error_keeps_names_of_columns_and_limits() -> None:
    """What a person needs to act on a refusal stays readable."""
    message = (
        "The length of the 'jobtitle' attribute of the 'contact' entity exceeded the maximum allowed length of '100'."
    )

    assert read_error(_error_answer(400, "0x80044331", message)).message == message


@pytest.mark.parametrize(
    ("status", "code", "message", "raises", "says"),
    [
        (403, "0x80072560", "", ConfigError, "login"),
        (403, "0x80040220", "is missing prvReadLead privilege", ConfigError, "prvReadLead"),
        (401, "", "", ConfigError, "extra.tenant_id"),
        (404, "", "<html>", ConfigError, "host"),
        (400, "0x80060888", "", SchemaChanged, "column"),
        (410, "", "", FeedExpired, "read in full"),
        (400, "0x80044331", "too long", ContractViolation, "0x80044331"),
        (503, "", "", RetryableError, "HTTP 503"),
    ],
)
def test_to_exception_says_what_to_do(status: int, code: str, message: str, raises: type[Exception], says: str) -> None:
    """Each kind becomes the exception whose handling fits, naming the field or the code."""
    with pytest.raises(raises, match=says.replace(".", r"\.")):
        raise to_exception(read_error(_error_answer(status, code, message)), doing="testing")


def test_to_exception_carries_the_servers_advice() -> None:
    """The scheduler can wait as long as the server asked."""
    error = to_exception(
        read_error(_error_answer(429, "0x80072322", Retry_After="37", x_ms_request_id="r1")), doing="testing"
    )

    assert isinstance(error, RetryableError)
    assert error.retry_after_s == 37
    assert error.request_id == "r1"
