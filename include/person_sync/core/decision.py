"""The decision table of `merge`, carried out on whole columns of cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from include.person_sync.core.fields import Blank, Rule, Side, Table
from include.person_sync.core.values import MARKS, MISSING
from include.person_sync.core.vocabulary import Outcome

if TYPE_CHECKING:
    from include.person_sync.core.schema import EffectiveField

__all__ = ["Cells", "Decided", "Outcome", "decide", "differs", "winner_of"]


OUTCOMES = (Outcome.TO_DYNAMICS, Outcome.TO_MARKETO, Outcome.ADOPT, Outcome.COLLISION, Outcome.WITHHELD)
_TO_DYNAMICS, _TO_MARKETO, _ADOPT, _COLLISION, _WITHHELD = range(len(OUTCOMES))
_NOTHING = -1


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of one field, one per link: link ids (int64) and the three values (`large_string`), in one order."""

    link_ids: np.ndarray
    base: pa.Array
    marketo: pa.Array
    dynamics: pa.Array

    def take(self, rows: np.ndarray) -> Cells:
        """Return the cells at `rows`."""
        base, marketo, dynamics = (side.take(rows) for side in (self.base, self.marketo, self.dynamics))
        return Cells(self.link_ids[rows], base, marketo, dynamics)


@dataclass(frozen=True, slots=True)
class Decided:
    """
    The cells of one field about which something is decided.

    `outcome` holds positions in `OUTCOMES`; `from_marketo` is True where Marketo's value is the one that counts;
    `by_blank` where the blank policy decided and not the rule.
    """

    cells: Cells
    outcome: np.ndarray
    from_marketo: np.ndarray
    by_blank: np.ndarray
    planned: pa.Array
    rule: Rule

    @property
    def is_collision(self) -> np.ndarray:
        """True where the row has a winner and a loser."""
        return np.asarray(self.outcome == _COLLISION)


def winner_of(rule: Rule, table: Table) -> Side:
    """Return the side that wins a collision; without a preference, Marketo on a lead and Dynamics on a contact."""
    if rule in {Rule.PREFER_MARKETO, Rule.MARKETO_TO_DYNAMICS}:
        return Side.MARKETO
    if rule in {Rule.PREFER_DYNAMICS, Rule.DYNAMICS_TO_MARKETO}:
        return Side.DYNAMICS
    return Side.MARKETO if table is Table.LEAD else Side.DYNAMICS


def differs(one: pa.Array, other: pa.Array) -> np.ndarray:
    """Return where two columns hold different values; empty equals empty and nothing else."""
    different = pc.fill_null(pc.not_equal(one, other), fill_value=False)
    if one.null_count or other.null_count:
        different = pc.or_(different, pc.xor(one.is_null(), other.is_null()))
    return _flags(different)


def decide(cells: Cells, field: EffectiveField, table: Table) -> Decided:
    """Return what is decided about `cells`; those about which nothing is decided are left out."""
    facts = _Facts.of(cells)
    rule, keep = field.rule, field.field.blank is Blank.KEEP
    marketo_wins = winner_of(rule, table) is Side.MARKETO
    preferred = np.where(facts.collision, marketo_wins, facts.only_marketo)
    flipped = facts.collision & keep & facts.is_empty(preferred)
    from_marketo = preferred ^ flipped
    forbidden = ~np.where(from_marketo, rule.writes_dynamics, rule.writes_marketo)
    would_empty = facts.is_empty(from_marketo) & keep

    outcome = np.where(from_marketo, _TO_DYNAMICS, _TO_MARKETO).astype(np.int8)
    outcome[facts.collision] = _COLLISION
    outcome[forbidden | would_empty] = _WITHHELD
    outcome[facts.agreed] = _ADOPT
    outcome[facts.nothing] = _NOTHING
    rows = np.flatnonzero(outcome != _NOTHING)
    by_blank = (flipped | (would_empty & ~forbidden)) & ~facts.agreed
    return _decided(cells.take(rows), outcome[rows], from_marketo[rows], by_blank[rows], rule)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What there is to know about each cell, as boolean columns; `collision` and `only_marketo` exclude each other."""

    marketo_empty: np.ndarray
    dynamics_empty: np.ndarray
    only_marketo: np.ndarray
    collision: np.ndarray
    agreed: np.ndarray
    nothing: np.ndarray

    @classmethod
    def of(cls, cells: Cells) -> _Facts:
        """Return the facts about `cells`. Without a base both sides count as changed; the filled one is the edit."""
        no_base = _holds_mark(cells.base)
        marketo_changed = no_base | differs(cells.marketo, cells.base)
        dynamics_changed = no_base | differs(cells.dynamics, cells.base)
        different = differs(cells.marketo, cells.dynamics)
        marketo_empty, dynamics_empty = _flags(cells.marketo.is_null()), _flags(cells.dynamics.is_null())
        first_fill = no_base & (marketo_empty ^ dynamics_empty)
        unusable = _holds_mark(cells.marketo) | _holds_mark(cells.dynamics)
        both_changed = marketo_changed & dynamics_changed
        return cls(
            marketo_empty=marketo_empty,
            dynamics_empty=dynamics_empty,
            only_marketo=np.where(first_fill, dynamics_empty, marketo_changed & ~dynamics_changed),
            collision=both_changed & different & ~first_fill,
            agreed=both_changed & ~different,
            nothing=unusable | ~(marketo_changed | dynamics_changed),
        )

    def is_empty(self, from_marketo: np.ndarray) -> np.ndarray:
        """Return where the chosen side is empty."""
        return np.where(from_marketo, self.marketo_empty, self.dynamics_empty)


def _decided(cells: Cells, outcome: np.ndarray, from_marketo: np.ndarray, by_blank: np.ndarray, rule: Rule) -> Decided:
    chosen = pc.if_else(pa.array(from_marketo), cells.marketo, cells.dynamics)
    stays = pc.if_else(pc.fill_null(pc.equal(cells.base, MISSING), fill_value=False), _EMPTY, cells.base)
    planned = pc.if_else(pa.array(outcome == _WITHHELD), stays, chosen)
    return Decided(cells, outcome, from_marketo, by_blank, planned, rule)


_EMPTY = pa.scalar(None, pa.large_string())
_MARK_SET = pa.array(MARKS, pa.large_string())


def _holds_mark(column: pa.Array) -> np.ndarray:
    return _flags(pc.is_in(column, value_set=_MARK_SET))


def _flags(mask: pa.Array) -> np.ndarray:
    return np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)
