"""
Make the three Parquet inputs of the merge benchmark: `python -m tests.benchmarks.people DIRECTORY LINKS`.

A million links of 30 fields by default: a third of the fields nearly unique (addresses, phone numbers), a sixth of many
values (names), the rest of few (cities, choices, yes/no), one cell in seven empty. The sides are the base with one cell
in a hundred edited on each, to one of three values, so that agreements and collisions occur. A few cells have no base
or are unreadable. Each file lists the people in an order of its own.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from include.person_sync.core.values import MISSING, UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

FIELD_COUNT = 30
FIELD_NAMES = tuple(f"field_{number:02d}" for number in range(FIELD_COUNT))
INPUTS = ("base", "marketo", "dynamics")
EMPTY_SHARE, EDITED_SHARE, MARKED_SHARE = 0.15, 0.01, 0.0005
SEED = 20_260_101


def write_inputs(directory: Path, links: int) -> None:
    """Write `base.parquet`, `marketo.parquet`, `dynamics.parquet` and `links.parquet` with `links` people each."""
    generator = np.random.default_rng(SEED)
    link_ids = np.arange(1, links + 1) * 7
    truth = [_values(generator, number, links) for number in range(FIELD_COUNT)]
    for name in INPUTS:
        mark = MISSING if name == "base" else UNREADABLE
        share = 0.0 if name == "base" else EDITED_SHARE
        columns = [_marked(generator, _edited(generator, column, share), mark) for column in truth]
        table = pa.table([pa.array(link_ids), *columns], names=["link_id", *FIELD_NAMES])
        pq.write_table(table.take(generator.permutation(links)), directory / f"{name}.parquet")
    pq.write_table(_links(link_ids), directory / "links.parquet")


def _values(generator: np.random.Generator, number: int, links: int) -> pa.Array:
    kinds = {0: ("person{}@example.com", links), 1: ("+1 555 {}", 10**7), 2: ("Name {}", 20_000)}
    pattern, distinct = kinds.get(number % 6, ("Value {}", (2, 10, 500)[number % 3]))
    head, tail = pattern.split("{}")
    text = pc.binary_join_element_wise(head, _text(generator.integers(0, distinct, links)), tail, "")
    return _mixed(generator, text, None, EMPTY_SHARE)


def _edited(generator: np.random.Generator, column: pa.Array, share: float) -> pa.Array:
    edits = pc.binary_join_element_wise("edit ", _text(generator.integers(0, 3, len(column))), "")
    return pc.if_else(pa.array(generator.random(len(column)) < share), edits, column)


def _marked(generator: np.random.Generator, column: pa.Array, mark: str) -> pa.Array:
    return _mixed(generator, column, mark, MARKED_SHARE)


def _mixed(generator: np.random.Generator, column: pa.Array, value: str | None, share: float) -> pa.Array:
    return pc.if_else(pa.array(generator.random(len(column)) < share), pa.scalar(value, pa.string()), column)


def _text(numbers: np.ndarray) -> pa.Array:
    return pa.array(numbers).cast(pa.string())


def _links(link_ids: np.ndarray) -> pa.Table:
    count = len(link_ids)
    return pa.table(
        {
            "link_id": link_ids,
            "marketo_id": link_ids,
            "dynamics_table": pa.repeat("contact", count),
            "dynamics_id": pc.binary_join_element_wise("row-", _text(link_ids), ""),
            "generation": np.zeros(count, dtype=np.int64),
            "dynamics_version": pa.repeat('W/"1"', count),
        }
    )


def main(arguments: Sequence[str]) -> None:
    """Write the inputs into the directory named first, for as many links as named second."""
    write_inputs(Path(arguments[0]), int(arguments[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
