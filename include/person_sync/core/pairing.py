"""
Pairing people and rows that are not linked yet: by identity, by e-mail, or by creating the missing half.

Before anything is created on either side the other side is searched for an unlinked match: exactly one is linked, none
lets the policy create, several are held for a person to choose. Held means untouched: nothing is made for whoever is
held. What an earlier run created without living to record it is recognised first, so that nothing is made twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.claims import claims
from include.person_sync.core.create_request import RequestProblem, dynamics_row_id, parse_request
from include.person_sync.core.identity import DELETED_IN_MARKETO, blocked_rows
from include.person_sync.core.matching import MatchOutcome, MatchReason, match_by_email
from include.person_sync.core.policy import DeletedPerson, MatchingPolicy
from include.person_sync.core.relations import CANDIDATES, HOLDS, ROW_REFERENCES
from include.person_sync.core.rows import (
    EMAIL_COLUMN,
    MERGED,
    STATE,
    all_rows,
    email_key,
    is_alive,
    passes_filter,
)
from include.person_sync.core.sides import edited_links
from include.person_sync.core.snapshot import Needs
from include.person_sync.core.vocabulary import Action, DeadLetterKind, Direction, PairOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.person_sync.core.identity import Identities
    from include.person_sync.core.policy import Policy
    from include.person_sync.core.snapshot import Snapshot

__all__ = ["Pairing", "barred_rows", "free_rows", "pair"]

SEVERAL_CLAIMS, CLAIMED_ELSEWHERE = "SEVERAL_CLAIMS", "CLAIMED_ELSEWHERE"
AMBIGUOUS_EMAIL, HELD_BY_POLICY = "AMBIGUOUS_EMAIL", "HELD_BY_POLICY"
MATCH_MESSAGES = {
    MatchReason.SEVERAL_SHARE_EMAIL: "several unlinked people share this e-mail address; "
    "link one of them by its id, or give them different addresses",
    MatchReason.SEVERAL_CLAIM_ROW: "several Marketo people name this row as theirs; clear the id on all but one",
    MatchReason.SAME_ID: "a Marketo person who is linked to another row names this row as theirs; correct the id there",
    MatchReason.UNREADABLE_EMAIL: "the e-mail address can't be read, so nobody can tell whether the person exists",
}
DISPUTED_MESSAGE = (
    "the one row of this e-mail address is held, since nobody can tell whose it is; settle that first, and the request "
    "is served"
)


@dataclass(frozen=True)
class Pairing:
    """
    How everybody without a link is paired.

    `pairs`: found, or to be made (CANDIDATES). `holds`: entries held for a person to decide (HOLDS). `needs`: what must
    still be read before the answer is final; empty when it is.
    """

    pairs: pd.DataFrame
    holds: pd.DataFrame
    needs: Needs = field(default_factory=Needs)

    def adding(self, frame: pd.DataFrame, origin: PairOrigin) -> Pairing:
        """Return the pairing with more pairs, all new for one reason."""
        return replace(self, pairs=CANDIDATES.joined(self.pairs, frame.assign(origin=origin.value)))

    def holding(self, frame: pd.DataFrame, *, kind: DeadLetterKind, code: str, direction: Direction) -> Pairing:
        """Return the pairing with more entries held back, each with its `message`."""
        held = frame.assign(kind=kind.value, code=code, direction=direction.value, action=Action.CREATE.value)
        return replace(self, holds=HOLDS.joined(self.holds, held))

    def needing(self, needed: Needs) -> Pairing:
        """Return the pairing with what its next step would have to know."""
        return replace(self, needs=needed)

    def taken(self, column: str, links: pd.DataFrame) -> set[object]:
        """Return the ids that are linked, paired or held."""
        return {key for frame in (links, self.pairs, self.holds) for key in frame[column].dropna()}


def pair(snapshot: Snapshot, identities: Identities, policy: Policy) -> Pairing:
    """
    Return how everybody without a link is to be paired, in this order: rows that a dead run created, rows that a person
    names, rows by address, people who asked.

    Stops at the first step that needs more than is in hand, and says what: `needs` of the result. Independent of the
    order of people and rows.
    """
    pairing = Pairing(CANDIDATES.empty(), identities.holds)
    pairing = _recover_creates(pairing, snapshot, identities)
    rows = _unlinked_rows(pairing, snapshot, identities, policy)
    for step in (_pair_by_claim, _pair_rows_by_email):
        pairing = step(pairing, rows, snapshot, identities, policy)
        if pairing.needs:
            return pairing
    return _without_settled_holds(_pair_requests(pairing, snapshot, identities, policy))


def _recover_creates(pairing: Pairing, snapshot: Snapshot, identities: Identities) -> Pairing:
    """Pair rows that a dead run created for a known person: the row is there, only the record of it was lost."""
    plans, links = snapshot.unsettled, identities.links
    if plans.empty:
        return pairing
    lost = plans[(plans["action"] == Action.CREATE) & (plans["direction"] == Direction.TO_DYNAMICS)]
    lost = lost.drop_duplicates(["dynamics_table", "dynamics_id"], keep="last")
    lost = lost[~lost["marketo_id"].isin(links["marketo_id"]) & lost["marketo_id"].isin(snapshot.people.index)]
    there = pd.MultiIndex.from_frame(all_rows(snapshot.rows, [])[["dynamics_table", "dynamics_id"]])
    exists = pd.MultiIndex.from_frame(lost[["dynamics_table", "dynamics_id"]]).isin(there)
    found = lost.loc[exists, ["link_id", "marketo_id", "dynamics_table", "dynamics_id", "generation"]]
    return pairing.adding(found, PairOrigin.LINK)


def _unlinked_rows(pairing: Pairing, snapshot: Snapshot, identities: Identities, policy: Policy) -> pd.DataFrame:
    """Return the rows this run is about that may become people (ROW_REFERENCES)."""
    columns = [EMAIL_COLUMN, STATE, MERGED, *([policy.sync_filter_column] if policy.sync_filter_column else [])]
    rows = all_rows(snapshot.rows, columns)
    rows = rows[~rows["dynamics_id"].isin(snapshot.candidates)]
    rows = rows[~rows["dynamics_id"].isin(pairing.taken("dynamics_id", identities.links))]
    rows = rows[~rows["dynamics_id"].isin(barred_rows(snapshot, identities, policy))]
    recreate = policy.deleted_in_marketo != DeletedPerson.IGNORE
    return free_rows(rows, snapshot.closed, policy.sync_filter_column, recreate=recreate)


def free_rows(
    rows: pd.DataFrame, closed: pd.DataFrame, sync_filter_column: str | None, *, recreate: bool
) -> pd.DataFrame:
    """
    Return those of some unlinked rows that may get a person: alive, let through by the filter, and either never linked
    or free for a new person by policy (ROW_REFERENCES).

    `rows`: dynamics_table, dynamics_id and, where the table has them, address, state, merge and filter columns.
    `closed`: the closed links of these rows. `recreate`: whether rows of people deleted in Marketo get a new one.
    """
    rows = rows[is_alive(rows) & passes_filter(rows, sync_filter_column)]
    rows = rows[~blocked_rows(rows, closed, recreate=recreate)]
    return ROW_REFERENCES.of(rows.rename(columns={EMAIL_COLUMN: "email"}))


def barred_rows(snapshot: Snapshot, identities: Identities, policy: Policy) -> frozenset[str]:
    """
    Return rows whose link is closed by this run's events and that get no new person in it.

    An edit beats a deletion: a row that was edited since the two sides last agreed is not among them, unless the policy
    gives no row a new person.
    """
    ended = frozenset(identities.ended["dynamics_id"])
    if not ended or policy.deleted_in_marketo == DeletedPerson.IGNORE:
        return ended
    lost = identities.lost(DELETED_IN_MARKETO)
    edited = lost.loc[lost["link_id"].isin(edited_links(snapshot, lost, policy)), "dynamics_id"]
    return ended - frozenset(edited)


def _pair_by_claim(
    pairing: Pairing, rows: pd.DataFrame, snapshot: Snapshot, identities: Identities, policy: Policy
) -> Pairing:
    """
    Pair rows with the people who name them: links can be rebuilt from the systems alone.

    A row that only somebody else's person names is held: creating a person under its id would overwrite that one.
    """
    if rows.empty:
        return pairing
    if not snapshot.complete:
        needed = Needs(people_by_row=frozenset(rows["dynamics_id"])).beyond(snapshot.asked)
        if needed:
            return pairing.needing(needed)
    named = claims(_unlinked_people(pairing, snapshot, identities), rows, policy.control)
    several = named["dynamics_id"].duplicated(keep=False)
    pairing = pairing.adding(named[~several].assign(generation=1), PairOrigin.LINK)
    crowd = rows[snapshot.is_crowded(rows["dynamics_id"])]
    held = pd.concat([named[several], crowd]).assign(message=MATCH_MESSAGES[MatchReason.SEVERAL_CLAIM_ROW])
    pairing = pairing.holding(held, kind=DeadLetterKind.AMBIGUOUS, code=SEVERAL_CLAIMS, direction=Direction.TO_MARKETO)
    left = rows[~rows["dynamics_id"].isin(pairing.taken("dynamics_id", identities.links))]
    elsewhere = claims(snapshot.people.reset_index(names="marketo_id"), left, policy.control)["dynamics_id"]
    held = left[left["dynamics_id"].isin(elsewhere)].assign(message=MATCH_MESSAGES[MatchReason.SAME_ID])
    return pairing.holding(held, kind=DeadLetterKind.AMBIGUOUS, code=CLAIMED_ELSEWHERE, direction=Direction.TO_MARKETO)


def _pair_rows_by_email(
    pairing: Pairing, rows: pd.DataFrame, snapshot: Snapshot, identities: Identities, policy: Policy
) -> Pairing:
    """
    Pair the remaining rows with unlinked people of the same address, or have a person made for them, as the policy
    says.
    """
    rows = rows[~rows["dynamics_id"].isin(pairing.taken("dynamics_id", identities.links))]
    if rows.empty:
        return pairing
    if policy.to_marketo == MatchingPolicy.HOLD:
        message = "new in Dynamics; the policy matching.to_marketo is hold"
        return pairing.holding(
            rows.assign(message=message),
            kind=DeadLetterKind.AMBIGUOUS,
            code=HELD_BY_POLICY,
            direction=Direction.TO_MARKETO,
        )
    people = _unlinked_people(pairing, snapshot, identities)[["marketo_id", "email"]]
    if policy.to_marketo == MatchingPolicy.LINK:
        wanted = _unanswered(rows["email"], snapshot.people["email"], snapshot)
        needed = Needs(people_by_email=wanted).beyond(snapshot.asked)
        if needed:
            return pairing.needing(needed)
    else:
        people = people.iloc[:0]
    crowded = snapshot.is_crowded(email_key(rows["email"]))
    held = rows[crowded].assign(message=MATCH_MESSAGES[MatchReason.SEVERAL_SHARE_EMAIL])
    pairing = pairing.holding(held, kind=DeadLetterKind.AMBIGUOUS, code=AMBIGUOUS_EMAIL, direction=Direction.TO_MARKETO)
    matched = match_by_email(rows[~crowded], people.assign(asked=False)).assign(generation=1)
    pairing = pairing.adding(matched[matched["outcome"] == MatchOutcome.NONE], PairOrigin.CREATE_IN_MARKETO)
    return _take_matches(pairing, matched, Direction.TO_MARKETO)


def _take_matches(pairing: Pairing, matched: pd.DataFrame, direction: Direction) -> Pairing:
    """Turn match outcomes into links and holds."""
    pairing = pairing.adding(matched[matched["outcome"] == MatchOutcome.LINK].assign(generation=1), PairOrigin.LINK)
    ambiguous = matched[matched["outcome"] == MatchOutcome.AMBIGUOUS]
    ambiguous = ambiguous.assign(message=ambiguous["reason"].map(MATCH_MESSAGES))
    return pairing.holding(ambiguous, kind=DeadLetterKind.AMBIGUOUS, code=AMBIGUOUS_EMAIL, direction=direction)


def _unanswered(emails: pd.Series, candidates: pd.Series, snapshot: Snapshot) -> frozenset[str]:
    """
    Return the addresses that have to be looked up in the other system to know who has them.

    Normally all; in a complete snapshot those of nobody among `candidates`: they may be new since it was read.
    """
    wanted = emails[email_key(emails).notna()].str.strip()
    if snapshot.complete:
        wanted = wanted[~email_key(wanted).isin(email_key(candidates).dropna())]
    return frozenset(wanted)


def _pair_requests(pairing: Pairing, snapshot: Snapshot, identities: Identities, policy: Policy) -> Pairing:
    """
    Pair people a campaign asked to have in Dynamics: with the one unlinked row of their address, or with a row to be
    made.

    Rows that are held count like any other: several of one address hold the request too, and where nobody can tell
    whose the one row is, the request waits. So nothing is ever made beside a row that is held.
    """
    pairing, people = _requesters(pairing, snapshot, identities, policy)
    if people.empty:
        return pairing
    if policy.to_dynamics == MatchingPolicy.HOLD:
        message = "asked for in Marketo; the policy matching.to_dynamics is hold"
        return pairing.holding(
            people.assign(message=message),
            kind=DeadLetterKind.AMBIGUOUS,
            code=HELD_BY_POLICY,
            direction=Direction.TO_DYNAMICS,
        )
    rows = ROW_REFERENCES.empty()
    if policy.to_dynamics == MatchingPolicy.LINK:
        known = all_rows(snapshot.rows, [EMAIL_COLUMN])[EMAIL_COLUMN]
        needed = Needs(rows_by_email=_unanswered(people["email"], known, snapshot)).beyond(snapshot.asked)
        if needed:
            return pairing.needing(needed)
        rows = _matchable_rows(pairing, snapshot, identities)
    matched = match_by_email(rows.assign(asked=False), people[["marketo_id", "email"]])
    asked = people[["marketo_id", "table", "owner_email"]].astype({"marketo_id": "Int64"})
    matched = matched.merge(asked, on="marketo_id")
    is_disputed = (matched["outcome"] == MatchOutcome.LINK) & matched["dynamics_id"].isin(_disputed_rows(pairing))
    held = matched[is_disputed].assign(dynamics_table=None, dynamics_id=None, message=DISPUTED_MESSAGE)
    pairing = pairing.holding(
        held, kind=DeadLetterKind.AMBIGUOUS, code=AMBIGUOUS_EMAIL, direction=Direction.TO_DYNAMICS
    )
    pairing = _take_matches(pairing, matched[~is_disputed], Direction.TO_DYNAMICS)
    to_make = _with_new_rows(matched[matched["outcome"] == MatchOutcome.NONE], snapshot, policy)
    return pairing.adding(to_make, PairOrigin.CREATE_IN_DYNAMICS)


def _disputed_rows(pairing: Pairing) -> set[object]:
    """Return the rows that are held because it is unclear whose they are, not merely how to match them."""
    codes = {AMBIGUOUS_EMAIL, HELD_BY_POLICY}
    return set(pairing.holds.loc[~pairing.holds["code"].isin(codes), "dynamics_id"].dropna())


def _requesters(
    pairing: Pairing, snapshot: Snapshot, identities: Identities, policy: Policy
) -> tuple[Pairing, pd.DataFrame]:
    """
    Return unlinked people with a request: marketo_id, email, table, owner_email; one that can't be read is held.

    What the run itself was asked for goes before what a campaign left in the person's field.
    """
    people = _unlinked_people(pairing, snapshot, identities)
    given = people["marketo_id"].map(dict(policy.create_requests)).astype("str")
    text = given.fillna(people[policy.control.sync_to_dynamics])
    people = people[["marketo_id", "email"]].assign(text=text).dropna(subset=["text"])
    people = people[~people["marketo_id"].isin(pairing.taken("marketo_id", identities.links))]
    if people.empty:
        return pairing, people
    read = {text: _read_request(text) for text in people["text"].unique()}
    parts = ("table", "owner_email", "message")
    people = people.assign(
        **{part: people["text"].map({text: found[part] for text, found in read.items()}) for part in parts}
    )
    unclear = people[people["message"].notna()]
    pairing = pairing.holding(unclear, kind=DeadLetterKind.INVALID, code="BAD_REQUEST", direction=Direction.TO_DYNAMICS)
    return pairing, people[people["table"].notna()]


def _read_request(text: str) -> Mapping[str, str | None]:
    """Return table, owner's e-mail and complaint of one request text."""
    request = parse_request(text)
    if isinstance(request, RequestProblem):
        return {"table": None, "owner_email": None, "message": request.message}
    if request is None:
        return {"table": None, "owner_email": None, "message": None}
    return {"table": request.table.value, "owner_email": request.owner_email, "message": None}


def _matchable_rows(pairing: Pairing, snapshot: Snapshot, identities: Identities) -> pd.DataFrame:
    """Return the living rows in hand, held ones too, that are neither linked nor paired (ROW_REFERENCES)."""
    rows = all_rows(snapshot.rows, [EMAIL_COLUMN, STATE, MERGED])
    rows = rows[is_alive(rows) & email_key(rows[EMAIL_COLUMN]).notna()]
    owned = (snapshot.links, snapshot.elsewhere, identities.links, pairing.pairs)
    taken = {row_id for frame in owned for row_id in frame["dynamics_id"].dropna()}
    return ROW_REFERENCES.of(rows[~rows["dynamics_id"].isin(taken)].rename(columns={EMAIL_COLUMN: "email"}))


def _with_new_rows(people: pd.DataFrame, snapshot: Snapshot, policy: Policy) -> pd.DataFrame:
    """
    Return people with the table and id of the row to make; a row that was deleted before is followed by a new
    generation.
    """
    last = snapshot.closed.groupby("marketo_id")["generation"].max()
    generation = people["marketo_id"].map(last).fillna(0).astype("int64") + 1
    ids = [
        dynamics_row_id(policy.munchkin_id, person, table, number)
        for person, table, number in zip(people["marketo_id"], people["table"], generation, strict=True)
    ]
    return people.assign(dynamics_table=people["table"], dynamics_id=ids, generation=generation)


def _unlinked_people(pairing: Pairing, snapshot: Snapshot, identities: Identities) -> pd.DataFrame:
    """Return the people in hand that had no open link and are not paired yet: `marketo_id` and their columns."""
    people = snapshot.people.reset_index(names="marketo_id")
    owned = (snapshot.links, snapshot.elsewhere, identities.links, pairing.pairs, pairing.holds)
    taken = {person for frame in owned for person in frame["marketo_id"].dropna()}
    return people[~people["marketo_id"].isin(taken)]


def _without_settled_holds(pairing: Pairing) -> Pairing:
    """Return the pairing without holds of rows that found their person after all, by a request."""
    paired = pairing.holds["dynamics_id"].isin(pairing.pairs["dynamics_id"].dropna())
    return replace(pairing, holds=pairing.holds[~paired].reset_index(drop=True))
