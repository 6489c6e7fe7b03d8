"""
Change tracking: everything once, then what changed since.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/use-change-tracking-synchronize-data-external-systems
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from include.sandbox.dataverse.access import Verb
from include.sandbox.dataverse.errors import Refusal, invalid_argument
from include.sandbox.dataverse.paging import Cookie, link, parse_cookie
from include.sandbox.dataverse.rows import RowShape, context_columns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.options import QueryOptions
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.preferences import Preferences
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.server import Call

__all__ = ["ChangeFeed", "expired_link"]

_FORBIDDEN: Final = ("$filter", "$orderby", "$expand", "$top")
_TOKEN: Final = re.compile(r"(\d+)!(\d\d/\d\d/\d{4} \d\d:\d\d:\d\d)", re.ASCII)
_STAMP: Final = "%m/%d/%Y %H:%M:%S"


@dataclass(frozen=True, slots=True)
class _Place:
    """
    How far a pass has come.

    `since`: version where the pass began (0: everything); `upto`: version of its new link; `rows` and `deletions`:
    versions up to which each has been served.
    """

    since: int
    upto: int
    rows: int
    deletions: int


class ChangeFeed:
    """One request of a change-tracking pass. The organisation's lock has to be held."""

    def __init__(
        self, organization: Organization, caller: Caller, table: Table, options: QueryOptions, preferences: Preferences
    ) -> None:
        for name in _FORBIDDEN:
            if name in options.given:
                text = f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.'
                raise Refusal(400, "0x80060888", text)
        organization.access.require_global(caller, Verb.READ, table)
        self._organization = organization
        self._table = table
        self._options = options
        self._preferences = preferences
        self._shape = RowShape(organization, caller, table, options, preferences)
        self._rows = organization.store.table(table.name)

    def page(self, call: Call) -> dict[str, Any]:
        """Return a page of a pass: rows, then deletions; a delta link on the last page, else a next link."""
        organization, place = self._organization, self._place()
        size = min(
            self._preferences.max_page_size or organization.settings.max_page_size, organization.settings.max_page_size
        )
        entries = list(islice(self._entries(place), size + 1))
        page, more = entries[:size], len(entries) > size
        context = f"{organization.api_url}$metadata#{self._table.entity_set}{context_columns(self._options)}"
        answer: dict[str, Any] = {"@odata.context": f"{context}/$delta" if place.since else context}
        answer["value"] = [entry for _, entry in page]
        if more:
            answer["@odata.nextLink"] = link(call, organization.url, skiptoken=self._cookie(page[-1][0]).encoded())
        elif not self._loses_link():
            answer["@odata.deltaLink"] = link(call, organization.url, deltatoken=self._new_token(place.upto))
        return answer

    def count(self) -> int:
        """Return how many changes a delta link would bring."""
        return sum(1 for _ in self._entries(self._place()))

    def _loses_link(self) -> bool:
        return bool(self._preferences.annotations) and self._organization.settings.annotations_lose_delta_link

    def _entries(self, place: _Place) -> Iterator[tuple[_Place, dict[str, Any]]]:
        rows, render = self._rows, self._shape.render
        for version, row_id in rows.changed_after(place.rows):
            # A delta stops at the version its new link starts from, or rows changed meanwhile would come twice. The
            # first pass does not: a row changed behind its reader's back has to be in it all the same.
            if place.since and version > place.upto:
                break
            row = rows.get(row_id)
            if row is not None:
                yield _Place(place.since, place.upto, version, place.deletions), render(row)
        if place.since:
            yield from self._deletions(place)

    def _deletions(self, place: _Place) -> Iterator[tuple[_Place, dict[str, Any]]]:
        context = f"{self._organization.api_url}$metadata#{self._table.entity_set}/$deletedEntity"
        for deletion in self._rows.deleted_after(place.deletions):
            if deletion.version > place.upto:
                return
            alive = self._rows.get(deletion.row_id) is not None
            if not alive or self._organization.settings.recreated_row_shows_deletion:
                entry = {"@odata.context": context, "id": deletion.row_id, "reason": "deleted"}
                yield _Place(place.since, place.upto, place.upto, deletion.version), entry

    def _place(self) -> _Place:
        if self._options.skip_token is not None:
            return self._continued(parse_cookie(self._options.skip_token))
        now = self._organization.store.version
        if self._options.delta_token is None:
            return _Place(0, now, 0, now)
        since = self._version_of(self._options.delta_token)
        return _Place(since, now, since, since)

    def _continued(self, cookie: Cookie) -> _Place:
        try:
            place = _Place(*(int(cookie.last[name]) for name in ("since", "upto", "rows", "deletions")))
        except (KeyError, ValueError, TypeError) as error:
            raise invalid_argument("The paging cookie is malformed.") from error
        if place.upto < self._organization.delta_links_valid_from:
            raise expired_link(self._organization)
        return place

    def _cookie(self, place: _Place) -> Cookie:
        values = {"since": place.since, "upto": place.upto, "rows": place.rows, "deletions": place.deletions}
        number = 2 if self._options.skip_token is None else parse_cookie(self._options.skip_token).page + 1
        return Cookie(number, values, values, tracking=True)

    def _new_token(self, version: int) -> str:
        token = f"{version}!{self._organization.clock.now().strftime(_STAMP)}"
        return re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), quote(token, safe=""))

    def _version_of(self, token: str) -> int:
        found = _TOKEN.fullmatch(token)
        if found is None:
            raise invalid_argument("The delta token is malformed.")
        version, issued = int(found[1]), datetime.strptime(found[2], _STAMP).replace(tzinfo=UTC)
        lifetime = timedelta(days=self._organization.settings.expire_change_tracking_days)
        too_old = self._organization.clock.now() - issued > lifetime
        if too_old or version < self._organization.delta_links_valid_from:
            raise expired_link(self._organization)
        return version


def expired_link(organization: Organization) -> Refusal:
    """Return the refusal of a delta link whose time is over."""
    settings = organization.settings
    text = "Version stamp associated with the client has expired. Please perform a full sync."
    return Refusal(settings.delta_expiry_status, settings.delta_expiry_code, text)
