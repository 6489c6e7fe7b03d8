"""Query strings and form bodies, percent-encoded the same way for both vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable

# Legal in a query string (RFC 3986, section 3.4) and part of both vendors' notation, as in `$select=a,b` and
# `2026-05-02T07:30:00Z`. Everything else is escaped; a blank is %20, never '+', which OData reads as plus.
_QUERY_SAFE = "$,:@/()'*"


def encode_params(params: Iterable[tuple[str, str]]) -> str:
    """Return the parameters as a query string without '?', in the order given, UTF-8."""
    return "&".join(f"{quote(name, safe=_QUERY_SAFE)}={quote(value, safe=_QUERY_SAFE)}" for name, value in params)


def encode_form(fields: Iterable[tuple[str, str]]) -> bytes:
    """Return the body of an `application/x-www-form-urlencoded` request, UTF-8, every reserved character escaped."""
    return "&".join(f"{quote(name, safe='')}={quote(value, safe=',')}" for name, value in fields).encode("ascii")
