"""
Little worlds in a few readable lines: people, rows and links go in, a snapshot or a whole decision comes out.

`systems(...)` is both systems and the store, in frames; `Systems.snapshot` is what a run has in hand of it, and
`Systems.answer` reads what pure rules say they need, as the readers of the real systems do. Rows have short ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.core.changes import writes_to
from include.person_sync.core.control_fields import is_control, rest_names, wire_value
from include.person_sync.core.decide import decide, needs
from include.person_sync.core.fields import Field, FieldMap, FieldType, Rule, Table
from include.person_sync.core.policy import Policy
from include.person_sync.core.relations import LINKS, UNSETTLED
from include.person_sync.core.rows import ORIGINATING_LEAD, email_key, row_key
from include.person_sync.core.schema import (
    CONTROL_COLUMNS,
    MODIFIED,
    DroppedField,
    DynamicsColumn,
    EffectiveField,
    MarketoColumn,
    Option,
    ResolvedSchema,
)
from include.person_sync.core.snapshot import Events, Needs, Snapshot
from include.person_sync.core.values import MISSING, TEXT_DTYPE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from include.person_sync.core.plan import Plan

FILTER = "new_synctomkto"
CODED = {Table.CONTACT: (Option(1, "Hot"), Option(2, "Cold")), Table.LEAD: (Option(1, "Cold"), Option(2, "Hot"))}
"""The choice `rating`: the same labels stand for other numbers on the other table."""

FIELDS = (
    Field("email", FieldType.EMAIL, "email", "emailaddress1", "emailaddress1"),
    Field("last_name", FieldType.TEXT, "lastName", "lastname", "lastname"),
    Field("rating", FieldType.CHOICE, "rating", "new_rating", "new_rating"),
    Field("score", FieldType.TEXT, "score", "new_score", "new_score", rule=Rule.MARKETO_TO_DYNAMICS),
)
LONGEST_NAME = 10


@dataclass(frozen=True)
class Names:
    """The REST names of the control fields."""

    dynamics_id: str = "dynamicsId"
    dynamics_type: str = "dynamicsType"
    dynamics_is_deleted: str = "dynamicsIsDeleted"
    sync_to_dynamics: str = "syncToDynamics"


NAMES = Names()
SHORT = {"row": "dynamicsId", "table": "dynamicsType", "gone": "dynamicsIsDeleted", "request": "syncToDynamics"}
ROW_COLUMNS = {
    "state": "statecode",
    "merged": "merged",
    "master": "_masterid_value",
    "origin": "_originatingleadid_value",
    "parent": "_parentcontactid_value",
    "synced": FILTER,
    "modified": MODIFIED,
    "version": "version",
}


def effective_field(entry: Field, table: Table, **dynamics: Any) -> EffectiveField:
    """Return a field of the map as it takes part; `dynamics` overrides parts of its column."""
    kinds = {FieldType.EMAIL: ("email", "String"), FieldType.CHOICE: ("string", "Picklist")}
    ours, theirs = kinds.get(entry.type, ("string", "String"))
    shape: dict[str, Any] = {
        "options": CODED[table] if entry.type is FieldType.CHOICE else (),
        "max_length": LONGEST_NAME if entry.name == "last_name" else None,
        **dynamics,
    }
    column = DynamicsColumn(entry.column(table) or entry.name, theirs, **shape)
    return EffectiveField(entry, table, MarketoColumn(entry.marketo, ours), column, entry.rule_for(table))


def schema(
    fields: Iterable[Field] = FIELDS,
    *,
    narrowed: Mapping[str, Rule] | None = None,
    dropped: Collection[str] = (),
    digest: str = "schema",
) -> ResolvedSchema:
    """Return both schemas resolved: `narrowed`: field → the rule that is left; `dropped`: fields that take no part."""
    entries = [entry for entry in fields if entry.name not in dropped]
    own = {
        table: tuple(
            replace(effective_field(entry, table), rule=(narrowed or {}).get(entry.name, entry.rule_for(table)))
            for entry in entries
            if entry.column(table)
        )
        for table in Table
    }
    columns = {
        table: tuple(dict.fromkeys([*CONTROL_COLUMNS[table], FILTER, MODIFIED, *(f.raw_column for f in own[table])]))
        for table in Table
    }
    lacking = {table: tuple(DroppedField(name, table, "gone", "bring it back") for name in dropped) for table in Table}
    names = tuple(entry.marketo for entry in entries)
    return ResolvedSchema(own, lacking, columns, names, (), frozenset(), digest)


def policy(fields: Iterable[Field] = FIELDS, *, resolved: ResolvedSchema | None = None, **rules: Any) -> Policy:
    """Return a policy over `fields`; `rules` as the fields of Policy."""
    entries = tuple(fields)
    given = {"sync_filter_column": FILTER, "munchkin_id": "123-ABC-456", **rules}
    return Policy(resolved or schema(entries), FieldMap(entries), NAMES, **given)


POLICY = policy()


@dataclass(frozen=True)
class Person:
    """A Marketo person: its id, and text by REST name."""

    marketo_id: int
    texts: Mapping[str, str | None]
    in_hand: bool = True


@dataclass(frozen=True)
class Row:
    """A Dynamics row: table, id, and text by column."""

    table: Table
    dynamics_id: str
    texts: Mapping[str, str | None]
    in_hand: bool = True


@dataclass(frozen=True)
class Link:
    """A link with the base its halves agreed on."""

    record: Mapping[str, Any]
    base: Mapping[str, str | None]


def person(marketo_id: int, **values: str | None) -> Person:
    """Return a person: fields by our own names, and `row`, `table`, `gone`, `request` for the control fields."""
    rest = {entry.name: entry.marketo for entry in FIELDS} | SHORT
    return Person(marketo_id, {rest.get(name, name): value for name, value in values.items()})


def contact(dynamics_id: str, **values: str | None) -> Row:
    """Return a contact: fields by our own names, and the keys of ROW_COLUMNS."""
    return _row(Table.CONTACT, dynamics_id, values)


def lead(dynamics_id: str, **values: str | None) -> Row:
    """Return a lead, as `contact`."""
    return _row(Table.LEAD, dynamics_id, values)


def _row(table: Table, dynamics_id: str, values: Mapping[str, str | None]) -> Row:
    columns = {entry.name: entry.column(table) or entry.name for entry in FIELDS} | ROW_COLUMNS
    given = {"state": "0", "version": "v1", **values}
    return Row(table, dynamics_id, {columns.get(name, name): value for name, value in given.items()})


def unread(half: Person | Row) -> Any:
    """Return a half that the systems hold and that is not in hand: whoever needs it must ask for it."""
    return replace(half, in_hand=False)


def link(link_id: int, marketo_id: int, row: str, base: Mapping[str, str | None] | None = None, **record: Any) -> Link:
    """
    Return an open link; `row` as `contact:c1`. `base`: canonical texts by field; a field it lacks was never agreed on.

    `record` overrides columns of LINKS; with a `closed_reason` the link is closed.
    """
    table, dynamics_id = row.split(":")
    known = {
        "link_id": link_id,
        "marketo_id": marketo_id,
        "dynamics_table": table,
        "dynamics_id": dynamics_id,
        "generation": 1,
        "state": "closed" if record.get("closed_reason") else "open",
        "closed_reason": None,
        "dynamics_version": "v1",
        "needs_recheck": False,
        "is_filtered": False,
    }
    return Link({**known, **record}, base or {})


AGREED: Mapping[str, str | None] = {"email": "ann@x.example", "last_name": "Ann", "rating": None, "score": None}
"""The base of Ann, on which both sides agree unless a test says otherwise."""


def ann(marketo_id: int = 1, **values: str | None) -> Person:
    """Return Ann in Marketo."""
    return person(marketo_id, **{"email": "ann@x.example", "last_name": "Ann", **values})


def ann_contact(dynamics_id: str = "c1", **values: str | None) -> Row:
    """Return Ann as a contact."""
    return contact(dynamics_id, **{"email": "ann@x.example", "last_name": "Ann", **values})


def ann_lead(dynamics_id: str = "l1", **values: str | None) -> Row:
    """Return Ann as a lead."""
    return lead(dynamics_id, **{"email": "ann@x.example", "last_name": "Ann", **values})


def named(marketo_id: int, row: str, **values: str | None) -> Person:
    """Return Ann in Marketo with the identity of her row in the control fields, as the sync keeps it."""
    table, dynamics_id = row.split(":")
    return ann(marketo_id, **{"row": dynamics_id, "table": table, **values})


@dataclass(frozen=True)
class Systems:
    """
    Both systems and the store: `people` (index marketo_id), `rows` per table (index dynamics_id), all `links` (LINKS)
    and the `base` (index link_id).
    """

    people: pd.DataFrame
    rows: Mapping[Table, pd.DataFrame]
    links: pd.DataFrame
    base: pd.DataFrame
    crowded: frozenset[str] = field(default_factory=frozenset)

    def snapshot(
        self,
        people: Collection[int],
        rows: Collection[tuple[Table, str]],
        events: Events | None = None,
        **more: Any,
    ) -> Snapshot:
        """Return what a run has in hand: some people and rows, with the links of everybody in them or in an event."""
        events = events or Events()
        mine = self.people[self.people.index.isin(list(people))]
        own = {
            table: frame[frame.index.isin([row_id for of, row_id in rows if of is table])]
            for table, frame in self.rows.items()
        }
        named = [*events.deleted_people, *events.merged_people, *events.merged_people.values()]
        origins = set(row_key(own[Table.CONTACT][ORIGINATING_LEAD]).dropna())
        wanted = self.links["marketo_id"].isin([*mine.index, *named])
        for table, frame in own.items():
            ids = {*frame.index, *events.rows_gone(table), *(origins if table is Table.LEAD else ())}
            wanted |= (self.links["dynamics_table"] == table.value) & self.links["dynamics_id"].isin(list(ids))
        links = self.links[wanted]
        is_open = links["state"] == "open"
        given = {
            "links": links[is_open].reset_index(drop=True),
            "closed": links[~is_open].reset_index(drop=True),
            "base": self.base[self.base.index.isin(links.loc[is_open, "link_id"])],
            "touched": frozenset(int(one) for one in mine.index),
            "events": events,
            **more,
        }
        return Snapshot(people=mine, rows=own, **given)

    def answer(self, snapshot: Snapshot, wanted: Needs) -> Snapshot:
        """Return the snapshot with everything needed, as far as there is any."""
        contacts = self.rows[Table.CONTACT]
        origins = contacts.index[row_key(contacts[ORIGINATING_LEAD]).isin(list(wanted.contacts_of_leads))]
        named = frozenset(origins) - frozenset(snapshot.own_rows(Table.CONTACT).index)
        for table, ids in [*wanted.follow.items(), (Table.CONTACT, named)]:
            links = self._links_of_rows(table, ids)
            owned = links[links["state"] == "open"]
            snapshot = snapshot.with_rows(table, self._rows(table, ids))
            snapshot = replace(snapshot, candidates=snapshot.candidates - frozenset(ids))
            base = self.base[self.base.index.isin(owned["link_id"])]
            snapshot = snapshot.with_links(owned, base).looked_at(links)
        for table, ids in wanted.rows_by_id.items():
            snapshot = snapshot.with_rows(table, self._rows(table, ids))
        people, named = self.people, row_key(self.people[NAMES.dynamics_id])
        addresses = email_key(people["email"])
        for chosen, keys in (
            (named.isin({one.strip().lower() for one in wanted.people_by_row}), wanted.people_by_row),
            (addresses.isin({one.strip().casefold() for one in wanted.people_by_email}), wanted.people_by_email),
            (people.index.isin(list(wanted.people_by_id)), ()),
        ):
            crowd = frozenset(key.strip().casefold() for key in keys) & self.crowded
            found = people[chosen & ~addresses.isin(crowd) & ~named.isin(crowd)]
            snapshot = replace(snapshot, crowded=snapshot.crowded | crowd).with_people(found.reset_index())
            snapshot = snapshot.looked_at(self.links[self.links["marketo_id"].isin(found.index)])
        for table, rows in self.rows.items():
            emails = {one.strip().casefold() for one in wanted.rows_by_email}
            found = rows[email_key(rows["emailaddress1"]).isin(emails)]
            unknown = set(found.index) - set(snapshot.rows[table].index)
            snapshot = snapshot.with_rows(table, found.reset_index())
            snapshot = snapshot.looked_at(self._links_of_rows(table, found.index))
            snapshot = replace(snapshot, candidates=snapshot.candidates | unknown)
        return replace(snapshot, asked=snapshot.asked | wanted)

    def complete(self, snapshot: Snapshot, rules: Policy) -> Snapshot:
        """Return the snapshot with everything that deciding needs. Fails when something is asked for twice."""
        while wanted := needs(snapshot, rules):
            assert not (_keys(wanted) & _keys(snapshot.asked)), "something is asked for twice"
            snapshot = self.answer(snapshot, wanted)
        return snapshot

    def _rows(self, table: Table, ids: Collection[str]) -> pd.DataFrame:
        rows = self.rows[table]
        return rows[rows.index.isin(list(ids))].reset_index()

    def _links_of_rows(self, table: Table, ids: Iterable[str]) -> pd.DataFrame:
        links = self.links
        return links[(links["dynamics_table"] == table.value) & links["dynamics_id"].isin(list(ids))]


def _keys(wanted: Needs) -> set[tuple[str, object]]:
    """Return every single thing that is asked for."""
    per_table = {"follow": wanted.follow, "row": wanted.rows_by_id}
    keys = {(f"{kind} {table}", key) for kind, by in per_table.items() for table, ids in by.items() for key in ids}
    for name in ("people_by_row", "people_by_email", "rows_by_email", "people_by_id"):
        keys |= {(name, key) for key in getattr(wanted, name)}
    return keys


def people_frame(people: Iterable[Person], columns: Collection[str] = ()) -> pd.DataFrame:
    """Return people as a snapshot holds them."""
    names = dict.fromkeys([*(entry.marketo for entry in FIELDS), *rest_names(NAMES).values(), *columns])
    own = list(people)
    index = pd.Index([one.marketo_id for one in own], dtype="int64", name="marketo_id")
    return pd.DataFrame(
        {name: pd.Series([one.texts.get(name) for one in own], index=index, dtype=TEXT_DTYPE) for name in names},
        index=index,
    )


def rows_frame(rows: Iterable[Row], table: Table) -> pd.DataFrame:
    """Return the rows of one table as a snapshot holds them."""
    own = [one for one in rows if one.table is table]
    names = dict.fromkeys([*POLICY.schema.columns[table], "version"])
    index = pd.Index([one.dynamics_id for one in own], dtype="str", name="dynamics_id")
    return pd.DataFrame(
        {name: pd.Series([one.texts.get(name) for one in own], index=index, dtype=TEXT_DTYPE) for name in names},
        index=index,
    )


def links_frame(links: Iterable[Link]) -> pd.DataFrame:
    """Return links (LINKS)."""
    return LINKS.of(pd.DataFrame([dict(one.record) for one in links], columns=LINKS.columns))


def base_frame(links: Iterable[Link]) -> pd.DataFrame:
    """Return the base of links: index link_id, MISSING where nothing was agreed on."""
    own = list(links)
    index = pd.Index([one.record["link_id"] for one in own], dtype="int64", name="link_id")
    names = [entry.name for entry in FIELDS]
    return pd.DataFrame(
        {
            name: pd.Series([one.base.get(name, MISSING) for one in own], index=index, dtype=TEXT_DTYPE)
            for name in names
        },
        index=index,
    )


def systems(*items: Person | Row | Link, crowded: Collection[str] = ()) -> Systems:
    """Return both systems and the store, from people, rows and links."""
    people = [one for one in items if isinstance(one, Person)]
    rows = [one for one in items if isinstance(one, Row)]
    links = [one for one in items if isinstance(one, Link)]
    return Systems(
        people_frame(people),
        {table: rows_frame(rows, table) for table in Table},
        links_frame(links),
        base_frame(links),
        frozenset(crowded),
    )


def seen(*items: Person | Row | Link, events: Events | None = None, **more: Any) -> Snapshot:
    """Return a snapshot with those halves in hand that are not `unread`."""
    people = [one.marketo_id for one in items if isinstance(one, Person) and one.in_hand]
    rows = [(one.table, one.dynamics_id) for one in items if isinstance(one, Row) and one.in_hand]
    return systems(*items).snapshot(people, rows, events, **more)


def whole(
    *items: Person | Row | Link,
    rules: Policy = POLICY,
    events: Events | None = None,
    crowded: Collection[str] = (),
    **more: Any,
) -> Snapshot:
    """Return the snapshot of some items with everything that deciding needs."""
    return systems(*items, crowded=crowded).complete(seen(*items, events=events, **more), rules)


def decided(*items: Person | Row | Link, rules: Policy = POLICY, **more: Any) -> Plan:
    """Return what is decided about some items, once everything needed was read; `more` as for `whole`."""
    return decide(whole(*items, rules=rules, **more), rules).check()


def unsettled(*cells: Mapping[str, Any]) -> pd.DataFrame:
    """Return plans that may have been carried out in part (UNSETTLED), the oldest first."""
    known = {"run_id": "run", "attempt": 1, "change_no": 0, "generation": 1, "status": "unknown"}
    return UNSETTLED.of(pd.DataFrame([{**known, **cell} for cell in cells], columns=UNSETTLED.columns))


def deleted(*people: int, contacts: Collection[str] = (), leads: Collection[str] = ()) -> Events:
    """Return the event that people and rows were deleted."""
    rows = {Table.CONTACT: frozenset(contacts), Table.LEAD: frozenset(leads)}
    return Events(deleted_people=frozenset(people), deleted_rows=rows)


def writes(plan: Plan) -> list[tuple[str, str, int | None, str | None, dict[str, object]]]:
    """Return what is written: direction, action, person, row, and the planned values; sorted."""
    found = []
    for change in plan.changes[plan.changes["direction"] != "none"].to_dict("records"):
        own = plan.values[plan.values["change_no"] == change["change_no"]]
        own = own[writes_to(own) == change["direction"]]
        values = {
            name: None if pd.isna(value) else value for name, value in zip(own["field"], own["planned"], strict=True)
        }
        who = None if pd.isna(change["marketo_id"]) else int(change["marketo_id"])
        row = f"{change['dynamics_table']}:{change['dynamics_id']}"
        found.append((change["direction"], change["action"], who, row, values))
    return sorted(found, key=lambda write: (write[0], write[1], write[2] or 0, write[3]))


def mapped_writes(plan: Plan) -> dict[tuple[str, int | None], dict[str, object]]:
    """Return the mapped values that are written, by direction and person."""
    control = set(rest_names(NAMES))
    found = {
        (way, who): {n: v for n, v in values.items() if n not in control} for way, _, who, _, values in writes(plan)
    }
    return {key: values for key, values in found.items() if values}


def pairs_of(plan: Plan) -> set[tuple[int | None, str, str | None]]:
    """Return the pairs of a plan: person, row and why it is new (None for known ones)."""
    return {
        (
            None if pd.isna(pair.marketo_id) else int(pair.marketo_id),
            f"{pair.dynamics_table}:{pair.dynamics_id}",
            None if pd.isna(pair.origin) else str(pair.origin),
        )
        for pair in plan.pairs.itertuples()
    }


def new_pairs(plan: Plan) -> set[tuple[int | None, str, str | None]]:
    """Return the pairs that no run has met before."""
    return {pair for pair in pairs_of(plan) if pair[2]}


def held(plan: Plan) -> set[tuple[str, int | str]]:
    """Return what is held: its code, and the row, else the person."""
    return {
        (hold.code, int(hold.marketo_id) if pd.isna(hold.dynamics_id) else str(hold.dynamics_id))
        for hold in plan.holds.itertuples()
    }


def wire_text(name: str, planned: object) -> str | None:
    """Return a control field as it reads in Marketo once written."""
    value = wire_value(name, planned if isinstance(planned, str) else None)
    return {True: "true", False: "false", None: None}.get(value, value) if not isinstance(value, str) else value


def control_values(plan: Plan) -> dict[int | None, dict[str, object]]:
    """Return the control fields that are written, by person."""
    values = plan.values[is_control(plan.values)].merge(plan.changes[["change_no", "marketo_id"]], on="change_no")
    found: dict[int | None, dict[str, object]] = {}
    for value in values.itertuples():
        who = None if pd.isna(value.marketo_id) else int(value.marketo_id)
        found.setdefault(who, {})[value.field] = None if pd.isna(value.planned) else value.planned
    return found
