"""
Which field of a Marketo person belongs to which column of a Dynamics contact or lead, and who may change it.

Everything here is a value: built once from the configuration, compared, hashed, never changed.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from include.errors import ConfigError

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Blank", "ColumnSource", "Field", "FieldMap", "FieldType", "Provision", "Rule", "Side", "Table"]


class FieldType(StrEnum):
    """The canonical types of a field. `canonical` documents the text form of each."""

    TEXT = "text"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    DECIMAL = "decimal"
    MONEY = "money"
    DATE = "date"
    DATETIME = "datetime"
    CHOICE = "choice"
    MULTI_CHOICE = "multi_choice"
    LOOKUP = "lookup"


class Rule(StrEnum):
    """
    How the two sides of a field may change each other.

    * `two_way`: an edit on either side goes to the other. When both sides were edited differently it is a collision:
      Marketo wins on a lead, Dynamics on a contact (P-022).
    * `prefer_marketo`, `prefer_dynamics`: as `two_way`, but the named side wins every collision, on both tables.
    * `marketo_to_dynamics`: only Marketo's edits travel. An edit made in Dynamics is neither sent to Marketo nor
      overwritten, until Marketo's value changes; then Marketo's value is written, and the Dynamics edit that is lost by
      it is recorded as a collision.
    * `dynamics_to_marketo`: the mirror image.
    * `off`: the field is in the map but takes no part.
    """

    TWO_WAY = "two_way"
    PREFER_MARKETO = "prefer_marketo"
    PREFER_DYNAMICS = "prefer_dynamics"
    MARKETO_TO_DYNAMICS = "marketo_to_dynamics"
    DYNAMICS_TO_MARKETO = "dynamics_to_marketo"
    OFF = "off"

    @property
    def writes_dynamics(self) -> bool:
        """True when a value may travel from Marketo to Dynamics."""
        return self not in {Rule.DYNAMICS_TO_MARKETO, Rule.OFF}

    @property
    def writes_marketo(self) -> bool:
        """True when a value may travel from Dynamics to Marketo."""
        return self not in {Rule.MARKETO_TO_DYNAMICS, Rule.OFF}


class Blank(StrEnum):
    """
    What an emptied value does to the other side.

    * `propagate`: emptying is an edit like any other and empties the other side.
    * `keep`: an empty value is never written over a filled one. An emptying on one side is withheld; in a collision
      of an empty and a filled value the filled one wins, whatever the rule says (unless the rule forbids its
      direction: then nothing is written).
    """

    PROPAGATE = "propagate"
    KEEP = "keep"


class Table(StrEnum):
    """The Dynamics table a person is paired with."""

    CONTACT = "contact"
    LEAD = "lead"


class Side(StrEnum):
    """One of the two systems."""

    MARKETO = "marketo"
    DYNAMICS = "dynamics"

    @property
    def other(self) -> Side:
        """The opposite side."""
        return Side.DYNAMICS if self is Side.MARKETO else Side.MARKETO


@dataclass(frozen=True, slots=True)
class Provision:
    """The Marketo custom field that `setup --provision` may create for a mapped field; such a field stays for ever."""

    display_name: str
    data_type: str


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """
    Where a field is read in Dynamics.

    `attribute` is the column's logical name in the metadata, `column` its name in rows (`_owninguser_value` for the
    lookup column `owninguser`). For a lookup, `lookup_table` and `lookup_column` name the column of the referenced row
    whose value counts; otherwise both are None.
    """

    attribute: str
    column: str
    lookup_table: str | None = None
    lookup_column: str | None = None

    @property
    def is_lookup(self) -> bool:
        """True when the value belongs to a referenced row: readable in Dynamics, never written there."""
        return self.lookup_table is not None


_NAME = re.compile(r"[a-z][a-z0-9_]*")
_MARKETO_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_COLUMN = re.compile(r"(?P<attribute>[a-z][a-z0-9_]*)(?:>(?P<table>[a-z][a-z0-9_]*)\.(?P<column>[a-z][a-z0-9_]*))?")
_MEANING = ("type", "marketo", "contact", "lead", "rule", "contact_rule", "lead_rule", "blank")
_RESERVED = frozenset({"link_id", "dynamics_id", "dynamics_type", "dynamics_is_deleted", "sync_to_dynamics"})
"""Names of our own: the key of aligned frames, and the control fields, which travel in the same plan."""


@dataclass(frozen=True, slots=True)
class Field:
    """
    One entry of the field map.

    `name` is ours (snake_case), `marketo` the REST name, `contact` and `lead` the Dynamics column of that table or None
    where it has none. A column is written `jobtitle`, or `owninguser>systemuser.fullname` for a column of the row a
    lookup points to. `contact_rule` and `lead_rule` replace `rule` on one table. `backfill_since` (aware): once the
    field takes part, only rows changed since then are filled in; the others follow when they change. Raises ConfigError
    naming the field.
    """

    name: str
    type: FieldType
    marketo: str
    contact: str | None = None
    lead: str | None = None
    rule: Rule = Rule.TWO_WAY
    blank: Blank = Blank.PROPAGATE
    contact_rule: Rule | None = None
    lead_rule: Rule | None = None
    provision: Provision | None = None
    backfill_since: datetime | None = None

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"Field {self.name!r}: a field name is lower-case letters, digits and underscores.")
        if self.name in _RESERVED:
            raise ConfigError(
                f"Field {self.name!r}: the sync uses this name itself.",
                remedy=f"Give the field another name; these are taken: {', '.join(sorted(_RESERVED))}.",
            )
        if not _MARKETO_NAME.fullmatch(self.marketo):
            raise ConfigError(f"Field {self.name}: {self.marketo!r} is not a REST name of a Marketo field.")
        if self.contact is None and self.lead is None:
            raise ConfigError(f"Field {self.name}: neither a contact nor a lead column is given.")
        for table in Table:
            self._check_source(table)

    def _check_source(self, table: Table) -> None:
        text = self.column(table)
        if text is not None and not _COLUMN.fullmatch(text):
            raise ConfigError(
                f"Field {self.name}: {table} column {text!r} is not understood.",
                remedy="Write a column's logical name (jobtitle) or a lookup (owninguser>systemuser.fullname).",
            )
        source = self.source(table)
        if source is not None and source.is_lookup:
            self._check_lookup(table)

    def _check_lookup(self, table: Table) -> None:
        if self._declared_rule(table) is Rule.MARKETO_TO_DYNAMICS:
            raise ConfigError(
                f"Field {self.name}: {self.column(table)} belongs to a referenced row, which the sync never writes.",
                remedy=f"Use the rule {Rule.DYNAMICS_TO_MARKETO} or {Rule.OFF} for {table}.",
            )

    def _declared_rule(self, table: Table) -> Rule:
        own = self.contact_rule if table is Table.CONTACT else self.lead_rule
        return self.rule if own is None else own

    def column(self, table: Table) -> str | None:
        """Return the column of `table` as the map writes it, or None."""
        return self.contact if table is Table.CONTACT else self.lead

    def source(self, table: Table) -> ColumnSource | None:
        """Return where `table` holds this field, or None when it does not."""
        text = self.column(table)
        parts = _COLUMN.fullmatch(text) if text is not None else None
        if parts is None:
            return None
        attribute, lookup_table, lookup_column = parts["attribute"], parts["table"], parts["column"]
        column = f"_{attribute}_value" if lookup_table else attribute
        return ColumnSource(attribute, column, lookup_table, lookup_column)

    def rule_for(self, table: Table) -> Rule:
        """Return the rule on `table`; what belongs to a referenced row only ever flows to Marketo."""
        rule = self._declared_rule(table)
        source = self.source(table)
        if source is not None and source.is_lookup and rule is not Rule.OFF:
            return Rule.DYNAMICS_TO_MARKETO
        return rule


@dataclass(frozen=True, slots=True)
class FieldMap:
    """
    All mapped fields, in the order in which plans and reports show them.

    Raises ConfigError naming the fields when two share a name, or when two could write the same Marketo field or the
    same Dynamics column of a table: they would undo each other for ever. Reading one column into two Marketo fields is
    fine (P-102), as long as only one of the two writes it back.
    """

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        _refuse_twins([(field.name, field) for field in self.fields], "have the same name {}")
        for table in Table:
            active = [(field, field.rule_for(table), field.source(table)) for field in self.fields]
            to_marketo = [(f.marketo, f) for f, rule, source in active if source and rule.writes_marketo]
            _refuse_twins(to_marketo, f"both write the Marketo field {{}} on a {table}")
            to_dynamics = [(source.column, f) for f, rule, source in active if source and rule.writes_dynamics]
            _refuse_twins(to_dynamics, f"both write the {table} column {{}}")

    def for_table(self, table: Table) -> tuple[Field, ...]:
        """Return the fields that have a column in `table`, in map order; those that are off included."""
        return tuple(field for field in self.fields if field.column(table) is not None)

    def digest(self) -> str:
        """Return a hash of everything the map says; equal maps have equal digests in every process and release."""
        text = json.dumps([asdict(field) for field in self.fields], sort_keys=True, separators=(",", ":"), default=str)
        return hashlib.sha256(text.encode()).hexdigest()

    def meanings(self) -> dict[str, str]:
        """Return, by field name, a hash of what a field says about how values travel; equal in every process."""
        fields = {field.name: [getattr(field, part) for part in _MEANING] for field in self.fields}
        return {name: hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16] for name, parts in fields.items()}


def _refuse_twins(claims: list[tuple[str, Field]], complaint: str) -> None:
    owners: dict[str, Field] = {}
    for target, field in claims:
        owner = owners.setdefault(target, field)
        if owner is not field:
            raise ConfigError(
                f"Fields {owner.name} and {field.name} {complaint.format(target)}.",
                remedy="Give one of them another target, or a rule that only reads it, or `off`.",
            )
