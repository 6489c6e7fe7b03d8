"""
Continuation tokens and the links that carry them, in the vendor's own shapes.

A client has to treat them as opaque; the shapes are kept so that one that takes them apart is found out by the escapes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape, unescape

from include.sandbox.dataverse.errors import invalid_argument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.server import Call

__all__ = ["Cookie", "link", "parse_cookie"]

_OUTER: Final = re.compile(r'<cookie pagenumber="(\d+)" pagingcookie="([^"]*)" istracking="(True|False)" />')
_INNER: Final = re.compile(r'<(\w+) last="([^"]*)" first="([^"]*)" />')
_QUOTE: Final = {'"': "&quot;"}


@dataclass(frozen=True, slots=True)
class Cookie:
    """Where the next page begins: behind these values. `tracking` tells a change feed's page from a query's."""

    page: int
    last: Mapping[str, Any]
    first: Mapping[str, Any]
    tracking: bool = False

    def encoded(self) -> str:
        """Return the cookie as the value of `$skiptoken`, percent-encoded."""
        entries = "".join(
            f'<{name} last="{_attribute(value)}" first="{_attribute(self.first.get(name))}" />'
            for name, value in self.last.items()
        )
        inner = _lower_escapes(quote(f'<cookie page="{self.page - 1}">{entries}</cookie>', safe=""))
        outer = f'<cookie pagenumber="{self.page}" pagingcookie="{inner}" istracking="{self.tracking}" />'
        return quote(outer, safe="=/")


def parse_cookie(text: str) -> Cookie:
    """Return the cookie in a `$skiptoken`. Raises Refusal for anything else."""
    found = _OUTER.fullmatch(text)
    if found is None:
        raise invalid_argument("The paging cookie is malformed.")
    entries = _INNER.findall(unquote(found[2]))
    try:
        last = {name: _value(value) for name, value, _ in entries}
        first = {name: _value(value) for name, _, value in entries}
    except ValueError as error:
        raise invalid_argument("The paging cookie is malformed.") from error
    return Cookie(int(found[1]), last, first, tracking=found[3] == "True")


def link(call: Call, root: str, **changes: str) -> str:
    """Return the address of a call with its tokens replaced; the other options stay as they were sent."""
    path, _, query = call.target.partition("?")
    kept = [piece for piece in query.split("&") if piece and not _is_token(piece)]
    kept += [f"${name}={value}" for name, value in changes.items()]
    return f"{root}{path}?{'&'.join(kept)}"


def _is_token(piece: str) -> bool:
    return unquote(piece.partition("=")[0]) in {"$skiptoken", "$deltatoken"}


def _attribute(value: Any) -> str:
    if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        return f"{{{value.upper()}}}"
    return escape(json.dumps(value), _QUOTE)


def _value(text: str) -> Any:
    if text.startswith("{") and text.endswith("}"):
        return text[1:-1].lower()
    return json.loads(unescape(text, {"&quot;": '"'}))


def _lower_escapes(text: str) -> str:
    return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), text)
