"""
The three aligned sides of a table's pairs, put together from what was read and what is known.

An untouched side is taken to hold what it last agreed on; the writing stages check it again. A half yet to be made
holds nothing. What must be read because nothing is known of it is named by `needs`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.canonical import canonical_dynamics, canonical_marketo
from include.person_sync.core.changes import direction_from
from include.person_sync.core.field_lifecycle import out_of_range
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.relations import BASE_UPDATES, PROBLEMS
from include.person_sync.core.snapshot import Needs
from include.person_sync.core.values import MISSING, UNREADABLE, differs, empty_frame
from include.person_sync.core.vocabulary import PairOrigin

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from include.person_sync.core.field_lifecycle import FieldStates
    from include.person_sync.core.identity import Identities
    from include.person_sync.core.policy import Policy
    from include.person_sync.core.snapshot import Snapshot

__all__ = ["Sides", "align", "base_updates", "by_link", "completed", "edited_links", "needs", "spared_blanks"]


@dataclass(frozen=True)
class Sides:
    """One table's three aligned canonical frames (index link_id) and the problems met (PROBLEMS)."""

    base: pd.DataFrame
    marketo: pd.DataFrame
    dynamics: pd.DataFrame
    problems: pd.DataFrame


def align(
    snapshot: Snapshot, pairs: pd.DataFrame, table: Table, identities: Identities, states: FieldStates, policy: Policy
) -> Sides:
    """Return the three sides of a table's pairs."""
    fields = policy.schema.fields(table)
    names = [field.name for field in fields]
    base = known_base(snapshot, pairs, table, identities, policy)
    ids = pairs.set_index("link_id")
    marketo = canonical_marketo(by_link(snapshot.people, ids["marketo_id"]), fields)
    dynamics = canonical_dynamics(by_link(snapshot.rows[table], ids["dynamics_id"]), fields)
    late = _late(snapshot, pairs, table, states, policy).reindex(index=marketo.values.index, fill_value=False)
    waiting = late & (base.loc[late.index, list(late.columns)] == MISSING)
    ours = marketo.values.assign(
        **{str(name): marketo.values[name].mask(waiting[name], UNREADABLE) for name in waiting}
    )
    sides = Sides(
        base=base,
        marketo=completed(ours, base, ids["origin"] == PairOrigin.CREATE_IN_MARKETO, names),
        dynamics=completed(dynamics.values, base, ids["origin"] == PairOrigin.CREATE_IN_DYNAMICS, names),
        problems=_problems(pd.concat([marketo.problems, dynamics.problems], ignore_index=True)),
    )
    two_way = [field.name for field in fields if not field.is_one_way]
    return Sides(
        base=spared_blanks(sides, identities.relinked, two_way),
        marketo=sides.marketo,
        dynamics=sides.dynamics,
        problems=sides.problems,
    )


def known_base(
    snapshot: Snapshot, pairs: pd.DataFrame, table: Table, identities: Identities, policy: Policy
) -> pd.DataFrame:
    """
    Return the base of a table's pairs: index link_id in their order, MISSING where there is none.

    The options of the other table's choices mean nothing here: a link that changed table has no base for them.
    """
    fields = policy.schema.fields(table)
    base = snapshot.base_of(pairs["link_id"], [field.name for field in fields])
    foreign = [field.name for field in fields if field.dynamics.options]
    base.loc[base.index.isin(list(identities.retabled)), foreign] = MISSING
    return base


def needs(
    snapshot: Snapshot, pairs: pd.DataFrame, identities: Identities, states: FieldStates, policy: Policy
) -> Needs:
    """
    Return the untouched halves that must be read: of pairs that have fields without base, or whose row version is
    unknown; and the people whose links moved: they still carry the ids from before.
    """
    has_person = pairs["marketo_id"].isin(snapshot.people.index)
    known = pairs["origin"].isna() | (pairs["origin"] == PairOrigin.LINK)
    people: set[int] = set()
    rows: dict[Table, frozenset[str]] = {}
    for table in Table:
        here = known & (pairs["dynamics_table"] == table.value)
        has_row = pairs["dynamics_id"].isin(snapshot.rows[table].index)
        lacking = _incomplete(snapshot, pairs[here & (has_row != has_person)], table, identities, states, policy)
        incomplete = pairs["link_id"].isin(lacking)
        wanted = incomplete | pairs["is_filtered"] | pairs["link_id"].isin(list(identities.relinked))
        people |= {int(person) for person in pairs.loc[here & ~has_person & wanted, "marketo_id"].dropna()}
        unversioned = pairs["version"].isna() & has_person
        unread = here & ~has_row & ~pairs["is_filtered"]
        rows[table] = frozenset(pairs.loc[unread & (incomplete | unversioned), "dynamics_id"])
    return Needs(rows_by_id=rows, people_by_id=frozenset(people)).beyond(snapshot.asked)


def _incomplete(
    snapshot: Snapshot,
    pairs: pd.DataFrame,
    table: Table,
    identities: Identities,
    states: FieldStates,
    policy: Policy,
) -> pd.Index:
    """
    Return link ids that lack a base for one of the table's fields or have a field that is being filled in: one that
    was isolated has a base, but its edits passed by unseen.
    """
    base = known_base(snapshot, pairs, table, identities, policy)
    late = _late(snapshot, pairs, table, states, policy)
    late = late.reindex(index=base.index, columns=base.columns, fill_value=False)
    wanted = (base == MISSING) | base.columns.isin(states.pending(table))
    return base.index[(wanted & ~(late & (base == MISSING))).any(axis="columns")]


def _late(snapshot: Snapshot, pairs: pd.DataFrame, table: Table, states: FieldStates, policy: Policy) -> pd.DataFrame:
    """Return True per link and field that a backfill is not about: unchanged since its day, and untouched now."""
    untouched = pairs[~pairs["marketo_id"].isin(list(snapshot.touched)) & pairs["origin"].isna()]
    rows = by_link(snapshot.rows[table], untouched.set_index("link_id")["dynamics_id"])
    return out_of_range(rows, policy.schema.fields(table), states.pending(table))


def edited_links(snapshot: Snapshot, links: pd.DataFrame, policy: Policy) -> frozenset[int]:
    """Return the links whose row, as read, holds something else than the base, where both can be told."""
    edited: set[int] = set()
    for table in Table:
        fields = policy.schema.fields(table)
        own = links[links["dynamics_table"] == table.value].set_index("link_id")["dynamics_id"]
        if own.empty:
            continue
        values = canonical_dynamics(by_link(snapshot.rows[table], own), fields).values
        base = snapshot.base_of(values.index, list(values.columns))
        told = (base != MISSING) & (values != UNREADABLE)
        changed = (differs(values, base) & told).any(axis="columns")
        edited |= {int(link_id) for link_id in changed.index[changed]}
    return frozenset(edited)


def _problems(problems: pd.DataFrame) -> pd.DataFrame:
    """Return unusable source values as problems of the direction they would have travelled in."""
    directions = {side.value: direction_from(side).value for side in Side}
    renamed = problems.rename(columns={"index_value": "link_id"})
    return PROBLEMS.of(renamed.assign(direction=renamed["side"].map(directions)))


def by_link(frame: pd.DataFrame, keys: pd.Series) -> pd.DataFrame:
    """Return the rows of `frame` (index: id) that `keys` (index link_id → id) names, with index link_id."""
    present = keys[keys.isin(frame.index)]
    return frame.loc[present.to_numpy()].set_axis(pd.Index(present.index, dtype="int64", name="link_id"))


def completed(read: pd.DataFrame, base: pd.DataFrame, unmade: pd.Series, names: Sequence[str]) -> pd.DataFrame:
    """
    Return a side for every link of `base`: what was read; nothing where it is yet to be made; else the base, unreadable
    where there is none.
    """
    unread = base.index.difference(read.index)
    to_make = unread[unmade.reindex(unread).fillna(False).astype(bool)]
    assumed = base.loc[unread.difference(to_make), list(names)].replace(MISSING, UNREADABLE)
    return pd.concat([read[list(names)], empty_frame(to_make, names), assumed]).reindex(base.index)


def spared_blanks(sides: Sides, relinked: Collection[int], names: Sequence[str]) -> pd.DataFrame:
    """
    Return the base without what a link's new half lacks: nobody emptied that, the blank was inherited.

    `relinked`: links that point to another half since the base was agreed on, by a merge or a qualification, which hand
    on some values only. Without a base the filled side counts. `names`: the fields it concerns.
    """
    here = sides.base.index[sides.base.index.isin(list(relinked))]
    if here.empty:
        return sides.base
    base = sides.base.copy()
    for name in names:
        before = base.loc[here, name]
        blank = (sides.marketo.loc[here, name].isna() | sides.dynamics.loc[here, name].isna()) & before.notna()
        base.loc[here[blank.to_numpy()], name] = MISSING
    return base


def base_updates(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Return the cells in which two aligned bases differ, as `after` has them (BASE_UPDATES)."""
    if before is after:
        return BASE_UPDATES.empty()
    rows, columns = differs(before, after).to_numpy().nonzero()
    values = after.to_numpy(dtype=object)[rows, columns]
    return BASE_UPDATES.of(
        pd.DataFrame({"link_id": after.index[rows], "field": after.columns[columns], "value": values})
    )
