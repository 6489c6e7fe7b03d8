"""
Looking twice before an empty value of Dynamics empties one in Marketo.

A column that is secured against the sync reads as null without a sign of it, and so do the values of a column that was
made anew with another type. The schemas at hand may be a day old; one request tells whether the columns in question are
still what they were. Source: Dataverse developer guide, "Column-level security".
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from include.errors import ConfigError
from include.person_sync.core.changes import writes_to
from include.person_sync.core.control_fields import is_control
from include.person_sync.core.fields import Table
from include.person_sync.core.vocabulary import Direction
from include.person_sync.systems.current_schema import SchemaOutdated
from include.person_sync.systems.schema import DOCUMENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.dynamics import Column
    from include.person_sync.core.plan import Plan
    from include.person_sync.core.schema import EffectiveField, ResolvedSchema
    from include.person_sync.run.context import SyncContext

UNKNOWN_OPTION = ("unknown_option", "unknown_label")


def require_current(ctx: SyncContext, schema: ResolvedSchema, plan: Plan) -> None:
    """
    Raise SchemaOutdated when the plan can't be explained by the schemas as they are known: a choice holds something
    that is none of its options, or a value in Marketo is about to be emptied by a column that can't be read any more.

    Sends a request per table concerned, and none when nothing is emptied.
    """
    if plan.problems["code"].isin(UNKNOWN_OPTION).any():
        raise SchemaOutdated("a choice holds something that is none of the options known")
    cells = emptied_cells(plan)
    fields = [field for table in Table for field in schema.fields(table) if (table.value, field.name) in cells]
    for table, wanted in columns_of(fields).items():
        complaint = find_hidden(ctx, table, wanted)
        if complaint:
            raise SchemaOutdated(complaint)


def emptied_cells(plan: Plan) -> set[tuple[str, str]]:
    """Return table and field of the values in Marketo that the plan empties for people known before. Pure."""
    known = plan.pairs.loc[plan.pairs["origin"].isna(), "link_id"]
    values = plan.values[~is_control(plan.values)].merge(
        plan.changes[["change_no", "link_id", "dynamics_table"]], on="change_no"
    )
    empties = values["planned"].isna() & values["marketo"].notna() & (writes_to(values) == Direction.TO_MARKETO)
    emptied = values[empties & values["link_id"].isin(known)]
    return set(zip(emptied["dynamics_table"], emptied["field"], strict=True))


def columns_of(fields: Iterable[EffectiveField]) -> Mapping[str, Mapping[str, str | None]]:
    """Return, per Dynamics table, the columns the fields are read from, with the type each is known by."""
    found: dict[str, dict[str, str | None]] = defaultdict(dict)
    for one in fields:
        source = one.field.source(one.table)
        if source is None:
            continue
        if source.lookup_table and source.lookup_column:
            found[one.table.value].setdefault(source.attribute, None)
            found[source.lookup_table][source.lookup_column] = one.dynamics.type
        else:
            found[one.table.value][source.attribute] = one.dynamics.type
    return found


def find_hidden(ctx: SyncContext, table: str, wanted: Mapping[str, str | None]) -> str | None:
    """Return what is wrong with one of the columns, or None when all of them can be read as before."""
    try:
        now = {one.name: one for one in ctx.dynamics.columns(table, details=False)}
    except ConfigError as error:
        return f"table {table}: {error.message}"
    for name, kind in wanted.items():
        if name not in now:
            return f"column {name} of {table} does not exist any more"
        if kind is not None and now[name].type != kind:
            return f"column {name} of {table} is of type {now[name].type} now"
    secured = [now[name] for name in wanted if now[name].secured or not now[name].readable]
    return next((f"column {one.name} of {table} can't be read any more" for one in unreadable(ctx, secured)), None)


def unreadable(ctx: SyncContext, columns: list[Column]) -> list[Column]:
    """Return the columns that the sync user may not read; asks for its rights when there is a secured one."""
    if not columns:
        return []
    stored = ctx.store.document(DOCUMENT)
    user = stored[0]["user_id"] if stored else ctx.dynamics.who_am_i().user_id
    granted = ctx.dynamics.column_privileges(user) or {}
    rights = {one.name: granted.get((one.metadata_id or "").lower()) for one in columns}
    return [one for one in columns if not one.readable or not (right := rights[one.name]) or not right.read]
