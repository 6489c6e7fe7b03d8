"""Change tracking: what happened to the rows of a table since a delta link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.dynamics.address import same_service
from include.dynamics.errors import FeedExpired, Kind, read_error, to_exception
from include.dynamics.literals import find_guids, select_option
from include.dynamics.reading import entries, next_link, page_size, read_row
from include.dynamics.values import ChangePage
from include.errors import ConfigError, ContractViolation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from include.dynamics.errors import ApiError
    from include.dynamics.values import Row, Table
    from include.dynamics.web_api import Params, WebApi
    from include.errors import SyncError
    from include.http import Response

DELTA_LINK = "@odata.deltaLink"
_TRACK = "odata.track-changes"
_FULL_READ = "Nothing to do: the table is read in full once. That does not tell what was deleted; an audit does."


def track_changes(
    api: WebApi,
    table: Table,
    columns: Sequence[str],
    *,
    delta_link: str | None = None,
    rows_per_page: int | None = None,
) -> Iterator[ChangePage]:
    """
    Yield the pages of the change feed: from the delta link on, or without one every row of the table.

    `$select` travels in the link, so `columns` count for a first pass only. A changed row comes with all selected
    columns, whichever of them changed. Changes of several polls may come twice and deletions of unknown ids may come.
    Raises FeedExpired when the link can't be continued, ConfigError when the table does not track changes or the user
    may not read all of it, SchemaChanged for an unknown column. A page's `next_link` may take the place of the delta
    link, to go on where a reading was broken off. No annotations are asked for: they cost the delta link.
    Source: https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
    """
    label = f"tracking changes of {table.entity_set}"
    size = page_size(api, rows_per_page)
    if delta_link is None:
        start: tuple[str, Params | None] = (table.entity_set, [select_option([table.primary_key, *columns])])
        prefer = [_TRACK, *size]
    else:
        if not same_service(delta_link, api.address.root) and "://" in delta_link:
            raise FeedExpired(f"Dynamics, {label}: the stored link belongs to another organisation.", remedy=_FULL_READ)
        is_page = "skiptoken" in delta_link.lower()  # a first pass that is taken up again wants its delta link, too
        start, prefer = (delta_link, None), [_TRACK, *size] if is_page else size
    yield from _follow(api, table, start, prefer, first_pass=delta_link is None, label=label)


def _follow(
    api: WebApi,
    table: Table,
    start: tuple[str, Params | None],
    prefer: Sequence[str],
    *,
    first_pass: bool,
    label: str,
) -> Iterator[ChangePage]:
    followed: set[str] = set()
    response = api.fetch(*start, prefer=prefer, label=label)
    is_link = not first_pass
    while True:
        page = _page(api, response, is_link=is_link, label=label)
        link = next_link(page, followed, label=label)
        delta = page.get(DELTA_LINK) if link is None else None
        if link is None and not (isinstance(delta, str) and delta):
            raise _no_delta_link(table, first_pass=first_pass, label=label)
        rows, deleted = _split(page, table)
        yield ChangePage(rows, deleted, delta, link)
        if link is None:
            return
        response, is_link = api.fetch(link, prefer=prefer, label=label), True


def _page(api: WebApi, response: Response, *, is_link: bool, label: str) -> dict[str, Any]:
    if response.status == 200:
        return api.content(response, label=label)
    error = read_error(response)
    if error.kind is Kind.EXPIRED or (is_link and error.status in {400, 410}):
        detail = " ".join(part for part in (f"HTTP {error.status}", error.code, error.message) if part)
        raise FeedExpired(
            f"Dynamics, {label}: the feed can't be continued ({detail}).",
            remedy=_FULL_READ,
            request_id=error.request_id,
        )
    raise _first_pass_exception(error, label)


def _first_pass_exception(error: ApiError, label: str) -> SyncError:
    if (
        error.status in {400, 405, 501}
        and "tracking" in error.message.lower()
        and error.kind is not Kind.COLUMN_UNKNOWN
    ):
        return _tracking_is_off(label, f" ({error.message})")
    return to_exception(error, doing=f"{label} (needs Read at organisation level)")


def _no_delta_link(table: Table, *, first_pass: bool, label: str) -> SyncError:
    if first_pass:
        return _tracking_is_off(label, "")
    return FeedExpired(f"Dynamics, {label}: the feed of {table.name} ended without a new link.", remedy=_FULL_READ)


def _tracking_is_off(label: str, detail: str) -> ConfigError:
    return ConfigError(
        f"Dynamics, {label}: the table does not track changes{detail}.",
        remedy="Ask the administrator of the organisation in 'host' to turn on 'Track changes' for the table.",
    )


def _split(page: dict[str, Any], table: Table) -> tuple[list[Row], list[str]]:
    """Return the rows and the ids of deleted rows of a page."""
    rows: list[Row] = []
    deleted: list[str] = []
    for entry in entries(page):
        if _is_deletion(entry):
            deleted.append(_deleted_id(entry, table))
        else:
            rows.append(read_row(entry, table))
    return rows, deleted


def _is_deletion(entry: dict[str, Any]) -> bool:
    """Tell a deletion by what it says about itself, never by the columns it lacks."""
    context = str(entry.get("@odata.context") or "")
    return context.endswith("/$deletedEntity") or entry.get("reason") == "deleted" or "@removed" in entry


def _deleted_id(entry: dict[str, Any], table: Table) -> str:
    told = entry.get("id") or entry.get("@odata.id") or entry.get("@id") or entry.get(table.primary_key)
    ids = find_guids(str(told))
    if not ids:
        raise ContractViolation(f"Dynamics: a deletion in the feed of {table.entity_set} without an id.")
    return ids[-1]
