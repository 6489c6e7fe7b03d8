"""The names of watermarks: how far each change feed has been consumed, and what moves with the commits of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.person_sync.core.fields import Table

MARKETO = "marketo"
"""Marketo's feeds: one position for all of them."""

FIELD_MAP = "field_map"
"""What the map and the filter meant when values were last agreed on."""

FIELDS = "fields"
"""Which fields took part, which are isolated and which are being filled in."""

INITIAL_LOAD = "initial_load"
"""Whether the first run's people are still being worked off."""

SCHEMAS = "schemas"
"""The digest of the schemas for which all refusals were looked at."""


def table_watermark(table: Table) -> str:
    """Return the name under which a person table's delta link is stored, and its backlog."""
    return f"dynamics.{table.value}"


def lookup_watermark(table: str) -> str:
    """Return the name under which the delta link of a table behind lookups is stored."""
    return f"dynamics.{table}"
