"""
The three-way merge: what happens to each field of each pair, given the base and both sides.

An update is a difference from the base, never "a timestamp moved"; so our own writes, when they come back, are no
update. The decision for one cell, before per-field rules (letters are values, `-` is empty, `?` no base yet, `!`
unreadable):

```text
rule                 blank      table    base  marketo  dynamics  outcome       winner    planned
two_way              propagate  any      a     a        a         nothing
two_way              propagate  any      -     -        -         nothing
two_way              propagate  any      a     b        a         to_dynamics   .         b
two_way              propagate  any      a     -        a         to_dynamics   .         -
two_way              propagate  any      -     b        -         to_dynamics   .         b
two_way              propagate  any      a     a        b         to_marketo    .         b
two_way              propagate  any      a     a        -         to_marketo    .         -
two_way              propagate  any      a     b        b         adopt         .         b
two_way              propagate  any      a     -        -         adopt         .         -
two_way              propagate  lead     a     b        c         collision     marketo   b
two_way              propagate  contact  a     b        c         collision     dynamics  c
two_way              propagate  lead     a     -        c         collision     marketo   -
two_way              propagate  contact  a     b        -         collision     dynamics  -
two_way              propagate  any      ?     a        a         adopt         .         a
two_way              propagate  any      ?     -        -         adopt         .         -
two_way              propagate  any      ?     a        -         to_dynamics   .         a
two_way              propagate  any      ?     -        a         to_marketo    .         a
two_way              propagate  lead     ?     a        b         collision     marketo   a
two_way              propagate  contact  ?     a        b         collision     dynamics  b
two_way              propagate  any      a     !        b         nothing
two_way              propagate  any      a     b        !         nothing
two_way              propagate  any      ?     a        !         nothing
two_way              propagate  any      a     !        !         nothing
prefer_marketo       propagate  any      a     a        b         to_marketo    .         b
prefer_marketo       propagate  any      a     b        a         to_dynamics   .         b
prefer_marketo       propagate  any      a     b        c         collision     marketo   b
prefer_marketo       propagate  any      ?     a        b         collision     marketo   a
prefer_dynamics      propagate  any      a     b        a         to_dynamics   .         b
prefer_dynamics      propagate  any      a     b        c         collision     dynamics  c
prefer_dynamics      propagate  any      ?     -        b         to_marketo    .         b
marketo_to_dynamics  propagate  any      a     b        a         to_dynamics   .         b
marketo_to_dynamics  propagate  any      a     a        b         withheld      .         a
marketo_to_dynamics  propagate  any      a     b        c         collision     marketo   b
marketo_to_dynamics  propagate  any      a     b        b         adopt         .         b
marketo_to_dynamics  propagate  any      ?     a        b         collision     marketo   a
marketo_to_dynamics  propagate  any      ?     -        b         withheld      .         -
dynamics_to_marketo  propagate  any      a     a        b         to_marketo    .         b
dynamics_to_marketo  propagate  any      a     b        a         withheld      .         a
dynamics_to_marketo  propagate  any      a     b        c         collision     dynamics  c
dynamics_to_marketo  propagate  any      ?     a        -         withheld      .         -
two_way              keep       any      a     -        a         withheld      .         a
two_way              keep       any      a     a        -         withheld      .         a
two_way              keep       any      a     -        -         adopt         .         -
two_way              keep       any      a     -        c         collision     dynamics  c
two_way              keep       any      a     b        -         collision     marketo   b
two_way              keep       any      a     b        a         to_dynamics   .         b
marketo_to_dynamics  keep       any      a     -        c         withheld      .         a
marketo_to_dynamics  keep       any      a     -        a         withheld      .         a
```

*adopt*: the base moves to the value both sides hold, nothing is written. *withheld*: the rule or the blank policy lets
nothing through; the base stays, and `planned` repeats it (empty where there is no base). Writes go from the winner's
side to the other.

Laws, held by property tests: nothing changed, nothing decided; carrying a decision out and merging again decides
nothing; a one-sided change arrives; a value that loses is recorded; equal values never collide; the result depends
neither on the order of rows nor on how people are cut into batches; swapping the sides swaps the result; no value is
invented, and MISSING and UNREADABLE are never planned.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa

from include.errors import SyncError
from include.person_sync.core.alignment import LINK_ID, Alignment, ColumnReader, align, read_column
from include.person_sync.core.decision import OUTCOMES, Cells, Decided, decide, differs, winner_of
from include.person_sync.core.fields import Blank, Rule, Side
from include.person_sync.core.values import TEXT_DTYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import EffectiveField

__all__ = ["DECISION_COLUMNS", "decisions_frame", "merge", "merge_columns", "merge_tables", "winner_of"]

DECISION_COLUMNS = (LINK_ID, "field", "outcome", "winner", "base", "marketo", "dynamics", "planned", "rule")


def merge(
    base: pd.DataFrame,
    marketo: pd.DataFrame,
    dynamics: pd.DataFrame,
    fields: Sequence[EffectiveField],
    table: Table,
) -> pd.DataFrame:
    """
    Return one row per link and field about which something is decided.

    The inputs are canonical frames with a unique int64 index of link ids, the same set in any order, and a column per
    field. The result has the columns `DECISION_COLUMNS`, a fresh index, and is sorted by link id, then field order:
    `outcome` as in `Outcome`, `winner` (`marketo`, `dynamics`) for collisions only, `base` possibly MISSING, `rule`
    what decided: the field's rule, or `keep` where the blank policy did. Raises SyncError for unequal sets of links or
    an absent column. Writes nothing.
    """
    agreed, ours, theirs = (_frame_reader(frame) for frame in (base, marketo, dynamics))
    return decisions_frame(merge_columns(agreed, ours, theirs, fields=fields, table=table, workers=1))


def merge_tables(
    base: pa.Table, marketo: pa.Table, dynamics: pa.Table, fields: Sequence[EffectiveField], table: Table
) -> pa.Table:
    """Return the same as `merge`, from Arrow tables with a column `link_id` and one per field, in any row order."""
    return merge_columns(base.column, marketo.column, dynamics.column, fields=fields, table=table)


def merge_columns(
    base: ColumnReader,
    marketo: ColumnReader,
    dynamics: ColumnReader,
    *,
    fields: Sequence[EffectiveField],
    table: Table,
    workers: int = 2,
) -> pa.Table:
    """
    Return the same as `merge`, reading one column at a time, so that memory holds `workers` fields and the decisions.

    `field`, `outcome`, `winner` and `rule` are dictionary-encoded, the values are `large_string`. A million links of 30
    fields take a few seconds.
    """
    alignment = align(base, marketo, dynamics)
    work = partial(_decide_field, alignment=alignment, base=base, marketo=marketo, dynamics=dynamics, table=table)
    if workers > 1 and len(alignment.link_ids) > _SMALL:
        with ThreadPoolExecutor(workers) as pool:
            parts = list(pool.map(work, fields))
    else:
        parts = [work(field) for field in fields]
    return _assemble(parts, fields)


_SMALL = 10_000
"""Up to so many links, threads cost more than they save."""


def decisions_frame(decisions: pa.Table) -> pd.DataFrame:
    """Return decisions as a frame of int64 and `str` columns."""
    texts = {name: decisions.column(name).cast(pa.large_string()).to_pandas() for name in DECISION_COLUMNS[1:]}
    frame = pd.DataFrame({LINK_ID: decisions.column(LINK_ID).to_pandas(), **texts})
    return frame.astype(dict.fromkeys(texts, TEXT_DTYPE))


def _frame_reader(frame: pd.DataFrame) -> ColumnReader:
    def read(name: str) -> pa.Array | pa.ChunkedArray:
        if name == LINK_ID:
            return pa.array(np.asarray(frame.index, dtype=np.int64))
        return pa.array(frame[name], pa.large_string(), from_pandas=True)

    return read


def _decide_field(
    field: EffectiveField,
    *,
    alignment: Alignment,
    base: ColumnReader,
    marketo: ColumnReader,
    dynamics: ColumnReader,
    table: Table,
) -> Decided:
    """
    Decide one field. Only cells in which a side differs from the base are looked at closely.

    The base never holds UNREADABLE and a side never MISSING, so cells with a mark are among those.
    """
    try:
        agreed = read_column(base, field.name, None)
        ours = read_column(marketo, field.name, alignment.marketo)
        theirs = read_column(dynamics, field.name, alignment.dynamics)
    except KeyError:
        raise SyncError(f"Field {field.name} is absent from an input of the merge.") from None
    rows = np.flatnonzero(differs(ours, agreed) | differs(theirs, agreed))
    changed = Cells(alignment.link_ids, agreed, ours, theirs).take(rows)
    return decide(changed, field, table)


def _assemble(parts: Sequence[Decided], fields: Sequence[EffectiveField]) -> pa.Table:
    """Return the decisions of all fields as one table, sorted by link id, then field order."""
    sizes = [len(part.outcome) for part in parts]
    link_ids = _joined([part.cells.link_ids for part in parts], np.int64)
    field_codes = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
    order = np.lexsort((field_codes, link_ids))
    texts = {name: _in_order([_text(part, name) for part in parts], order) for name in _TEXTS}
    columns = {
        LINK_ID: pa.array(link_ids[order]),
        "field": _dictionary(field_codes[order], [field.name for field in fields]),
        "outcome": _dictionary(_joined([part.outcome for part in parts], np.int8)[order], list(OUTCOMES)),
        "winner": _dictionary(_joined([_winner_codes(part) for part in parts], np.int8)[order], list(Side)),
        **texts,
        "rule": _dictionary(_joined([_rule_codes(part) for part in parts], np.int8)[order], _REASONS),
    }
    return pa.table(columns).select(DECISION_COLUMNS)


_TEXTS = ("base", "marketo", "dynamics", "planned")
_REASONS = [*Rule, Blank.KEEP]


def _text(part: Decided, name: str) -> pa.Array:
    of = {"base": part.cells.base, "marketo": part.cells.marketo, "dynamics": part.cells.dynamics}
    return of.get(name, part.planned)


def _winner_codes(part: Decided) -> np.ndarray:
    """Return positions in `Side`, -1 where nobody wins."""
    return np.where(part.is_collision, np.where(part.from_marketo, 0, 1), -1)


def _rule_codes(part: Decided) -> np.ndarray:
    return np.where(part.by_blank, len(Rule), _REASONS.index(part.rule))


def _joined(arrays: list[np.ndarray], dtype: type[np.generic]) -> np.ndarray:
    return np.concatenate([np.asarray(array, dtype=dtype) for array in arrays] or [np.empty(0, dtype)])


def _in_order(arrays: list[pa.Array], order: np.ndarray) -> pa.Array:
    return pa.concat_arrays([*arrays, pa.array([], pa.large_string())]).take(pa.array(order))


def _dictionary(codes: np.ndarray, names: Sequence[str]) -> pa.DictionaryArray:
    """Return a dictionary column; negative codes are null."""
    indices = pa.array(codes.astype(np.int32), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, pa.array([str(name) for name in names], pa.string()))
