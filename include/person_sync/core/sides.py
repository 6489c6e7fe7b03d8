"""One table's three aligned sides, put together from what was read and what is known. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.values import MISSING, UNREADABLE, empty_frame

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass
class Sides:
    """One table's three aligned canonical frames (index link_id) and the problems met."""

    base: pd.DataFrame
    marketo: pd.DataFrame
    dynamics: pd.DataFrame
    problems: pd.DataFrame


def by_link(frame: pd.DataFrame, keys: pd.Series) -> pd.DataFrame:
    """Return the rows of `frame` (index: id) that `keys` (index link_id → id) names, with index link_id."""
    present = keys[keys.isin(frame.index)]
    return frame.loc[present.to_numpy()].set_axis(pd.Index(present.index, name="link_id"))


def completed(read: pd.DataFrame, base: pd.DataFrame, unmade: pd.Series, names: list[str]) -> pd.DataFrame:
    """
    Return a side for every link of `base`: what was read; nothing where it is yet to be made; else the base, unreadable
    where there is none.
    """
    unread = base.index.difference(read.index)
    to_make = unread[unmade.reindex(unread).fillna(False).astype(bool)]
    assumed = base.loc[unread.difference(to_make), names].replace(MISSING, UNREADABLE)
    return pd.concat([read[names], empty_frame(to_make, names), assumed]).reindex(base.index)


def spared_blanks(sides: Sides, moved: Sequence[int], names: Sequence[str]) -> pd.DataFrame:
    """
    Return the base without what a link's new half lacks: nobody emptied that, it was not handed on.

    `moved`: links that point to another half since the base was agreed on, by a merge or a qualification, which hand
    on some values only. Without a base the filled side counts. `names`: the fields it concerns.
    """
    here = sides.base.index[sides.base.index.isin(list(moved))]
    base = sides.base.copy()
    for name in names:
        before = base.loc[here, name]
        blank = (sides.marketo.loc[here, name].isna() | sides.dynamics.loc[here, name].isna()) & before.notna()
        base.loc[here[blank.to_numpy()], name] = MISSING
    return base


def moved_cells(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return link_id, field, value of the cells in which two aligned bases differ, as `after` has them."""
    moved = (before != after) & ~(before.isna() & after.isna())
    rows, columns = moved.to_numpy().nonzero()
    values = after.to_numpy(dtype=object)[rows, columns]
    cells = {"link_id": after.index[rows], "field": after.columns[columns], "value": values}
    return pd.DataFrame(cells).astype({"field": "str", "value": "str"})
