"""
Query options of an address: which there are, and what each may say.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.errors import NotBuilt, query_error
from include.sandbox.dataverse.filters import parse_filter
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.schema import ColumnType

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from include.sandbox.dataverse.filters import Node
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Column, Table

__all__ = ["Expansion", "Order", "QueryOptions", "parse_options", "property_of"]

_KNOWN: Final = frozenset({"$select", "$filter", "$orderby", "$top", "$count", "$expand", "$skiptoken", "$deltatoken"})
_UNSUPPORTED: Final = frozenset({"$skip", "$search", "$format", "$compute", "$index", "$levels"})
_GAPS: Final = {
    "$apply": Gap.APPLY,
    "fetchXml": Gap.FETCH_XML,
    "sql": Gap.FETCH_XML,
    "savedQuery": Gap.FETCH_XML,
    "userQuery": Gap.FETCH_XML,
    "UnMaskedData": Gap.UNMASKED,
}
_EXPANSION: Final = re.compile(r"\s*(?P<name>\w+)\s*(?:\((?P<options>[^()]*)\))?\s*(?:,|\Z)")


@dataclass(frozen=True, slots=True)
class Expansion:
    """A single-valued navigation property to join, with the properties to show of its target."""

    name: str
    column: Column
    target: Table
    select: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Order:
    """One `$orderby` term."""

    column: Column
    descending: bool


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The options of one request, checked against the table. `given` holds the names that were sent."""

    given: frozenset[str] = frozenset()
    select: tuple[str, ...] | None = None
    filter: Node | None = None
    order: tuple[Order, ...] = ()
    top: int | None = None
    count: bool = False
    expand: tuple[Expansion, ...] = ()
    skip_token: str | None = None
    delta_token: str | None = None


def parse_options(organization: Organization, table: Table, query: Sequence[tuple[str, str]]) -> QueryOptions:
    """Return the options of an address. Raises Refusal for unknown options, properties and ill-formed values."""
    values = _by_name(query)
    return QueryOptions(
        frozenset(values),
        _select(table, values.get("$select")),
        parse_filter(values["$filter"]) if "$filter" in values else None,
        tuple(_orders(table, values.get("$orderby", ""))),
        _top(values.get("$top")),
        _flag("$count", values.get("$count", "false")),
        tuple(_expansions(organization, table, values.get("$expand", ""))),
        values.get("$skiptoken"),
        values.get("$deltatoken"),
    )


def _by_name(query: Iterable[tuple[str, str]]) -> dict[str, str]:
    values: dict[str, str] = {}
    for name, value in query:
        if name in _GAPS:
            raise NotBuilt(_GAPS[name], name)
        if name in _UNSUPPORTED:
            raise query_error(f"The query parameter {name} is not supported")
        if name == "tag":
            continue  # reaches plug-ins only
        if name not in _KNOWN:
            raise query_error(f"The query parameter {name} is not supported")
        if name in values:
            raise query_error(
                f"Query option '{name}' was specified more than once, but it must be specified at most once."
            )
        values[name] = value
    return values


def property_of(table: Table, name: str) -> Column:
    """Return the column behind a property name. Raises Refusal when there is none."""
    column = table.properties.get(name)
    if column is None:
        raise query_error(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table.name}'.")
    return column


def _select(table: Table, text: str | None) -> tuple[str, ...] | None:
    if text is None or text.strip() == "*":
        return None
    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if property_of(table, name).type is ColumnType.IMAGE:
            raise NotBuilt(Gap.IMAGE)
    return names


def _orders(table: Table, text: str) -> Iterable[Order]:
    for term in filter(None, (term.strip() for term in text.split(","))):
        name, _, direction = term.partition(" ")
        if direction.strip() not in {"", "asc", "desc"}:
            raise query_error(f"Syntax error at '{direction.strip()}' in '{text}'.")
        yield Order(property_of(table, name), direction.strip() == "desc")


def _top(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise query_error(
            f"Invalid value '{text}' for $top query option found. "
            "The $top query option requires a positive integer value."
        )
    return int(text)


def _flag(name: str, text: str) -> bool:
    if text not in {"true", "false"}:
        raise query_error(f"Invalid value '{text}' for {name} query option found. Valid values are 'true' and 'false'.")
    return text == "true"


def _expansions(organization: Organization, table: Table, text: str) -> Iterable[Expansion]:
    position = 0
    while position < len(text):
        found = _EXPANSION.match(text, position)
        if found is None:
            raise NotBuilt(Gap.EXPAND_OPTIONS, text)
        position = found.end()
        yield _expansion(organization, table, found["name"], found["options"])


def _expansion(organization: Organization, table: Table, name: str, options: str | None) -> Expansion:
    if name not in table.navigations:
        if name.startswith(table.name) or "_" in name:
            raise NotBuilt(Gap.EXPAND_COLLECTION, name)
        raise query_error(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{table.name}'.")
    column, targets = table.navigations[name]
    target = organization.schema.tables.get(targets[0])
    if target is None or len(targets) != 1:
        raise NotBuilt(Gap.NAVIGATION, name)
    option, _, value = (options or "").partition("=")
    if option.strip() not in {"", "$select"}:
        raise NotBuilt(Gap.EXPAND_OPTIONS, option)
    return Expansion(name, column, target, _select(target, value) if value else None)
