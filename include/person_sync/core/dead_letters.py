"""
Refusals: how a refused value is known again, what is left out of a plan because of it, and what is written down.

A refusal is about cells: a field of a pair, and the value that was not taken. Its fingerprint covers the direction, the
target, the value and the schema; while all of them are the same, the cell is left out of later plans and the person's
other fields go on. A creation is refused as a whole, and so is its fingerprint.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from include.person_sync.core.changes import ChangeSet
from include.person_sync.core.pairs import PROVISIONAL
from include.person_sync.core.relations import LETTERS
from include.person_sync.core.values import TEXT_DTYPE
from include.person_sync.core.vocabulary import Action, ActivityState, DeadLetterKind, Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = [
    "RETRYABLE_KINDS",
    "KnownRefusals",
    "fingerprint",
    "hold_letters",
    "problem_letters",
    "refusal_letters",
    "schemas_watermark",
    "without_cells",
    "without_known_refusals",
]

RETRYABLE_KINDS = (DeadLetterKind.REJECTED.value, DeadLetterKind.INVALID.value)
"""Kinds of letters that may be none any more once the schemas change."""

WHOLE = frozenset({Action.CREATE.value, Action.DELETE.value})
"""Actions that are refused as a whole."""


def fingerprint(*parts: str) -> str:
    """Return the hash of the parts; equal parts give equal hashes in every process."""
    return hashlib.sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _problem_fingerprints(problems: pd.DataFrame, digest: str, unborn: pd.Series) -> list[str]:
    """
    Return one fingerprint per problem: direction, pair, field, value and schema.

    `unborn`: True per problem of a pair that has no lasting link id; such a pair is known by its target.
    """
    about = problems["link_id"].astype(object).mask(unborn, _targets(problems))
    columns = ["direction", "link_id", "field", "code", "planned"]
    cells = problems.assign(link_id=about)[columns].astype(object)
    cells = cells.where(cells.notna(), "")  # missing may be None, NaN or NA here
    return [fingerprint(digest, *map(str, row)) for row in cells.itertuples(index=False)]


def _targets(changes: pd.DataFrame) -> pd.Series:
    """Return what each change is written to, as one text: a row, or a person."""
    row_ids = changes["dynamics_id"].fillna("")
    rows = changes["dynamics_table"] + ":" + row_ids
    people = "marketo:" + changes["marketo_id"].astype(object).map(str) + ":" + row_ids
    return rows.where(changes["direction"] == Direction.TO_DYNAMICS, people)


def _cell_fingerprints(changes: pd.DataFrame, values: pd.DataFrame, digest: str) -> pd.Series:
    """Return one fingerprint per planned value (index as `values`): direction, target, field, value and schema."""
    about = changes.set_index("change_no")
    parts = zip(
        values["change_no"].map(about["direction"]),
        values["change_no"].map(_targets(changes).set_axis(about.index)),
        values["field"],
        values["planned"],
        strict=True,
    )
    found = [fingerprint(digest, way, target, _planned({field: value})) for way, target, field, value in parts]
    return pd.Series(found, index=values.index, dtype=TEXT_DTYPE)


def _change_fingerprints(changes: pd.DataFrame, values: pd.DataFrame, digest: str) -> pd.Series:
    """Return one fingerprint per change (index change_no): direction, target, all values and the schema."""
    bodies = _bodies(values)
    keys = zip(changes["change_no"], changes["direction"], _targets(changes), strict=True)
    found = {number: fingerprint(digest, way, target, _planned(bodies.get(number, {}))) for number, way, target in keys}
    return pd.Series(found, index=changes["change_no"].tolist(), dtype=TEXT_DTYPE)


def _planned(fields: Mapping[str, object]) -> str:
    return json.dumps(
        {name: value if isinstance(value, str) else None for name, value in fields.items()}, sort_keys=True
    )


def _bodies(values: pd.DataFrame) -> dict[int, dict[str, str | None]]:
    """Return the planned fields per change."""
    bodies: dict[int, dict[str, str | None]] = {}
    for number, field, planned in zip(values["change_no"], values["field"], values["planned"], strict=True):
        bodies.setdefault(number, {})[field] = planned if isinstance(planned, str) else None
    return bodies


@dataclass(frozen=True)
class KnownRefusals:
    """
    A plan without what was refused before.

    `change_set` and `problems` are what is left; `skipped` counts, per direction, the people of whom something was left
    out.
    """

    change_set: ChangeSet
    problems: pd.DataFrame
    skipped: Mapping[str, int]


def without_known_refusals(
    change_set: ChangeSet, problems: pd.DataFrame, refusals: frozenset[str], digest: str
) -> KnownRefusals:
    """
    Return a plan and its problems without what is an open dead letter already.

    Of an update the refused cells are left out and the others stay; a creation or deletion is left out as a whole.
    """
    changes, values = change_set.changes, change_set.values
    if not refusals:
        return KnownRefusals(change_set, problems, {way.value: 0 for way in _WAYS})
    whole = changes["action"].isin(WHOLE)
    by_change = _change_fingerprints(
        changes[whole], values[values["change_no"].isin(changes.loc[whole, "change_no"])], digest
    )
    numbers = set(by_change.index[by_change.isin(refusals)])
    writing = changes.loc[~whole & (changes["direction"] != Direction.NONE), "change_no"]
    cells = values[values["change_no"].isin(writing)]
    refused = cells.index[_cell_fingerprints(changes, cells, digest).isin(refusals)]
    unborn = problems["link_id"] >= PROVISIONAL
    prints = _problem_fingerprints(problems, digest, unborn)
    known = pd.Series(prints, index=problems.index, dtype=TEXT_DTYPE).isin(refusals)
    concerned = changes[changes["change_no"].isin({*numbers, *values.loc[refused, "change_no"]})]
    skipped = {
        way.value: len(
            {
                *concerned.loc[concerned["direction"] == way, "link_id"],
                *problems.loc[known & (problems["direction"] == way), "link_id"],
            }
        )
        for way in _WAYS
    }
    keep = ~values.index.isin(refused)
    return KnownRefusals(without_cells(change_set, numbers, keep), problems[~known], skipped)


_WAYS = (Direction.TO_DYNAMICS, Direction.TO_MARKETO)


def without_cells(change_set: ChangeSet, refused: Iterable[int], keep: np.ndarray) -> ChangeSet:
    """
    Return the changes without some (`refused`: change_nos) and the values with `keep` only; an update with nothing left
    to write is left out too.
    """
    changes, values = change_set.changes, change_set.values[keep]
    gone = list(refused)
    values = values[~values["change_no"].isin(gone)]
    emptied = (changes["action"] == Action.UPDATE) & ~changes["change_no"].isin(values["change_no"])
    return ChangeSet(changes[~changes["change_no"].isin(gone) & ~emptied], values)


def problem_letters(problems: pd.DataFrame, digest: str, links: pd.Series) -> pd.DataFrame:
    """
    Return problems as dead letters (LETTERS), one per value. `links`: ids of the links there are once the run is
    committed.
    """
    unborn = ~problems["link_id"].isin(links)
    bodies = zip(problems["field"], problems["planned"], strict=True)
    letters = problems.assign(
        kind=DeadLetterKind.INVALID.value,
        action=Action.UPDATE.value,
        fingerprint=_problem_fingerprints(problems, digest, unborn),
        payload=_objects({"fields": {name: planned if isinstance(planned, str) else None}} for name, planned in bodies),
        message=problems["field"] + ": " + problems["message"],
        activity_state=ActivityState.PENDING.value,
    )
    return LETTERS.of(letters)


def hold_letters(holds: pd.DataFrame, digest: str) -> pd.DataFrame:
    """Return held entries as dead letters (LETTERS); no activity, since nothing was refused."""
    columns = ["code", "marketo_id", "dynamics_table", "dynamics_id"]
    keys = [fingerprint("hold", digest, *map(str, key)) for key in holds[columns].itertuples(index=False)]
    letters = holds.assign(
        fingerprint=keys, payload=_objects({} for _ in keys), activity_state=ActivityState.NONE.value
    )
    return LETTERS.of(letters)


def refusal_letters(changes: pd.DataFrame, values: pd.DataFrame, digest: str) -> pd.DataFrame:
    """
    Return what a vendor refused as dead letters (LETTERS).

    `changes`: refused changes with code and message; `values`: their refused values, with a code and message of their
    own where the vendor gave them. A creation or deletion, and a change without values, gives one letter, any other
    change one per value.
    """
    whole = changes["action"].isin(WHOLE) | ~changes["change_no"].isin(values["change_no"])
    bodies = _bodies(values)
    as_one = changes[whole]
    prints = _change_fingerprints(as_one, values[values["change_no"].isin(as_one["change_no"])], digest)
    letters = as_one.assign(
        fingerprint=as_one["change_no"].map(prints).astype(TEXT_DTYPE),
        payload=_objects({"fields": bodies.get(number, {})} for number in as_one["change_no"]),
    )
    cells = values[values["change_no"].isin(changes.loc[~whole, "change_no"])]
    own = _with_reason(cells[["change_no", "field", "planned", *(name for name in _REASON if name in cells)]])
    told = own.merge(_with_reason(changes), on="change_no", suffixes=("", "_of_change"))
    told = told.assign(**{name: told[name].fillna(told[f"{name}_of_change"]) for name in _REASON})
    named = zip(told["field"], told["planned"], strict=True)
    apart = told.assign(
        fingerprint=_cell_fingerprints(changes, cells, digest).to_numpy(),
        payload=_objects({"fields": {name: value if isinstance(value, str) else None}} for name, value in named),
    )
    return LETTERS.joined(
        *(
            frame.assign(kind=DeadLetterKind.REJECTED.value, activity_state=ActivityState.PENDING.value)
            for frame in (letters, apart)
            if len(frame)
        )
    )


_REASON = ("code", "message")


def _with_reason(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that has a code and a message, empty where nobody gave one."""
    known = frame.reindex(columns=[*dict.fromkeys([*frame.columns, *_REASON])])
    return known.astype(dict.fromkeys(_REASON, TEXT_DTYPE))


def _objects(values: Iterable[Any]) -> np.ndarray:
    """Return values as an object array, so that pandas takes each as one cell."""
    items = list(values)
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def schemas_watermark(digest: str, staged: Iterable[str | None]) -> dict[str, str] | None:
    """
    Return the watermark that says for which schemas all refusals were looked at; None when the schemas were read anew
    half-way (`staged`: their digests when the two sides were read): then the next run looks.
    """
    return {"digest": digest} if all(known == digest for known in staged) else None
