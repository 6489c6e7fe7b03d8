"""
Pairing people and rows that are not linked yet: by identity, by e-mail, or by creating the missing half.

Before anything is created on either side the other side is searched for an unlinked match: exactly one is linked, none
lets the policy create, several are held for a person to choose. What an earlier run created without living to record it
is recognised first, so that nothing is made twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.config.settings import DeletedPerson
from include.person_sync.core.identity import blocked_rows
from include.person_sync.core.matching import (
    MatchReason,
    RequestProblem,
    dynamics_row_id,
    match_by_email,
    parse_request,
)
from include.person_sync.core.plan import Newcomer
from include.person_sync.core.rows import World, ids_by_table, is_alive, passes_filter
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.people import people_frame, person_columns, read_people
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

PAIR_COLUMNS = [
    "link_id",
    "marketo_id",
    "dynamics_table",
    "dynamics_id",
    "generation",
    "newcomer",
    "owner_email",
    "version",
    "is_filtered",
]
HOLD_COLUMNS = ["kind", "marketo_id", "dynamics_table", "dynamics_id", "direction", "action", "code", "message"]
EMAIL_COLUMN = "emailaddress1"

MATCH_MESSAGES = {
    MatchReason.SEVERAL_SHARE_EMAIL: "several unlinked people share this e-mail address; "
    "link one of them by its id, or give them different addresses",
    MatchReason.SEVERAL_CLAIM_ROW: "several Marketo people name this row as theirs; clear the id on all but one",
    MatchReason.SAME_ID: "a Marketo person who is linked to another row names this row as theirs; correct the id there",
    MatchReason.UNREADABLE_EMAIL: "the e-mail address can't be read, so nobody can tell whether the person exists",
}


@dataclass
class Newcomers:
    """
    Pairs to link or create (columns PAIR_COLUMNS) and entries held back (columns HOLD_COLUMNS).

    `links` are the open links of everybody in hand; `barred` the ids of rows that get no person in this run.
    """

    links: pd.DataFrame
    barred: frozenset[str] = frozenset()
    pairs: list[pd.DataFrame] = field(default_factory=list)
    holds: list[pd.DataFrame] = field(default_factory=list)

    def add(self, frame: pd.DataFrame, newcomer: Newcomer) -> None:
        """Add pairs that are new for one reason."""
        if len(frame):
            self.pairs.append(frame.assign(newcomer=newcomer.value).reindex(columns=PAIR_COLUMNS))

    def hold(self, frame: pd.DataFrame, *, kind: str, code: str, direction: str) -> None:
        """Hold entries back, each with its `message`."""
        if len(frame):
            held = frame.assign(kind=kind, code=code, direction=direction, action="create")
            self.holds.append(held.reindex(columns=HOLD_COLUMNS))

    def all_pairs(self) -> pd.DataFrame:
        """Return the pairs as one frame."""
        return pd.concat(self.pairs, ignore_index=True) if self.pairs else pd.DataFrame(columns=PAIR_COLUMNS)

    def all_holds(self) -> pd.DataFrame:
        """Return the holds as one frame."""
        return pd.concat(self.holds, ignore_index=True) if self.holds else pd.DataFrame(columns=HOLD_COLUMNS)

    def taken(self, column: str) -> set[object]:
        """Return the ids that have a link, or were paired or held in this run."""
        frames = (self.links, self.all_pairs(), self.all_holds())
        return {one for frame in frames for one in frame[column].dropna()}


def pair_newcomers(
    ctx: SyncContext,
    schema: ResolvedSchema,
    world: World,
    links: pd.DataFrame,
    unsettled: pd.DataFrame,
    wishes: Mapping[int, str],
    barred: frozenset[str] = frozenset(),
) -> Newcomers:
    """
    Return how everybody without a link is to be paired; reads counterparts into `world`.

    `links` are the open links of everything in `world`; `unsettled` the plans of runs that died before their commit;
    `wishes` what this run was asked to create (Marketo id → request text); `barred` rows that lost their person in this
    very run.
    """
    newcomers = Newcomers(links, barred)
    recover_creates(world, links, unsettled, newcomers)
    rows = unlinked_rows(ctx, world, newcomers)
    pair_by_identity(ctx, schema, world, rows, newcomers)
    pair_rows_by_email(ctx, schema, world, rows, newcomers)
    pair_requests(ctx, schema, world, newcomers, wishes)
    return newcomers


def recover_creates(world: World, links: pd.DataFrame, unsettled: pd.DataFrame, newcomers: Newcomers) -> None:
    """Pair rows that a dead run created for a known person: the row is there, only the record of it was lost."""
    lost = unsettled[(unsettled["action"] == "create") & (unsettled["direction"] == "to_dynamics")]
    lost = lost.drop_duplicates(["dynamics_table", "dynamics_id"], keep="last")
    lost = lost[~lost["marketo_id"].isin(links["marketo_id"]) & lost["marketo_id"].isin(world.people.index)]
    rows = world.all_rows([])
    there = pd.MultiIndex.from_frame(rows[["dynamics_table", "dynamics_id"]])
    exists = pd.MultiIndex.from_frame(lost[["dynamics_table", "dynamics_id"]]).isin(there)
    newcomers.add(lost[exists][["link_id", "marketo_id", "dynamics_table", "dynamics_id", "generation"]], Newcomer.LINK)


def unlinked_rows(ctx: SyncContext, world: World, newcomers: Newcomers) -> pd.DataFrame:
    """
    Return rows that may become people: alive, let through by the filter, without a person now, and either never linked
    or free for a new one by policy. Columns dynamics_table, dynamics_id, email.
    """
    columns = [EMAIL_COLUMN, "statecode", "merged", ctx.settings.sync_filter_column]
    rows = world.all_rows([one for one in columns if one])
    rows = rows[is_alive(rows) & passes_filter(rows, ctx.settings.sync_filter_column)]
    rows = rows[~rows["dynamics_id"].isin(newcomers.taken("dynamics_id") | newcomers.barred)]
    closed = ctx.store.load_links(dynamics_ids=ids_by_table(rows), state="closed")
    recreate = ctx.settings.deleted_in_marketo != DeletedPerson.IGNORE
    rows = rows[~blocked_rows(rows, closed, recreate=recreate)]
    return rows.rename(columns={EMAIL_COLUMN: "email"})[["dynamics_table", "dynamics_id", "email"]]


def pair_by_identity(
    ctx: SyncContext, schema: ResolvedSchema, world: World, rows: pd.DataFrame, newcomers: Newcomers
) -> None:
    """
    Pair rows with the people whose `dynamicsId` names them: links can be rebuilt from the systems alone.

    A row that only somebody else's person names is held: creating a person under its id would overwrite that one.
    """
    name = ctx.settings.custom_fields.dynamics_id
    if not world.complete:
        add_people(ctx, schema, world, name, rows["dynamics_id"].tolist())
    people = unlinked_people(ctx, world, newcomers)
    claims = people.assign(dynamics_id=people[name].str.lower())[["marketo_id", "dynamics_id"]].dropna()
    claims = claims.merge(rows, on="dynamics_id")
    several = claims["dynamics_id"].duplicated(keep=False)
    newcomers.add(claims[~several].assign(generation=1), Newcomer.LINK)
    crowd = rows[world.is_crowded(rows["dynamics_id"])]
    held = pd.concat([claims[several], crowd]).assign(message=MATCH_MESSAGES[MatchReason.SEVERAL_CLAIM_ROW])
    newcomers.hold(held, kind="ambiguous", code="SEVERAL_CLAIMS", direction="to_marketo")
    elsewhere = rows["dynamics_id"].isin(world.people[name].str.lower()) & ~rows["dynamics_id"].isin(
        newcomers.taken("dynamics_id")
    )
    held = rows[elsewhere].assign(message=MATCH_MESSAGES[MatchReason.SAME_ID])
    newcomers.hold(held, kind="ambiguous", code="CLAIMED_ELSEWHERE", direction="to_marketo")


def pair_rows_by_email(
    ctx: SyncContext, schema: ResolvedSchema, world: World, rows: pd.DataFrame, newcomers: Newcomers
) -> None:
    """
    Pair the remaining rows with unlinked people of the same e-mail, or have a person made for them, as the policy says.
    """
    policy = ctx.settings.matching.to_marketo
    rows = rows[~rows["dynamics_id"].isin(newcomers.taken("dynamics_id"))]
    if policy == "hold":
        message = "new in Dynamics; the policy matching.to_marketo is hold"
        newcomers.hold(rows.assign(message=message), kind="ambiguous", code="HELD_BY_POLICY", direction="to_marketo")
        return
    people = pd.DataFrame({"marketo_id": pd.Series(dtype="int64"), "email": pd.Series(dtype="str")})
    if policy == "link":
        add_people(ctx, schema, world, "email", world.unanswered(rows["email"], world.people["email"]))
        people = unlinked_people(ctx, world, newcomers)[["marketo_id", "email"]]
    crowded = world.is_crowded(rows["email"])
    held = rows[crowded].assign(message=MATCH_MESSAGES[MatchReason.SEVERAL_SHARE_EMAIL])
    newcomers.hold(held, kind="ambiguous", code="AMBIGUOUS_EMAIL", direction="to_marketo")
    matched = match_by_email(rows[~crowded], people.assign(asked=False))
    take_matches(matched, newcomers, none=Newcomer.CREATE_IN_MARKETO, direction="to_marketo")


def take_matches(matched: pd.DataFrame, newcomers: Newcomers, *, none: Newcomer, direction: str) -> None:
    """Turn match outcomes into pairs and holds; `none` is what an entry without a match becomes."""
    newcomers.add(matched[matched["outcome"] == "link"].assign(generation=1), Newcomer.LINK)
    newcomers.add(matched[matched["outcome"] == "none"].assign(generation=1), none)
    ambiguous = matched[matched["outcome"] == "ambiguous"]
    ambiguous = ambiguous.assign(message=ambiguous["reason"].map(MATCH_MESSAGES))
    newcomers.hold(ambiguous, kind="ambiguous", code="AMBIGUOUS_EMAIL", direction=direction)


def pair_requests(
    ctx: SyncContext,
    schema: ResolvedSchema,
    world: World,
    newcomers: Newcomers,
    wishes: Mapping[int, str],
) -> None:
    """
    Pair people a campaign asked to have in Dynamics: with the one unlinked row of their e-mail, or with a row to be
    made.
    """
    people = requesters(ctx, world, newcomers, wishes)
    if people.empty:
        return
    policy = ctx.settings.matching.to_dynamics
    if policy == "hold":
        message = "asked for in Marketo; the policy matching.to_dynamics is hold"
        newcomers.hold(people.assign(message=message), kind="ambiguous", code="HELD_BY_POLICY", direction="to_dynamics")
        return
    rows = rows_for(ctx, schema, world, people["email"].dropna(), newcomers) if policy == "link" else empty_rows()
    matched = match_by_email(rows.assign(asked=False), people[["marketo_id", "email"]])
    matched = matched.merge(
        people[["marketo_id", "table", "owner_email"]].astype({"marketo_id": "Int64"}), on="marketo_id"
    )
    none = matched[matched["outcome"] == "none"]
    take_matches(
        matched[matched["outcome"] != "none"], newcomers, none=Newcomer.CREATE_IN_DYNAMICS, direction="to_dynamics"
    )
    newcomers.add(with_new_rows(ctx, none), Newcomer.CREATE_IN_DYNAMICS)


def requesters(ctx: SyncContext, world: World, newcomers: Newcomers, wishes: Mapping[int, str]) -> pd.DataFrame:
    """
    Return unlinked people with a request: marketo_id, email, table, owner_email. A request that can't be read is held.

    What the run itself was asked for goes before what a campaign left in the person's field.
    """
    people = unlinked_people(ctx, world, newcomers)
    named = people["marketo_id"].map(dict(wishes)).astype("str")
    wish = named.fillna(people[ctx.settings.custom_fields.sync_to_dynamics])
    people = people[["marketo_id", "email"]].assign(wish=wish).dropna(subset=["wish"])
    people = people[~people["marketo_id"].isin(newcomers.taken("marketo_id"))]
    read = {one: read_wish(one) for one in people["wish"].unique()}
    people = people.assign(
        table=people["wish"].map({one: parts[0] for one, parts in read.items()}),
        owner_email=people["wish"].map({one: parts[1] for one, parts in read.items()}),
        message=people["wish"].map({one: parts[2] for one, parts in read.items()}),
    )
    newcomers.hold(people[people["message"].notna()], kind="invalid", code="BAD_REQUEST", direction="to_dynamics")
    return people[people["table"].notna()]


def read_wish(text: str) -> tuple[str | None, str | None, str | None]:
    """Return table, owner's e-mail and complaint of one request text."""
    request = parse_request(text)
    if isinstance(request, RequestProblem):
        return None, None, request.message
    return (request.table.value, request.owner_email, None) if request else (None, None, None)


def with_new_rows(ctx: SyncContext, people: pd.DataFrame) -> pd.DataFrame:
    """
    Return people with the table and id of the row to make; a row that was deleted before is followed by a new
    generation.
    """
    closed = ctx.store.load_links(marketo_ids=people["marketo_id"].tolist(), state="closed")
    last = closed.groupby("marketo_id")["generation"].max()
    generation = people["marketo_id"].map(last).fillna(0).astype("int64") + 1
    munchkin = ctx.munchkin_id
    ids = [
        dynamics_row_id(munchkin, person, table, number)
        for person, table, number in zip(people["marketo_id"], people["table"], generation, strict=True)
    ]
    return people.drop(columns=["dynamics_table", "dynamics_id"], errors="ignore").assign(
        dynamics_table=people["table"], dynamics_id=ids, generation=generation
    )


def unlinked_people(ctx: SyncContext, world: World, newcomers: Newcomers) -> pd.DataFrame:
    """Return the people in hand that have no open link and are not paired yet: `marketo_id` and their columns."""
    people = world.people.reset_index(names="marketo_id")
    links = ctx.store.load_links(marketo_ids=people["marketo_id"].tolist())
    taken = set(links["marketo_id"]) | newcomers.taken("marketo_id")
    return people[~people["marketo_id"].isin(taken)]


def add_people(ctx: SyncContext, schema: ResolvedSchema, world: World, filter_type: str, values: Iterable[str]) -> None:
    """Read people by a searchable field into `world`."""
    columns = person_columns(ctx, schema)
    crowded: set[str] = set()
    for page in read_people(ctx, schema, filter_type, list(values), crowded=crowded):
        if page:
            world.add_people(people_frame(page, columns))
    world.crowded |= {one.strip().casefold() for one in crowded}


def rows_for(
    ctx: SyncContext, schema: ResolvedSchema, world: World, emails: pd.Series, newcomers: Newcomers
) -> pd.DataFrame:
    """Return unlinked living rows of both tables with one of the e-mails, reading them into `world`."""
    values = world.unanswered(emails, world.all_rows([EMAIL_COLUMN])[EMAIL_COLUMN])
    names = LookupNames(ctx)
    for table in world.rows if values else ():
        rows = ctx.dynamics.rows_by_value(table.value, EMAIL_COLUMN, values, schema.columns[table])
        if rows:
            world.add_rows(table, rows_frame(rows, schema, table, names))
    found = world.all_rows([EMAIL_COLUMN, "statecode", "merged"])
    found = found[is_alive(found) & found[EMAIL_COLUMN].notna()]
    links = ctx.store.load_links(dynamics_ids=ids_by_table(found))
    taken = set(links["dynamics_id"]) | newcomers.taken("dynamics_id")
    found = found[~found["dynamics_id"].isin(taken)]
    return found.rename(columns={EMAIL_COLUMN: "email"})[["dynamics_table", "dynamics_id", "email"]]


def empty_rows() -> pd.DataFrame:
    """Return a frame of no rows, as `rows_for` would."""
    return pd.DataFrame({name: pd.Series(dtype="str") for name in ("dynamics_table", "dynamics_id", "email")})
