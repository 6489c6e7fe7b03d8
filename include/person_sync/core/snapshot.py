"""
Everything a run decides on, frozen: what both systems said, what the store remembers, and what was asked for in vain.

A snapshot is a value. Rules that need more than is in hand do not fetch: a pure `needs(snapshot, policy)` names what
must still be read (`Needs`), a reader fetches it in batches, and a new snapshot results. What was asked for is noted in
`asked`, found or not, so that nothing is asked for twice and a round without needs comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.field_lifecycle import FieldStates
from include.person_sync.core.relations import LINKS, UNSETTLED
from include.person_sync.core.values import MISSING, uniform_frame
from include.person_sync.core.vocabulary import LinkState

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from include.person_sync.core.fields import Table

__all__ = ["Events", "Needs", "Snapshot", "latest"]


@dataclass(frozen=True)
class Events:
    """What the feeds tell beside changed values: deletions per side, and merges (loser → winner). Ids in lower case."""

    deleted_people: frozenset[int] = frozenset()
    merged_people: Mapping[int, int] = field(default_factory=dict)
    deleted_rows: Mapping[Table, frozenset[str]] = field(default_factory=dict)

    def rows_gone(self, table: Table) -> frozenset[str]:
        """Return the deleted rows of a table."""
        return self.deleted_rows.get(table, frozenset())


@dataclass(frozen=True)
class Needs:
    """
    What must still be read, by the keys it is found by; also what was asked for so far.

    `rows_by_id`: per table; `people_by_row`: people whose `dynamicsId` is one of these; `people_by_email`,
    `rows_by_email`: addresses as they stand; `people_by_id`: Marketo ids. `follow`: rows by id whose links belong to
    the run, since links move to them, as do those of `contacts_of_leads`: contacts whose originating lead is one of
    these. Rows found by address, and people, are only looked at.
    """

    follow: Mapping[Table, frozenset[str]] = field(default_factory=dict)
    rows_by_id: Mapping[Table, frozenset[str]] = field(default_factory=dict)
    people_by_row: frozenset[str] = frozenset()
    people_by_email: frozenset[str] = frozenset()
    rows_by_email: frozenset[str] = frozenset()
    people_by_id: frozenset[int] = frozenset()
    contacts_of_leads: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        """Tell whether anything is needed."""
        by_key = (
            self.people_by_row,
            self.people_by_email,
            self.rows_by_email,
            self.people_by_id,
            self.contacts_of_leads,
        )
        return any(by_key) or any(self.follow.values()) or any(self.rows_by_id.values())

    def __or__(self, other: Needs) -> Needs:
        """Return both together."""
        return Needs(
            _together(self.follow, other.follow),
            _together(self.rows_by_id, other.rows_by_id),
            self.people_by_row | other.people_by_row,
            self.people_by_email | other.people_by_email,
            self.rows_by_email | other.rows_by_email,
            self.people_by_id | other.people_by_id,
            self.contacts_of_leads | other.contacts_of_leads,
        )

    def beyond(self, asked: Needs) -> Needs:
        """Return what is needed beyond what was asked for already."""
        return Needs(
            {table: ids - asked.follow.get(table, frozenset()) for table, ids in self.follow.items()},
            {table: ids - asked.rows_by_id.get(table, frozenset()) for table, ids in self.rows_by_id.items()},
            self.people_by_row - asked.people_by_row,
            self.people_by_email - asked.people_by_email,
            self.rows_by_email - asked.rows_by_email,
            self.people_by_id - asked.people_by_id,
            self.contacts_of_leads - asked.contacts_of_leads,
        )


def _together(
    one: Mapping[Table, frozenset[str]], other: Mapping[Table, frozenset[str]]
) -> dict[Table, frozenset[str]]:
    return {table: one.get(table, frozenset()) | other.get(table, frozenset()) for table in {**one, **other}}


@dataclass(frozen=True)
class Snapshot:
    """
    What a run has in hand. Frames are never changed in place.

    * `people`: index `marketo_id` (unique), text columns by REST name. `rows`: per table, index `dynamics_id` (unique,
      lower case), text columns `version`, the selected columns and the names behind lookups.
    * `touched`: people the run is about; `candidates`: rows that were only read to see whether they match.
    * `links`: open links of everybody the run is about (LINKS); `elsewhere`: open links of people and rows that were
      only looked at; `closed`: closed links of all of them.
    * `base`: index `link_id`, one canonical column per field of either table, MISSING where nothing was agreed on.
    * `unsettled`: plans that may have been carried out in part (UNSETTLED); `settled_links`: those of their link ids
      that are links by now.
    * `events`; `requests_touched`: people whose request was set or cleared just now.
    * `fields`: which fields took part before; `added`: per table name, those that came since its rows were read in
      full.
    * `refusals`: fingerprints of open dead letters.
    * `busy`: names of the tables of which people will still wait for their turn after this run.
    * `complete`: everybody who may belong together is in hand, as in a partition of the whole database; then only who
      is met by nobody is looked up once more. `crowded`: addresses and ids (in lower case) that so many people have
      that Marketo does not say who.
    * `asked`: what was looked up so far, found or not.
    """

    people: pd.DataFrame
    rows: Mapping[Table, pd.DataFrame]
    links: pd.DataFrame = field(default_factory=LINKS.empty)
    elsewhere: pd.DataFrame = field(default_factory=LINKS.empty)
    closed: pd.DataFrame = field(default_factory=LINKS.empty)
    base: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(index=pd.Index([], dtype="int64", name="link_id")))
    touched: frozenset[int] = frozenset()
    candidates: frozenset[str] = frozenset()
    unsettled: pd.DataFrame = field(default_factory=UNSETTLED.empty)
    settled_links: frozenset[int] = frozenset()
    events: Events = field(default_factory=Events)
    requests_touched: frozenset[int] = frozenset()
    fields: FieldStates = field(default_factory=FieldStates)
    added: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refusals: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    complete: bool = False
    crowded: frozenset[str] = frozenset()
    asked: Needs = field(default_factory=Needs)

    def with_people(self, people: pd.DataFrame) -> Snapshot:
        """Return the snapshot with more people (column `marketo_id`); a later reading replaces an earlier one."""
        return replace(self, people=latest(self.people, people.set_index("marketo_id")))

    def with_rows(self, table: Table, rows: pd.DataFrame) -> Snapshot:
        """Return the snapshot with more rows (column `dynamics_id`); a later reading replaces an earlier one."""
        return replace(self, rows={**self.rows, table: latest(self.rows[table], rows.set_index("dynamics_id"))})

    def with_links(self, found: pd.DataFrame, base: pd.DataFrame) -> Snapshot:
        """Return the snapshot with more links that belong to the run, and their base."""
        fresh = found[~found["link_id"].isin(self.links["link_id"])]
        unknown = base[~base.index.isin(self.base.index)]
        return replace(
            self,
            links=LINKS.joined(self.links, fresh),
            base=pd.concat([self.base, unknown]) if len(unknown) else self.base,
        )

    def looked_at(self, links: pd.DataFrame) -> Snapshot:
        """Return the snapshot with links, open or closed, of people and rows that were only looked at."""
        known = {*self.links["link_id"], *self.elsewhere["link_id"], *self.closed["link_id"]}
        fresh = links[~links["link_id"].isin(known)]
        is_open = fresh["state"] == LinkState.OPEN
        return replace(
            self,
            elsewhere=LINKS.joined(self.elsewhere, fresh[is_open]),
            closed=LINKS.joined(self.closed, fresh[~is_open]),
        )

    def own_rows(self, table: Table) -> pd.DataFrame:
        """Return the rows of a table that the run is about: candidates are looked at, and are nobody's news."""
        rows = self.rows[table]
        return rows[~rows.index.isin(list(self.candidates))] if self.candidates else rows

    def base_of(self, link_ids: Iterable[int], names: Sequence[str]) -> pd.DataFrame:
        """Return the base of links: index `link_id` as given, the columns `names`, MISSING where there is none."""
        index = pd.Index(list(link_ids), dtype="int64", name="link_id")
        if self.base.empty or not len(index):
            return uniform_frame(index, names, MISSING)
        return self.base.reindex(index=index, columns=list(names), fill_value=MISSING)

    def is_crowded(self, keys: pd.Series) -> pd.Series:
        """Return True per address or id, in the form in which they are compared, that too many people have."""
        return keys.isin(self.crowded)


def latest(old: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
    """Return both frames as one, the newer row winning per id."""
    both = pd.concat([old, new]) if len(old) else new
    return both[~both.index.duplicated(keep="last")]
