"""
What deleting a row does to the rows that refer to it.

Contacts belong to their account or parent contact (a parental relationship as shipped: they are deleted with it, or by
the organisation's rule left behind or in the way). Every other reference is emptied, which shows in the change feed.
Source: https://learn.microsoft.com/power-apps/developer/data-platform/configure-entity-relationship-cascading-behavior
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from include.sandbox.dataverse.computed import compute_columns
from include.sandbox.dataverse.errors import Refusal
from include.sandbox.dataverse.settings import AccountDelete
from include.sandbox.dataverse.store import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Table

__all__ = ["referring_rows", "remove_row"]

# Owners, makers and set-up rows cannot be deleted here, and following them would index columns that never matter.
_FOLLOWED_TARGETS: Final = frozenset({"account", "contact", "lead", "opportunity"})
_DERIVED: Final = frozenset({("contact", "accountid"), ("contact", "parentcontactid")})
_PARENTAL: Final = ("contact", "parentcustomerid")


def remove_row(organization: Organization, caller: Caller, table: Table, row_id: str) -> None:
    """Delete a row, after what is parental to it, and empty the references to it. Raises Refusal when it may not go."""
    rule = organization.settings.parent_delete
    referring = list(referring_rows(organization, table, row_id))
    if rule is AccountDelete.RESTRICT and any((child.name, column) == _PARENTAL for child, column, _ in referring):
        text = f"The {table.name} cannot be deleted because it is associated with another record."
        raise Refusal(400, "0x80040227", text)
    for child, column, child_id in referring:
        if organization.store.table(child.name).get(child_id) is None:
            continue  # gone with another child
        if (child.name, column) != _PARENTAL or rule is AccountDelete.REMOVE_LINK:
            _empty_reference(organization, caller, child, column, child_id)
        else:
            remove_row(organization, caller, child, child_id)
    if organization.store.table(table.name).get(row_id) is not None:
        organization.store.remove(table.name, row_id, organization.clock.now())


def referring_rows(organization: Organization, table: Table, row_id: str) -> Iterator[tuple[Table, str, str]]:
    """Yield (table, column, id) of every row that refers to the given one through a column that can be written."""
    if table.name not in _FOLLOWED_TARGETS:
        return
    reference = Reference(table.name, row_id)
    for child in organization.schema.tables.values():
        rows = organization.store.table(child.name)
        for column in child.columns.values():
            if table.name not in column.targets or (child.name, column.name) in _DERIVED:
                continue
            for child_id in rows.ids_with(column.name, [reference]):
                yield child, column.name, child_id


def _empty_reference(organization: Organization, caller: Caller, table: Table, column: str, row_id: str) -> None:
    before = organization.row(table, row_id)
    row = {name: value for name, value in before.items() if name != column}
    row["modifiedon"], row["modifiedby"] = organization.now_text(), Reference("systemuser", caller.user_id)
    compute_columns(organization, table, row)
    organization.store.put(table.name, row_id, row)
