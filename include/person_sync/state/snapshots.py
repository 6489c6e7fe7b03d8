"""
The base snapshot: per link, the values both sides last agreed on.

A link's values are one JSON object, field → canonical text. Canonical text is never empty, so `""` stands for *empty*,
and a field that is absent has no base yet (`MISSING`). JSON null says the same as absent; in a patch it removes the
field. Objects are built and taken apart column by column, never row by row.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
from sqlalchemy import Column, Connection, Text, cast, func, select, true
from sqlalchemy.dialects.postgresql import JSONB

from include.person_sync.core.values import MISSING, TEXT_DTYPE, uniform_frame
from include.person_sync.state.bulk import NUL, NUL_STAND_IN, id_set, staged, with_nul
from include.person_sync.state.dialects import is_postgresql, upsert
from include.person_sync.state.tables import base_snapshot

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

__all__ = ["build_patches", "load_base", "move_base", "parse_snapshots"]

_BLOCK_BYTES = 1 << 20
_ESCAPES = [(NUL, NUL_STAND_IN)]
_ESCAPES += [(character, json.dumps(character)[1:-1]) for character in ["\\", '"', *map(chr, range(1, 0x20))]]
_NEEDS_ESCAPE = r'["\\\x00-\x1f]'


def load_base(connection: Connection, link_ids: Collection[int], fields: Sequence[str]) -> pd.DataFrame:
    """
    Return the base of the links: index `link_id` int64 in the order given, one canonical column per field.

    A field without a base, or a link without any, is `MISSING`.
    """
    index = pd.Index(np.fromiter(link_ids, dtype="int64", count=len(link_ids)), name="link_id")
    ids = id_set(connection, index.tolist())
    statement = select(base_snapshot.c.link_id, cast(base_snapshot.c.field_values, Text))
    rows = connection.execute(statement.where(base_snapshot.c.link_id.in_(ids))).all()
    if not rows or not fields:
        return uniform_frame(index, fields, MISSING)
    found_ids, documents = zip(*rows, strict=True)
    found = parse_snapshots(documents, fields)
    found.index = pd.Index(found_ids, dtype="int64", name="link_id")
    return found if found.index.equals(index) else found.reindex(index, fill_value=MISSING)


def parse_snapshots(documents: Sequence[str], fields: Sequence[str]) -> pd.DataFrame:
    """Return one canonical column per field from JSON objects, in their order."""
    buffer = "\n".join(documents).encode()
    longest = max(map(len, documents)) * 4 + 16  # a character takes at most four bytes; a block must hold a whole line
    table = pyarrow.json.read_json(
        pa.BufferReader(buffer),
        read_options=pyarrow.json.ReadOptions(block_size=max(_BLOCK_BYTES, longest)),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=pa.schema([(name, pa.string()) for name in fields]), unexpected_field_behavior="ignore"
        ),
    )
    return pd.DataFrame({name: _canonical(table.column(name)) for name in fields})


def _canonical(column: pa.ChunkedArray) -> pd.Series:
    known = pc.fill_null(column, MISSING)
    cells = pc.if_else(pc.equal(known, ""), pa.scalar(None, pa.string()), known)
    return with_nul(pd.Series(cells.to_pandas(), dtype=TEXT_DTYPE))


def move_base(connection: Connection, moves: pd.DataFrame, run_id: str) -> None:
    """Move the base of the fields named in `moves` (link_id, field, value); other fields keep theirs."""
    if moves.empty:
        return
    patches = build_patches(moves)
    patches["run_id"] = run_id
    columns = [base_snapshot.c.link_id, Column("field_values", Text), base_snapshot.c.run_id]
    with staged(connection, patches, columns) as source:
        statement = upsert(connection, base_snapshot)
        values = cast(source.c.field_values, JSONB) if is_postgresql(connection) else source.c.field_values
        rows = select(source.c.link_id, values, source.c.run_id).where(true())
        new = statement.from_select([column.name for column in columns], rows)
        connection.execute(
            new.on_conflict_do_update(
                index_elements=["link_id"],
                set_={
                    "field_values": _patched(connection, statement.excluded.field_values),
                    "run_id": statement.excluded.run_id,
                },
            )
        )


def _patched(connection: Connection, patch: object) -> object:
    if is_postgresql(connection):
        return func.jsonb_strip_nulls(base_snapshot.c.field_values.op("||")(patch))
    return func.json_patch(base_snapshot.c.field_values, patch)


def build_patches(moves: pd.DataFrame) -> pd.DataFrame:
    """
    Return one JSON object per link: columns link_id int64, field_values str, ordered by link_id.

    NaN becomes `""` and MISSING null. When a field of a link is named twice the later row counts.
    """
    codes, names = pd.factorize(moves["field"])
    link_ids = moves["link_id"].to_numpy(dtype="int64")
    order = _last_per_key(link_ids * len(names) + codes)
    link_ids, codes = link_ids[order], codes[order]
    starts = np.flatnonzero(np.r_[True, link_ids[1:] != link_ids[:-1]])
    keys = pa.array([json.dumps(name) for name in names], pa.large_string()).take(pa.array(codes))
    texts = _json_texts(moves["value"].iloc[order])
    pairs = pc.binary_join_element_wise(keys, texts, _large(":"))
    offsets = pa.array(np.r_[starts, len(link_ids)], pa.int64())
    joined = pc.binary_join(pa.LargeListArray.from_arrays(offsets, pairs), _large(","))
    objects = pc.binary_join_element_wise(_large("{"), joined, _large("}"), _large(""))
    return pd.DataFrame({"link_id": link_ids[starts], "field_values": pd.Series(objects.to_pandas(), dtype=TEXT_DTYPE)})


def _last_per_key(keys: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return the positions that sort `keys`, without those that a later row of the same key replaces."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    return order[np.r_[ordered[1:] != ordered[:-1], True]]


def _json_texts(values: pd.Series) -> pa.Array:
    """Return each value as JSON: `""` for empty, null for MISSING."""
    column = pa.array(values.astype(TEXT_DTYPE), pa.large_string(), from_pandas=True)
    cells = (column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column).fill_null("")
    awkward = pc.match_substring_regex(cells, _NEEDS_ESCAPE)
    if pc.any(awkward).as_py():
        cells = pc.replace_with_mask(cells, awkward, _escape(cells.filter(awkward)))
    quoted = pc.binary_join_element_wise(_large('"'), cells, _large('"'), _large(""))
    return pc.if_else(pc.equal(cells, _large(MISSING)), _large("null"), quoted)


def _escape(cells: pa.Array) -> pa.Array:
    for character, escape in _ESCAPES:
        cells = pc.replace_substring(cells, character, escape)
    return cells


def _large(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())
