"""
Table and column definitions as JSON.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.answers import answer
from include.sandbox.dataverse.conditions import Operand, compile_filter
from include.sandbox.dataverse.descriptions import (
    CASTS,
    describe_column,
    describe_keys,
    describe_shadows,
    describe_table,
)
from include.sandbox.dataverse.errors import NotBuilt, Refusal, query_error, unknown_segment
from include.sandbox.dataverse.filters import parse_filter
from include.sandbox.dataverse.gaps import Gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.server import Call, Reply

__all__ = ["Metadata"]

_KEYED: Final = re.compile(r"(?P<kind>\w+)(?:\((?:LogicalName='(?P<name>[^']*)'|(?P<id>[0-9a-fA-F-]{36}))\))?")
_EXPANSION: Final = re.compile(r"\s*(?P<name>\w+)\s*(?:\(\s*\$select\s*=\s*(?P<select>[\w,\s]*)\))?\s*(?:,|\Z)")
_OPTIONS: Final = frozenset({"$select", "$filter", "$expand"})
_CRM: Final = "Microsoft.Dynamics.CRM."
_JOINED: Final = frozenset({"OptionSet", "GlobalOptionSet", "Keys", "Attributes"})


class Metadata:
    """Answers below `EntityDefinitions`. The organisation's lock has to be held."""

    def __init__(self, organization: Organization) -> None:
        self._organization = organization
        self._root = f"{organization.api_url}$metadata#EntityDefinitions"

    def answer(self, call: Call, steps: list[str]) -> Reply:
        """
        Return the answer of a metadata query. Raises Refusal, NotBuilt for changes and what is not built.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query-metadata-web-api
        """
        if call.method != "GET":
            raise NotBuilt(Gap.METADATA_WRITE)
        kind, name, row_id = _keyed(steps[0])
        if kind != "EntityDefinitions":
            raise unknown_segment(kind)
        options = _Options(call.query)
        if name is None and row_id is None:
            tables = [describe_table(table) for table in self._organization.schema.tables.values()]
            return self._collection(self._root, tables, options, "EntityMetadata")
        table = self._table(name, row_id)
        if len(steps) == 1:
            item = {**describe_table(table), "Keys": describe_keys(table), "Attributes": _columns(table)}
            return self._single(self._root, item, options, "EntityMetadata")
        return self._below(table, steps[1:], options)

    def _below(self, table: Table, steps: list[str], options: _Options) -> Reply:
        kind, name, row_id = _keyed(steps[0])
        context = f"{self._root}('{table.name}')/{kind}"
        if kind == "Keys" and len(steps) == 1 and name is None:
            return self._collection(context, describe_keys(table), options, "EntityKeyMetadata")
        if kind != "Attributes":
            raise NotBuilt(Gap.METADATA_KIND, kind)
        cast = steps[1].removeprefix(_CRM) if len(steps) > 1 else None
        if cast is not None and (cast not in CASTS or len(steps) > 2):
            raise NotBuilt(Gap.METADATA_KIND, "/".join(steps[1:]))
        items = [item for item in _columns(table) if cast is None or item["@odata.type"] == f"#{_CRM}{cast}"]
        if cast is not None:
            context = f"{context}/{_CRM}{cast}"
        if name is None and row_id is None:
            return self._collection(context, items, options, cast or "AttributeMetadata")
        wanted = [item for item in items if item["LogicalName"] == name or item["MetadataId"] == row_id]
        if not wanted:
            raise _no_definition("attribute", name or str(row_id))
        return self._single(context, wanted[0], options, cast or "AttributeMetadata")

    def _table(self, name: str | None, row_id: str | None) -> Table:
        for table in self._organization.schema.tables.values():
            if table.name == name or describe_table(table)["MetadataId"] == row_id:
                return table
        raise _no_definition("entity", name or str(row_id))

    def _collection(self, context: str, items: list[dict[str, Any]], options: _Options, kind: str) -> Reply:
        value = [options.shown(item, kind) for item in options.filtered(items)]
        return answer(200, {"@odata.context": f"{context}{options.context}", "value": value})

    def _single(self, context: str, item: dict[str, Any], options: _Options, kind: str) -> Reply:
        if options.filter is not None:
            raise query_error("The query parameter $filter is not supported for a single definition.")
        shown = options.shown(item, kind)
        return answer(200, {"@odata.context": f"{context}{options.context}/$entity", **shown})


class _Options:
    """The options of a metadata query. It is never paged; `$top` and `$count` do not apply."""

    def __init__(self, query: Iterable[tuple[str, str]]) -> None:
        values = dict(query)
        for name in values.keys() - _OPTIONS:
            raise query_error(f"The query parameter {name} is not supported")
        select = values.get("$select")
        self.select = None if select is None else [name.strip() for name in select.split(",")]
        self.filter = parse_filter(values["$filter"]) if "$filter" in values else None
        self.expand = dict(_expansions(values.get("$expand", "")))
        joined = [f"{name}({','.join(names)})" if names else name for name, names in self.expand.items()]
        shown = [*(self.select or ()), *joined]
        self.context = f"({','.join(shown)})" if shown else ""

    def filtered(self, items: list[dict[str, Any]]) -> Iterable[dict[str, Any]]:
        """Return the items that meet the filter."""
        if self.filter is None:
            return items
        test = compile_filter(self.filter, lambda name: _operand(items, name))
        return (item for item in items if test(item) is True)

    def shown(self, item: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Return the selected properties of an item. `kind` decides which there are: a cast brings its own."""
        own = _properties(item, kind)
        for name in self.select or ():
            if name not in own:
                raise _unknown(name, kind)
        names = own if self.select is None else dict.fromkeys([*self.select, "MetadataId"])
        annotated = kind == "AttributeMetadata" and "@odata.type" in item
        shown = {"@odata.type": item["@odata.type"]} if annotated else {}
        shown |= {name: item[name] for name in names}
        for name, selected in self.expand.items():
            if name not in item:
                raise _unknown(name, kind)
            shown[name] = _narrowed(item[name], selected)
        return shown


def _properties(item: Mapping[str, Any], kind: str) -> dict[str, Any]:
    cast_only = item.get("cast_properties", ()) if kind == "AttributeMetadata" else ()
    hidden = {"@odata.type", "cast_properties", *_JOINED, *cast_only}
    return {name: None for name in item if name not in hidden}


def _narrowed(value: Any, selected: list[str]) -> Any:
    if isinstance(value, list):
        return [_narrowed(entry, selected) for entry in value]
    if value is None:
        return value
    if not selected:
        special = value.get("cast_properties", ())
        return {name: entry for name, entry in value.items() if name not in {"cast_properties", *special}}
    if unknown := [name for name in selected if name not in value]:
        raise query_error(f"Could not find a property named '{unknown[0]}' in the expanded definition.")
    return {name: value[name] for name in dict.fromkeys([*selected, "MetadataId"]) if name in value}


def _operand(items: list[dict[str, Any]], name: str) -> Operand:
    known = next((item[name] for item in items if name in item and item[name] is not None), None)
    if not any(name in item for item in items):
        raise query_error(f"Could not find a property named '{name}' on the definition.")
    match known:
        case bool():
            edm = "Edm.Boolean"
        case int():
            edm = "Edm.Int32"
        case _:
            edm = "Edm.Guid" if name == "MetadataId" else "Edm.String"
    return Operand(lambda item: item.get(name), edm)


def _expansions(text: str) -> Iterable[tuple[str, list[str]]]:
    position = 0
    while position < len(text):
        found = _EXPANSION.match(text, position)
        if found is None or found["name"] not in _JOINED:
            raise NotBuilt(Gap.METADATA_QUERY, text)
        position = found.end()
        yield found["name"], [name.strip() for name in (found["select"] or "").split(",") if name.strip()]


def _keyed(step: str) -> tuple[str, str | None, str | None]:
    found = _KEYED.fullmatch(step)
    if found is None:
        raise query_error(f"Bad Request - Error in query syntax: '{step}'.")
    return found["kind"], found["name"], found["id"].lower() if found["id"] else None


def _columns(table: Table) -> list[dict[str, Any]]:
    own = [describe_column(table, column) for column in table.columns.values()]
    return [*own, *describe_shadows(table)]


def _no_definition(kind: str, name: str) -> Refusal:
    return Refusal(404, "0x80060888", f"Could not find an {kind} with the name or id '{name}'.")


def _unknown(name: str, kind: str) -> Refusal:
    return query_error(f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{kind}'.")
