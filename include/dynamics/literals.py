"""OData notation: ids, names, literals and filters. Pure text; nothing here is percent-encoded."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.errors import ConfigError
from include.http import encode_params

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

# A direct GET may have 32,768 characters, a GET in a batch twice as many; host, path and options need some of them.
# Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview
FILTER_CHARACTERS = 20_000

_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def parse_guid(text: str) -> str:
    """Return the GUID in lower case without braces. Raises ConfigError when the text is not exactly one GUID."""
    bare = text.strip().strip("{}")
    if not _GUID.fullmatch(bare):
        raise ConfigError(
            f"{text!r} is not the id of a Dynamics row.",
            remedy="Give a GUID of the form 00000000-0000-0000-0000-000000000000.",
        )
    return bare.lower()


def find_guids(text: str) -> list[str]:
    """Return every GUID in the text, lower-case, in order."""
    return [match.lower() for match in _GUID.findall(text)]


def check_name(name: str) -> str:
    """Return the table or column name unchanged. Raises ConfigError for what can't be one."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is not a Dynamics table or column name.",
            remedy="Use the logical name, which has letters, digits and underscores only, such as 'emailaddress1'.",
        )
    return name


def string_literal(value: str) -> str:
    """Return the value as an OData string: in quotes, with quotes inside doubled."""
    return "'" + value.replace("'", "''") + "'"


def moment_literal(moment: datetime) -> str:
    """Return an aware datetime as an OData literal in UTC, whole seconds (Dynamics stores no fractions)."""
    if moment.tzinfo is None:
        raise ValueError("a moment without a time zone")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def row_path(entity_set: str, row_id: str) -> str:
    """Return the address of one row, relative to the service root."""
    return f"{entity_set}({parse_guid(row_id)})"


def select_option(columns: Iterable[str]) -> tuple[str, str]:
    """Return the `$select` option for the columns, without repetitions, in their order."""
    return "$select", ",".join(dict.fromkeys(check_name(column) for column in columns))


def equality_filters(column: str, literals: Sequence[str], *, limit: int) -> Iterator[str]:
    """
    Yield filters `column eq a or column eq b …` that together ask for all literals.

    Each holds `limit` conditions at most and stays below FILTER_CHARACTERS once percent-encoded.
    """
    check_name(column)
    conditions: list[str] = []
    length = 0
    for literal in literals:
        condition = f"{column} eq {literal}"
        size = len(encode_params([("", f" or {condition}")]))
        if conditions and (len(conditions) == limit or length + size > FILTER_CHARACTERS):
            yield " or ".join(conditions)
            conditions, length = [], 0
        conditions.append(condition)
        length += size
    if conditions:
        yield " or ".join(conditions)
