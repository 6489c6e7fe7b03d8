"""
Rows in Parquet files beside a manifest: what extract operators leave behind and load operators pick up.

Between tasks travels the address of the manifest, never rows. The manifest is written last, so a file that a task did
not finish is never read.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import IO, TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from airflow.sdk import ObjectStoragePath

from include.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

__all__ = ["Manifest", "as_json_value", "read_manifest", "read_rows", "write_manifest", "write_rows"]

MANIFEST: Final = "manifest.json"

_ROW_GROUP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a directory of extracted rows holds. `files` are names in that directory, `details` depend on the source."""

    files: tuple[str, ...]
    rows: int
    details: Mapping[str, Any] = field(default_factory=dict)


def write_rows(path: ObjectStoragePath, schema: pa.Schema, pages: Iterable[Sequence[Mapping[str, Any]]]) -> int:
    """Write pages of rows to one Parquet file and return their number. Keys that the schema lacks are left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with _open(path, "wb") as file, pq.ParquetWriter(file, schema) as writer:
        for group in _groups(pages):
            writer.write_table(pa.Table.from_pylist([_fitting(row, schema) for row in group], schema=schema))
            written += len(group)
    return written


def write_manifest(directory: ObjectStoragePath, manifest: Manifest) -> str:
    """Write the manifest of a directory and return its address, ready to be passed to another task."""
    content = {"files": list(manifest.files), "rows": manifest.rows, **manifest.details}
    path = directory / MANIFEST
    path.write_text(json.dumps(content, indent=2))
    return str(path)


def read_manifest(address: str) -> Manifest:
    """Return the manifest at this address. Raises ConfigError when there is none."""
    try:
        content = json.loads(ObjectStoragePath(address).read_text())
        return Manifest(tuple(content.pop("files")), content.pop("rows"), content)
    except (FileNotFoundError, KeyError, ValueError) as error:
        raise ConfigError(
            f"There is no manifest at {address}", remedy="Pass the address an extract returned."
        ) from error


def read_rows(address: str, *, batch_rows: int) -> Iterator[tuple[pa.Schema, list[dict[str, Any]]]]:
    """Yield batches of rows, each with the schema of its file. The address is of a manifest or of one Parquet file."""
    for path in _files(address):
        with _open(path, "rb") as file:
            source = pq.ParquetFile(file)
            for batch in source.iter_batches(batch_size=batch_rows):
                yield source.schema_arrow, batch.to_pylist()


def as_json_value(value: Any) -> Any:
    """Return a Parquet value as JSON has it: times as ISO 8601 text, decimals as numbers."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _open(path: ObjectStoragePath, mode: str) -> IO[bytes]:
    opened: IO[bytes] = path.open(mode)  # type: ignore[no-untyped-call]  # Airflow gives it no types
    return opened


def _files(address: str) -> list[ObjectStoragePath]:
    path = ObjectStoragePath(address)
    if path.name.endswith(".json"):
        return [path.parent / name for name in read_manifest(address).files]
    if not path.exists():
        raise ConfigError(f"There is no file at {address}", remedy="Pass a manifest or a Parquet file.")
    return [path]


def _groups(pages: Iterable[Sequence[Mapping[str, Any]]]) -> Iterator[list[Mapping[str, Any]]]:
    """Collect small pages, so that the file gets row groups of a useful size."""
    group: list[Mapping[str, Any]] = []
    for page in pages:
        group += page
        if len(group) >= _ROW_GROUP:
            yield group
            group = []
    if group:
        yield group


def _fitting(row: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """Return the row with text where a text column is declared: systems give numbers for some of them."""
    return {
        column.name: _text(row.get(column.name)) if column.type == pa.string() else row.get(column.name)
        for column in schema
    }


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)
