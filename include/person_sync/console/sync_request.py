"""
A request to create one Marketo person in Dynamics, as a Marketo webhook sends it.

Marketo fills a template whose tokens may come out as numbers, as quoted texts, as null or as nothing at all, in JSON or
as a form. Source: Adobe, "Webhooks" (Request token encoding). What an empty token becomes is not documented, so all of
that is understood.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

TABLES: Final = ("lead", "contact")
LARGEST_ID: Final = 2**31 - 1
_EMPTY_TOKEN: Final = re.compile(r":(\s*)(?=[,}])")
_EMAIL: Final = re.compile(r"[^@\s=]{1,64}@[^@\s=]{1,255}")


class BadRequest(Exception):
    """The request can't be understood. `field` is the part that is wrong, `message` what it should be."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


@dataclass(frozen=True, slots=True)
class SyncRequest:
    """Who is to be created, in which table, and who is to own the row (the e-mail of a Dynamics user)."""

    marketo_id: int
    table: str = "lead"
    owner: str | None = None

    def params(self) -> dict[str, Any]:
        """Return the request as params of the DAG that carries it out."""
        return {"marketo_id": self.marketo_id, "table": self.table, "owner": self.owner}


def parse_sync_request(body: bytes, content_type: str) -> SyncRequest:
    """
    Return the request in a JSON object or a form. Keys: `marketoId`, `syncAs` (default lead), `owner`; others are
    ignored, and the case of keys does not matter.

    Raises BadRequest naming the part that is wrong. Its message repeats no value.
    """
    text = _text(body)
    form = content_type.partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"
    values = _form(text) if form else _json(text)
    given = {str(key).strip().lower().replace("_", ""): value for key, value in values.items()}
    return SyncRequest(
        marketo_id=_marketo_id(given.get("marketoid")),
        table=_table(given.get("syncas")),
        owner=_owner(given.get("owner")),
    )


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadRequest("body", "is not UTF-8") from None


def _form(text: str) -> dict[str, Any]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=50))
    except ValueError:
        raise BadRequest("body", "has more than 50 fields") from None


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = _json_with_gaps(text)
    if not isinstance(value, dict):
        raise BadRequest("body", 'is no JSON object; expected {"marketoId": 1004, "syncAs": "lead"}')
    return value


def _json_with_gaps(text: str) -> Any:
    """Return JSON in which an empty token left nothing behind its colon."""
    try:
        return json.loads(_EMPTY_TOKEN.sub(r": null", text))
    except (ValueError, RecursionError):
        raise BadRequest("body", 'is not valid JSON; expected {"marketoId": 1004, "syncAs": "lead"}') from None


def _word(value: Any) -> str:
    """Return a token's text: without the quotes an encoding may have put around it, empty for any kind of nothing."""
    text = "" if value is None else str(value).strip().strip("\"'").strip()
    return "" if text.lower() == "null" else text


def _marketo_id(value: Any) -> int:
    if isinstance(value, bool | dict | list):
        raise BadRequest("marketoId", "is not a number")
    text = _word(value)
    if not text:
        raise BadRequest("marketoId", "is missing")
    if not re.fullmatch(r"[0-9]{1,10}(\.0+)?", text, re.ASCII):
        raise BadRequest("marketoId", "is not a number")
    number = int(text.partition(".")[0])
    if not 1 <= number <= LARGEST_ID:
        raise BadRequest("marketoId", f"is not between 1 and {LARGEST_ID}")
    return number


def _table(value: Any) -> str:
    text = _word(value).lower() or TABLES[0]
    if text not in TABLES:
        raise BadRequest("syncAs", f"must be one of {', '.join(TABLES)}")
    return text


def _owner(value: Any) -> str | None:
    text = _word(value)
    if text and not _EMAIL.fullmatch(text):
        raise BadRequest("owner", "is not the e-mail address of a Dynamics user")
    return text or None
