"""Deleting and merging leads, and moving them between partitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.api_call import BATCH_MAX, records_in
from include.sandbox.marketo.endpoints.writing import for_each_record
from include.sandbox.marketo.errors import ApiError, GapError, RefusalError

if TYPE_CHECKING:
    from include.sandbox.marketo.api_call import ApiCall
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["delete_leads", "list_partitions", "merge_leads", "update_partitions"]

_LOSERS_MAX: Final = 25


def delete_leads(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Delete up to 300 leads by id, given in the body or as `?id=1,2` with an empty body.

    Source: leads.md, Delete; the Swagger file for the parameter.
    """
    records = _ids(call)

    def delete(record: dict[str, Any]) -> dict[str, Any]:
        world.database.delete(_id_of(record))
        return {"id": record["id"], "status": "deleted"}

    return {"result": for_each_record(call, records, delete)}


def _ids(call: ApiCall) -> list[dict[str, Any]]:
    numbers = call.parameters.allow("id").numbers("id")
    if not numbers:
        return records_in(call.json("input"))
    call.nothing()
    if len(numbers) > BATCH_MAX:
        raise ApiError("1003", f"'id' must hold at most {BATCH_MAX} values")
    return [{"id": number} for number in numbers]


def _id_of(record: dict[str, Any], *others: str) -> int:
    unknown = sorted(set(record) - {"id", *others})
    if unknown:
        raise RefusalError("1003", f"Unknown member '{unknown[0]}'")
    if not isinstance(record.get("id"), int) or isinstance(record["id"], bool):
        raise RefusalError("1003", "'id' must be an integer")
    return int(record["id"])


def merge_leads(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Merge up to 25 losers, named in the query, into the lead of the address. The answer has no result.

    Source: leads.md, Merge Leads; failures concern the whole call.
    """
    parameters = call.parameters.allow("leadId", "leadIds", "mergeInCRM")
    call.nothing()
    if parameters.flag("mergeInCRM"):
        raise GapError("merge leads: mergeInCRM")
    winner = int(call.path["id"])
    losers = list(dict.fromkeys(parameters.numbers("leadIds") or parameters.numbers("leadId")))
    if not losers:
        raise ApiError("1002", "Missing value for required parameter 'leadIds'")
    if len(losers) > _LOSERS_MAX:
        raise ApiError("1080", f"At most {_LOSERS_MAX} leads can be merged at once")
    if winner in losers:
        raise ApiError("1003", "A lead cannot be merged with itself")
    try:
        world.database.merge(winner, losers)
    except RefusalError as refused:
        raise ApiError(refused.refusal.code, refused.refusal.message) from refused
    return {}


def list_partitions(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Return the lead partitions of the instance.

    Source: leads.md, Lead Partitions.
    """
    call.parameters.allow()
    partitions = world.database.partitions
    return {"result": [{"id": number, "name": name, "description": ""} for number, name in partitions.items()]}


def update_partitions(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Move leads to other partitions; result i belongs to record i.

    Source: leads.md, Update Lead Partition.
    """
    call.parameters.allow()
    numbers = {name: number for number, name in world.database.partitions.items()}

    def move(record: dict[str, Any]) -> dict[str, Any]:
        lead_id = _id_of(record, "partitionName")
        if record.get("partitionName") not in numbers:
            raise RefusalError("1008")
        if lead_id not in world.database.people:
            raise RefusalError("1004")
        world.database.set_partition(lead_id, numbers[record["partitionName"]])
        return {"id": lead_id, "status": "updated"}

    return {"result": for_each_record(call, records_in(call.json("input")), move)}
