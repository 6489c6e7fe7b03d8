"""
The multipart form of `$batch`: taken apart and put together by hand, to be exact about every line end.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/execute-batch-operations-using-web-api
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http.client import responses
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote

from include.sandbox.dataverse.errors import Refusal
from include.sandbox.server import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.server import Reply

__all__ = ["ChangeSet", "Part", "join_parts", "parse_batch", "reply_part"]

_BOUNDARY: Final = re.compile(r'multipart/mixed\s*;.*\bboundary="?([^";\s]+)"?', re.IGNORECASE)
_REQUEST_LINE: Final = re.compile(r"([A-Z]+) (\S+) HTTP/1\.1")
_CONTENT_ID_TARGET: Final = re.compile(r"(\$[\w.-]+)(?=[/?]|\Z)")


@dataclass(frozen=True, slots=True)
class Part:
    """One operation: what to call, and the id by which later ones of its change set may refer to its result."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    content_id: str | None

    def call(self, root: str, references: Mapping[str, str]) -> Call:
        """Return the request, with a leading `$1` replaced by the address it stands for. `root`: the service's path."""
        target = self.target
        found = _CONTENT_ID_TARGET.match(target)
        if found is not None and found[1] in references:
            target = f"{root}{references[found[1]].removeprefix('/')}{target[found.end() :]}"
        elif "://" in target:
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        elif not target.startswith("/"):
            target = f"{root}{target}"
        path, _, query = target.partition("?")
        pairs = parse_qsl(query, keep_blank_values=True)
        return Call(self.method, unquote(path), pairs, self.headers, self.body, target)


@dataclass(frozen=True, slots=True)
class ChangeSet:
    """Operations that succeed or fail together."""

    parts: tuple[Part, ...]


def malformed(text: str) -> Refusal:
    """Return the refusal of a batch that cannot be read."""
    return Refusal(400, "0x80048d19", text)


def parse_batch(content_type: str, body: bytes) -> list[Part | ChangeSet]:
    """Return the operations of a batch. Raises Refusal when its form is not exactly as it has to be."""
    return [_entry(headers, content) for headers, content in _sections(content_type, body)]


def _entry(headers: Mapping[str, str], content: bytes) -> Part | ChangeSet:
    kind = headers.get("content-type", "")
    if not kind.lower().startswith("multipart/mixed"):
        return _part(headers, content)
    parts = tuple(_part(*section) for section in _sections(kind, content, nested=True))
    if any(part.content_id is None for part in parts):
        raise malformed("A Content-ID is missing: each operation of a change set needs one of its own.")
    if len({part.content_id for part in parts}) != len(parts):
        raise malformed("A Content-ID was used more than once in a change set.")
    if any(part.method == "GET" for part in parts):
        raise malformed("An invalid HTTP method 'GET' was detected in a change set: queries belong outside of them.")
    return ChangeSet(parts)


def _sections(content_type: str, body: bytes, *, nested: bool = False) -> list[tuple[dict[str, str], bytes]]:
    """Return (headers, content) between the boundaries."""
    found = _BOUNDARY.match(content_type)
    if found is None:
        raise malformed("The content type of a batch has to be multipart/mixed with a boundary.")
    delimiter = f"--{found[1]}".encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(pieces) < 3 or not pieces[-1].startswith(b"--") or (not nested and not pieces[-1].startswith(b"--\r\n")):
        raise malformed("Stream was not readable.")
    return [_section(piece) for piece in pieces[1:-1]]


def _section(piece: bytes) -> tuple[dict[str, str], bytes]:
    if not piece.startswith(b"\r\n"):
        raise malformed("Stream was not readable.")
    head, mark, content = piece[2:].partition(b"\r\n\r\n")
    if not mark or b"\n" in head.replace(b"\r\n", b""):
        raise malformed("Stream was not readable.")
    return _headers(head.split(b"\r\n")), content


def _headers(lines: list[bytes]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        name, mark, value = line.decode("latin-1").partition(":")
        if not mark:
            raise malformed("Stream was not readable.")
        headers[name.strip().lower()] = value.strip()
    return headers


def _part(headers: Mapping[str, str], content: bytes) -> Part:
    if headers.get("content-type", "").lower() != "application/http":
        raise malformed("The content type of an operation in a batch has to be application/http.")
    if headers.get("content-transfer-encoding", "").lower() != "binary":
        raise malformed("The content transfer encoding of an operation in a batch has to be binary.")
    head, _, body = content.partition(b"\r\n\r\n")
    lines = head.removesuffix(b"\r\n").split(b"\r\n")
    if b"\n" in b"".join(lines):
        raise malformed("Stream was not readable.")
    found = _REQUEST_LINE.fullmatch(lines[0].decode("latin-1"))
    if found is None:
        raise malformed("The request line of an operation in a batch is malformed.")
    if found[2].rpartition("/")[2] == "$batch":
        raise malformed("A batch cannot be put into a batch.")
    return Part(found[1], found[2], _headers(lines[1:]), body, headers.get("content-id"))


def reply_part(reply: Reply, content_id: str | None = None) -> bytes:
    """Return an answer as one section of a multipart answer, without its boundary."""
    lines = ["Content-Type: application/http", "Content-Transfer-Encoding: binary"]
    if content_id is not None:
        lines.append(f"Content-ID: {content_id}")
    lines += ["", f"HTTP/1.1 {reply.status} {responses.get(reply.status, '')}"]
    lines += [f"{name}: {value}" for name, value in reply.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("utf-8") + reply.body


def join_parts(sections: list[bytes], boundary: str) -> bytes:
    """Return a multipart body of the given sections."""
    opening = f"--{boundary}\r\n".encode()
    return b"".join(opening + section + b"\r\n" for section in sections) + f"--{boundary}--\r\n".encode()
