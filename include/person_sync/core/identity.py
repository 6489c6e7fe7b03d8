"""
Events that change who is who: deletions, merges and qualification, on either side.

They are worked out before anybody new is paired and before anything is merged, since they move links: from a loser to
its winner, from a qualified lead to its contact. A link keeps its id, and with it its base and history, for as long as
it is the same human. Only positive evidence moves or closes a link; that something was not seen is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import pandas as pd

from include.person_sync.core.fields import Table
from include.person_sync.core.relations import HOLDS, LINKS
from include.person_sync.core.rows import (
    ORIGINATING_LEAD,
    PARENT_CONTACT,
    is_qualified,
    masters,
    passes_filter,
    row_key,
)
from include.person_sync.core.snapshot import Needs
from include.person_sync.core.vocabulary import Action, DeadLetterKind, Direction

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from include.person_sync.core.policy import Policy
    from include.person_sync.core.snapshot import Snapshot

__all__ = [
    "DELETED_IN_DYNAMICS",
    "DELETED_IN_MARKETO",
    "MERGED_IN_DYNAMICS",
    "MERGED_IN_MARKETO",
    "QUALIFIED_INTO_LINKED",
    "SAME_HUMAN",
    "SEVERAL_CONTACTS",
    "Identities",
    "blocked_rows",
    "final",
    "follow",
    "needs",
]

DELETED_IN_DYNAMICS = "deleted in Dynamics"
DELETED_IN_MARKETO = "deleted in Marketo"
MERGED_IN_MARKETO = "merged in Marketo"
MERGED_IN_DYNAMICS = "merged in Dynamics"
QUALIFIED_INTO_LINKED = "qualified into a contact that is linked to another person"

SAME_HUMAN, SEVERAL_CONTACTS = "SAME_HUMAN", "SEVERAL_CONTACTS"
SEVERAL_CONTACTS_MESSAGE = (
    "several contacts name the lead of this person as the one they come from, so nobody can tell which of them the "
    "person is; qualify the lead into one of them, or clear the originating lead on the others"
)

Key = TypeVar("Key", int, str)
Row = tuple[str, str]
"""A Dynamics table and a row id."""


@dataclass(frozen=True)
class Identities:
    """
    Where the links of a run stand after its events.

    `links`: the open links, with moved ones pointing to their new half (LINKS). `ended`: links that the events close,
    as they were; `closed`: link id → reason. `flagged`: those of them whose person must be told that the row is gone.
    `relinked`: links that point elsewhere than before; `retabled` those that changed table. `holds`: people who became
    the same human as another, and contacts of whom nobody can tell which one a lead became (HOLDS).
    """

    links: pd.DataFrame
    ended: pd.DataFrame
    closed: Mapping[int, str]
    flagged: pd.DataFrame
    relinked: frozenset[int]
    retabled: frozenset[int]
    holds: pd.DataFrame

    def lost(self, reason: str) -> pd.DataFrame:
        """Return the links that the events close for one reason."""
        return self.ended[self.ended["link_id"].map(dict(self.closed)) == reason]


def follow(snapshot: Snapshot, policy: Policy) -> Identities:
    """
    Return the links after all events of the snapshot: deleted rows, merged people, deleted people, qualified leads,
    merged rows, in this order.

    What the events need and the snapshot lacks (see `needs`) is left as it is. Independent of the order of rows.
    """
    ledger = _Ledger(snapshot.links, snapshot.elsewhere)
    _follow_row_deletions(ledger, snapshot)
    _follow_person_merges(ledger, snapshot.events.merged_people)
    ledger.close(ledger.of_people(snapshot.events.deleted_people), DELETED_IN_MARKETO)
    _follow_qualifications(ledger, snapshot, policy)
    _follow_row_merges(ledger, snapshot)
    return ledger.identities()


def needs(snapshot: Snapshot) -> Needs:
    """
    Return the rows that the events lead to and that are not in hand: contacts of qualified leads, masters of merged
    rows. Where a contact names a linked lead, all contacts that name it: whether they are several must not depend on
    which of them changed just now.

    Merges form chains, so what is read may name further rows: to be asked again until nothing is needed.
    """
    links = snapshot.links
    linked = {table: set(links.loc[links["dynamics_table"] == table.value, "dynamics_id"]) for table in Table}
    named = {contact for contacts in _contacts_named(snapshot, linked[Table.LEAD]).values() for contact in contacts}
    wanted = {Table.CONTACT: frozenset(named - set(snapshot.own_rows(Table.CONTACT).index))}
    for table in Table:
        rows = snapshot.own_rows(table)
        ends = _chain(linked[table] | (named if table is Table.CONTACT else set()), masters(rows))
        wanted[table] = wanted.get(table, frozenset()) | frozenset(ends - set(rows.index))
    origins = frozenset(_leads_named(snapshot, linked[Table.LEAD])) - frozenset(_own_contacts(snapshot))
    return Needs(follow=wanted, contacts_of_leads=origins).beyond(snapshot.asked)


def _chain(starts: Collection[str], steps: Mapping[str, str]) -> set[str]:
    """Return everything that is reached from `starts` by one or more steps."""
    reached: set[str] = set()
    edge = {steps[start] for start in starts if start in steps}
    while edge - reached:
        reached |= edge
        edge = {steps[key] for key in edge if key in steps}
    return reached


def final(start: Key, steps: Mapping[Key, Key]) -> Key | None:
    """Return where a chain of merges ends, or None when it goes in a circle."""
    seen = {start}
    while start in steps:
        start = steps[start]
        if start in seen:
            return None
        seen.add(start)
    return start


class _Ledger:
    """The links while events are entered: who is linked to what now, kept by both ids. Private to `follow`."""

    def __init__(self, links: pd.DataFrame, elsewhere: pd.DataFrame) -> None:
        self.links = links.sort_values("link_id", ignore_index=True)
        self.people = dict(zip(self.links["link_id"].tolist(), self.links["marketo_id"].tolist(), strict=True))
        rows = zip(self.links["dynamics_table"], self.links["dynamics_id"], strict=True)
        self.rows: dict[int, Row] = dict(zip(self.links["link_id"].tolist(), rows, strict=True))
        self.owner_of_person = {person: link_id for link_id, person in self.people.items()}
        self.owner_of_row = {row: link_id for link_id, row in self.rows.items()}
        self.people_elsewhere = set(elsewhere["marketo_id"])
        self.rows_elsewhere = set(zip(elsewhere["dynamics_table"], elsewhere["dynamics_id"], strict=True))
        self.closed: dict[int, str] = {}
        self.flagged: list[int] = []
        self.relinked: set[int] = set()
        self.retabled: set[int] = set()
        self.at_new_row: set[int] = set()
        self.holds: list[dict[str, Any]] = []

    def of_people(self, people: Collection[int]) -> list[int]:
        """Return the open links of people, by link id."""
        return sorted(self.owner_of_person[person] for person in people if person in self.owner_of_person)

    def of_rows(self, table: Table, ids: Collection[str]) -> list[int]:
        """Return the open links of rows, by link id."""
        rows = ((table.value, row_id) for row_id in ids)
        return sorted(self.owner_of_row[row] for row in rows if row in self.owner_of_row)

    def close(self, link_ids: Collection[int], reason: str) -> None:
        """Close links; their ids are free from then on."""
        for link_id in link_ids:
            self.closed[link_id] = reason
            del self.owner_of_person[self.people[link_id]]
            del self.owner_of_row[self.rows[link_id]]

    def give_to_person(self, link_id: int, person: int) -> None:
        """Point a link to another person."""
        del self.owner_of_person[self.people[link_id]]
        self.people[link_id] = person
        self.owner_of_person[person] = link_id
        self.relinked.add(link_id)

    def give_to_row(self, link_id: int, row: Row, reason_if_taken: str) -> None:
        """Point a link to another row; where that row is linked, close the link and leave the people to be merged."""
        if row in self.owner_of_row or row in self.rows_elsewhere:
            self.hold(SAME_HUMAN, row, self.people[link_id], f"{reason_if_taken}; merge the two people in Marketo")
            self.close([link_id], reason_if_taken)
            return
        if row[0] != self.rows[link_id][0]:
            self.retabled.add(link_id)
        del self.owner_of_row[self.rows[link_id]]
        self.rows[link_id] = row
        self.owner_of_row[row] = link_id
        self.at_new_row.add(link_id)
        self.relinked.add(link_id)

    def hold(self, code: str, row: Row, person: int, message: str) -> None:
        """Leave something to a person to decide."""
        about = {"marketo_id": person, "dynamics_table": row[0], "dynamics_id": row[1]}
        self.holds.append({**about, "code": code, "message": message})

    def identities(self) -> Identities:
        """Return the ledger's balance as a value."""
        links = self.links
        is_closed = links["link_id"].isin(list(self.closed))
        is_relinked = links["link_id"].isin(list(self.relinked))
        now = links.assign(
            marketo_id=links["marketo_id"].mask(is_relinked, links["link_id"].map(self.people)).astype("int64"),
            dynamics_table=links["link_id"].map({link_id: row[0] for link_id, row in self.rows.items()}),
            dynamics_id=links["link_id"].map({link_id: row[1] for link_id, row in self.rows.items()}),
            dynamics_version=links["dynamics_version"].mask(links["link_id"].isin(list(self.at_new_row)), np.nan),
        )
        held = pd.DataFrame(self.holds)
        return Identities(
            links=LINKS.of(now[~is_closed]).reset_index(drop=True),
            ended=LINKS.of(links[is_closed]).reset_index(drop=True),
            closed=dict(sorted(self.closed.items())),
            flagged=LINKS.of(links[links["link_id"].isin(self.flagged)]).reset_index(drop=True),
            relinked=frozenset(self.relinked - set(self.closed)),
            retabled=frozenset(self.retabled - set(self.closed)),
            holds=HOLDS.of(
                held,
                kind=DeadLetterKind.AMBIGUOUS.value,
                direction=Direction.TO_MARKETO.value,
                action=Action.CREATE.value,
            ),
        )


def _follow_row_deletions(ledger: _Ledger, snapshot: Snapshot) -> None:
    """
    Close links of deleted rows; a row that came with this very extract is there again, whatever the feed also says.

    The person is told, unless it is deleted too.
    """
    for table in snapshot.rows:
        gone = snapshot.events.rows_gone(table) - set(snapshot.rows[table].index)
        links = ledger.of_rows(table, gone)
        ledger.flagged += [link for link in links if ledger.people[link] not in snapshot.events.deleted_people]
        ledger.close(links, DELETED_IN_DYNAMICS)


def _follow_person_merges(ledger: _Ledger, merged: Mapping[int, int]) -> None:
    """
    Give a loser's link to its winner; where the winner has one already, the winner's stays and the loser's is closed.

    Source: Marketo developer guide, "Leads" (merge): the losers' ids cease to exist.
    """
    for link_id in ledger.of_people(merged):
        winner = final(ledger.people[link_id], merged)
        if winner is None or winner in ledger.owner_of_person or winner in ledger.people_elsewhere:
            ledger.close([link_id], MERGED_IN_MARKETO)
        else:
            ledger.give_to_person(link_id, winner)


def _follow_qualifications(ledger: _Ledger, snapshot: Snapshot, policy: Policy) -> None:
    """
    Move the links of qualified leads to their contacts: the same human, from now on under the contact's rules.

    Either half may be seen first, in streams without common order. A contact the sync filter keeps out leaves the link
    with the lead. Where several contacts name the lead and it names none of them, nothing is guessed: they are held;
    those that were merged count as their master.
    """
    linked = {row_id: link_id for (table, row_id), link_id in ledger.owner_of_row.items() if table == Table.LEAD.value}
    contacts = snapshot.own_rows(Table.CONTACT)
    allowed = set(contacts.index[passes_filter(contacts, policy.sync_filter_column)])
    steps = masters(contacts)
    for lead, named in sorted(_contacts_named(snapshot, linked).items()):
        candidates = sorted({final(contact, steps) or contact for contact in named} & allowed)
        if len(candidates) == 1:
            ledger.give_to_row(linked[lead], (Table.CONTACT.value, candidates[0]), QUALIFIED_INTO_LINKED)
        for contact in candidates if len(candidates) > 1 else ():
            row = (Table.CONTACT.value, contact)
            ledger.hold(SEVERAL_CONTACTS, row, ledger.people[linked[lead]], SEVERAL_CONTACTS_MESSAGE)


def _contacts_named(snapshot: Snapshot, leads: Collection[str]) -> dict[str, set[str]]:
    """
    Return the contacts that each of some leads may have become: the one it names once it is qualified
    (`parentcontactid`), else those that name it (`originatingleadid`).

    Source: Dataverse reference, action QualifyLead.
    """
    own = _own_contacts(snapshot)
    named = {lead: set(contacts) for lead, contacts in _leads_named(snapshot, leads).items()}
    return named | {lead: {contact} for lead, contact in own.items() if lead in set(leads)}


def _leads_named(snapshot: Snapshot, leads: Collection[str]) -> dict[str, list[str]]:
    """Return the contacts in hand that name each of some leads as the one they come from."""
    contacts = snapshot.own_rows(Table.CONTACT)
    if ORIGINATING_LEAD not in contacts:
        return {}
    origins = row_key(contacts[ORIGINATING_LEAD]).dropna()
    origins = origins[origins.isin(list(leads))]
    return {str(lead): [str(contact) for contact in own] for lead, own in origins.groupby(origins).groups.items()}


def _own_contacts(snapshot: Snapshot) -> dict[str, str]:
    """Return the contact that each qualified lead in hand names itself."""
    leads = snapshot.own_rows(Table.LEAD)
    if PARENT_CONTACT not in leads:
        return {}
    parents = row_key(leads.loc[is_qualified(leads), PARENT_CONTACT]).dropna()
    return dict(zip(parents.index.astype(str), parents, strict=True))


def _follow_row_merges(ledger: _Ledger, snapshot: Snapshot) -> None:
    """
    Give the link of a merged row to its master, along chains of merges; where the master has a link, that one stays.

    Source: Dataverse reference, action Merge: the subordinate stays as an inactive row with `merged` and `masterid`.
    """
    for table in snapshot.rows:
        rows = snapshot.own_rows(table)
        steps = masters(rows)
        for link_id in ledger.of_rows(table, steps):
            master = final(ledger.rows[link_id][1], steps)
            if master is None or master not in rows.index:
                ledger.close([link_id], MERGED_IN_DYNAMICS)
            else:
                ledger.give_to_row(link_id, (table.value, master), MERGED_IN_DYNAMICS)


def blocked_rows(rows: pd.DataFrame, closed: pd.DataFrame, *, recreate: bool) -> pd.Series:
    """
    Return True per row (columns dynamics_table, dynamics_id) that once had a person and gets no new one by itself.

    `closed`: closed links. Rows of people deleted in Marketo get a new one when the policy is to recreate.
    """
    memory = closed if not recreate else closed[closed["closed_reason"] != DELETED_IN_MARKETO]
    keys = pd.MultiIndex.from_frame(memory[["dynamics_table", "dynamics_id"]])
    return pd.Series(pd.MultiIndex.from_frame(rows[["dynamics_table", "dynamics_id"]]).isin(keys), index=rows.index)
