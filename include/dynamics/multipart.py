"""The body of a `$batch` request, and the reading of its answer. Pure bytes; no change sets are sent."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from email.message import Message
from typing import TYPE_CHECKING

from include.http import Response

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CRLF = b"\r\n"
_STATUS_LINE = re.compile(rb"^HTTP/\d(?:\.\d)?[ \t]+(\d{3})\b")
_EMPTY_LINE = re.compile(rb"(?:\A|\r?\n)\r?\n")
_FIRST_DELIMITER = re.compile(rb"\A\s*--([^\r\n]+?)[ \t]*\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    """One request within a batch. `path` is relative to the host, with its query already percent-encoded."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BatchAnswer:
    """The answers in order. Not `complete` when the text broke off: then an answer cut in two has been left out."""

    parts: tuple[Response, ...]
    complete: bool


def build_batch(parts: Sequence[Part], boundary: str) -> bytes:
    """
    Return the multipart body.

    Every line ends with CRLF, the last boundary included, and a part without a body still ends its headers with an
    empty line; the service refuses anything else.
    Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
    """
    lines: list[bytes] = []
    for part in parts:
        lines += [b"--" + boundary.encode("ascii"), b"Content-Type: application/http"]
        lines += [b"Content-Transfer-Encoding: binary", b"", f"{part.method} {part.path} HTTP/1.1".encode("ascii")]
        lines += [f"{name}: {value}".encode("ascii") for name, value in part.headers.items()]
        lines += [b"", part.body or b""]
    lines += [b"--" + boundary.encode("ascii") + b"--", b""]
    return _CRLF.join(lines)


def is_multipart(response: Response) -> bool:
    """Tell whether an answer is a batch answer, whatever its status."""
    return response.headers.get("Content-Type", "").strip().lower().startswith("multipart/")


def parse_batch(response: Response) -> BatchAnswer:
    """
    Return the answers inside a batch answer.

    Accepts CRLF or LF, a boundary with or without quotes or only in the text, and answers inside change sets.
    """
    parts, complete = _parse(response.headers.get("Content-Type", ""), response.body)
    return BatchAnswer(tuple(parts), complete)


def _parse(content_type: str, body: bytes) -> tuple[list[Response], bool]:
    boundary = _boundary(content_type, body)
    if boundary is None:
        return [], False
    segments, complete = _split(body, boundary)
    answers: list[Response] = []
    for position, segment in enumerate(segments):
        read = list(_read(segment))
        cut = not complete and position == len(segments) - 1
        answers += read if not cut else [answer for answer in read if _is_whole(answer, segment)]
    return answers, complete


def _boundary(content_type: str, body: bytes) -> bytes | None:
    message = Message()
    message["Content-Type"] = content_type
    named = message.get_param("boundary")
    if isinstance(named, str) and named:
        return named.strip().encode("latin-1")
    found = _FIRST_DELIMITER.match(body)
    return found.group(1) if found else None


def _split(body: bytes, boundary: bytes) -> tuple[list[bytes], bool]:
    """Return what stands between the delimiter lines, and whether the closing one was seen."""
    delimiter = re.compile(rb"(?:\A|\r?\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r?\n|\Z)")
    segments: list[bytes] = []
    start: int | None = None
    for match in delimiter.finditer(body):
        if start is not None:
            segments.append(body[start : match.start()])
        start = match.end()
        if match.group(1):
            return segments, True
    if start is not None:
        segments.append(body[start:])
    return segments, False


def _read(segment: bytes) -> Iterator[Response]:
    """Yield the one answer of a segment, or those of the change set it holds."""
    block = segment.lstrip(b"\r\n")
    headers: dict[str, str] = {}
    if not _STATUS_LINE.match(block):
        headers, block = _headers(block)
    content_type = headers.get("content-type", "")
    if content_type.lower().startswith("multipart/"):
        yield from _parse(content_type, block)[0]
        return
    block = block.lstrip(b"\r\n")
    status = _STATUS_LINE.match(block)
    if status is not None:
        inner, body = _headers(block.partition(b"\n")[2])
        yield Response(int(status.group(1)), inner, body.strip(b"\r\n"))


def _headers(block: bytes) -> tuple[dict[str, str], bytes]:
    """Return the header lines, names in lower case, and what follows the empty line that ends them."""
    end = _EMPTY_LINE.search(block)
    text = block[: end.start()] if end else block
    headers: dict[str, str] = {}
    for line in text.decode("latin-1").splitlines():
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    return headers, block[end.end() :] if end else b""


def _is_whole(answer: Response, segment: bytes) -> bool:
    """Tell whether the last answer of a text that broke off can be trusted all the same."""
    if answer.body:
        try:
            json.loads(answer.body)
        except ValueError:
            return False
        return True
    return answer.status in {204, 304} and re.search(rb"\r?\n\r?\n\s*\Z", segment) is not None
