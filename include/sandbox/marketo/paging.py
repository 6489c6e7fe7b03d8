"""Paging tokens: opaque to clients, ending in `=`, good only for what they were given for."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from include.sandbox.marketo.errors import ApiError

__all__ = ["open_token", "seal_token"]


def seal_token(kind: str, *content: Any) -> str:
    """Return the token that holds this content. Any text in it has to be encoded in a URL: it ends in `=`."""
    text = json.dumps([kind, *content], separators=(",", ":"))
    text = f"{zlib.crc32(text.encode()):08x}{text}"
    while len(text.encode()) % 5 == 0:  # base32 pads all other lengths
        text += " "
    return base64.b32encode(text.encode()).decode()


def open_token(kind: str, token: str) -> list[Any]:
    """Return the token's content. Raises ApiError 1003 for anything that `seal_token` did not make for this kind."""
    try:
        text = base64.b32decode(token.encode()).decode().rstrip(" ")
        checksum, content = text[:8], text[8:]
        found: list[Any] = json.loads(content)
        whole = f"{zlib.crc32(content.encode()):08x}" == checksum
    except (binascii.Error, UnicodeError, ValueError) as broken:
        raise ApiError("1003", "Invalid nextPageToken") from broken
    if not whole or found[0] != kind:
        raise ApiError("1003", "Invalid nextPageToken")
    return found[1:]
