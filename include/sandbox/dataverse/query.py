"""
Reading rows: one, or a page of many.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/page-results and its siblings
"""

from __future__ import annotations

from functools import total_ordering
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.access import Verb
from include.sandbox.dataverse.conditions import Operand, compile_filter, equalities
from include.sandbox.dataverse.errors import NotBuilt
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.options import property_of
from include.sandbox.dataverse.paging import Cookie, link, parse_cookie
from include.sandbox.dataverse.rows import RowShape, context_columns
from include.sandbox.dataverse.store import comparison_key
from include.sandbox.dataverse.values import edm_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.conditions import Test
    from include.sandbox.dataverse.options import QueryOptions
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.preferences import Preferences
    from include.sandbox.dataverse.schema import Column, Table
    from include.sandbox.dataverse.store import Row
    from include.sandbox.server import Call

__all__ = ["Reader", "require_readable"]

_COUNT_LIMIT: Final = 5000
_INDEXED: Final = frozenset({"Edm.String", "Edm.Guid"})


def require_readable(organization: Organization, caller: Caller, table: Table, options: QueryOptions) -> None:
    """Raise Refusal unless the caller may read the table and the tables it joins."""
    organization.access.require(caller, Verb.READ, table)
    for expansion in options.expand:
        organization.access.require(caller, Verb.READ, expansion.target)


class Reader:
    """Answers queries on one table for one caller. The organisation's lock has to be held."""

    def __init__(
        self, organization: Organization, caller: Caller, table: Table, options: QueryOptions, preferences: Preferences
    ) -> None:
        self._organization = organization
        self._caller = caller
        self._table = table
        self._options = options
        self._preferences = preferences
        self._rows = organization.store.table(table.name)

    def one(self, row_id: str) -> dict[str, Any]:
        """Return a single row with its context. Raises Refusal 404 when it is absent, 403 when it is out of reach."""
        row = self._organization.row(self._table, row_id)
        self._organization.access.require_row(self._caller, Verb.READ, self._table, row_id, row)
        shape = RowShape(self._organization, self._caller, self._table, self._options, self._preferences)
        return {"@odata.context": f"{self._context()}/$entity", **shape.render(self._current(row))}

    def page(self, call: Call) -> dict[str, Any]:
        """Return one page of the rows that the options ask for."""
        shape = RowShape(self._organization, self._caller, self._table, self._options, self._preferences)
        size, cookie = self._page_size(), self._cookie()
        rows = self._ordered(cookie)
        page = list(islice(rows, size))
        more = self._may_continue() and next(rows, None) is not None
        answer: dict[str, Any] = {"@odata.context": self._context(), **self._totals()}
        answer["value"] = [shape.render(self._current(row)) for row in page]
        if more:
            token = self._next_cookie(cookie, page).encoded()
            answer["@odata.nextLink"] = link(call, self._organization.url, skiptoken=token)
        return answer

    def count(self) -> int:
        """Return how many rows meet the filter, 5000 at the most."""
        return min(sum(1 for _ in self._matching("")), _COUNT_LIMIT)

    def _context(self) -> str:
        columns = context_columns(self._options)
        return f"{self._organization.api_url}$metadata#{self._table.entity_set}{columns}"

    def _may_continue(self) -> bool:
        return self._options.top is None or self._preferences.max_page_size is not None

    def _page_size(self) -> int:
        limit = self._organization.settings.max_page_size
        # With both, the vendor ignores $top.
        wanted = self._preferences.max_page_size or self._options.top or limit
        return min(wanted, limit)

    def _cookie(self) -> Cookie | None:
        return parse_cookie(self._options.skip_token) if self._options.skip_token is not None else None

    def _next_cookie(self, cookie: Cookie | None, page: list[Row]) -> Cookie:
        number = 2 if cookie is None else cookie.page + 1
        return Cookie(number, self._position(page[-1]), self._position(page[0]))

    def _position(self, row: Row) -> dict[str, Any]:
        values = {order.column.name: comparison_key(row.get(order.column.name)) for order in self._options.order}
        return {**values, self._table.primary_key: row[self._table.primary_key]}

    def _totals(self) -> dict[str, Any]:
        count = sum(1 for _ in self._matching("")) if self._options.count else None
        totals: dict[str, Any] = {} if count is None else {"@odata.count": min(count, _COUNT_LIMIT)}
        crm, wants = "Microsoft.Dynamics.CRM", self._preferences.wants
        if wants(f"{crm}.totalrecordcount"):
            totals[f"@{crm}.totalrecordcount"] = -1 if count is None else min(count, _COUNT_LIMIT)
        if wants(f"{crm}.totalrecordcountlimitexceeded"):
            totals[f"@{crm}.totalrecordcountlimitexceeded"] = count is not None and count > _COUNT_LIMIT
        if wants(f"{crm}.globalmetadataversion"):
            totals[f"@{crm}.globalmetadataversion"] = str(self._organization.schema.version)
        return totals

    def _ordered(self, cookie: Cookie | None) -> Iterator[Row]:
        if not self._options.order:
            yield from self._matching("" if cookie is None else str(cookie.last[self._table.primary_key]))
            return
        start = None if cookie is None else self._sort_key(cookie.last)
        rows = sorted(self._matching(""), key=self._sort_key)
        yield from (row for row in rows if start is None or self._sort_key(row) > start)

    def _sort_key(self, row: Mapping[str, Any]) -> tuple[Any, ...]:
        parts: list[Any] = []
        for order in self._options.order:
            value = comparison_key(row.get(order.column.name))
            part = (value is not None, value)  # empty ones come first, as in SQL Server
            parts.append(_Descending(part) if order.descending else part)
        return (*parts, row[self._table.primary_key])

    def _matching(self, after: str) -> Iterator[Row]:
        """Yield the rows that meet the filter and are within reach, by ascending id behind `after`."""
        access, rows = self._organization.access, self._rows
        narrowed = access.depth(self._caller, Verb.READ, self._table) == "Basic"
        test = self._test()
        for row_id in self._candidates(after):
            row = rows.get(row_id)
            if row is None or (test is not None and test(row) is not True):
                continue
            if not narrowed or access.reaches(self._caller, Verb.READ, self._table, row):
                yield row

    def _test(self) -> Test | None:
        node = self._options.filter
        return None if node is None else compile_filter(node, self._operand)

    def _candidates(self, after: str) -> Iterator[str]:
        node = self._options.filter
        pair = None if node is None else equalities(node, self._operand)
        if pair is None:
            return self._rows.ids_after(after)
        column, values = pair
        found = sorted(set(values)) if column == self._table.primary_key else self._rows.ids_with(column, values)
        return (row_id for row_id in found if row_id > after)

    def _operand(self, name: str) -> Operand:
        navigation, slash, last = name.partition("/")
        if slash:
            return self._joined_operand(navigation, last)
        column = property_of(self._table, name)
        edm = edm_type(column)
        if self._organization.access.hides(self._caller, self._table, column):
            return Operand(lambda row: None, edm)  # noqa: ARG005 - a hidden column is empty for everybody else
        return Operand(_getter(column), edm, column.name if edm in _INDEXED else None)

    def _joined_operand(self, navigation: str, name: str) -> Operand:
        found = self._table.navigations.get(navigation)
        if found is None or len(found[1]) != 1 or "/" in name or found[1][0] not in self._organization.schema.tables:
            raise NotBuilt(Gap.NAVIGATION, navigation)
        lookup, target = found[0], self._organization.table(found[1][0])
        column = property_of(target, name)
        get, rows = _getter(column), self._organization.store.table(target.name)

        def joined(row: Mapping[str, Any]) -> Any:
            reference = row.get(lookup.name)
            if reference is None or reference.table != target.name:
                return None
            return get(rows.get(reference.row_id) or {})

        return Operand(joined, edm_type(column))

    def _current(self, row: Row) -> Row:
        """Return the row; the organisation's own also shows the switch that tests may set."""
        if self._table.name != "organization":
            return row
        return {**row, "expirechangetrackingindays": self._organization.settings.expire_change_tracking_days}


def _getter(column: Column) -> Callable[[Mapping[str, Any]], Any]:
    name = column.name
    if column.is_lookup:
        return lambda row: reference.row_id if (reference := row.get(name)) is not None else None
    return lambda row: row.get(name)


@total_ordering
class _Descending:
    """A sort key that turns the order round."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.value < self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(other.value == self.value)

    __hash__ = None  # type: ignore[assignment]  # compared only
