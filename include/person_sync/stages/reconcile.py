"""
Stage reconcile: from what both sides hold to a plan of what to write where.

Loads links and base for everybody touched, pairs newcomers, brings both sides into canonical form, settles what a dead
run left behind, merges, and stores the plan before anything is written (write-ahead). An untouched side is taken to
hold what it last agreed on; the writing stages check it again.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.config.settings import DeletedPerson
from include.person_sync.core.backfill import carry_empty_values, out_of_range
from include.person_sync.core.canonical import canonical_dynamics, canonical_marketo
from include.person_sync.core.control_fields import CONTROL_FIELDS, control_decisions, deletion_decisions
from include.person_sync.core.dead_letters import PROBLEM_COLUMNS, change_fingerprints, no_moves, problem_fingerprints
from include.person_sync.core.field_lifecycle import (
    FIELDS,
    FieldStates,
    backfill_notes,
    isolated_notes,
    next_states,
)
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.identity import DELETED_IN_MARKETO, ORIGINATING_LEAD, Events, Identities, follow_events
from include.person_sync.core.merge import merge
from include.person_sync.core.plan import Newcomer, Plan, build_changes, payloads
from include.person_sync.core.plan_parts import (
    about_pairs,
    mapped_only,
    with_deletions,
    with_owners,
    without,
    without_unborn,
)
from include.person_sync.core.recovered_links import former_link_ids
from include.person_sync.core.restrictions import blocked_writes, withheld
from include.person_sync.core.rows import World, passes_filter
from include.person_sync.core.schema import TABLES, ResolvedSchema
from include.person_sync.core.settle import settle
from include.person_sync.core.sides import Sides, by_link, completed, moved_cells, spared_blanks
from include.person_sync.core.values import MISSING, UNREADABLE, uniform_frame
from include.person_sync.run.manifests import PlanFiles
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.stages.extract_dynamics import watermark_name
from include.person_sync.stages.newcomers import PAIR_COLUMNS, add_people, pair_newcomers
from include.person_sync.state import RunStatus
from include.person_sync.systems.current_schema import SchemaOutdated, with_current_schema
from include.person_sync.systems.hidden_columns import require_readable
from include.person_sync.systems.lookups import LookupNames
from include.person_sync.systems.people import people_frame, person_columns
from include.person_sync.systems.rows import rows_frame

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

UNKNOWN_OPTION = ("unknown_option", "unknown_label")


def reconcile(ctx: SyncContext, run_id: str, marketo: str, dynamics: str) -> str:
    """
    Plan the run and return the reference of its manifest; the plan itself goes to the state database (not in a dry
    run).

    `marketo` and `dynamics` are the extracts' manifests. Reads counterparts from both systems, writes to neither. May
    be repeated: a plan that has begun to be carried out is settled first.
    """
    run = ctx.store.require_run(run_id)
    folder = RunFolder(ctx.staging, run_id)
    if run.status is RunStatus.COMMITTED:
        log.info("run %s is committed already; its plan stands", run_id)
        return f"{folder.name}/reconciled.json"
    request = RunRequest.from_json(dict(run.params))
    sources = {"marketo": marketo, "dynamics": dynamics}
    manifests = {name: folder.read_manifest(reference) for name, reference in sources.items()}

    def work(schema: ResolvedSchema, may_refresh: bool) -> tuple[Reconciliation, Plan, PlanFiles]:  # noqa: FBT001
        reconciliation = Reconciliation(ctx, schema, request, folder, manifests, may_refresh=may_refresh)
        return reconciliation, *reconciliation.plan()

    reconciliation, plan, files = with_current_schema(ctx, work)
    notes = reconciliation.notes()
    ctx.store.update_run(run_id, notes=notes)
    if not request.dry_run:
        ctx.store.save_plan(run_id, plan.changes, plan.values)
        ctx.store.update_run(run_id, status=RunStatus.PLANNED)
    log_plan(plan, files)
    manifest = {
        **sources,
        **files.write(folder),
        "closed": {str(one): reason for one, reason in reconciliation.closed.items()},
        "moved": reconciliation.moved,
        "again": [str(one) for one in reconciliation.again],
        "filtered": reconciliation.filtered,
        "unfiltered": reconciliation.unfiltered,
        "fields": vars(reconciliation.states),
        "schema_digest": reconciliation.schema_digest,
        "changes": folder.write_frame("changes", plan.changes),
        "values": folder.write_frame("values", plan.values),
        "first_run": manifests["marketo"]["resumed"] == "first",
        "known_links": manifests["marketo"].get("known_links", ctx.store.count_links()),
    }
    return folder.write_manifest("reconciled", manifest)


class Reconciliation:
    """One run's way from staged extracts to a plan."""

    def __init__(
        self,
        ctx: SyncContext,
        schema: ResolvedSchema,
        request: RunRequest,
        folder: RunFolder,
        manifests: dict[str, dict[str, Any]],
        *,
        may_refresh: bool = False,
    ) -> None:
        self._ctx = ctx
        self._request = request
        self._manifests = manifests
        self._may_refresh = may_refresh
        schema = schema.limited_to(*(one.get("fields") for one in manifests.values()))
        self._schema = schema
        self.schema_digest = schema.digest
        self.states = next_states(
            FieldStates.from_json(ctx.store.watermarks().get(FIELDS)),
            schema,
            ctx.settings.field_map,
            {name: one.get("added", []) for name, one in manifests["dynamics"]["tables"].items()},
        )
        self._unsettled = ctx.store.unsettled()
        self._world = staged_world(ctx, schema, folder, manifests)
        self._touched = frozenset(self._world.people.index)
        self._retabled: set[int] = set()
        self._moves: list[pd.DataFrame] = []
        self.closed: dict[int, str] = {}
        self.moved: list[int] = []
        self.again: list[int] = []
        self.filtered: list[int] = []
        self.unfiltered: list[int] = []

    def plan(self) -> tuple[Plan, PlanFiles]:
        """Return the plan and the files beside it."""
        identities = self._follow_events(self._open_links())
        links, deleted = identities.open(), self._flagged(identities)
        asking = self._manifests["marketo"].get("requests", [])
        self.again = [int(one) for one in deleted["marketo_id"] if one in set(asking)]
        self.closed, self.moved = identities.closed, sorted(identities.moved)
        newcomers = pair_newcomers(
            self._ctx,
            self._schema,
            self._world,
            links,
            self._unsettled,
            self._request.create_requests,
            self._barred(identities),
        )
        twins = pd.DataFrame(identities.twins)
        newcomers.hold(twins, kind="ambiguous", code="SAME_HUMAN", direction="to_marketo")
        pairs = self._all_pairs(links, newcomers.all_pairs())
        self.filtered, self.unfiltered = self._filter(pairs)
        decisions, problems = self._decide(pairs[~pairs["link_id"].isin(self.filtered)])
        fulfilled = pairs["newcomer"].isin([Newcomer.LINK, Newcomer.CREATE_IN_DYNAMICS])
        control = control_decisions(
            pairs[~pairs["link_id"].isin(self.filtered)],
            self._world.people,
            self._ctx.settings.custom_fields,
            fulfilled=fulfilled,
        )
        decisions = pd.concat([decisions, control, deletion_decisions(deleted, asking)], ignore_index=True)
        decisions, spared = self._spare_closed_rows(decisions, pairs)
        if self._may_refresh:
            require_readable(self._ctx, self._schema, decisions, pairs)
        concerned = pd.concat([pairs, deleted], ignore_index=True).rename(columns={"version": "dynamics_version"})
        plan = with_owners(build_changes(decisions, concerned, self._schema.effective), pairs)
        plan = with_deletions(plan, self._to_delete(identities))
        plan, refused = self._checked(plan)
        problems = about_pairs(pd.concat([problems, refused], ignore_index=True), pairs)
        plan, problems, skipped = self._without_dead_letters(plan, problems)
        if self._may_refresh and problems["code"].isin(UNKNOWN_OPTION).any():
            raise SchemaOutdated("a choice holds something that is none of the options known")
        plan, pairs = without_unborn(plan, pairs)
        skipped = {
            "to_dynamics": skipped["to_dynamics"] + self._already_synced(pairs),
            "to_marketo": skipped["to_marketo"],
        }
        settled = pd.concat([no_moves(), *self._moves], ignore_index=True)
        files = PlanFiles(pairs, problems, newcomers.all_holds(), {"to_dynamics": spared}, skipped, settled)
        return plan, files

    def notes(self) -> dict[str, Any]:
        """Return what the run has to say beside its counts; backfills that end with it are taken out of `states`."""
        isolated = isolated_notes(self.states, self._schema)
        notes: dict[str, Any] = {"fields_isolated": isolated} if isolated else {}
        extracts = [*self._manifests.values(), *self._manifests["dynamics"]["tables"].values()]
        if gaps := [gap for one in extracts for gap in one.get("gaps", [])]:
            notes["gaps"] = gaps
        if self.filtered:
            notes["filtered"] = len(self.filtered)
        if self._request.mode is Mode.INCREMENTAL:
            notes |= backfill_notes(self.states, [table.value for table in TABLES if self._is_busy(table)])
        return notes

    def _is_busy(self, table: Table) -> bool:
        """Return whether people of a table will still wait for their turn after this run."""
        extract = self._manifests["dynamics"]["tables"][table.value]
        waiting = self._ctx.store.backlog_overview().get(watermark_name(table), {}).get("waiting", 0)
        return bool(extract["backlog"]) or waiting > len(extract["taken_up"])

    # links and pairs

    def _open_links(self) -> pd.DataFrame:
        """Return the open links of everybody in hand, by either id."""
        store, merged = self._ctx.store, self._manifests["marketo"]["merged"]
        people = [*map(int, self._world.people.index), *self._manifests["marketo"]["deleted"], *map(int, merged)]
        by_person = store.load_links(marketo_ids=[*people, *merged.values()])
        rows = {table.value: [*frame.index, *self._deleted_rows(table)] for table, frame in self._world.rows.items()}
        rows[Table.LEAD.value] += self._world.rows[Table.CONTACT][ORIGINATING_LEAD].dropna().str.lower().tolist()
        by_row = store.load_links(dynamics_ids=rows)
        return pd.concat([by_person, by_row]).drop_duplicates("link_id", ignore_index=True)

    def _deleted_rows(self, table: Table) -> list[str]:
        return list(self._manifests["dynamics"]["tables"][table.value]["deleted"])

    def _follow_events(self, links: pd.DataFrame) -> Identities:
        """Return the links after deletions, merges and qualification."""
        marketo, tables = self._manifests["marketo"], self._manifests["dynamics"]["tables"]
        events = Events(
            deleted_people=frozenset(marketo["deleted"]),
            merged_people={int(loser): int(winner) for loser, winner in marketo["merged"].items()},
            deleted_rows={name: frozenset(one["deleted"]) for name, one in tables.items()},
        )
        column = self._ctx.settings.sync_filter_column
        identities = follow_events(links, events, self._world, self._fetch_rows, column)
        self._retabled = identities.retabled
        return identities

    def _barred(self, identities: Identities) -> frozenset[str]:
        """
        Return rows whose link was closed by this run's events and that get no new person in it.

        An edit beats a deletion: a row that was edited since the two sides last agreed is not among them.
        """
        closed = identities.links[identities.links["link_id"].isin(identities.closed)]
        lost = closed[closed["link_id"].map(identities.closed) == DELETED_IN_MARKETO]
        edited = {
            row_id for table in TABLES for row_id in self._edited(table, lost[lost["dynamics_table"] == table.value])
        }
        return frozenset(set(closed["dynamics_id"]) - edited)

    def _to_delete(self, identities: Identities) -> pd.DataFrame:
        """
        Return links whose row is to follow its person into deletion, when the policy says so and nobody edited it.
        """
        if self._ctx.settings.deleted_in_marketo != DeletedPerson.DELETE:
            return identities.links.iloc[:0]
        links = identities.links[identities.links["link_id"].map(identities.closed) == DELETED_IN_MARKETO]
        return links[links["dynamics_id"].isin(self._barred(identities)) & ~links["is_filtered"]]

    def _edited(self, table: Table, links: pd.DataFrame) -> list[str]:
        """Return the rows of links that hold something else than the base."""
        fields = self._schema.fields(table)
        rows = by_link(self._world.rows[table], links.set_index("link_id")["dynamics_id"])
        values = canonical_dynamics(rows, fields).values
        base = self._ctx.store.load_base([int(one) for one in rows.index], list(values.columns)).reindex(rows.index)
        known = (base != MISSING) & (values != UNREADABLE)
        differs = (values.ne(base) & ~(values.isna() & base.isna()) & known).any(axis="columns")
        return links.loc[links["link_id"].isin(differs.index[differs]), "dynamics_id"].tolist()

    def _fetch_rows(self, table: Table, ids: list[str]) -> pd.DataFrame:
        """Read rows into the world and return the open links that point to them."""
        found = self._ctx.dynamics.rows_by_id(table.value, ids, self._schema.columns[table])
        self._world.add_rows(table, rows_frame(found, self._schema, table, LookupNames(self._ctx)))
        return self._ctx.store.load_links(dynamics_ids={table.value: ids})

    def _flagged(self, identities: Identities) -> pd.DataFrame:
        """Return the links whose person must be told that the row is gone, in pair columns."""
        links = identities.links[identities.links["link_id"].isin(identities.flagged)]
        return links.assign(newcomer=None, owner_email=None, version=None).reindex(columns=PAIR_COLUMNS)

    def _all_pairs(self, links: pd.DataFrame, new: pd.DataFrame) -> pd.DataFrame:
        """
        Return known and new pairs with a link id each and the version to write against; reads counterparts that are
        needed.
        """
        new = new.copy()
        store, unsettled = self._ctx.store, self._unsettled
        linked = store.load_links(link_ids=unsettled["link_id"].unique().tolist(), state=None)["link_id"]
        new["link_id"] = new["link_id"].astype("Int64").fillna(former_link_ids(new, unsettled, linked))
        missing = new["link_id"].isna()
        new.loc[missing, "link_id"] = list(self._ctx.store.reserve_link_ids(int(missing.sum())))
        known = links.assign(newcomer=None, owner_email=None, version=links["dynamics_version"])
        pairs = pd.concat([known.reindex(columns=PAIR_COLUMNS), new], ignore_index=True)
        pairs["is_filtered"] = pairs["is_filtered"].fillna(False).astype("bool")
        pairs = pairs.astype({"link_id": "int64", "marketo_id": "Int64", "generation": "int64"})
        pairs = pairs.astype(
            dict.fromkeys(("dynamics_table", "dynamics_id", "newcomer", "owner_email", "version"), "str")
        )
        self._read_counterparts(pairs)
        versions = pd.concat([rows["version"] for rows in self._world.rows.values()])
        versions = versions[~versions.index.duplicated()]
        pairs["version"] = pairs["dynamics_id"].map(versions).astype("str").fillna(pairs["version"])
        return pairs

    def _read_counterparts(self, pairs: pd.DataFrame) -> None:
        """
        Read the untouched half of pairs that have fields without base, or whose row version is unknown, and the people
        whose links moved: they still carry the ids from before.
        """
        world, ctx = self._world, self._ctx
        has_person = pairs["marketo_id"].isin(world.people.index)
        known = pairs["newcomer"].isna() | (pairs["newcomer"] == Newcomer.LINK)
        for table, rows in world.rows.items():
            here = known & (pairs["dynamics_table"] == table.value)
            has_row = pairs["dynamics_id"].isin(rows.index)
            incomplete = pairs["link_id"].isin(self._incomplete(table, pairs[here & (has_row != has_person)]))
            unversioned = pairs["version"].isna() & has_person
            wanted = incomplete | pairs["is_filtered"] | pairs["link_id"].isin(self.moved)
            people = pairs.loc[here & ~has_person & wanted, "marketo_id"]
            add_people(ctx, self._schema, world, "id", people.astype("str"))
            ids = pairs.loc[here & ~has_row & (incomplete | unversioned), "dynamics_id"].tolist()
            if ids:
                self._fetch_rows(table, ids)

    def _incomplete(self, table: Table, pairs: pd.DataFrame) -> pd.Index:
        """
        Return link ids that lack a base for one of the table's fields or have a field that is being filled in: one that
        was isolated has a base, but its edits passed by unseen.
        """
        base = self._base(table, pairs)
        late = self._out_of_range(table, pairs).reindex(index=base.index, columns=base.columns, fill_value=False)
        wanted = (base == MISSING) | base.columns.isin(self.states.pending(table))
        return base.index[(wanted & ~(late & (base == MISSING))).any(axis="columns")]

    def _out_of_range(self, table: Table, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return True per link and field that a backfill is not about: unchanged since its day, and untouched now."""
        untouched = pairs[~pairs["marketo_id"].isin(self._touched) & pairs["newcomer"].isna()]
        rows = by_link(self._world.rows[table], untouched.set_index("link_id")["dynamics_id"])
        return out_of_range(rows, self._schema.fields(table), self.states.pending(table))

    def _filter(self, pairs: pd.DataFrame) -> tuple[list[int], list[int]]:
        """
        Return the links that the sync filter keeps out now, and those it lets through again.

        A pair that is kept out is left alone in both directions and grows stale; its row decides, or what was known of
        it.
        """
        column = self._ctx.settings.sync_filter_column
        verdicts = [passes_filter(rows, column) for rows in self._world.rows.values()]
        passes = pairs["dynamics_id"].map(pd.concat(verdicts)[lambda one: ~one.index.duplicated()])
        kept_out = passes.eq(False) | (passes.isna() & pairs["is_filtered"])
        back = passes.eq(True) & pairs["is_filtered"]
        return pairs.loc[kept_out, "link_id"].tolist(), pairs.loc[back, "link_id"].tolist()

    # merge

    def _decide(self, pairs: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the decisions on all mapped fields, and the problems met on the way."""
        decisions, problems = [], []
        for table in TABLES:
            of_table = pairs[pairs["dynamics_table"] == table.value]
            fields = self._schema.fields(table)
            sides = self._sides(table, of_table)
            base = self._settled(sides, of_table)
            pending = [one for one in fields if one.name in self.states.pending(table)]
            known = pd.Index(of_table.loc[of_table["newcomer"].isna(), "link_id"])
            base = carry_empty_values(base, sides, pending, table, known)
            blocked = blocked_writes(base, sides, fields, table)
            decisions.append(withheld(merge(base, sides.marketo, sides.dynamics, fields, table), blocked))
            problems += [sides.problems, blocked.reindex(columns=PROBLEM_COLUMNS)]
        return pd.concat(decisions, ignore_index=True), pd.concat(problems, ignore_index=True)

    def _base(self, table: Table, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return the base of pairs: index link_id, MISSING where there is none."""
        names = [one.name for one in self._schema.fields(table)]
        known = pairs.loc[pairs["newcomer"].isna(), "link_id"].tolist()
        base = self._ctx.store.load_base(known, names)
        choices = [one.name for one in self._schema.fields(table) if one.dynamics.options]
        base.loc[base.index.isin(self._retabled), choices] = MISSING
        index = pd.Index(pairs["link_id"], name="link_id")
        return pd.concat([base, uniform_frame(index.difference(base.index), names, MISSING)]).reindex(index)

    def _sides(self, table: Table, pairs: pd.DataFrame) -> Sides:
        """
        Return the table's three sides, aligned; an untouched side holds its base, a half yet to be made holds nothing.
        """
        fields = self._schema.fields(table)
        names = [one.name for one in fields]
        base = self._base(table, pairs)
        people = by_link(self._world.people, pairs.set_index("link_id")["marketo_id"])
        rows = by_link(self._world.rows[table], pairs.set_index("link_id")["dynamics_id"])
        marketo = canonical_marketo(people, fields)
        dynamics = canonical_dynamics(rows, fields)
        unmade = pairs.set_index("link_id")["newcomer"]
        problems = pd.concat([marketo.problems, dynamics.problems], ignore_index=True)
        late = self._out_of_range(table, pairs).reindex(index=marketo.values.index, fill_value=False)
        for name in late:
            waiting = late[name] & (base[name].reindex(late.index) == MISSING)
            marketo.values[name] = marketo.values[name].mask(waiting, UNREADABLE)
        sides = Sides(
            base=base,
            marketo=completed(marketo.values, base, unmade == Newcomer.CREATE_IN_MARKETO, names),
            dynamics=completed(dynamics.values, base, unmade == Newcomer.CREATE_IN_DYNAMICS, names),
            problems=self._problems(problems),
        )
        two_way = [one.name for one in fields if not one.is_one_way]
        return replace(sides, base=spared_blanks(sides, self.moved, two_way))

    def _settled(self, sides: Sides, pairs: pd.DataFrame) -> pd.DataFrame:
        """Return the base after taking over what dead runs had already written."""
        mine = self._unsettled[
            self._unsettled["link_id"].isin(pairs["link_id"]) & ~self._unsettled["field"].isin(CONTROL_FIELDS)
        ]
        mine = mine[mine["field"].isin(sides.base.columns)]
        if mine.empty:
            return sides.base
        base = settle(sides.base, mine, sides.marketo, sides.dynamics)
        self._moves.append(moved_cells(sides.base, base))
        return base

    def _problems(self, problems: pd.DataFrame) -> pd.DataFrame:
        """Return unusable source values as problems of the direction they would have travelled in."""
        directions = {Side.MARKETO.value: "to_dynamics", Side.DYNAMICS.value: "to_marketo"}
        renamed = problems.rename(columns={"index_value": "link_id"})
        return renamed.assign(direction=renamed["side"].map(directions)).reindex(columns=PROBLEM_COLUMNS)

    def _spare_closed_rows(self, decisions: pd.DataFrame, pairs: pd.DataFrame) -> tuple[pd.DataFrame, int]:
        """
        Withhold writes to rows that live on elsewhere (qualified leads, merge losers); return the decisions and the
        number of people concerned.

        The server may not refuse them. Source: Dataverse reference of lead, `statecode`: qualified leads are read-only.
        """
        rows = self._world.all_rows(["statecode", "merged"])
        qualified = (rows["dynamics_table"] == Table.LEAD.value) & (rows["statecode"] == "1")
        closed = rows.loc[qualified | (rows["merged"].str.lower() == "true"), "dynamics_id"]
        links = pairs.loc[pairs["dynamics_id"].isin(closed), "link_id"]
        outward = (decisions["outcome"] == "to_dynamics") | (
            (decisions["outcome"] == "collision") & (decisions["winner"] == "marketo")
        )
        spared = outward & decisions["link_id"].isin(links)
        decisions = decisions.assign(outcome=decisions["outcome"].mask(spared, "withheld"))
        return decisions, int(decisions.loc[spared, "link_id"].nunique())

    # checks before the plan is stored

    def _checked(self, plan: Plan) -> tuple[Plan, pd.DataFrame]:
        """
        Return the plan without values their target would refuse, and those values as problems; a create is refused as a
        whole.
        """
        mapped = mapped_only(plan)
        sides = [payloads(mapped, self._schema.effective, side) for side in Side]
        bad = pd.concat([one.problems for one in sides], ignore_index=True)
        if bad.empty:
            return plan, pd.DataFrame(columns=PROBLEM_COLUMNS)
        bad = bad.merge(plan.changes[["change_no", "link_id", "direction"]], on="change_no")
        bad = bad.merge(plan.values[["change_no", "field", "planned"]], on=["change_no", "field"])
        whole = {number for one in sides for number in one.refused}
        cells = pd.MultiIndex.from_frame(bad[["change_no", "field"]])
        keep = ~pd.MultiIndex.from_frame(plan.values[["change_no", "field"]]).isin(cells)
        return without(plan, whole, keep), bad.reindex(columns=PROBLEM_COLUMNS)

    def _without_dead_letters(self, plan: Plan, problems: pd.DataFrame) -> tuple[Plan, pd.DataFrame, dict[str, int]]:
        """
        Return plan and problems without what is a dead letter already, and how many people that spared per direction.

        Somebody who names people asks for another try: then nothing is left out.
        """
        skipped = {"to_dynamics": 0, "to_marketo": 0}
        known = set(self._ctx.store.open_fingerprints())
        if not known or self._request.mode is Mode.PEOPLE:
            return plan, problems, skipped
        digest = self._schema.digest
        prints = change_fingerprints(plan.changes, plan.values, digest)["fingerprint"]
        again = set(prints.index[prints.isin(known)])
        repeated = pd.Series(problem_fingerprints(problems, digest), index=problems.index, dtype="str").isin(known)
        for direction in skipped:
            changes = plan.changes[plan.changes["change_no"].isin(again) & (plan.changes["direction"] == direction)]
            cells = problems[repeated & (problems["direction"] == direction)]
            skipped[direction] = len({*changes["link_id"], *cells["link_id"]})
        keep = pd.Series(True, index=plan.values.index).to_numpy()
        return without(plan, again, keep), problems[~repeated], skipped

    def _already_synced(self, pairs: pd.DataFrame) -> int:
        """Return how many linked people are asked for: it was fulfilled before, and nothing is to be done."""
        name = self._ctx.settings.custom_fields.sync_to_dynamics
        people = self._world.people
        asking = people.index[people[name].notna()] if name in people else people.index[:0]
        known = pairs[pairs["newcomer"].isna() & pairs["marketo_id"].isin({*asking, *self._request.create_requests})]
        for person in known["marketo_id"]:
            log.info("person %s asks to be synced and is linked already; nothing to do", person)
        return len(known)


def staged_world(
    ctx: SyncContext, schema: ResolvedSchema, folder: RunFolder, manifests: dict[str, dict[str, Any]]
) -> World:
    """Return what the extracts staged, keyed by id, the latest reading of each."""
    nobody = people_frame([], person_columns(ctx, schema))
    people = pd.concat([nobody, folder.read_frames(manifests["marketo"]["parts"])])
    complete = bool(manifests["marketo"].get("complete"))
    world = World(people.drop_duplicates("marketo_id", keep="last").set_index("marketo_id"), {}, complete=complete)
    for table in TABLES:
        nothing = rows_frame([], schema, table, LookupNames(ctx))
        rows = pd.concat([nothing, folder.read_frames(manifests["dynamics"]["tables"][table.value]["parts"])])
        world.rows[table] = rows.drop_duplicates("dynamics_id", keep="last").set_index("dynamics_id")
    return world


def log_plan(plan: Plan, files: PlanFiles) -> None:
    """Say what was decided, one line per decision class, in numbers only."""
    values = plan.values.merge(plan.changes[["change_no", "dynamics_table"]], on="change_no")
    for table, outcome, count in (
        values.value_counts(["dynamics_table", "outcome"]).reset_index().itertuples(index=False)
    ):
        log.info("decided %s on %s: %d fields", outcome, table, count)
    for direction, action, count in (
        plan.changes.value_counts(["direction", "action"]).reset_index().itertuples(index=False)
    ):
        log.info("planned %s %s: %d people", action, direction, count)
    log.info("problems: %d values; held: %d entries", len(files.problems), len(files.holds))
