"""
The plan: the one value that the deciding half of a run hands to the writing half.

It says everything that is to be done and to be remembered, and it is checked before it is stored: whatever the target
would refuse is a problem of that one value, and never reaches the target.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pandas as pd

from include.person_sync.core.changes import ChangeSet
from include.person_sync.core.control_fields import is_control
from include.person_sync.core.dead_letters import without_cells
from include.person_sync.core.field_lifecycle import FieldStates
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.pairs import numbered, provisional_ids
from include.person_sync.core.payloads import payloads
from include.person_sync.core.relations import BASE_UPDATES, CHANGES, HOLDS, PAIRS, PLAN_VALUES, PROBLEMS
from include.person_sync.core.vocabulary import Action, Direction, PairOrigin

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from include.person_sync.core.schema import EffectiveField

__all__ = [
    "Plan",
    "about_pairs",
    "checked",
    "with_deletions",
    "with_owners",
    "without_unborn",
]


@dataclass(frozen=True)
class Plan:
    """
    What a run is going to do.

    * `changes` (CHANGES) and `values` (PLAN_VALUES): what is written to whom; see `changes`.
    * `pairs` (PAIRS): everybody looked at. `problems` (PROBLEMS): single values that can't be carried over. `holds`
      (HOLDS): entries held for a person to decide.
    * `base_updates` (BASE_UPDATES): what dead runs were found to have written; the base moves there at commit, whatever
      else becomes of these fields.
    * `closed`: link id → reason. `relinked`: links that point elsewhere. `requeued`: people left to the next run, since
      they asked while their row was deleted. `filtered`, `unfiltered`: links the sync filter keeps out now, and lets
      through again.
    * `withheld`, `skipped`: people per direction from whom a write is kept because their row is read-only, and because
      it was refused before. `already_synced`: people who ask and are linked.
    * `states`: what is known of the fields now; `fields`: what is remembered of them once the run is committed;
      `notes`: what to tell of them.
    """

    changes: pd.DataFrame = field(default_factory=CHANGES.empty)
    values: pd.DataFrame = field(default_factory=PLAN_VALUES.empty)
    pairs: pd.DataFrame = field(default_factory=PAIRS.empty)
    problems: pd.DataFrame = field(default_factory=PROBLEMS.empty)
    holds: pd.DataFrame = field(default_factory=HOLDS.empty)
    base_updates: pd.DataFrame = field(default_factory=BASE_UPDATES.empty)
    closed: Mapping[int, str] = field(default_factory=dict)
    relinked: tuple[int, ...] = ()
    requeued: tuple[int, ...] = ()
    filtered: tuple[int, ...] = ()
    unfiltered: tuple[int, ...] = ()
    withheld: Mapping[str, int] = field(default_factory=dict)
    skipped: Mapping[str, int] = field(default_factory=dict)
    already_synced: tuple[int, ...] = ()
    states: FieldStates = field(default_factory=FieldStates)
    fields: FieldStates = field(default_factory=FieldStates)
    notes: Mapping[str, object] = field(default_factory=dict)

    def numbered(self, given: Mapping[int, int]) -> Plan:
        """Return the plan with lasting link ids in place of provisional ones. `given`: provisional → lasting."""
        return replace(
            self,
            changes=numbered(self.changes, given),
            pairs=numbered(self.pairs, given),
            problems=numbered(self.problems, given),
            base_updates=numbered(self.base_updates, given),
            filtered=tuple(given.get(link_id, link_id) for link_id in self.filtered),
        )

    def provisional_ids(self) -> list[int]:
        """Return the provisional link ids in the plan, ascending: also of pairs refused before they are made."""
        frames = (self.changes, self.pairs, self.problems, self.base_updates)
        return provisional_ids(pd.concat([frame["link_id"] for frame in frames]))

    def check(self) -> Plan:
        """Return the plan. Raises SyncError when a frame does not have the form its relation says."""
        CHANGES.check(self.changes)
        PLAN_VALUES.check(self.values)
        PAIRS.check(self.pairs)
        PROBLEMS.check(self.problems)
        HOLDS.check(self.holds)
        BASE_UPDATES.check(self.base_updates)
        return self


def with_deletions(change_set: ChangeSet, links: pd.DataFrame) -> ChangeSet:
    """Return the changes with a deletion of each link's row (LINKS), at the version last seen."""
    if links.empty:
        return change_set
    first = len(change_set.changes)
    deletions = links.assign(
        change_no=range(first, first + len(links)),
        direction=Direction.TO_DYNAMICS.value,
        action=Action.DELETE.value,
        if_match=links["dynamics_version"],
        status="planned",
    )
    return replace(change_set, changes=CHANGES.joined(change_set.changes, deletions))


def with_owners(change_set: ChangeSet, pairs: pd.DataFrame) -> ChangeSet:
    """Return the changes with the owner a request names noted on the creation."""
    owners = pairs.dropna(subset=["owner_email"]).set_index("link_id")["owner_email"]
    changes = change_set.changes
    creates = (changes["action"] == Action.CREATE) & (changes["direction"] == Direction.TO_DYNAMICS)
    note = changes["link_id"].map(owners).where(creates).astype("str")
    return replace(change_set, changes=changes.assign(note=note))


def checked(change_set: ChangeSet, fields: Mapping[Table, Sequence[EffectiveField]]) -> tuple[ChangeSet, pd.DataFrame]:
    """
    Return the changes without values their target would refuse, and those values as problems (PROBLEMS); a creation is
    refused as a whole.
    """
    changes, values = change_set.changes, change_set.values
    mapped = values[~is_control(values)]
    sides = [payloads(changes, mapped, fields, side) for side in Side]
    bad = pd.concat([ready.problems for ready in sides], ignore_index=True)
    if bad.empty:
        return change_set, PROBLEMS.empty()
    bad = bad.merge(changes[["change_no", "link_id", "direction"]], on="change_no")
    bad = bad.merge(values[["change_no", "field", "planned"]], on=["change_no", "field"])
    cells = pd.MultiIndex.from_frame(bad[["change_no", "field"]])
    keep = ~pd.MultiIndex.from_frame(values[["change_no", "field"]]).isin(cells)
    whole = {number for ready in sides for number in ready.refused}
    return without_cells(change_set, whole, keep), PROBLEMS.of(bad)


def without_unborn(change_set: ChangeSet, pairs: pd.DataFrame) -> tuple[ChangeSet, pd.DataFrame]:
    """Return changes and pairs without new pairs whose missing half is not going to be made after all."""
    changes = change_set.changes
    to_make = pairs["origin"].isin([PairOrigin.CREATE_IN_DYNAMICS, PairOrigin.CREATE_IN_MARKETO])
    made = changes.loc[changes["action"] == Action.CREATE, "link_id"]
    unborn = pairs.loc[to_make & ~pairs["link_id"].isin(made), "link_id"]
    changes = changes[~changes["link_id"].isin(unborn)]
    values = change_set.values[change_set.values["change_no"].isin(changes["change_no"])]
    return ChangeSet(changes, values), pairs[~pairs["link_id"].isin(unborn)]


def about_pairs(problems: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return problems with the ids of the pair each is about (PROBLEMS)."""
    about = pairs[["link_id", "marketo_id", "dynamics_table", "dynamics_id"]]
    rest = problems.drop(columns=["marketo_id", "dynamics_table", "dynamics_id"], errors="ignore")
    return PROBLEMS.of(rest.merge(about, on="link_id", how="left"))
