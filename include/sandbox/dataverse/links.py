"""
References in bodies and addresses: `contacts(<guid>)`, alternate keys, binding URIs.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/associate-disassociate-entities-using-web-api
and .../use-alternate-key-reference-record
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from include.sandbox.dataverse.errors import NotBuilt, Refusal, query_error, unknown_segment
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.organization import API_PATH
from include.sandbox.dataverse.schema import KNOWN_ELSEWHERE, ColumnType
from include.sandbox.dataverse.store import Reference
from include.sandbox.dataverse.values import GUID, stored_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import AlternateKey, Table

__all__ = ["KeyValues", "find_by_key", "parse_key", "resolve_binding"]

_RESOURCE: Final = re.compile(r"(?P<set>\w+)\((?P<key>.*)\)", re.DOTALL)
_KEY_PART: Final = re.compile(r"\s*(?P<name>\w+)\s*=\s*(?P<value>'(?:[^']|'')*'|[^,']+)\s*(?:,|\Z)")
_UNFIT_FOR_KEYS: Final = frozenset("/<>*%&:\\?+")

KeyValues = dict[str, Any]


def parse_key(organization: Organization, table: Table, text: str) -> str | KeyValues:
    """Return the id (lower case), or the values of an alternate key. Raises Refusal for anything else."""
    if GUID.fullmatch(text):
        return text.lower()
    values: KeyValues = {}
    position = 0
    while position < len(text):
        part = _KEY_PART.match(text, position)
        if part is None:
            raise query_error(f"Bad Request - Error in query syntax: '{text}'.")
        values[part["name"]] = part["value"]
        position = part.end()
    if list(values) == [table.primary_key] and GUID.fullmatch(values[table.primary_key]):
        return str(values[table.primary_key]).lower()
    return _typed_key(organization, table, values)


def _typed_key(organization: Organization, table: Table, values: Mapping[str, str]) -> KeyValues:
    _matching_key(table, values)
    typed: KeyValues = {}
    for name, text in values.items():
        column = table.properties[name]
        if column.is_lookup:
            typed[column.name] = text.lower()
        elif column.type is ColumnType.STRING:
            typed[column.name] = _key_text(text)
        else:
            number = int(text) if text.lstrip("-").isdigit() else text
            typed[column.name] = stored_value(number, column, table, organization.settings)
    return typed


def _key_text(text: str) -> str:
    value = text[1:-1].replace("''", "'")
    if _UNFIT_FOR_KEYS & set(value):
        raise query_error("The value of an alternate key contains a character that addresses cannot carry.")
    return value


def _matching_key(table: Table, names: Mapping[str, Any]) -> AlternateKey:
    wanted = {table.properties[name].name for name in names if name in table.properties}
    for key in table.keys:
        if set(key.columns) == wanted and len(wanted) == len(names):
            return key
    text = (
        f"The key in the request URI is not valid for resource 'Microsoft.Dynamics.CRM.{table.name}'. Ensure that the "
        "names and number of key properties match the declared or alternate key properties for the resource "
        f"'Microsoft.Dynamics.CRM.{table.name}'."
    )
    raise query_error(text)


def find_by_key(organization: Organization, table: Table, values: Mapping[str, Any]) -> str | None:
    """Return the id of the row with these alternate key values, or None."""
    rows = organization.store.table(table.name)
    candidates = [set(rows.ids_with(column, [value])) for column, value in values.items()]
    found = set.intersection(*candidates)
    return min(found, default=None)


def resolve_binding(
    organization: Organization, uri: str, targets: tuple[str, ...], references: Mapping[str, str], entity_set: str
) -> Reference:
    """
    Return the row that a binding URI names: `/accounts(<guid>)`, a full URI, an alternate key or `$1` of a change set.

    Raises Refusal for a malformed URI, a table that the navigation property does not lead to, and an absent row.
    """
    uri = _content_reference(uri, references)
    found = _RESOURCE.fullmatch(_resource_path(uri))
    if found is None:
        raise Refusal(400, "0x80090800", f"Invalid URI '{uri}' in the binding for Entity :'{entity_set}'.")
    if found["set"] in KNOWN_ELSEWHERE:
        raise NotBuilt(Gap.TABLE, found["set"])
    table = organization.table_of_set(found["set"])
    if table.name not in targets:
        text = f"A navigation property to {' or '.join(targets)} cannot be bound to '{table.entity_set}'."
        raise Refusal(400, "0x80090800", text)
    return _present(organization, table, parse_key(organization, table, found["key"]))


def _content_reference(uri: str, references: Mapping[str, str]) -> str:
    if not uri.startswith("$"):
        return uri
    if uri not in references:
        text = f"Content-ID Reference: '{uri}' does not exist in the batch context."
        raise Refusal(400, "0x80060888", text)
    return references[uri]


def _resource_path(uri: str) -> str:
    path = unquote(urlsplit(uri).path) if "://" in uri else unquote(uri)
    return path.removeprefix(API_PATH).removeprefix("/")


def _present(organization: Organization, table: Table, key: str | KeyValues) -> Reference:
    row_id = key if isinstance(key, str) else find_by_key(organization, table, key)
    if row_id is None:
        raise key_missing(table)
    if organization.store.table(table.name).get(row_id) is None:
        status = organization.settings.missing_lookup_status
        raise Refusal(status, "0x80040217", f"{table.name} With Id = {row_id} Does Not Exist")
    return Reference(table.name, row_id)


def key_missing(table: Table) -> Refusal:
    """Return the refusal of alternate key values that no row has."""
    return Refusal(404, "0x80060891", f"A record with the specified key values does not exist in {table.name} entity")


def split_resource(segment: str) -> tuple[str, str | None]:
    """Return (`contacts`, key text or None) of an address segment. Raises Refusal when brackets do not match."""
    if "(" not in segment:
        return segment, None
    found = _RESOURCE.fullmatch(segment)
    if found is None:
        raise unknown_segment(segment)
    return found["set"], found["key"]
