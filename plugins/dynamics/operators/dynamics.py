"""Operators that move rows between Dynamics 365 and Parquet files."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa
from airflow.sdk import ObjectStoragePath

from dynamics.operators.base import DynamicsOperator
from include.dynamics import Operation, Outcome
from include.errors import ConfigError
from person_sync_airflow.parquet import Manifest, as_json_value, read_rows, write_manifest, write_rows
from person_sync_airflow.window import choose_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from include.dynamics import Column, DynamicsClient, OperationResult, Row

__all__ = ["DynamicsExtractOperator", "DynamicsLoadOperator"]

_ARROW_TYPES: Final = {
    **dict.fromkeys(("Integer", "BigInt", "Picklist", "State", "Status"), pa.int64()),
    **dict.fromkeys(("Decimal", "Double", "Money"), pa.float64()),
    "Boolean": pa.bool_(),
}
_BATCH_ROWS: Final = 2000
_VERSION: Final = "@odata.etag"


class DynamicsExtractOperator(DynamicsOperator):
    """
    Read rows of a Dynamics table into a Parquet file.

    Either the rows named by `row_ids`, or with `track_changes` everything that changed since `delta_link` (the whole
    table when there is none), or the rows last changed in a window: the one given, else the data interval of the DAG
    run. Each row brings its version as `@odata.etag`.

    Returns the address of a manifest (JSON) in `destination`; the rows never pass through XCom. With `track_changes`
    the manifest holds the next `delta_link`, and `deleted.parquet` the ids of deleted rows.

    :param table: logical name of the table. (templated)
    :param columns: logical names of the columns to read; a lookup is `_<name>_value`. (templated)
    :param destination: directory for the files, any address ObjectStoragePath understands. (templated)
    :param row_ids: ids of the rows to read, as a list or as JSON. (templated)
    :param since: start of the window, included; ISO 8601 with a time zone when it is text. (templated)
    :param until: end of the window, excluded. (templated)
    :param track_changes: read the change feed instead of a window.
    :param delta_link: where to go on in the change feed, from an earlier manifest. (templated)
    :param dynamics_conn_id: id of the Airflow connection.
    """

    template_fields: Sequence[str] = (
        "table",
        "columns",
        "destination",
        "row_ids",
        "since",
        "until",
        "delta_link",
        "counted",
    )

    def __init__(
        self,
        *,
        table: str,
        columns: Sequence[str],
        destination: str,
        row_ids: Sequence[str] | str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        track_changes: bool = False,
        delta_link: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.columns = columns
        self.destination = destination
        self.row_ids = row_ids
        self.since = since
        self.until = until
        self.track_changes = track_changes
        self.delta_link = delta_link

    def execute(self, context: Context) -> str:
        """Read, write the files, return the manifest's address."""
        directory = ObjectStoragePath(self.destination)
        with closing(self.hook.get_conn()) as client:
            key = client.table(self.table).primary_key
            schema = _schema(client.columns(self.table), key, self.columns)
            selected = [name for name in schema.names if name != _VERSION]
            if self.track_changes:
                rows, details = self._follow_feed(client, directory, schema, selected)
            else:
                pages, details = self._read(client, context, selected)
                rows = write_rows(directory / "rows.parquet", schema, pages)
        self.counted = {"rows": rows, "deleted": details.get("deleted", 0), "calls": client.calls}
        self.log.info("Read %d rows of %s in %d calls", rows, self.table, client.calls)
        return write_manifest(directory, Manifest(("rows.parquet",), rows, {"table": self.table, **details}))

    def _read(
        self, client: DynamicsClient, context: Context, columns: Sequence[str]
    ) -> tuple[Iterable[Sequence[Row]], dict[str, Any]]:
        """Return pages of rows, and what the manifest says about their choice."""
        if self.row_ids is not None:
            return [client.rows_by_id(self.table, _ids(self.row_ids), columns)], {}
        start, end = choose_window(context, self.since, self.until)
        window = {"since": start.isoformat(), "until": end.isoformat()}
        return client.rows_modified_between(self.table, columns, start, end), window

    def _follow_feed(
        self, client: DynamicsClient, directory: ObjectStoragePath, schema: pa.Schema, columns: Sequence[str]
    ) -> tuple[int, dict[str, Any]]:
        """Write changed and deleted rows; return their number and the link to go on from next time."""
        deleted: list[str] = []
        details: dict[str, Any] = {}

        def pages() -> Iterator[Sequence[Row]]:
            for page in client.track_changes(self.table, columns, delta_link=self.delta_link or None):
                deleted.extend(page.deleted)
                details.update({"delta_link": page.delta_link} if page.delta_link else {})
                yield page.rows

        rows = write_rows(directory / "rows.parquet", schema, pages())
        key = pa.schema([(schema.names[0], pa.string())])
        write_rows(directory / "deleted.parquet", key, [[{schema.names[0]: each} for each in deleted]])
        return rows, details | {"deleted_file": "deleted.parquet", "deleted": len(deleted)}


class DynamicsLoadOperator(DynamicsOperator):
    """
    Write the rows of a Parquet file to a Dynamics table.

    One bad row does not keep the others from being written: rows that were not written end up in a Parquet file with
    the reason. Returns the number of rows per outcome and `refused_path`, the address of that file or None.

    Every row needs its id, for `create` too: a repeated create then finds the first one instead of making a second.

    :param source: manifest of an extract, or one Parquet file, whose columns are logical names. (templated)
    :param table: logical name of the table. (templated)
    :param refused_to: directory for the rows that were not written, needed only when there are any. (templated)
    :param operation: `create`, `update` or `delete`.
    :param match_version: write only rows whose version is still the one in the column `@odata.etag`.
    :param clear_empty: empty values clear the column; by default they leave it as it is.
    :param dynamics_conn_id: id of the Airflow connection.
    """

    template_fields: Sequence[str] = ("source", "table", "refused_to", "counted")

    def __init__(
        self,
        *,
        source: str,
        table: str,
        refused_to: str,
        operation: Literal["create", "update", "delete"] = "update",
        match_version: bool = False,
        clear_empty: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.table = table
        self.refused_to = refused_to
        self.operation = operation
        self.match_version = match_version
        self.clear_empty = clear_empty

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - part of Airflow's interface
        """Write every row once; return counts and the address of those that were not written."""
        counts: Counter[str] = Counter()
        refused: list[dict[str, Any]] = []
        with closing(self.hook.get_conn()) as client:
            key = client.table(self.table).primary_key
            for schema, rows in read_rows(self.source, batch_rows=_BATCH_ROWS):
                self._check(schema, key)
                results = client.apply([self._operation(row, key) for row in rows])
                counts.update(str(result.outcome) for result in results)
                refused += [_refusal(row, result) for row, result in zip(rows, results, strict=True) if _failed(result)]
        self.counted = {"rows": sum(counts.values()), **counts, "calls": client.calls}
        self.log.info("Wrote %d rows of %s in %d calls: %s", counts["done"], self.table, client.calls, dict(counts))
        return {"rows": sum(counts.values()), **counts, "refused_path": self._keep(refused)}

    def _check(self, schema: pa.Schema, key: str) -> None:
        needed = [key, _VERSION] if self.match_version else [key]
        if missing := [name for name in needed if name not in schema.names]:
            raise ConfigError(f"{self.source} has no column {', '.join(missing)}", remedy="Add it to the source.")

    def _operation(self, row: dict[str, Any], key: str) -> Operation:
        body = {
            name: as_json_value(value)
            for name, value in row.items()
            if name not in {key, _VERSION} and (value is not None or self.clear_empty)
        }
        version = row[_VERSION] if self.match_version else None
        return Operation(self.operation, self.table, row[key], {} if self.operation == "delete" else body, version)

    def _keep(self, refused: list[dict[str, Any]]) -> str | None:
        if not refused:
            return None
        path = ObjectStoragePath(self.refused_to) / "refused.parquet"
        write_rows(path, pa.Table.from_pylist(refused).schema, [refused])
        return str(path)


def _ids(given: Sequence[str] | str) -> list[str]:
    """Return the ids; text is a JSON list, as a template renders it."""
    try:
        listed = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        listed = None
    if not isinstance(listed, list | tuple) or not all(isinstance(each, str) for each in listed):
        raise ConfigError(
            "'row_ids' is not a list of ids", remedy='Write it like ["00000000-0000-0000-0000-000000000000"].'
        )
    return sorted(set(listed))


def _schema(known: Iterable[Column], key: str, columns: Sequence[str]) -> pa.Schema:
    """Return the columns of the file: the key, those asked for, the version. Raises ConfigError for an unknown one."""
    types = {column.name: column.type for column in known}
    lookups = {f"_{name}_value" for name in types}
    names = [key, *(name for name in columns if name != key)]
    if unknown := [name for name in names if name not in types and name not in lookups]:
        raise ConfigError(
            f"The table has no column {', '.join(unknown)}", remedy="Use logical names; a lookup is _<name>_value."
        )
    typed = [(name, _ARROW_TYPES.get(types.get(name, ""), pa.string())) for name in names]
    return pa.schema([*typed, (_VERSION, pa.string())])


def _failed(result: OperationResult) -> bool:
    return result.outcome is not Outcome.DONE


def _refusal(row: dict[str, Any], result: OperationResult) -> dict[str, Any]:
    reason = {"_outcome": str(result.outcome), "_code": result.code, "_message": result.message}
    return row | reason | {"_request_id": result.request_id}
