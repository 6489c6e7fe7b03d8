"""Small worlds for the unit tests of the audit."""

from __future__ import annotations

from typing import Any

import pandas as pd

from include.person_sync.core.fields import Field, FieldType, Rule, Table
from include.person_sync.core.schema import DynamicsColumn, EffectiveField, MarketoColumn
from include.person_sync.core.values import TEXT_DTYPE


def field(name: str, rule: Rule = Rule.TWO_WAY, table: Table = Table.LEAD) -> EffectiveField:
    """Return a text field that takes part."""
    mapped = Field(name, FieldType.TEXT, name, contact=name, lead=name, rule=rule)
    return EffectiveField(mapped, table, MarketoColumn(name, "string", 255), DynamicsColumn(name, "String"), rule)


def side(**columns: list[str | None]) -> pd.DataFrame:
    """Return a canonical frame whose links are numbered from 1."""
    count = len(next(iter(columns.values())))
    index = pd.Index(range(1, count + 1), dtype="int64", name="link_id")
    return pd.DataFrame({name: pd.Series(cells, index=index, dtype=TEXT_DTYPE) for name, cells in columns.items()})


def entries(rows: list[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """Return differences or findings, unexplained unless a row says otherwise."""
    from include.person_sync.audit.findings import typed

    return typed(pd.DataFrame([{"explanation": "unexplained", **row} for row in rows], columns=columns), columns)
