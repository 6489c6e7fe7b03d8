"""The `$batch` format: what is sent byte by byte, and every plausible answer."""

from __future__ import annotations

import json

import pytest

from include.dynamics.multipart import Part, build_batch, is_multipart, parse_batch
from include.http import Response

ANSWER = """--batchresponse_7c1e
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 404 Not Found
REQ_ID: 5a2b
Content-Type: application/json; odata.metadata=minimal

{"error":{"code":"0x80040217","message":"contact With Id = 5d0f Does Not Exist"}}
--batchresponse_7c1e
Content-Type: application/http
Content-Transfer-Encoding: binary

HTTP/1.1 204 No Content
OData-Version: 4.0
ETag: W/"12"


--batchresponse_7c1e--
"""


def _answer(text: str, content_type: str = "multipart/mixed; boundary=batchresponse_7c1e") -> Response:
    return Response(200, {"Content-Type": content_type}, text.encode())


def test_build_batch_is_exactly_what_the_service_reads() -> None:
    """CRLF everywhere, an empty line after headers also without a body, CRLF after the last boundary."""
    parts = [
        Part("PATCH", "/api/data/v9.2/contacts(5d0f)", {"If-Match": "*"}, b'{"jobtitle":"CEO"}'),
        Part("DELETE", "/api/data/v9.2/contacts(5d10)"),
    ]

    assert build_batch(parts, "b1") == (
        b"--b1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        b'PATCH /api/data/v9.2/contacts(5d0f) HTTP/1.1\r\nIf-Match: *\r\n\r\n{"jobtitle":"CEO"}\r\n'
        b"--b1\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
        b"DELETE /api/data/v9.2/contacts(5d10) HTTP/1.1\r\n\r\n\r\n"
        b"--b1--\r\n"
    )


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/mixed; boundary=batchresponse_7c1e",
        'multipart/mixed; boundary="batchresponse_7c1e"',
        "Multipart/Mixed;charset=utf-8; Boundary=batchresponse_7c1e",
        "multipart/mixed",
    ],
)
def test_parse_batch_reads_either_line_end_and_any_spelling_of_the_boundary(line_end: str, content_type: str) -> None:
    """Both parts are found, with status, headers in any case, and body."""
    batch = parse_batch(_answer(ANSWER.replace("\n", line_end), content_type))

    assert batch.complete
    assert [part.status for part in batch.parts] == [404, 204]
    assert batch.parts[0].headers["req_id"] == "5a2b"
    assert json.loads(batch.parts[0].body)["error"]["code"] == "0x80040217"
    assert batch.parts[1].headers["Etag"] == 'W/"12"'
    assert batch.parts[1].body == b""


def test_parse_batch_reads_a_part_without_an_empty_line_at_its_end() -> None:
    """A 204 whose headers run right into the boundary still is an answer."""
    text = "--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 204 No Content\r\nOData-Version: 4.0\r\n--b--\r\n"

    batch = parse_batch(_answer(text, "multipart/mixed; boundary=b"))

    assert [part.status for part in batch.parts] == [204]
    assert batch.parts[0].headers["OData-Version"] == "4.0"


def test_parse_batch_reads_parts_without_mime_headers_and_with_a_preamble() -> None:
    """Nothing but the status line is needed."""
    text = "preamble\r\n--b\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n--b--\r\nepilogue"

    assert [part.status for part in parse_batch(_answer(text, "multipart/mixed; boundary=b")).parts] == [204]


def test_parse_batch_looks_into_change_sets() -> None:
    """Answers of a change set count in their order."""
    text = (
        "--b\r\nContent-Type: multipart/mixed; boundary=cs\r\n\r\n"
        "--cs\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n\r\n"
        "--cs\r\nContent-Type: application/http\r\nContent-ID: 2\r\n\r\nHTTP/1.1 201 Created\r\n\r\n{}\r\n"
        "--cs--\r\n--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}\r\n--b--\r\n"
    )

    assert [part.status for part in parse_batch(_answer(text, "multipart/mixed; boundary=b")).parts] == [204, 201, 200]


@pytest.mark.parametrize("cut", range(10, len(ANSWER) - 24, 7))
def test_parse_batch_never_invents_an_answer_when_the_text_breaks_off(cut: int) -> None:
    """Wherever the text is cut, what is returned is a beginning of the true answers, and it says it is incomplete."""
    whole = parse_batch(_answer(ANSWER)).parts

    batch = parse_batch(_answer(ANSWER[:cut]))

    assert not batch.complete
    assert [(p.status, p.body) for p in batch.parts] == [(p.status, p.body) for p in whole[: len(batch.parts)]]


def test_parse_batch_trusts_a_whole_last_answer_without_a_closing_boundary() -> None:
    """A server that forgets the last line is understood."""
    batch = parse_batch(_answer(ANSWER.removesuffix("--batchresponse_7c1e--\n")))

    assert [part.status for part in batch.parts] == [404, 204]


def test_parse_batch_is_not_misled_by_a_boundary_inside_a_value() -> None:
    """Text in a value that looks like a boundary divides nothing, because values hold no line ends."""
    text = '--b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{"description":"--b--"}\r\n--b--\r\n'

    batch = parse_batch(_answer(text, "multipart/mixed; boundary=b"))

    assert [json.loads(part.body) for part in batch.parts] == [{"description": "--b--"}]


@pytest.mark.parametrize(
    ("content_type", "expected"), [("multipart/mixed; boundary=b", True), ("application/json", False)]
)
def test_is_multipart_goes_by_the_content_type(content_type: str, *, expected: bool) -> None:
    """A JSON error for the whole batch is told apart from the answers of its parts."""
    assert is_multipart(_answer("", content_type)) is expected
