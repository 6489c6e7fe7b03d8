"""Leads: looked up by a field, written, deleted, merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from include.errors import RetryableError
from include.marketo import operations
from include.marketo.api import MarketoApi, encode_json
from include.marketo.batches import BatchWriter
from include.marketo.envelope import INVALID_DATA, TIMED_OUT, CallRefused, Envelope
from include.marketo.paging import iterate_records
from include.marketo.reading import as_int, require_objects
from include.marketo.rows import parse_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from include.marketo.batches import OnBatch
    from include.marketo.values import RowResult

SyncAction = Literal["createOrUpdate", "createOnly", "updateOnly", "createDuplicate"]
MOST_VALUES = 300
MOST_LOSERS = 25
_PAGE_SIZE = "300"


def leads_by(
    api: MarketoApi,
    filter_type: str,
    values: Sequence[str | int],
    fields: Sequence[str],
    *,
    crowded: set[str] | None = None,
) -> Iterator[list[dict[str, Any]]]:
    """
    Yield pages of leads whose `filter_type` field equals one of the values; each lead is a dict of the asked fields.

    Always asks for `id` too. A field that Marketo leaves out of a row is None. Empty values and values with a comma are
    left out, because the API has no way to ask for them. "Too many results" (1003) and a time-out halve the values. A
    single value with more than a thousand leads has no answer: it is added to `crowded` where that is given, else the
    refusal is raised. Source: leads, "Query"; rest-api, "_method".
    """
    asked = list(dict.fromkeys(["id", *fields]))
    searchable = list(dict.fromkeys(text for value in values if (text := str(value)) and "," not in text))
    pending = [searchable[i : i + MOST_VALUES] for i in range(0, len(searchable), MOST_VALUES)][::-1]
    while pending:
        chunk = pending.pop()
        yielded = False
        try:
            for envelope in _pages_of(api, filter_type, chunk, asked):
                yielded = True
                if envelope.result:
                    yield _rows(envelope, asked)
        except CallRefused as refusal:
            if crowded is not None and refusal.code == INVALID_DATA and len(chunk) == 1 and not yielded:
                crowded.add(chunk[0])
                continue
            if refusal.code not in {INVALID_DATA, TIMED_OUT} or yielded or len(chunk) == 1:
                raise _final(refusal) from refusal
            middle = len(chunk) // 2
            pending += [chunk[middle:], chunk[:middle]]


def _pages_of(api: MarketoApi, filter_type: str, chunk: list[str], asked: list[str]) -> Iterator[Envelope]:
    form = [
        ("filterType", filter_type),
        ("filterValues", ",".join(chunk)),
        ("fields", ",".join(asked)),
        ("batchSize", _PAGE_SIZE),
    ]

    def fetch(token: str | None) -> Envelope:
        page = [("nextPageToken", token)] if token else []
        return api.query(operations.LEADS_BY, form + page, handed_back=frozenset({TIMED_OUT}))

    return iterate_records(fetch, operations.LEADS_BY)


def _rows(envelope: Envelope, asked: list[str]) -> list[dict[str, Any]]:
    items = require_objects(envelope.result, operations.LEADS_BY.label, envelope.request_id)
    return [_row(item, asked) for item in items]


def _row(item: dict[str, Any], asked: list[str]) -> dict[str, Any]:
    row = {name: item.get(name) for name in asked}
    number = as_int(row["id"])
    return {**row, "id": row["id"] if number is None else number}


def _final(refusal: CallRefused) -> Exception:
    if refusal.code == TIMED_OUT:
        return RetryableError(refusal.message, request_id=refusal.request_id)
    return refusal


def sync_leads(
    api: MarketoApi,
    records: Sequence[dict[str, Any]],
    *,
    action: SyncAction,
    lookup_field: str,
    partition: str | None,
    sleep: Callable[[float], None],
    on_batch: OnBatch | None,
) -> list[RowResult]:
    """Return one result per record; see `MarketoClient.sync_leads`."""
    head: dict[str, Any] = {"action": action, "lookupField": lookup_field}
    if partition:
        head["partitionName"] = partition
    opening = encode_json(head)[:-1] + b',"input":['
    # Creating is the only thing that would happen twice. A time-out reported by the server (604) is an answer: an
    # upsert may follow it, because it finds what the first attempt made; createOnly and createDuplicate may not.
    repeatable = action == "updateOnly"
    handed_back = frozenset({TIMED_OUT}) if action in {"updateOnly", "createOrUpdate"} else frozenset()

    def send(batch: list[bytes]) -> list[RowResult]:
        body = opening + b",".join(batch) + b"]}"
        envelope = api.write(operations.SYNC_LEADS, body, repeatable=repeatable, handed_back=handed_back)
        return parse_rows(envelope, operations.SYNC_LEADS)

    writer = BatchWriter(
        records,
        send,
        operations.SYNC_LEADS,
        retry_budget=api.transport.retry_budget(),
        sleep=sleep,
        on_batch=on_batch,
        overhead_bytes=len(opening) + 2,
    )
    return writer.run()


def delete_leads(api: MarketoApi, ids: Sequence[int], *, sleep: Callable[[float], None]) -> list[RowResult]:
    """Return one result per id: `deleted`, or `skipped` with 1004 when there is no such lead. Cannot be undone."""

    def send(batch: list[bytes]) -> list[RowResult]:
        envelope = api.write(operations.DELETE_LEADS, b'{"input":[' + b",".join(batch) + b"]}")
        return parse_rows(envelope, operations.DELETE_LEADS)

    records = [{"id": lead_id} for lead_id in ids]
    return BatchWriter(
        records, send, operations.DELETE_LEADS, retry_budget=api.transport.retry_budget(), sleep=sleep
    ).run()


def merge_leads(api: MarketoApi, winner_id: int, loser_ids: Sequence[int]) -> None:
    """Merge the losers into the winner, 25 at a time. A lost answer raises LostAnswer. Source: leads, "Merge"."""
    operation = operations.MERGE_LEADS.at(winner=winner_id)
    for start in range(0, len(loser_ids), MOST_LOSERS):
        losers = ",".join(str(lead_id) for lead_id in loser_ids[start : start + MOST_LOSERS])
        api.write(operation, None, params=[("leadIds", losers)], repeatable=False)
