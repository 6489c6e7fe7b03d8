"""Query strings and form bodies, percent-encoded the same way for both vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

# Legal in a query string (RFC 3986, section 3.4) and part of both vendors' notation, as in `$select=a,b` and
# `2026-05-02T07:30:00Z`. Everything else is escaped; a blank is %20, never '+', which OData reads as plus.
_QUERY_SAFE = "$,:@/()'*"


def encode_params(params: Sequence[tuple[str, str]]) -> str:
    """Return the parameters as a query string without '?', in the order given, UTF-8."""
    return urlencode(params, safe=_QUERY_SAFE, quote_via=quote)


def encode_form(fields: Sequence[tuple[str, str]]) -> bytes:
    """Return an `application/x-www-form-urlencoded` body, UTF-8; all that is reserved is escaped, but for commas."""
    return urlencode(fields, safe=",", quote_via=quote).encode("ascii")
