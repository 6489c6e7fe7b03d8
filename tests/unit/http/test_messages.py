from __future__ import annotations

import pytest

from include.errors import ContractViolation
from include.http import Request, Response, Verdict, encode_form, judge_status


def test_params_escape_blanks_and_plus_when_encoded():
    """A blank is %20 and a plus %2B, so that neither OData nor a form parser confuses them."""
    request = Request("GET", "https://h/x", params=[("$filter", "name eq 'A+B & Ünal'"), ("$select", "a,b")])

    assert request.full_url == "https://h/x?$filter=name%20eq%20'A%2BB%20%26%20%C3%9Cnal'&$select=a,b"


def test_params_are_appended_when_the_address_has_a_query_already():
    """A next link keeps its own query."""
    assert Request("GET", "https://h/x?a=1", params=[("b", "2")]).full_url == "https://h/x?a=1&b=2"


def test_form_is_unambiguous_when_values_hold_reserved_characters():
    """Ampersand, equals sign, plus and percent are data, not syntax."""
    assert encode_form([("filterValues", "a&b=c+d%"), ("fields", "id,email")]) == (
        b"filterValues=a%26b%3Dc%2Bd%25&fields=id,email"
    )


def test_repr_shows_no_secret_when_a_request_is_logged():
    """Headers, parameters and body are not part of a request's representation."""
    request = Request("GET", "https://h/", headers={"Authorization": "Bearer s3"}, params=[("p", "s3")], body=b"s3")

    assert "s3" not in repr(request)


def test_headers_ignore_case_when_read():
    """Header names are found in any case, as HTTP demands."""
    assert Response(200, {"retry-AFTER": "3"}, b"").headers["Retry-After"] == "3"


def test_json_raises_contract_violation_when_the_body_is_not_json():
    """A page of a proxy in place of an answer is reported as such, without its contents being trusted."""
    with pytest.raises(ContractViolation, match="not JSON") as caught:
        Response(200, {}, b"<html>ada@example.com</html>").json()

    assert "ada@" not in caught.value.excerpt


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.accept()),
        (401, Verdict.accept()),
        (412, Verdict.accept()),
        (429, Verdict.retry("HTTP 429", after_s=9.0)),
        (408, Verdict.unsure("HTTP 408", after_s=9.0)),
        (500, Verdict.unsure("HTTP 500", after_s=9.0, max_repeats=3)),
        (502, Verdict.unsure("HTTP 502", after_s=9.0)),
        (503, Verdict.unsure("HTTP 503", after_s=9.0)),
        (504, Verdict.unsure("HTTP 504", after_s=9.0)),
    ],
)
def test_status_is_judged_by_what_may_have_happened_when_nothing_else_is_known(status, verdict):
    """Throttled means not started; a server error leaves open whether it was carried out; the rest is the client's."""
    assert judge_status(Response(status, {"Retry-After": "9"}, b"")) == verdict
