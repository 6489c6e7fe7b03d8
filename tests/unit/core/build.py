"""Small builders for the core's tests: one effective field, a frame of one person, a result in four letters."""

from __future__ import annotations

import pandas as pd

from include.person_sync.core.fields import Blank, Field, FieldType, Rule, Table
from include.person_sync.core.schema import DynamicsColumn, EffectiveField, MarketoColumn, Option
from include.person_sync.core.values import TEXT_DTYPE

OPTIONS = (Option(1, "Hot"), Option(2, "Warm"), Option(9, "Cold"))
TYPES = {
    FieldType.TEXT: ("string", "String"),
    FieldType.EMAIL: ("email", "String"),
    FieldType.PHONE: ("phone", "String"),
    FieldType.URL: ("url", "String"),
    FieldType.BOOLEAN: ("boolean", "Boolean"),
    FieldType.INTEGER: ("integer", "Integer"),
    FieldType.DECIMAL: ("float", "Decimal"),
    FieldType.MONEY: ("currency", "Money"),
    FieldType.DATE: ("date", "DateTime"),
    FieldType.DATETIME: ("datetime", "DateTime"),
    FieldType.CHOICE: ("string", "Picklist"),
    FieldType.MULTI_CHOICE: ("string", "MultiSelectPicklist"),
    FieldType.LOOKUP: ("string", "Lookup"),
}


def effective(
    name: str = "job_title",
    kind: FieldType = FieldType.TEXT,
    *,
    rule: Rule = Rule.TWO_WAY,
    blank: Blank = Blank.PROPAGATE,
    table: Table = Table.CONTACT,
    marketo_type: str | None = None,
    marketo_length: int | None = None,
    **dynamics: object,
) -> EffectiveField:
    """Return one effective field of `kind` with fitting columns; `dynamics` overrides parts of the Dynamics column."""
    ours, theirs = TYPES[kind]
    column = "ownerid>systemuser.fullname" if kind is FieldType.LOOKUP else name
    field = Field(name, kind, name, contact=column, lead=column, rule=rule, blank=blank)
    shape = {"options": OPTIONS, "precision": 2, **dynamics}
    return EffectiveField(
        field,
        table,
        MarketoColumn(name, marketo_type or ours, marketo_length),
        DynamicsColumn(name, theirs, **shape),
        rule,
    )


def frame(rows: dict[int, dict[str, str | None]]) -> pd.DataFrame:
    """Return a canonical frame from `{link_id: {field: text}}`."""
    return pd.DataFrame.from_dict(rows, orient="index", dtype=object).astype(TEXT_DTYPE)
