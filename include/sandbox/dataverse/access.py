"""
Who may do what: privileges of the application user, and column-level security.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/security-concepts and .../field-security-entities
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.errors import forbidden

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.schema import Column, Table

__all__ = ["Access", "Caller", "ColumnGrant", "Depth", "Verb"]

_NAMESPACE: Final = uuid.UUID("b0a6c1de-5a3f-4a3e-8f0e-1f3d5a7b9c11")
_TABLE_WORDS: Final = {
    "systemuser": "User",
    "transactioncurrency": "TransactionCurrency",
    "businessunit": "BusinessUnit",
}
_FIELD_PERMISSION_CODES: Final = {True: "0x8004f507", False: "0x8004f502"}


class Verb(StrEnum):
    """What a privilege lets one do."""

    READ = "Read"
    CREATE = "Create"
    WRITE = "Write"
    DELETE = "Delete"
    APPEND = "Append"
    APPEND_TO = "AppendTo"
    ASSIGN = "Assign"


class Depth(StrEnum):
    """How far a privilege reaches: own rows, own business unit, units below it, everything."""

    BASIC = "Basic"
    LOCAL = "Local"
    DEEP = "Deep"
    GLOBAL = "Global"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever acts. A person at work in Dynamics (`human`) is trusted with everything here."""

    user_id: str
    human: bool = False


@dataclass(frozen=True, slots=True)
class ColumnGrant:
    """What a field security profile lets the application user do with a secured column."""

    read: bool = False
    create: bool = False
    update: bool = False


def privilege_name(verb: Verb, table: str) -> str:
    """Return a privilege's name, such as `prvReadContact`."""
    return f"prv{verb}{_TABLE_WORDS.get(table, table.capitalize())}"


def privilege_id(name: str) -> str:
    """Return a privilege's id: always the same for the same name."""
    return str(uuid.uuid5(_NAMESPACE, name))


def _full_rights() -> dict[str, str]:
    people = [privilege_name(verb, table) for table in ("contact", "lead", "account", "opportunity") for verb in Verb]
    set_up = ("systemuser", "team", "transactioncurrency", "organization", "businessunit", "role", "sdkmessage")
    reading = [privilege_name(Verb.READ, table) for table in (*set_up, "sdkmessagefilter")]
    appending = [privilege_name(Verb.APPEND_TO, table) for table in ("systemuser", "team", "transactioncurrency")]
    return dict.fromkeys((*people, *reading, *appending), Depth.GLOBAL.value)


@dataclass(slots=True)
class Access:
    """
    Rights of the application user, to be changed at will.

    `privileges` maps privilege names to depths; `grants` maps (table, column) to what is allowed on a secured column.
    """

    privileges: dict[str, str] = field(default_factory=_full_rights)
    grants: dict[tuple[str, str], ColumnGrant] = field(default_factory=dict)

    def depth(self, caller: Caller, verb: Verb, table: Table) -> str | None:
        """Return how far the caller's privilege reaches, None when it is missing."""
        return Depth.GLOBAL.value if caller.human else self.privileges.get(privilege_name(verb, table.name))

    def require(self, caller: Caller, verb: Verb, table: Table) -> None:
        """Raise Refusal unless the caller has the privilege in some depth."""
        if self.depth(caller, verb, table) is None:
            raise self._missing(caller, verb, table)

    def require_global(self, caller: Caller, verb: Verb, table: Table) -> None:
        """Raise Refusal unless the caller has the privilege for the whole organisation."""
        if self.depth(caller, verb, table) != Depth.GLOBAL.value:
            raise self._missing(caller, verb, table)

    def _missing(self, caller: Caller, verb: Verb, table: Table) -> Exception:
        name = privilege_name(verb, table.name)
        label = table.name.capitalize()
        return forbidden(
            "0x80040220",
            f"Principal user (Id={caller.user_id}, type=8, roleCount=1, privilegeCount={len(self.privileges)}, "
            f"accessMode=4), is missing {name} privilege (Id={privilege_id(name)}) on OTC={table.object_type_code} for "
            f"entity '{table.name}' (LocalizedName='{label}'). context.Caller={caller.user_id}",
        )

    def reaches(self, caller: Caller, verb: Verb, table: Table, row: Mapping[str, Any]) -> bool:
        """Whether the caller's privilege reaches this row. There is one business unit, so only BASIC narrows."""
        if self.depth(caller, verb, table) != Depth.BASIC.value or not table.owned:
            return True
        owner = row.get("ownerid")
        return owner is not None and owner.row_id == caller.user_id

    def require_row(self, caller: Caller, verb: Verb, table: Table, row_id: str, row: Mapping[str, Any]) -> None:
        """Raise Refusal unless the caller's privilege reaches the row."""
        if not self.reaches(caller, verb, table, row):
            text = (
                f"Principal with id {caller.user_id} does not have {verb}Access right(s) for record with id {row_id} "
                f"of entity {table.name}"
            )
            raise forbidden("0x80040220", text)

    def hides(self, caller: Caller, table: Table, column: Column) -> bool:
        """Whether the column is secured and the caller may not read it: it then reads as null."""
        return column.secured and not caller.human and not self._grant(table, column).read

    def require_column(self, caller: Caller, table: Table, column: Column, *, update: bool) -> None:
        """Raise Refusal when the column is secured and the caller may not write it."""
        grant = self._grant(table, column)
        if not column.secured or caller.human or (grant.update if update else grant.create):
            return
        text = (
            f"Caller user with Id {caller.user_id} does not have {'update' if update else 'create'} permissions to a "
            f"{column.name} secured attribute on entity {table.name}. The requested operation could not be completed."
        )
        raise forbidden(_FIELD_PERMISSION_CODES[update], text)

    def _grant(self, table: Table, column: Column) -> ColumnGrant:
        return self.grants.get((table.name, column.name), ColumnGrant())
