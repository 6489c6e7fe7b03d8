"""
CreateMultiple, UpdateMultiple and UpsertMultiple: many rows, all or nothing.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.answers import answer, no_content
from include.sandbox.dataverse.errors import NotBuilt, Refusal, payload_error
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.links import find_by_key, parse_key, split_resource
from include.sandbox.dataverse.organization import Requirements
from include.sandbox.dataverse.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.server import Reply

__all__ = ["Multiple"]

_BUILT: Final = ("CreateMultiple", "UpdateMultiple", "UpsertMultiple")


class Multiple:
    """One bulk action on one table. The organisation's lock has to be held."""

    def __init__(self, organization: Organization, caller: Caller, table: Table) -> None:
        self._organization = organization
        self._caller = caller
        self._table = table
        self._writer = Writer(organization)

    def answer(self, name: str, body: Mapping[str, Any]) -> Reply:
        """
        Return the answer of a bulk action. Raises Refusal when any row is refused; then none is written.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/bulk-operations
        """
        if name not in _BUILT:
            raise NotBuilt(Gap.ACTION, name)
        if not self._organization.settings.multiple_operations:
            raise Refusal(
                400, "0x80040800", f"The '{name}' method does not support entities of type '{self._table.name}'."
            )
        targets = self._targets(body)
        with self._organization.store.transaction():
            ids = [self._write(name, target) for target in targets]
        if name != "CreateMultiple":
            return no_content()
        context = f"{self._organization.api_url}$metadata#Microsoft.Dynamics.CRM.CreateMultipleResponse"
        return answer(200, {"@odata.context": context, "Ids": ids})

    def _targets(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        targets = body.get("Targets")
        if body.keys() != {"Targets"} or not isinstance(targets, list) or not targets:
            raise payload_error(self._table.entity_set, "The parameter 'Targets' is missing, empty or not alone.")
        expected = f"Microsoft.Dynamics.CRM.{self._table.name}"
        for target in targets:
            if not isinstance(target, dict) or str(target.get("@odata.type", "")).removeprefix("#") != expected:
                raise payload_error(
                    self._table.entity_set, f"Each item of 'Targets' needs the '@odata.type' '{expected}'."
                )
        return targets

    def _write(self, name: str, target: dict[str, Any]) -> str:
        if name == "CreateMultiple":
            return self._writer.create(self._caller, self._table, target, Requirements())
        row_id = self._id_of(target)
        exists = row_id is not None and self._organization.store.table(self._table.name).get(row_id) is not None
        if name == "UpsertMultiple" and not exists:
            return self._writer.create(self._caller, self._table, target, Requirements(), row_id=row_id)
        if row_id is None or not exists:
            text = f"{self._table.name} With Ids = {row_id} Do Not Exist"
            raise Refusal(404, "0x80040217", text)
        self._writer.update(self._caller, self._table, row_id, target, Requirements())
        return row_id

    def _id_of(self, target: dict[str, Any]) -> str | None:
        if (row_id := target.get(self._table.primary_key)) is not None:
            return str(row_id).lower()
        if (address := target.get("@odata.id")) is None:
            return None
        _, text = split_resource(str(address))
        key = parse_key(self._organization, self._table, text or "")
        if isinstance(key, str):
            return key
        if (clash := sorted(key.keys() & target.keys())) and find_by_key(self._organization, self._table, key) is None:
            raise payload_error(self._table.entity_set, f"The key column '{clash[0]}' cannot also stand in the body.")
        target.update({name: value for name, value in key.items() if name not in target})
        return find_by_key(self._organization, self._table, key)
