"""
Random little worlds for the whole decision: people, rows, links, events and requests, and what a plan leads to.

Both halves of a link are made by editing its base, so that most cells are untouched, some edited on one side, some on
both. Worlds are made of stories, one per human, with ids and addresses of its own unless two stories share one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd
from hypothesis import strategies as st

from include.person_sync.core.changes import writes_to
from include.person_sync.core.control_fields import is_control, rest_names
from include.person_sync.core.create_request import dynamics_row_id
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.outcome import Outcome
from include.person_sync.core.policy import DeletedPerson, MatchingPolicy, Policy
from include.person_sync.core.snapshot import Events, Snapshot
from include.person_sync.core.values import MISSING
from include.person_sync.core.wire import wire_values
from tests.unit.core.world import (
    NAMES,
    Link,
    Person,
    Row,
    Systems,
    base_frame,
    contact,
    lead,
    link,
    links_frame,
    people_frame,
    person,
    policy,
    rows_frame,
    systems,
    wire_text,
)

if TYPE_CHECKING:
    from include.person_sync.core.plan import Plan

POLICIES = [
    policy(to_marketo=to_marketo, to_dynamics=to_dynamics, deleted_in_marketo=deleted)
    for to_marketo in MatchingPolicy
    for to_dynamics in MatchingPolicy
    for deleted in DeletedPerson
]
TEXTS = st.sampled_from(["a", "b", None])
LONG = "longer than it may be"


@dataclass(frozen=True, repr=False)
class Given:
    """One world: its systems, who is in hand, what happened, and the policy."""

    systems: Systems
    people: tuple[int, ...]
    rows: tuple[tuple[Table, str], ...]
    events: Events
    more: dict[str, Any]
    policy: Policy

    def __repr__(self) -> str:
        frames = [self.systems.people, *self.systems.rows.values(), self.systems.links, self.systems.base]
        rules = (self.policy.to_marketo, self.policy.to_dynamics, self.policy.deleted_in_marketo)
        shown = [frame.dropna(axis="columns", how="all").to_string() for frame in frames]
        return "\n".join([*shown, str(self.people), str(self.rows), str(self.events), str(self.more), str(rules)])

    def snapshot(self) -> Snapshot:
        """Return what the run has in hand before anything more is read."""
        return self.systems.snapshot(self.people, self.rows, self.events, **self.more)

    def complete(self) -> Snapshot:
        """Return the snapshot with everything that deciding needs."""
        return self.systems.complete(self.snapshot(), self.policy)


@st.composite
def edited(draw: st.DrawFn, base: dict[str, str | None]) -> dict[str, str | None]:
    """Draw a half of a link: the base, with a field edited now and then."""
    half = {name: None if value == MISSING else value for name, value in base.items()}
    for name in draw(st.lists(st.sampled_from(["last_name", "score"]), max_size=2)):
        half[name] = draw(st.one_of(TEXTS, st.just(LONG)))
    return half


@dataclass(frozen=True)
class Story:
    """What is told of one human: items, and ids by kind of event."""

    items: tuple[Person | Row | Link, ...]
    deleted_people: frozenset[int] = frozenset()
    merged: tuple[tuple[int, int], ...] = ()
    deleted_rows: tuple[tuple[Table, str], ...] = ()
    asked_now: frozenset[int] = frozenset()


STATES = [{}, {}, {}, {"state": "1"}, {"merged": "true", "state": "1"}, {"synced": "false"}]


@st.composite
def linked(draw: st.DrawFn, number: int, email: str) -> Story:
    """Draw a linked pair, and perhaps what happened to it."""
    table = draw(st.sampled_from(Table))
    make, row_id, who = (contact if table is Table.CONTACT else lead), f"r{number}", number * 10
    base = {"email": email, "last_name": draw(TEXTS), "score": draw(st.one_of(TEXTS, st.just(MISSING))), "rating": None}
    event = draw(
        st.sampled_from(["none", "none", "gone row", "gone person", "merged person", "merged row", "qualified"])
    )
    ids = {"row": draw(st.sampled_from([row_id, row_id.upper()])), "table": table.value}
    ours = person(who, **draw(edited(base)), **ids, request=draw(st.sampled_from([None, None, "lead"])))
    state = draw(st.sampled_from(STATES))
    theirs = make(row_id, **{**draw(edited(base)), **state})
    filtered = draw(st.booleans()) if "synced" in state else False
    known = {name: value for name, value in base.items() if value != MISSING}
    own = link(number, who, f"{table}:{row_id}", known, is_filtered=filtered)
    in_hand = [replace(half, in_hand=draw(st.booleans())) for half in (ours, theirs)]
    if event == "gone row":
        asked = frozenset({who}) if draw(st.booleans()) else frozenset()
        return Story((in_hand[0], own), deleted_rows=((table, row_id),), asked_now=asked)
    if event == "gone person":
        return Story((in_hand[1], own), deleted_people=frozenset({who}))
    if event == "merged person":
        winner = person(who + 1, email=email, last_name="b")
        return Story((replace(winner, in_hand=draw(st.booleans())), in_hand[1], own), merged=((who, who + 1),))
    if event == "merged row":
        loser = make(row_id, **{**base, "score": None}, merged="true", state="1", master=f"M{number}")
        master = make(f"m{number}", email=email, last_name="b")
        return Story((in_hand[0], loser, replace(master, in_hand=draw(st.booleans())), own))
    if event == "qualified" and table is Table.LEAD:
        named = draw(st.booleans())
        old = lead(row_id, email=email, state="1", parent=f"C{number}" if named else None)
        new = [contact(f"c{number}", email=email, origin=None if named else row_id.upper())]
        new += [contact(f"d{number}", email=email, origin=row_id)] if draw(st.booleans()) else []
        return Story((in_hand[0], old, *new, own))
    return Story((*in_hand, own))


@st.composite
def newcomers(draw: st.DrawFn, number: int, email: str) -> Story:
    """Draw people and rows of one address without links, some of whom ask or name a row; and a link of the past."""
    items: list[Person | Row | Link] = []
    for part in range(draw(st.integers(0, 2))):
        request = draw(st.sampled_from([None, "lead", "contact", "what"]))
        row = draw(st.sampled_from([None, None, f" N{number}0", f"n{number}1"]))
        half = person(
            number * 10 + part, email=email, last_name=draw(st.sampled_from(["a", LONG])), request=request, row=row
        )
        items.append(replace(half, in_hand=bool(request) or draw(st.booleans())))
    for part in range(draw(st.integers(0, 2))):
        make = draw(st.sampled_from([contact, lead]))
        row = make(f"n{number}{part}", email=draw(st.sampled_from([email, email.upper()])), last_name="a",
                   **draw(st.sampled_from(STATES)))  # fmt: skip
        items.append(replace(row, in_hand=draw(st.booleans())))
    if draw(st.booleans()):
        past = dynamics_row_id("123-ABC-456", number * 10, "lead", 1)
        items.append(link(number + 500, number * 10, f"lead:{past}", closed_reason="deleted in Dynamics"))
    return Story(tuple(items))


def given_of(stories: list[Story], rules: Policy, **more: Any) -> Given:
    """Return one world that is made of stories."""
    items = [item for story in stories for item in story.items]
    events = Events(
        frozenset(one for story in stories for one in story.deleted_people),
        {loser: winner for story in stories for loser, winner in story.merged},
        {
            table: frozenset(row for story in stories for of, row in story.deleted_rows if of is table)
            for table in Table
        },
    )
    return Given(
        systems(*items),
        tuple(one.marketo_id for one in items if isinstance(one, Person) and one.in_hand),
        tuple((one.table, one.dynamics_id) for one in items if isinstance(one, Row) and one.in_hand),
        events,
        {"requests_touched": frozenset(one for story in stories for one in story.asked_now), **more},
        rules,
    )


@st.composite
def story_groups(draw: st.DrawFn, number: int) -> list[Story]:
    """Draw one or two stories; two may share an address."""
    email = f"x{number}@x.example"
    first = draw(st.one_of(linked(number, email), newcomers(number, email)))
    if draw(st.booleans()):
        return [first]
    other = draw(st.sampled_from([email, f"y{number}@x.example"]))
    return [first, draw(newcomers(number + 1, other))]


@st.composite
def grouped_stories(draw: st.DrawFn, most: int = 4) -> list[list[Story]]:
    """Draw groups of stories that have nothing to do with each other."""
    return [draw(story_groups(number)) for number in range(1, 2 * draw(st.integers(0, most)), 2)]


@st.composite
def worlds(draw: st.DrawFn) -> Given:
    """Draw a world under any policy. A large one costs hardly more than a small one."""
    groups = draw(grouped_stories())
    return given_of([story for group in groups for story in group], draw(st.sampled_from(POLICIES)))


def carry_out(given: Given, snapshot: Snapshot, plan: Plan) -> Given:
    """
    Return the world after every change of a plan was written and committed, and came back through the feeds.

    In hand is whoever was in hand, and whoever was written to; rows whose person was deleted come again only when
    somebody edits them, and nobody does.
    """
    links = given.systems.links
    first = 1 + max([1000, *links["link_id"]])
    plan = plan.numbered({one: first + place for place, one in enumerate(plan.provisional_ids())})
    changes = plan.changes.assign(status="applied", dynamics_version="v2", code=None, message=None)
    born = (changes["action"] == "create") & (changes["direction"] == "to_marketo")
    nobody = 1 + max([10_000, *given.systems.people.index])
    changes["marketo_id"] = changes["marketo_id"].mask(
        born, pd.Series(range(nobody, nobody + len(changes)), dtype="Int64")
    )
    outcome = Outcome.of(changes, plan.values, plan)
    people, rows = _written(given.systems, changes, plan.values, given.policy)
    gone = {row for row, reason in _rows_of(snapshot, plan.closed).items() if reason == "deleted in Marketo"}
    touched = {int(one) for one in changes.loc[changes["direction"] == "to_marketo", "marketo_id"]}
    to_dynamics = changes[changes["direction"] == "to_dynamics"]
    wrote = {(Table(t), r) for t, r in zip(to_dynamics["dynamics_table"], to_dynamics["dynamics_id"], strict=True)}
    after = Systems(people, rows, _links_after(given.systems, outcome, plan), _base_after(given.systems, outcome))
    return replace(
        given,
        systems=after,
        people=tuple(sorted({*given.people, *touched} - set(given.events.deleted_people))),
        rows=tuple(sorted({*given.rows, *wrote} - gone)),
        events=Events(),
        more={"fields": plan.fields, "refusals": frozenset(outcome.letters("schema")["fingerprint"])},
    )


def _rows_of(snapshot: Snapshot, closed: Any) -> dict[tuple[Table, str], str]:
    links = snapshot.links.set_index("link_id")
    return {
        (Table(links.loc[one, "dynamics_table"]), links.loc[one, "dynamics_id"]): reason
        for one, reason in closed.items()
    }


def _written(
    before: Systems, changes: pd.DataFrame, values: pd.DataFrame, rules: Policy
) -> tuple[pd.DataFrame, dict[Table, pd.DataFrame]]:
    """Return people and rows after all changes."""
    people = before.people.to_dict("index")
    rows = {table: frame.to_dict("index") for table, frame in before.rows.items()}
    control = rest_names(NAMES)
    for change in changes[changes["direction"] != "none"].itertuples():
        table = Table(change.dynamics_table)
        fields = {field.name: field for field in rules.schema.fields(table)}
        side = Side.DYNAMICS if change.direction == "to_dynamics" else Side.MARKETO
        if change.action == "delete":
            del rows[table][change.dynamics_id]
            continue
        if side is Side.DYNAMICS:
            half = rows[table].setdefault(change.dynamics_id, {"statecode": "0", "version": "v1"})
        else:
            half = people.setdefault(int(change.marketo_id), {})
        own = values[(values["change_no"] == change.change_no) & (writes_to(values) == change.direction)]
        for value, special in zip(own.itertuples(), is_control(own), strict=True):
            if special:
                half[control[value.field]] = wire_text(value.field, value.planned)
                continue
            field = fields[value.field]
            wire = wire_values(pd.Series([value.planned], dtype="str"), field, side)[0]
            name = field.dynamics.name if side is Side.DYNAMICS else field.marketo.name
            half[name] = None if wire is None else str(wire)
    return people_frame(Person(int(one), texts) for one, texts in people.items()), {
        table: rows_frame([Row(table, one, texts) for one, texts in own.items()], table) for table, own in rows.items()
    }


def _links_after(before: Systems, outcome: Outcome, plan: Plan) -> pd.DataFrame:
    """Return all links after the commit."""
    links = before.links.set_index("link_id").to_dict("index")
    for born in outcome.links().to_dict("records"):
        made = {"state": "open", "dynamics_version": "v1", "needs_recheck": False, "is_filtered": False}
        links[born["link_id"]] = {**links.get(born["link_id"], made), **born}
    for link_id, reason in plan.closed.items():
        links[link_id] |= {"state": "closed", "closed_reason": reason}
    for filtered, link_ids in ((True, plan.filtered), (False, plan.unfiltered)):
        for link_id in link_ids:
            links[link_id]["is_filtered"] = filtered
    return links_frame(Link({"closed_reason": None, **known, "link_id": one}, {}) for one, known in links.items())


def _base_after(before: Systems, outcome: Outcome) -> pd.DataFrame:
    """Return the base after the commit."""
    base = before.base.to_dict("index")
    for cell in outcome.base_updates().itertuples():
        base.setdefault(cell.link_id, {})[cell.field] = None if pd.isna(cell.value) else cell.value
    return base_frame(Link({"link_id": one}, known) for one, known in base.items())
