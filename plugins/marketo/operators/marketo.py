"""Operators that move people between Marketo and Parquet files."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from airflow.sdk import ObjectStoragePath

from include.errors import ConfigError
from marketo.operators.base import MarketoOperator
from person_sync_airflow.parquet import Manifest, as_json_value, read_rows, write_manifest, write_rows
from person_sync_airflow.window import choose_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from include.marketo import MarketoClient, MarketoField, RowResult

__all__ = ["MarketoExtractOperator", "MarketoLoadOperator", "people_schema"]

_ARROW_TYPES: Final = {
    "integer": pa.int64(),
    "score": pa.int64(),
    "percent": pa.int64(),
    "boolean": pa.bool_(),
    "float": pa.float64(),
    "currency": pa.float64(),
}
_BATCH_ROWS: Final = 3000


class MarketoExtractOperator(MarketoOperator):
    """
    Read people of Marketo into a Parquet file.

    Either the people named by `lead_ids`, or those of whom one of `fields` changed, or who were created, in a window:
    the one given, else the data interval of the DAG run. The values are those of now, not of the window.

    Returns the address of a manifest (JSON) in `destination`; the rows never pass through XCom.

    :param fields: REST names of the fields to read; `id` is always among them. (templated)
    :param destination: directory for the files, any address ObjectStoragePath understands. (templated)
    :param lead_ids: ids of the people to read, as a list or as JSON. (templated)
    :param since: start of the window, included; ISO 8601 with a time zone when it is text. (templated)
    :param until: end of the window, excluded. (templated)
    :param marketo_conn_id: id of the Airflow connection.
    """

    template_fields: Sequence[str] = ("fields", "destination", "lead_ids", "since", "until", "counted")

    def __init__(
        self,
        *,
        fields: Sequence[str],
        destination: str,
        lead_ids: Sequence[int] | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fields = fields
        self.destination = destination
        self.lead_ids = lead_ids
        self.since = since
        self.until = until

    def execute(self, context: Context) -> str:
        """Read, write the files, return the manifest's address."""
        directory = ObjectStoragePath(self.destination)
        with closing(self.hook.get_conn()) as client:
            schema = people_schema(client.describe(), self.fields)
            ids, details = self._wanted(client, context)
            rows = write_rows(directory / "people.parquet", schema, client.leads_by("id", ids, schema.names[1:]))
        self.counted = {"people": rows, "asked_for": len(ids), "calls": client.calls}
        self.log.info("Read %d of %d people in %d calls", rows, len(ids), client.calls)
        return write_manifest(directory, Manifest(("people.parquet",), rows, details))

    def _wanted(self, client: MarketoClient, context: Context) -> tuple[list[int], dict[str, Any]]:
        """Return the ids to read, and what the manifest says about their choice."""
        if self.lead_ids is not None:
            return _ids(self.lead_ids), {}
        start, end = choose_window(context, self.since, self.until)
        ids = _changed_between(client, self.fields, start, end)
        return ids, {"since": start.isoformat(), "until": end.isoformat()}


class MarketoLoadOperator(MarketoOperator):
    """
    Write the rows of a Parquet file to people of Marketo.

    One bad row does not keep the others from being written: rows that Marketo refuses end up in a Parquet file with
    the reason. Returns the number of rows per outcome and `refused_path`, the address of that file or None.

    :param source: manifest of an extract, or one Parquet file, whose columns are REST names. (templated)
    :param lookup_field: field by which Marketo finds the person. (templated)
    :param action: `createOrUpdate`, `createOnly`, `updateOnly` or `createDuplicate`.
    :param clear_empty: empty values clear the field; by default they leave it as it is.
    :param partition: lead partition for new people. (templated)
    :param refused_to: directory for the refused rows, needed only when there are any. (templated)
    :param marketo_conn_id: id of the Airflow connection.
    """

    template_fields: Sequence[str] = ("source", "lookup_field", "partition", "refused_to", "counted")

    def __init__(
        self,
        *,
        source: str,
        refused_to: str,
        lookup_field: str = "email",
        action: Any = "createOrUpdate",
        clear_empty: bool = False,
        partition: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.refused_to = refused_to
        self.lookup_field = lookup_field
        self.action = action
        self.clear_empty = clear_empty
        self.partition = partition

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - part of Airflow's interface
        """Write every row once, in order; return counts and the address of the refused ones."""
        counts: Counter[str] = Counter()
        refused: list[dict[str, Any]] = []
        with closing(self.hook.get_conn()) as client:
            for _, rows in read_rows(self.source, batch_rows=_BATCH_ROWS):
                results = client.sync_leads(
                    [self._record(row) for row in rows],
                    action=self.action,
                    lookup_field=self.lookup_field,
                    partition=self.partition,
                )
                counts.update(result.status for result in results)
                refused += [_refusal(row, result) for row, result in zip(rows, results, strict=True) if result.errors]
        self.counted = {"rows": sum(counts.values()), **counts, "calls": client.calls}
        self.log.info("Wrote %d rows in %d calls: %s", sum(counts.values()), client.calls, dict(counts))
        return {"rows": sum(counts.values()), **counts, "refused_path": self._keep(refused)}

    def _record(self, row: dict[str, Any]) -> dict[str, Any]:
        return {name: as_json_value(value) for name, value in row.items() if value is not None or self.clear_empty}

    def _keep(self, refused: list[dict[str, Any]]) -> str | None:
        if not refused:
            return None
        path = ObjectStoragePath(self.refused_to) / "refused.parquet"
        write_rows(path, pa.Table.from_pylist(refused).schema, [refused])
        return str(path)


def _ids(given: Sequence[int] | str) -> list[int]:
    """Return the ids; text is a JSON list, as a template renders it."""
    try:
        listed = json.loads(given) if isinstance(given, str) else given
        return sorted({int(each) for each in listed})
    except (TypeError, ValueError):
        raise ConfigError("'lead_ids' is not a list of numbers", remedy="Write it like [318582, 318583].") from None


def _changed_between(client: MarketoClient, fields: Sequence[str], start: datetime, end: datetime) -> list[int]:
    """Return who was created or changed in the window. The feed is in order of time."""
    found: set[int] = set()
    for page in client.lead_changes(client.paging_token(start), fields):
        found |= {activity.lead_id for activity in page.items if start <= activity.at < end}
        if page.items and min(activity.at for activity in page.items) >= end:
            break
    return sorted(found)


def people_schema(known: Iterable[MarketoField], fields: Sequence[str]) -> pa.Schema:
    """Return the columns of the file, `id` first. Raises ConfigError for a field that the instance does not have."""
    types = {field.name: field.data_type for field in known}
    names = ["id", *(name for name in fields if name != "id")]
    if unknown := [name for name in names if name not in types and name != "id"]:
        raise ConfigError(
            f"Marketo has no field {', '.join(unknown)}", remedy="Use REST names as describe lists them, in their case."
        )
    return pa.schema([(name, _ARROW_TYPES.get(types.get(name, "integer"), pa.string())) for name in names])


def _refusal(row: dict[str, Any], result: RowResult) -> dict[str, Any]:
    error = result.errors[0]
    return row | {"_code": error.code, "_message": error.message, "_request_id": result.request_id}
