"""
When to stop before the first write.

A brake compares what a plan would do with what is usual. Each has a name, a limit with a default, a message saying what
was seen, a remedy, and can be overridden by name for one run.

| brake | trips when |
|---|---|
| `changed_to_dynamics`, `changed_to_marketo` | too many known people would be changed there |
| `created_to_dynamics`, `created_to_marketo` | too many people would be created there |
| `emptied_to_dynamics`, `emptied_to_marketo` | too many people would lose a filled value there |
| `deleted_to_dynamics` | too many rows would be deleted there |
| `dynamics_shrank`, `marketo_shrank` | a side that was read in full holds far fewer people than it did |
| `api_budget` | the plan needs more Marketo calls than are left today |
| `map_changed` | a mapped field, or the sync filter, was changed or taken away since the base was built |

Counts and shares: a limit trips when the number of people is above `number`, or when it is above `share` of all linked
people *and* above `floor`; so a database of 50 people does not stop on 5 edits. The first run, which has no linked
people yet, is exempt from all but the shrinking of a side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError
from include.person_sync.core.brake_names import API_BUDGET, PEOPLE_BRAKES, WAYS, check_overrides
from include.person_sync.core.changes import writes_to
from include.person_sync.core.vocabulary import Action, Direction

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from include.person_sync.core.plan import Plan

__all__ = [
    "BrakeSettings",
    "BrakeVerdict",
    "DirectionCounts",
    "Limit",
    "PlanCounts",
    "SideSizes",
    "budget_verdicts",
    "changes_of_map",
    "count_plan",
    "evaluate",
    "is_shrunk",
    "people_linked_before",
    "side_sizes",
    "tripped",
]

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Limit:
    """How many people are still usual: at most `number`, and at most `share` (0-1) of all once above `floor`."""

    share: float
    number: int
    floor: int

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1 or self.number < 0 or self.floor < 0:
            raise ConfigError(
                f"Brake limit share={self.share}, number={self.number}, floor={self.floor} makes no sense.",
                remedy="share is above 0 and at most 1; number and floor are 0 or more.",
            )

    def is_exceeded(self, people: int, everyone: int) -> bool:
        """Return whether `people` out of `everyone` is more than usual."""
        return people > self.number or (people > self.floor and people > self.share * everyone)


@dataclass(frozen=True, slots=True)
class BrakeSettings:
    """
    The limits of all brakes, per direction.

    The defaults let an ordinary working day pass (a campaign that touches a fifth of the people, an import of a
    thousand leads) and stop what is more often a mistake than a wish. Emptying is the strictest: a value overwritten by
    nothing is the damage that is hardest to notice. `shrunk_share`: the share of people that may be gone from a side.
    """

    changed: Limit = field(default_factory=lambda: Limit(share=0.30, number=10_000, floor=100))
    created: Limit = field(default_factory=lambda: Limit(share=0.20, number=5_000, floor=100))
    emptied: Limit = field(default_factory=lambda: Limit(share=0.05, number=1_000, floor=25))
    deleted: Limit = field(default_factory=lambda: Limit(share=0.01, number=200, floor=10))
    shrunk_share: float = 0.20
    shrunk_floor: int = 100
    stop_on_map_change: bool = True


@dataclass(frozen=True, slots=True)
class DirectionCounts:
    """People that a plan changes, creates, takes a filled value from and deletes, in one direction."""

    changed: int = 0
    created: int = 0
    emptied: int = 0
    deleted: int = 0


@dataclass(frozen=True, slots=True)
class SideSizes:
    """How many people a side that was read in full holds, and how many it held when that was done last."""

    now: int
    before: int


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """
    What the brakes look at.

    `linked_people`: open links before this run; 0 means that this is the first run. `dynamics` and `marketo` are the
    sizes of the sides, None when a side was not read in full. `map_changes` says, one entry each, what the map means
    otherwise than when the base was built; a field that was only added is none.
    """

    linked_people: int
    to_dynamics: DirectionCounts = DirectionCounts()
    to_marketo: DirectionCounts = DirectionCounts()
    dynamics: SideSizes | None = None
    marketo: SideSizes | None = None
    map_changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BrakeVerdict:
    """A brake that tripped: its name, what was seen against which limit, and what to do."""

    name: str
    seen: str
    limit: str
    message: str
    remedy: str


def is_shrunk(missing: int, before: int, settings: BrakeSettings) -> bool:
    """Return whether so many of the people a side showed before are missing that it looks like a mistake."""
    return missing > settings.shrunk_floor and missing > settings.shrunk_share * before


def people_linked_before(known_links: int, *, first_run: bool, initial_load: bool, settings: BrakeSettings) -> int:
    """
    Return how many people were linked before this run; 0 for a first run, which brakes spare.

    `first_run`: no feed was ever consumed. A few people may be linked by then all the same, having been created in real
    time; many links but no watermark means lost state, not a first run. `initial_load`: people of the first run are
    still waiting for their turn; brakes spare them as they spare a first run.
    """
    is_beginning = first_run and known_links < settings.changed.floor
    return 0 if is_beginning or initial_load else known_links


def changes_of_map(now: Mapping[str, Any], known: Mapping[str, Any] | None) -> tuple[str, ...]:
    """
    Return what the map means otherwise than when the base was built: fields changed or removed, another filter.

    `now`, `known`: `digest` of the whole map, `fields` (name → hash of its meaning), `filter` column; `known` is what
    was remembered, and may be of an earlier form. A field that was added changes nothing that was agreed on: it is
    filled in by itself.
    """
    known = known or now
    filtered = known.get("filter", now["filter"])
    if known.get("digest") == now["digest"] and filtered == now["filter"]:
        return ()
    before = known.get("fields")
    if before is None:
        return ("it is not known in which fields",)
    gone = [f"{name} was removed" for name in before if name not in now["fields"]]
    changed = [f"{name} was changed" for name in before if now["fields"].get(name, before[name]) != before[name]]
    moved = ["the sync filter was changed"] if filtered != now["filter"] else []
    return (*gone, *changed, *moved)


def side_sizes(readings: Iterable[tuple[int | None, int]]) -> SideSizes | None:
    """
    Return how many linked people a side shows now, and showed before, where it was read in full; None elsewhere.

    `readings`: per reading, how many were linked before it (None: not read in full) and how many it did not show.
    """
    full = [(linked, unseen) for linked, unseen in readings if linked]
    if not full:
        return None
    before = sum(linked for linked, _ in full)
    return SideSizes(now=before - sum(unseen for _, unseen in full), before=before)


def budget_verdicts(plan: Plan, calls_left: int, records_per_call: int) -> list[BrakeVerdict]:
    """Return a verdict when the day's remaining Marketo calls would not do: a read and a write per call's records."""
    writes = plan.changes[plan.changes["direction"] == Direction.TO_MARKETO]
    creates = int((writes["action"] == Action.CREATE).sum())
    needed = 2 * ceil((len(writes) - creates) / records_per_call) + ceil(creates / records_per_call)
    if not needed or needed <= calls_left:
        return []
    return [
        BrakeVerdict(
            name=API_BUDGET,
            seen=f"{needed} calls needed",
            limit=f"{calls_left} calls left today",
            message=f"The plan needs about {needed} Marketo calls and {calls_left} of today's quota are left.",
            remedy="wait for the reset at midnight Central Time, raise marketo.daily_quota if more is allowed, "
            f"or {_override(API_BUDGET)}.",
        )
    ]


def count_plan(plan: Plan) -> Mapping[Direction, DirectionCounts]:
    """Return, per direction that writes, how many people `plan` changes, creates and empties."""
    return {way: _count_direction(plan, way) for way in WAYS}


def _count_direction(plan: Plan, way: Direction) -> DirectionCounts:
    changes = plan.changes[plan.changes["direction"] == way]
    values = plan.values[plan.values["change_no"].isin(changes["change_no"])]
    held = values["marketo" if way is Direction.TO_MARKETO else "dynamics"]
    empties = (writes_to(values) == way) & values["planned"].isna() & held.notna()
    created = changes["action"] == Action.CREATE
    deleted = changes["action"] == Action.DELETE
    touched = changes["change_no"].isin(values["change_no"])
    return DirectionCounts(
        changed=int((touched & ~created).sum()),
        created=int(created.sum()),
        emptied=int(values.loc[empties, "change_no"].nunique()),
        deleted=int(deleted.sum()),
    )


def evaluate(counts: PlanCounts, settings: BrakeSettings, overrides: Iterable[str] = ()) -> list[BrakeVerdict]:
    """
    Return the brakes that stop the run; an empty list lets it pass.

    `overrides` are the names a person gave for this run. Raises ConfigError for a name that no brake has.
    """
    given = check_overrides(overrides)
    return [verdict for verdict in tripped(counts, settings) if verdict.name not in given]


def tripped(counts: PlanCounts, settings: BrakeSettings) -> list[BrakeVerdict]:
    """Return all brakes that trip, overridden or not, in the order of `BRAKES`."""
    verdicts = [] if counts.linked_people == 0 else [*_people_verdicts(counts, settings)]
    verdicts += [*_size_verdicts(counts, settings)]
    if counts.linked_people and settings.stop_on_map_change and counts.map_changes:
        verdicts.append(_map_verdict(counts.map_changes))
    return verdicts


def _override(name: str) -> str:
    return f"override the brake {name} for one run (--override {name})"


def _people_verdicts(counts: PlanCounts, settings: BrakeSettings) -> Iterator[BrakeVerdict]:
    everyone = counts.linked_people
    for kind, way in PEOPLE_BRAKES:
        limit: Limit = getattr(settings, kind)
        per_kind: DirectionCounts = getattr(counts, way)
        people = getattr(per_kind, kind)
        if limit.is_exceeded(people, everyone):
            yield _people_verdict(kind, way, people, everyone, limit)


_DEEDS = {"changed": "change", "created": "create", "emptied": "empty a filled value of", "deleted": "delete"}


def _people_verdict(kind: str, way: Direction, people: int, everyone: int, limit: Limit) -> BrakeVerdict:
    name = f"{kind}_{way}"
    system = "Dynamics" if way is Direction.TO_DYNAMICS else "Marketo"
    allowed = f"{limit.number} people, or {limit.share:.0%} once above {limit.floor}"
    return BrakeVerdict(
        name=name,
        seen=f"{people} people",
        limit=allowed,
        message=f"The plan would {_DEEDS[kind]} {people} people in {system}, with {everyone} linked; usual: {allowed}.",
        remedy=f"Look at the plan (--dry-run). If it is right, {_override(name)}; otherwise undo its cause first.",
    )


def _size_verdicts(counts: PlanCounts, settings: BrakeSettings) -> Iterator[BrakeVerdict]:
    for system, sizes in (("dynamics", counts.dynamics), ("marketo", counts.marketo)):
        gone = 0 if sizes is None else sizes.before - sizes.now
        if sizes is not None and is_shrunk(gone, sizes.before, settings):
            name = f"{system}_shrank"
            yield BrakeVerdict(
                name=name,
                seen=f"{sizes.now} people, {sizes.before} before",
                limit=f"{settings.shrunk_share:.0%} gone",
                message=f"{system.title()} shows {sizes.now} people where it showed {sizes.before} before.",
                remedy=f"Check the integration user's access to {system.title()}; if the people are gone, "
                f"{_override(name)}.",
            )


def _map_verdict(changes: tuple[str, ...]) -> BrakeVerdict:
    shown = ", ".join(changes[:_SHOWN]) + (f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else "")
    return BrakeVerdict(
        name="map_changed",
        seen=shown,
        limit="the map the base was built with",
        message=f"The field map means something else than when the last values were agreed on: {shown}. Values may "
        "look edited that nobody edited.",
        remedy=f"Look at the plan (--dry-run). If it is right, {_override('map_changed')}. Adding a field needs none.",
    )
