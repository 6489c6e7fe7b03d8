"""
Columns that follow from others: full names, composite addresses, owners, parents, amounts in base currency.

Source: the column descriptions of contact and lead; that `accountid` and `parentcontactid` follow `parentcustomerid` is
the likeliest reading of theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.store import Reference

if TYPE_CHECKING:
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.dataverse.store import Row

__all__ = ["compute_columns"]

_ADDRESSES: Final = ("address1", "address2", "address3")
_LINES: Final = ("line1", "line2", "line3")


def compute_columns(organization: Organization, table: Table, row: Row) -> None:
    """Bring the computed columns of a row, about to be stored, up to date. Changes `row`."""
    if "fullname" in table.columns and table.owned:
        _put(row, "fullname", _joined(row, "firstname", "lastname"))
        _put(row, "yomifullname", _joined(row, "yomifirstname", "yomilastname"))
    for prefix in _ADDRESSES:
        if f"{prefix}_composite" in table.columns:
            _put(row, f"{prefix}_composite", _composite(row, prefix))
    if table.owned:
        _put_owner(organization, row)
    if table.name == "contact":
        _put_parents(row)
    _put_amounts(organization, table, row)


def _put(row: Row, column: str, value: Any) -> None:
    if value is None:
        row.pop(column, None)
    else:
        row[column] = value


def _joined(row: Row, *columns: str) -> str | None:
    return " ".join(part for column in columns if (part := row.get(column))) or None


def _composite(row: Row, prefix: str) -> str | None:
    if row.keys().isdisjoint(
        {f"{prefix}_{part}" for part in (*_LINES, "city", "stateorprovince", "postalcode", "country")}
    ):
        return None
    region = " ".join(part for name in ("stateorprovince", "postalcode") if (part := row.get(f"{prefix}_{name}")))
    town = ", ".join(part for part in (row.get(f"{prefix}_city"), region) if part)
    lines = [row.get(f"{prefix}_{line}") for line in _LINES]
    return "\r\n".join(line for line in (*lines, town, row.get(f"{prefix}_country")) if line) or None


def _put_owner(organization: Organization, row: Row) -> None:
    owner = row["ownerid"]
    _put(row, "owninguser", owner if owner.table == "systemuser" else None)
    _put(row, "owningteam", owner if owner.table == "team" else None)
    row["owningbusinessunit"] = Reference("businessunit", organization.ids.business_unit)


def _put_parents(row: Row) -> None:
    parent = row.get("parentcustomerid")
    _put(row, "accountid", parent if parent is not None and parent.table == "account" else None)
    _put(row, "parentcontactid", parent if parent is not None and parent.table == "contact" else None)


def _put_amounts(organization: Organization, table: Table, row: Row) -> None:
    amounts = table.amounts
    if "transactioncurrencyid" not in row and not any(column in row for column, _ in amounts):
        row.pop("exchangerate", None)
        return
    currency = row.setdefault("transactioncurrencyid", Reference("transactioncurrency", organization.ids.currency))
    rate = (organization.store.table("transactioncurrency").get(currency.row_id) or {}).get("exchangerate", 1.0)
    row["exchangerate"] = rate
    for column, shadow in amounts:
        amount = row.get(column)
        _put(row, shadow, None if amount is None else round(amount / rate, 4))
