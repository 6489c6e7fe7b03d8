"""Rows of a table: by id, by value, by time of change; page by page or many small queries in one batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.dynamics.batching import run_parts
from include.dynamics.errors import Kind, read_error, to_exception
from include.dynamics.literals import (
    equality_filters,
    find_guids,
    moment_literal,
    parse_guid,
    row_path,
    select_option,
    string_literal,
)
from include.dynamics.multipart import Part
from include.dynamics.web_api import read_headers
from include.errors import ContractViolation, RetryableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from include.dynamics.batching import PartOutcome
    from include.dynamics.values import Row, Table
    from include.dynamics.web_api import Params, WebApi

NEXT_LINK = "@odata.nextLink"

_ANNOTATIONS = (
    'odata.include-annotations="OData.Community.Display.V1.FormattedValue,Microsoft.Dynamics.CRM.lookuplogicalname"'
)


def rows_by_id(
    api: WebApi, table: Table, ids: Sequence[str], columns: Sequence[str], *, annotations: bool = False
) -> list[Row]:
    """Return the rows that exist among `ids`, in no particular order."""
    literals = list(dict.fromkeys(parse_guid(row_id) for row_id in ids))
    return _rows_equal(api, table, table.primary_key, literals, columns, annotations=annotations)


def rows_by_value(api: WebApi, table: Table, column: str, values: Sequence[str], columns: Sequence[str]) -> list[Row]:
    """Return the rows whose text column equals one of `values`; the server ignores case. Blank values are left out."""
    wanted = {value.lower(): value for value in values if value and value.strip()}
    literals = [string_literal(value) for value in wanted.values()]
    return _rows_equal(api, table, column, literals, columns, annotations=False)


def absent_rows(api: WebApi, table: Table, ids: Sequence[str]) -> set[str]:
    """
    Return those of `ids` of which the server says that there is no such row.

    Each row is asked for by itself, many in a batch. A filter finds neither a row that is absent nor one that may not
    be read; only this tells the two apart.
    """
    wanted = list(dict.fromkeys(parse_guid(row_id) for row_id in ids))
    label = f"looking for {table.entity_set}"
    absent: set[str] = set()
    for start in range(0, len(wanted), api.settings.batch_size):
        chunk = wanted[start : start + api.settings.batch_size]
        query = [select_option([table.primary_key])]
        parts = [Part("GET", api.part_path(row_path(table.entity_set, one), query), read_headers([])) for one in chunk]
        outcomes = run_parts(api, parts, repeatable=True, label=label)
        absent |= {one for one, outcome in zip(chunk, outcomes, strict=True) if _is_absent(outcome, label=label)}
    return absent


def _is_absent(outcome: PartOutcome, *, label: str) -> bool:
    if outcome.error is not None:
        raise outcome.error
    if outcome.response is None:
        raise RetryableError(f"Dynamics, {label}: an answer within a batch got lost.")
    return outcome.response.status >= 400 and read_error(outcome.response).kind is Kind.MISSING


def rows_by_lookup(
    api: WebApi, table: Table, column: str, ids: Sequence[str], columns: Sequence[str]
) -> Iterator[list[Row]]:
    """Yield pages of the rows whose lookup `column` (`_parentcustomerid_value`) points to one of `ids`."""
    literals = list(dict.fromkeys(parse_guid(row_id) for row_id in ids))
    label = f"reading {table.entity_set} by {column}"
    for text in equality_filters(column, literals, limit=api.settings.filter_conditions):
        params = [
            select_option([table.primary_key, *columns]),
            ("$filter", text),
            ("$orderby", f"{table.primary_key} asc"),
        ]
        for page in read_pages(api, table.entity_set, params, prefer=page_size(api), label=label):
            if rows := read_rows(page, table):
                yield rows


def rows_modified_between(
    api: WebApi, table: Table, columns: Sequence[str], start: datetime, end: datetime
) -> Iterator[list[Row]]:
    """Yield pages of rows with `start` <= modifiedon < `end` (aware datetimes), oldest change first."""
    params = [
        select_option([*columns, "modifiedon"]),
        ("$filter", f"modifiedon ge {moment_literal(start)} and modifiedon lt {moment_literal(end)}"),
        ("$orderby", f"modifiedon asc,{table.primary_key} asc"),
    ]
    label = f"reading {table.entity_set}"
    for page in read_pages(api, table.entity_set, params, prefer=page_size(api), label=label):
        yield read_rows(page, table)


def all_rows(api: WebApi, table: Table, columns: Sequence[str]) -> Iterator[list[Row]]:
    """Yield pages of every row of a table, by key, so that a row written meanwhile moves no other between pages."""
    params = [select_option([table.primary_key, *columns]), ("$orderby", f"{table.primary_key} asc")]
    label = f"reading all {table.entity_set}"
    for page in read_pages(api, table.entity_set, params, prefer=page_size(api), label=label):
        yield read_rows(page, table)


def page_size(api: WebApi, rows: int | None = None) -> list[str]:
    """Return the preference for the number of rows per page; it has to go with every page's request."""
    return [f"odata.maxpagesize={rows or api.settings.page_size}"]


def read_pages(
    api: WebApi, url: str, params: Params | None, *, prefer: Sequence[str], label: str
) -> Iterator[dict[str, Any]]:
    """Yield the pages of a collection; each next link is called as it is, with the same preferences."""
    followed: set[str] = set()
    page = api.read(url, params, prefer=prefer, label=label)
    yield page
    while link := next_link(page, followed, label=label):
        page = api.read(link, prefer=prefer, label=label)
        yield page


def next_link(page: dict[str, Any], followed: set[str], *, label: str) -> str | None:
    """Return the page's next link and note it. Raises ContractViolation when it has been followed before."""
    link = page.get(NEXT_LINK)
    if not isinstance(link, str) or not link:
        return None
    if link in followed:
        raise ContractViolation(f"Dynamics, {label}: the pages go round in a circle.")
    followed.add(link)
    return link


def entries(page: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the `value` of a page. Raises ContractViolation when it is not a list of objects."""
    value = page.get("value")
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ContractViolation("Dynamics: a collection without a list of rows in 'value'.")
    return value


def read_rows(page: dict[str, Any], table: Table) -> list[Row]:
    """Return the rows of a page with ids in lower case. Raises ContractViolation for a row without its key."""
    return [read_row(entry, table) for entry in entries(page)]


def read_row(entry: dict[str, Any], table: Table) -> Row:
    """Return one row as received, but for GUIDs of key and lookups: lower case, no braces."""
    key = entry.get(table.primary_key)
    if not isinstance(key, str) or not find_guids(key):
        raise ContractViolation(f"Dynamics: a row of {table.entity_set} without its key {table.primary_key!r}.")
    row = dict(entry)
    row[table.primary_key] = find_guids(key)[0]
    for name, value in entry.items():
        if name.startswith("_") and name.endswith("_value") and isinstance(value, str) and find_guids(value):
            row[name] = find_guids(value)[0]
    return row


def _rows_equal(
    api: WebApi, table: Table, column: str, literals: Sequence[str], columns: Sequence[str], *, annotations: bool
) -> list[Row]:
    filters = list(equality_filters(column, literals, limit=api.settings.filter_conditions))
    queries = [[select_option([table.primary_key, *columns]), ("$filter", text)] for text in filters]
    prefer = [*page_size(api), *([_ANNOTATIONS] if annotations else [])]
    label = f"reading {table.entity_set}"
    if len(queries) == 1:
        pages = read_pages(api, table.entity_set, queries[0], prefer=prefer, label=label)
        return [row for page in pages for row in read_rows(page, table)]
    rows: list[Row] = []
    for start in range(0, len(queries), api.settings.batch_size):
        for page in _batched_pages(api, table, queries[start : start + api.settings.batch_size], prefer, label=label):
            rows += read_rows(page, table)
    return rows


def _batched_pages(
    api: WebApi, table: Table, queries: Sequence[Params], prefer: Sequence[str], *, label: str
) -> Iterator[dict[str, Any]]:
    """Yield the pages of several queries asked in one batch, following the next links of each."""
    parts = [Part("GET", api.part_path(table.entity_set, query), read_headers(prefer)) for query in queries]
    for outcome in run_parts(api, parts, repeatable=True, label=label):
        if outcome.error is not None:
            raise outcome.error
        if outcome.response is None:
            raise RetryableError(f"Dynamics, {label}: an answer within a batch got lost.")
        if outcome.response.status != 200:
            raise to_exception(read_error(outcome.response), doing=label)
        page = api.content(outcome.response, label=label)
        yield page
        followed: set[str] = set()
        while link := next_link(page, followed, label=label):
            page = api.read(link, prefer=prefer, label=label)
            yield page
