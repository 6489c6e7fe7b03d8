"""Sync Leads: create and update up to 300 records in one call, each with an outcome of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.api_call import records_in
from include.sandbox.marketo.errors import ApiError, GapError, Refusal, RefusalError
from include.sandbox.marketo.origin import Origin, by_api
from include.sandbox.marketo.settings import ErrorLevel
from include.sandbox.marketo.values import parse_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from include.sandbox.faults import Fault
    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.fields import FieldDefinition
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["for_each_record", "sync_leads"]

_MEMBERS: Final = ("action", "lookupField", "partitionName", "asyncProcessing", "input")
# Source: leads.md: the keys allowed for lookups; searchable, but no key.
_NO_KEY: Final = frozenset({"leadPartitionId"})


class Action(StrEnum):
    """What Sync Leads should do with each record."""

    CREATE_OR_UPDATE = "createOrUpdate"
    CREATE_ONLY = "createOnly"
    UPDATE_ONLY = "updateOnly"
    CREATE_DUPLICATE = "createDuplicate"


@dataclass(frozen=True, slots=True)
class _Sync:
    """A checked Sync Leads request; its methods deal with one record each."""

    world: MarketoWorld
    action: Action
    lookup: FieldDefinition
    partition_id: int | None
    origin: Origin

    def record(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Create or update one lead and return its result item. Raises RefusalError."""
        self._refuse_id(record)
        if self.action is Action.CREATE_DUPLICATE:
            return self._create(record)
        matches = self._matches(record)
        if len(matches) > 1:
            raise RefusalError("1007")
        if matches:
            return self._update(matches.pop(), record)
        if self.action is Action.UPDATE_ONLY:
            raise RefusalError("1004")
        return self._create(record)

    def _refuse_id(self, record: Mapping[str, Any]) -> None:
        by_id = self.action is Action.UPDATE_ONLY and self.lookup.name == "id"
        if "id" in record and not by_id:
            raise RefusalError("1003", "Invalid data: 'id' is allowed only with updateOnly and lookupField 'id'")

    def _matches(self, record: Mapping[str, Any]) -> set[int]:
        raw = record.get(self.lookup.name)
        if raw is None or raw == "":
            raise RefusalError("1003", f"Value for lookup field '{self.lookup.name}' not found")
        value = parse_value(self.lookup, raw, self.world.settings)
        return set() if value is None else self.world.database.people.find_one_field(self.lookup.name, value)

    def _create(self, record: Mapping[str, Any]) -> dict[str, Any]:
        values = self.world.database.clean(record)
        lead_id = self.world.database.create(values, self.origin, partition_id=self.partition_id or 1)
        return {"id": lead_id, "status": "created"}

    def _update(self, lead_id: int, record: Mapping[str, Any]) -> dict[str, Any]:
        person = self.world.database.people.get(lead_id) or {}
        if self.action is Action.CREATE_ONLY:
            raise RefusalError("1005")
        if self.partition_id not in {None, person.get("leadPartitionId")}:
            raise RefusalError("1010")
        changes = {name: raw for name, raw in record.items() if name != "id"}
        self.world.database.edit(lead_id, self.world.database.clean(changes, lead=person), self.origin)
        return {"id": lead_id, "status": "updated"}


def sync_leads(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Create and update leads; result i belongs to record i.

    Source: leads.md, Create and Update; error-codes.md for the codes.
    """
    call.parameters.allow()
    body = call.json(*_MEMBERS)
    records = records_in(body)
    sync = _request(world, call, body)
    if world.settings.unknown_field_level is ErrorLevel.RESPONSE:
        _refuse_unknown_fields(world, records)
    return {"result": for_each_record(call, records, sync.record)}


def for_each_record(
    call: ApiCall,
    records: list[dict[str, Any]],
    act: Callable[[dict[str, Any]], dict[str, Any]],
    *,
    reasons: str = "reasons",
) -> list[dict[str, Any]]:
    """Return result items, one per record in order; a refused record becomes `skipped` with its reason and no id."""
    fault = call.take_fault("skip_records")
    skipped: set[int] = set(fault.details.get("positions", [0])) if fault is not None else set()
    items: list[dict[str, Any]] = []
    for position, record in enumerate(records):
        try:
            items.append(act(record) if fault is None or position not in skipped else _refused_by(fault, reasons))
        except RefusalError as refused:
            items.append(skipped_item(refused.refusal, reasons))
    return items


def _refused_by(fault: Fault, reasons: str) -> dict[str, Any]:
    details = fault.details
    return skipped_item(Refusal.of(str(details.get("code", "1003")), str(details.get("message", ""))), reasons)


def skipped_item(refusal: Refusal, reasons: str = "reasons") -> dict[str, Any]:
    """Return the result item of a record that was refused."""
    return {"status": "skipped", reasons: [refusal.json()]}


def _request(world: MarketoWorld, call: ApiCall, body: Mapping[str, Any]) -> _Sync:
    if body.get("asyncProcessing") not in {None, False}:
        raise GapError("sync leads: asyncProcessing")
    try:
        action = Action(body.get("action", Action.CREATE_OR_UPDATE))
    except ValueError as unknown:
        raise ApiError("1003", f"Invalid action '{body['action']}'") from unknown
    lookup = _lookup_field(world, body.get("lookupField", "email"))
    partition_id = _partition(world, action, body.get("partitionName"))
    origin = by_api(call.service.user, call.request_id, "syncLeads")
    return _Sync(world, action, lookup, partition_id, origin)


def _lookup_field(world: MarketoWorld, name: object) -> FieldDefinition:
    field = world.database.fields.usable(name) if isinstance(name, str) else None
    if field is None or field.name in _NO_KEY or not world.database.fields.is_searchable(field):
        raise ApiError("1011", f"Field '{name}' is not supported as lookupField")
    return field


def _partition(world: MarketoWorld, action: Action, name: object) -> int | None:
    if name is None:
        if world.settings.partition_required:
            raise ApiError("1009")
        return None
    if action not in {Action.CREATE_ONLY, Action.CREATE_OR_UPDATE}:
        raise ApiError("1003", "partitionName is allowed only with createOnly and createOrUpdate")
    known = {text: number for number, text in world.database.partitions.items()}
    if name not in known:
        raise ApiError("1008")
    return known[str(name)]


def _refuse_unknown_fields(world: MarketoWorld, records: list[dict[str, Any]]) -> None:
    for record in records:
        for name in record:
            if world.database.fields.usable(name) is None:
                raise ApiError("1006", f"Field '{name}' not found")
