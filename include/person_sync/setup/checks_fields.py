"""Checks of both schemas together: which mapped fields take part, and which columns the sync may not see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import ConfigError
from include.person_sync.core.fields import Rule, Table
from include.person_sync.core.schema import CONTROL_COLUMNS
from include.person_sync.setup.checklist import NotRunError
from include.person_sync.setup.checks_dynamics import APPLICATION_USER, table_check
from include.person_sync.setup.checks_local import SETTINGS
from include.person_sync.setup.checks_marketo import CUSTOM_FIELDS
from include.person_sync.setup.report import TableFields
from include.person_sync.systems.schema import build_schema, read_schemas

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from include.person_sync.run.context import SyncContext
    from include.person_sync.setup.checklist import Checklist
    from include.person_sync.setup.parts import SetupParts

__all__ = ["COLUMN_SECURITY", "FIELD_MAP", "FieldChecks"]

FIELD_MAP = "field_map"
COLUMN_SECURITY = "column_security"

_NEEDS = [SETTINGS, CUSTOM_FIELDS, APPLICATION_USER, *(table_check(table, "table") for table in Table)]


class FieldChecks:
    """The checks of the field map against both schemas. `fields` holds the outcome per table. They only read."""

    def __init__(self, checklist: Checklist, parts: SetupParts) -> None:
        self._checklist = checklist
        self._parts = parts
        self._schemas: dict[str, Any] | None = None
        self.fields: dict[Table, TableFields] = {}

    def run(self) -> None:
        """Run the checks in order."""
        self._checklist.run(FIELD_MAP, self._field_map, needs=_NEEDS)
        self._checklist.run(COLUMN_SECURITY, self._column_security, needs=_NEEDS)

    @property
    def _context(self) -> SyncContext:
        """The whole context: with both connections there, only state or staging can be missing."""
        try:
            return self._parts.context()
        except ConfigError as error:
            raise NotRunError("needs a complete configuration; see the failed checks above.") from error

    def _field_map(self) -> str:
        """Pass as long as any field is left: one that can't take part is reported and left out."""
        context = self._context
        self._schemas = read_schemas(context)
        schema = build_schema(context, self._schemas)
        self.fields = {table: TableFields(schema.effective[table], schema.dropped[table]) for table in Table}
        if not any(fields.effective for fields in self.fields.values()):
            raise ConfigError(
                "None of the mapped fields can be synced.",
                remedy="Follow the reasons listed for each field; correct the field map or the rights.",
            )
        counts = [f"{table.value} {len(f.effective)} synced, {len(f.dropped)} not" for table, f in self.fields.items()]
        return f"{'; '.join(counts)}."

    def _column_security(self) -> str:
        """
        Fail when a secured column that is mapped, or that the sync itself needs, can't be read.

        Such a column reads as empty without a sign of it. Source: Dataverse developer guide, "Column-level security".
        """
        if self._schemas is None:
            raise NotRunError("the schemas could not be read.")
        hidden = [f"{table.value}.{name}" for table in Table for name in self._hidden(table, self._schemas)]
        if hidden:
            raise ConfigError(
                f"The application user may not read {', '.join(hidden)}.",
                remedy="Add the application user to a field security profile that allows Read on these columns (and "
                "Create and Update, where Marketo writes to them), or set the rule of these fields to off.",
            )
        return "no column that is needed is hidden from the application user."

    def _hidden(self, table: Table, schemas: Mapping[str, Any]) -> list[str]:
        unreadable = {column["name"] for column in schemas["dynamics"][table.value] if not column["readable"]}
        return sorted(unreadable.intersection(self._needed(table)))

    def _needed(self, table: Table) -> Iterator[str]:
        settings = self._context.settings
        for field in settings.field_map.for_table(table):
            source = field.source(table)
            if source is not None and field.rule_for(table) is not Rule.OFF:
                yield source.attribute
        yield from (name.removeprefix("_").removesuffix("_value") for name in CONTROL_COLUMNS[table])
        if settings.sync_filter_column is not None:
            yield settings.sync_filter_column
