"""Reading leads: by id, and by up to 300 values of a searchable field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from include.sandbox.marketo.api_call import BATCH_MAX
from include.sandbox.marketo.errors import ApiError
from include.sandbox.marketo.fields import DataType, FieldDefinition
from include.sandbox.marketo.paging import open_token, seal_token
from include.sandbox.marketo.settings import NullPresence
from include.sandbox.marketo.standard_fields import DEFAULT_FIELDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.sandbox.marketo.api_call import ApiCall, Parameters
    from include.sandbox.marketo.endpoints import Answer
    from include.sandbox.marketo.people import Person
    from include.sandbox.marketo.values import Value
    from include.sandbox.marketo.world import MarketoWorld

__all__ = ["get_lead", "get_leads", "project"]

_MATCHES_MAX: Final = 1_000


def get_lead(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    One lead by id. [ND] for an unknown id: 1004 for the whole call.

    Source: leads.md, Get Lead by Id.
    """
    names = _field_names(world, call.parameters.allow("fields"))
    lead_id = int(call.path["id"])
    person = world.database.people.get(lead_id)
    if person is None:
        raise ApiError("1004", f"Lead '{lead_id}' not found")
    return {"result": [project(person, names, world.settings.null_presence)]}


def get_leads(world: MarketoWorld, call: ApiCall) -> Answer:
    """
    Leads whose field holds one of the values, 300 a page, at most 1000 in all.

    Source: leads.md, Get Leads by Filter Type; rest-api.md for `_method=GET`.
    """
    parameters = call.parameters.allow("filterType", "filterValues", "fields", "batchSize", "nextPageToken")
    field = _filter_field(world, parameters.required("filterType"))
    values = _filter_values(field, parameters)
    names = _field_names(world, parameters)
    ids = sorted(world.database.people.find(field.name, values))
    if len(ids) > _MATCHES_MAX:
        raise ApiError("1003", "Too many results match the filter")
    return _page(world, parameters, ids, names)


def _page(world: MarketoWorld, parameters: Parameters, ids: list[int], names: Sequence[str]) -> Answer:
    size = parameters.batch_size()
    query = _fingerprint(parameters)
    start = _start(parameters, query, ids)
    shown = ids[start : start + size]
    people = world.database.people
    presence = world.settings.null_presence
    result = [project(person, names, presence) for one in shown if (person := people.get(one)) is not None]
    answer: Answer = {"result": result}
    if start + size < len(ids):
        answer |= {"nextPageToken": seal_token("leads", query, shown[-1]), "moreResult": True}
    return answer


def _start(parameters: Parameters, query: int, ids: list[int]) -> int:
    token = parameters.text("nextPageToken")
    if token is None:
        return 0
    asked, last_id = open_token("leads", token)
    if asked != query:
        raise ApiError("1003", "nextPageToken belongs to a call with other parameters")
    return sum(1 for one in ids if one <= last_id)


def _fingerprint(parameters: Parameters) -> int:
    asked = (parameters.text("filterType"), parameters.items("filterValues"), parameters.items("fields"))
    return crc32(repr(asked).encode())


def _filter_field(world: MarketoWorld, name: str) -> FieldDefinition:
    field = world.database.fields.usable(name)
    if field is None or not world.database.fields.is_searchable(field):
        # Source: error-codes.md 1011.
        raise ApiError("1011", f"Field '{name}' is not supported as filterType")
    return field


def _filter_values(field: FieldDefinition, parameters: Parameters) -> list[Value]:
    texts = parameters.items("filterValues")
    if not texts:
        raise ApiError("1002", "Missing value for required parameter 'filterValues'")
    if len(texts) > BATCH_MAX:
        raise ApiError("1003", f"filterValues must hold at most {BATCH_MAX} values")
    if field.data_type in {DataType.INTEGER, DataType.REFERENCE}:
        return list(parameters.numbers("filterValues"))
    return list(texts)


def _field_names(world: MarketoWorld, parameters: Parameters) -> Sequence[str]:
    names = list(dict.fromkeys(parameters.items("fields")))
    if not names:
        return DEFAULT_FIELDS
    for name in names:
        if world.database.fields.usable(name) is None:
            raise ApiError("1006", f"Field '{name}' not found")
    return names if "id" in names else ["id", *names]


def project(person: Person, names: Sequence[str], presence: NullPresence) -> dict[str, Any]:
    """
    Return the fields of a person that an answer shows. Empty ones are null, absent, or now this and now that.

    Source: leads.md: a requested field that is not returned is null.
    """
    if presence is NullPresence.PRESENT:
        return {name: person.get(name) for name in names}
    if presence is NullPresence.ABSENT:
        return {name: person[name] for name in names if name in person}
    odd = int(person["id"]) % 2
    return {name: person.get(name) for place, name in enumerate(names) if name in person or (place + odd) % 2}
