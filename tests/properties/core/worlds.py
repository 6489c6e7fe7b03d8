"""
Random little worlds: a few people, a base, and two sides made by editing that base twice.

Independent draws for the two sides would share nothing and test nothing; here most cells are untouched, some are edited
on one side, some on both, to equal or to different values.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd
from hypothesis import strategies as st

from include.person_sync.core.fields import Blank, Rule, Table
from include.person_sync.core.values import MISSING, TEXT_DTYPE, UNREADABLE
from tests.unit.core.build import effective

if TYPE_CHECKING:
    from include.person_sync.core.schema import EffectiveField

ACTIVE_RULES = [rule for rule in Rule if rule is not Rule.OFF]
DATA = st.sampled_from([None, "a", "b", "c", "null"])
READ = st.one_of(DATA, DATA, DATA, st.just(UNREADABLE))
AGREED = st.one_of(DATA, DATA, DATA, st.just(MISSING))


@dataclass(frozen=True)
class World:
    """The three inputs of a merge, with the fields and the table."""

    base: pd.DataFrame
    marketo: pd.DataFrame
    dynamics: pd.DataFrame
    fields: tuple[EffectiveField, ...]
    table: Table

    @property
    def sides(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        """The frames in the order in which a merge takes them."""
        return self.base, self.marketo, self.dynamics

    def with_sides(self, base: pd.DataFrame, marketo: pd.DataFrame, dynamics: pd.DataFrame) -> World:
        """Return the same world with other frames."""
        return replace(self, base=base, marketo=marketo, dynamics=dynamics)


@st.composite
def fields(draw: st.DrawFn, table: Table) -> tuple[EffectiveField, ...]:
    """Draw up to three fields with any rule and blank policy."""
    kinds = draw(st.lists(st.tuples(st.sampled_from(ACTIVE_RULES), st.sampled_from(Blank)), min_size=1, max_size=3))
    return tuple(
        effective(f"field_{number}", rule=rule, blank=blank, table=table) for number, (rule, blank) in enumerate(kinds)
    )


@st.composite
def cells(draw: st.DrawFn) -> tuple[str | None, str | None, str | None]:
    """Draw one cell: its base, and each side either as the base says or edited."""
    base = draw(AGREED)
    unedited = st.just(base) if base != MISSING else DATA
    return base, draw(st.one_of(unedited, READ)), draw(st.one_of(unedited, READ))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw a world of up to five people; the sides list them in orders of their own."""
    table = draw(st.sampled_from(Table))
    own = draw(fields(table))
    people = draw(st.lists(st.integers(1, 2**62), max_size=5, unique=True))
    drawn = [[draw(cells()) for _ in own] for _ in people]
    frames = []
    for side in range(3):
        index = pd.Index(people, dtype="int64", name="link_id")
        columns = {
            field.name: pd.Series([row[number][side] for row in drawn], index=index, dtype=TEXT_DTYPE)
            for number, field in enumerate(own)
        }
        frame = pd.DataFrame(columns, index=index)
        frames.append(frame.loc[draw(st.permutations(people))] if people else frame)
    return World(*frames, fields=own, table=table)
