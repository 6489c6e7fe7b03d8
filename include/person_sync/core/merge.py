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
from include.person_sync.core.alignment import Alignment, align
from include.person_sync.core.decision import OUTCOMES, Cells, Decided, decide, differs, winner_of
from include.person_sync.core.fields import Blank, Rule, Side
from include.person_sync.core.relations import DECISIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import EffectiveField

__all__ = ["merge", "winner_of"]


def merge(
    base: pd.DataFrame,
    marketo: pd.DataFrame,
    dynamics: pd.DataFrame,
    fields: Sequence[EffectiveField],
    table: Table,
) -> pd.DataFrame:
    """
    Return one row per link and field about which something is decided (DECISIONS).

    The inputs are canonical frames with a unique int64 index of link ids, the same set in any order, and a column per
    field. The result has a fresh index and is sorted by link id, then field order: `outcome` as in `Outcome`, `winner`
    (`marketo`, `dynamics`) for collisions only, `base` possibly MISSING, `rule` what decided: the field's rule, or
    `keep` where the blank policy did. Raises SyncError for unequal sets of links or an absent column. Writes nothing.

    Columns are compared as Arrow holds them, without copies, two fields at a time once there are many links: memory
    holds the inputs and the decisions.
    """
    alignment = align(base.index, marketo.index, dynamics.index)
    work = partial(_decide_field, alignment=alignment, base=base, marketo=marketo, dynamics=dynamics, table=table)
    if len(alignment.link_ids) > _SMALL:
        with ThreadPoolExecutor(_WORKERS) as pool:
            parts = list(pool.map(work, fields))
    else:
        parts = [work(field) for field in fields]
    return _assemble(parts, fields)


_SMALL = 10_000
"""Up to so many links, threads cost more than they save."""

_WORKERS = 2


def _decide_field(
    field: EffectiveField,
    *,
    alignment: Alignment,
    base: pd.DataFrame,
    marketo: pd.DataFrame,
    dynamics: pd.DataFrame,
    table: Table,
) -> Decided:
    """
    Decide one field. Only cells in which a side differs from the base are looked at closely.

    The base never holds UNREADABLE and a side never MISSING, so cells with a mark are among those.
    """
    agreed = _column(base, field.name, None)
    ours = _column(marketo, field.name, alignment.marketo)
    theirs = _column(dynamics, field.name, alignment.dynamics)
    rows = np.flatnonzero(differs(ours, agreed) | differs(theirs, agreed))
    changed = Cells(alignment.link_ids, agreed, ours, theirs).take(rows)
    return decide(changed, field, table)


def _column(frame: pd.DataFrame, name: str, rows: pa.Array | None) -> pa.Array:
    """Return a column as one array of text in the order of `rows`."""
    if name not in frame:
        raise SyncError(f"Field {name} is absent from an input of the merge.")
    column = pa.array(frame[name], pa.large_string(), from_pandas=True)
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole if rows is None else whole.take(rows)


def _assemble(parts: Sequence[Decided], fields: Sequence[EffectiveField]) -> pd.DataFrame:
    """Return the decisions of all fields as one frame, sorted by link id, then field order."""
    sizes = [len(part.outcome) for part in parts]
    link_ids = _joined([part.cells.link_ids for part in parts], np.int64)
    field_codes = np.repeat(np.arange(len(parts), dtype=np.int32), sizes)
    order = np.lexsort((field_codes, link_ids))
    words = {
        "field": _words(field_codes[order], [field.name for field in fields]),
        "outcome": _words(_joined([part.outcome for part in parts], np.int8)[order], list(OUTCOMES)),
        "winner": _words(_joined([_winner_codes(part) for part in parts], np.int8)[order], list(Side)),
        "rule": _words(_joined([_rule_codes(part) for part in parts], np.int8)[order], _REASONS),
    }
    texts = {name: _in_order([_text(part, name) for part in parts], order) for name in _TEXTS}
    columns = {name: pd.Series(column.to_pandas(), dtype="str") for name, column in {**words, **texts}.items()}
    return DECISIONS.of(pd.DataFrame({"link_id": link_ids[order], **columns}))


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


def _words(codes: np.ndarray, names: Sequence[str]) -> pa.Array:
    """Return the word of each code; negative codes are empty."""
    known = pa.array([str(name) for name in names], pa.large_string())
    return known.take(pa.array(codes.astype(np.int32), mask=codes < 0))
