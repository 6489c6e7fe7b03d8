"""
Events that change who is who: deletions, merges and qualification, on either side.

They are worked out before newcomers are paired and before anything is merged, since they move links: from a loser to
its winner, from a qualified lead to its contact. A link keeps its id, and with it its base and history, for as long as
it is the same human. Only positive evidence moves or closes a link; that something was not seen is none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from include.person_sync.core.fields import Table
from include.person_sync.core.rows import passes_filter

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from include.person_sync.core.rows import World

DELETED_IN_DYNAMICS = "deleted in Dynamics"
DELETED_IN_MARKETO = "deleted in Marketo"
MERGED_IN_MARKETO = "merged in Marketo"
MERGED_IN_DYNAMICS = "merged in Dynamics"
QUALIFIED_INTO_LINKED = "qualified into a contact that is linked to another person"

MERGED, MASTER, PARENT_CONTACT, ORIGINATING_LEAD = (
    "merged",
    "_masterid_value",
    "_parentcontactid_value",
    "_originatingleadid_value",
)
QUALIFIED = "1"
LONGEST_CHAIN = 50

Key = TypeVar("Key", int, str)
Fetch = Callable[[Table, list[str]], pd.DataFrame]
"""Reads rows of a table into the world and returns the open links that point to them."""


@dataclass
class Identities:
    """
    Where the links of a run stand after its events.

    `links`: the open links, with moved ones pointing to their new half. `closed`: link id → reason. `flagged`: links
    (as they were) whose person must be told that the row is gone. `moved`: link ids that point elsewhere than before;
    `retabled` those that changed table. `twins`: people who became the same human as another, for a person to merge
    (columns marketo_id, dynamics_table, dynamics_id, message).
    """

    links: pd.DataFrame
    closed: dict[int, str] = field(default_factory=dict)
    flagged: list[int] = field(default_factory=list)
    moved: set[int] = field(default_factory=set)
    retabled: set[int] = field(default_factory=set)
    twins: list[dict[str, object]] = field(default_factory=list)

    def open(self) -> pd.DataFrame:
        """Return the links that are still open."""
        return self.links[~self.links["link_id"].isin(self.closed)]

    def close(self, link_ids: Sequence[int], reason: str) -> None:
        """Close links; the first reason given stays."""
        for one in link_ids:
            self.closed.setdefault(int(one), reason)

    def know(self, links: pd.DataFrame) -> None:
        """Take in links of rows read on the way."""
        new = links[~links["link_id"].isin(self.links["link_id"])]
        self.links = pd.concat([self.links, new], ignore_index=True)

    def is_linked(self, table: str, row_id: str) -> bool:
        """Return whether an open link points to the row."""
        links = self.open()
        return bool(((links["dynamics_table"] == table) & (links["dynamics_id"] == row_id)).any())

    def point(self, link_id: int, **to: object) -> None:
        """Point a link elsewhere."""
        row = self.links["link_id"] == link_id
        if "dynamics_table" in to and (self.links.loc[row, "dynamics_table"] != to["dynamics_table"]).any():
            self.retabled.add(link_id)
        values = {name: self.links[name].mask(row, value) for name, value in to.items()}
        self.links = self.links.assign(**values)
        self.moved.add(link_id)


@dataclass(frozen=True)
class Events:
    """
    What the feeds said happened: `deleted_people`, `merged_people` (loser → winner), `deleted_rows` per table name.
    """

    deleted_people: frozenset[int]
    merged_people: Mapping[int, int]
    deleted_rows: Mapping[str, frozenset[str]]


def follow_events(
    links: pd.DataFrame, events: Events, world: World, fetch: Fetch, filter_column: str | None
) -> Identities:
    """
    Return the links after all events. `fetch` reads rows into `world`; it is called once per table and kind of event,
    never per person.

    `links` are the open links of everybody in hand or named by an event. Pure but for `fetch`.
    """
    identities = Identities(links.copy())
    follow_row_deletions(identities, events, world)
    follow_person_merges(identities, events)
    identities.close(matching(identities.open(), "marketo_id", events.deleted_people), DELETED_IN_MARKETO)
    follow_qualifications(identities, world, fetch, filter_column)
    follow_row_merges(identities, world, fetch)
    return identities


def matching(links: pd.DataFrame, column: str, ids: Collection[Any]) -> list[int]:
    """Return the ids of links with one of the ids in a column."""
    return [int(one) for one in links.loc[links[column].isin(list(ids)), "link_id"]]


def follow_row_deletions(identities: Identities, events: Events, world: World) -> None:
    """
    Close links of deleted rows; a row that came with this very extract is there again, whatever the feed also says.
    """
    for table, rows in world.rows.items():
        gone = events.deleted_rows.get(table.value, frozenset()) - set(rows.index)
        links = identities.open()
        closed = matching(links[links["dynamics_table"] == table.value], "dynamics_id", gone)
        identities.close(closed, DELETED_IN_DYNAMICS)
        identities.flagged += [one for one in closed if not matching_people(links, one, events.deleted_people)]


def matching_people(links: pd.DataFrame, link_id: int, people: frozenset[int]) -> bool:
    """Return whether a link's person is one of `people`."""
    return bool(links.loc[links["link_id"] == link_id, "marketo_id"].isin(people).any())


def follow_person_merges(identities: Identities, events: Events) -> None:
    """
    Give a loser's link to its winner; where the winner has one already, the winner's stays and the loser's is closed.

    Source: Marketo developer guide, "Leads" (merge): the losers' ids cease to exist.
    """
    links = identities.open()
    concerned = links[links["marketo_id"].isin(list(events.merged_people))].sort_values("link_id")
    for link_id, loser in concerned[["link_id", "marketo_id"]].itertuples(index=False):
        winner = final(int(loser), events.merged_people)
        taken = identities.open()
        if winner is None or (taken["marketo_id"] == winner).any():
            identities.close([link_id], MERGED_IN_MARKETO)
        else:
            identities.point(int(link_id), marketo_id=winner)


def final(start: Key, steps: Mapping[Key, Key]) -> Key | None:
    """Return where a chain of merges ends, or None when it goes in a circle."""
    seen = {start}
    while start in steps:
        start = steps[start]
        if start in seen:
            return None
        seen.add(start)
    return start


def follow_qualifications(identities: Identities, world: World, fetch: Fetch, filter_column: str | None) -> None:
    """
    Move the links of qualified leads to their contacts: the same human, from now on under the contact's rules.

    The contact is named by the lead (`parentcontactid`, once the lead is qualified) or names the lead
    (`originatingleadid`); either may be seen first, in streams without common order. A contact the sync filter keeps
    out leaves the link with the lead. Source: Dataverse reference, action QualifyLead.
    """
    leads, contacts = world.rows[Table.LEAD], world.rows[Table.CONTACT]
    links = identities.open()
    links = links[links["dynamics_table"] == Table.LEAD.value]
    linked = {str(row_id): int(one) for row_id, one in zip(links["dynamics_id"], links["link_id"], strict=True)}
    named: dict[str, str] = {}
    if ORIGINATING_LEAD in contacts:
        origin = contacts[ORIGINATING_LEAD].dropna().str.lower()
        named |= {str(lead): str(contact) for contact, lead in origin.items() if lead in linked}
    if PARENT_CONTACT in leads:
        qualified = leads.loc[leads["statecode"] == QUALIFIED, PARENT_CONTACT].dropna().str.lower()
        named |= {str(lead): str(contact) for lead, contact in qualified.items() if lead in linked}
    unread = sorted(set(named.values()) - set(contacts.index))
    if unread:
        identities.know(fetch(Table.CONTACT, unread))
    contacts = world.rows[Table.CONTACT]
    allowed = set(contacts.index[passes_filter(contacts, filter_column)])
    for lead, contact in named.items():
        if contact in allowed:
            move_to_row(identities, linked[lead], Table.CONTACT.value, contact, QUALIFIED_INTO_LINKED)


def move_to_row(identities: Identities, link_id: int, table: str, row_id: str, reason_if_taken: str) -> None:
    """
    Point a link to another row; where that row is linked already, close the link and leave the two people to be merged.
    """
    if identities.is_linked(table, row_id):
        person = identities.links.loc[identities.links["link_id"] == link_id, "marketo_id"].iloc[0]
        identities.close([link_id], reason_if_taken)
        identities.twins.append(
            {
                "marketo_id": int(person),
                "dynamics_table": table,
                "dynamics_id": row_id,
                "message": f"{reason_if_taken}; merge the two people in Marketo",
            }
        )
    else:
        identities.point(link_id, dynamics_table=table, dynamics_id=row_id, dynamics_version=None)


def follow_row_merges(identities: Identities, world: World, fetch: Fetch) -> None:
    """
    Give the link of a merged row to its master, along chains of merges; where the master has a link, that one stays.

    Source: Dataverse reference, action Merge: the subordinate stays as an inactive row with `merged` and `masterid`.
    """
    for table in list(world.rows):
        masters = master_of(world, table)
        links = identities.open()
        links = links[(links["dynamics_table"] == table.value) & links["dynamics_id"].isin(list(masters))]
        if links.empty:
            continue
        for _ in range(LONGEST_CHAIN):
            unread = sorted(set(masters.values()) - set(world.rows[table].index))
            if not unread:
                break
            identities.know(fetch(table, unread))
            if not set(unread) & set(world.rows[table].index):
                break
            masters = master_of(world, table)
        for link_id, row_id in links.sort_values("link_id")[["link_id", "dynamics_id"]].itertuples(index=False):
            master = final(str(row_id), masters)
            if master is None or master not in world.rows[table].index:
                identities.close([link_id], MERGED_IN_DYNAMICS)
            else:
                move_to_row(identities, int(link_id), table.value, master, MERGED_IN_DYNAMICS)


def master_of(world: World, table: Table) -> dict[str, str]:
    """Return loser → master of the rows in hand."""
    rows = world.rows[table]
    if MERGED not in rows or MASTER not in rows:
        return {}
    losers = rows[(rows[MERGED].str.lower() == "true") & rows[MASTER].notna()]
    return {str(loser): str(master).lower() for loser, master in losers[MASTER].items()}


def blocked_rows(rows: pd.DataFrame, closed: pd.DataFrame, *, recreate: bool) -> pd.Series:
    """
    Return True per row (columns dynamics_table, dynamics_id) that once had a person and gets no new one by itself.

    Rows of people deleted in Marketo get a new one when the policy is to recreate.
    """
    memory = closed if not recreate else closed[closed["closed_reason"] != DELETED_IN_MARKETO]
    keys = pd.MultiIndex.from_frame(memory[["dynamics_table", "dynamics_id"]])
    return pd.Series(pd.MultiIndex.from_frame(rows[["dynamics_table", "dynamics_id"]]).isin(keys), index=rows.index)
