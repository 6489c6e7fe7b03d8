"""
Creating named Marketo people in Dynamics now: the same stages as a cycle, for these people only.

What Marketo calls the flow action "Sync Person to Microsoft". It is for the first insert: a person who is linked
already is left alone, and its changes travel with the regular runs.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError
from include.person_sync.core.matching import CreateRequest, parse_request
from include.person_sync.run.cycle import new_run_id, run_cycle
from include.person_sync.run.request import Mode, RunRequest
from include.person_sync.stages.commit import COUNTED, DIRECTIONS
from include.person_sync.systems.frames import records

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd

    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

KIND = "create"


class Ending(StrEnum):
    """What became of one person's request."""

    CREATED = "created"
    LINKED = "linked"
    ALREADY_SYNCED = "already_synced"
    REFUSED = "refused"
    HELD = "held"
    NOT_FOUND = "not_found"
    UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Fate:
    """One person's request and its ending; `code` and `message` say why a row was not made, and hold no values."""

    marketo_id: int
    ending: Ending
    dynamics_table: str | None = None
    dynamics_id: str | None = None
    code: str | None = None
    message: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the fate as JSON, without what it has nothing to say of; the ending is called `outcome`."""
        parts = {"marketo_id": self.marketo_id, "outcome": self.ending.value, **asdict(self)}
        return {name: value for name, value in parts.items() if value is not None and name != "ending"}


def create_people(
    ctx: SyncContext,
    marketo_ids: Collection[int],
    *,
    table: str = "lead",
    owner: str | None = None,
    origin: dict[str, str] | None = None,
    run_id: str | None = None,
    wait_s: float = 0.0,
) -> dict[str, Any]:
    """
    Create people in Dynamics (or link them to the one row of their e-mail) and return the run's summary, with the fate
    of each under `people`.

    `table`: lead or contact. `owner`: e-mail of the Dynamics user who is to own the row. `run_id` and `wait_s` as in
    `run_cycle`. People who are linked are not touched; when all are, nothing is sent and no run is kept. Raises
    ConfigError for a table or owner that means nothing, and what the stages raise.
    """
    wish = f"{table} owner={owner}" if owner else table
    if not isinstance(parse_request(wish), CreateRequest):
        raise ConfigError(
            "the request can't be understood.", remedy="create as lead or contact; the owner is an e-mail address."
        )
    asked = list(dict.fromkeys(marketo_ids))
    run_id = run_id or new_run_id(ctx, KIND)
    before = rows_of(ctx, asked)
    wanted = [one for one in asked if one not in before]
    fates = {one: Fate(one, Ending.ALREADY_SYNCED, *before[one]) for one in before}
    if wanted:
        request = RunRequest(mode=Mode.PEOPLE, marketo_ids=tuple(wanted), create_as=wish, origin=origin or {})
        summary = run_cycle(ctx, request, kind=KIND, run_id=run_id, wait_s=wait_s)
        fates |= {one.marketo_id: one for one in fates_in(ctx, run_id, wanted)}
    else:
        summary = nothing_done(run_id)
    summary["counts"]["to_dynamics"]["skipped"] += len(before)
    for one in asked:
        log.info("person %s: %s%s", one, fates[one].ending, f" ({fates[one].code})" if fates[one].code else "")
    return {**summary, "people": [fates[one].as_json() for one in asked]}


def nothing_done(run_id: str) -> dict[str, Any]:
    """Return the summary of a run there was no need for."""
    return {
        "run_id": run_id,
        "status": "done",
        "mode": Mode.PEOPLE.value,
        "counts": {direction: dict.fromkeys(COUNTED, 0) for direction in DIRECTIONS},
        "api_calls": {"marketo": 0, "dynamics": 0},
    }


def rows_of(ctx: SyncContext, marketo_ids: Collection[int]) -> dict[int, tuple[str, str]]:
    """Return table and id of the row each linked person has."""
    links = ctx.store.load_links(marketo_ids=marketo_ids)
    cells = links[["marketo_id", "dynamics_table", "dynamics_id"]].itertuples(index=False)
    return {int(person): (str(table), str(row)) for person, table, row in cells}


def fates_in(ctx: SyncContext, run_id: str, marketo_ids: Collection[int]) -> list[Fate]:
    """Return what a committed run made of people who were not linked when it was asked for."""
    changes = ctx.store.load_plan(run_id).changes
    changes = changes[changes["marketo_id"].isin(list(marketo_ids))]
    made = changes[(changes["action"] == "create") & (changes["direction"] == "to_dynamics")]
    applied = ids_in(made[made["status"] == "applied"])
    linked, planned = ids_in(changes[changes["action"] == "link"]), ids_in(changes)
    letters = ctx.store.dead_letters(marketo_ids=list(marketo_ids))
    reasons = {int(one["marketo_id"]): one for one in records(letters)}
    rows = rows_of(ctx, marketo_ids)

    def fate(person: int) -> Fate:
        if person in rows:
            ending = Ending.CREATED if person in applied else Ending.LINKED if person in linked else None
            return Fate(person, ending or Ending.ALREADY_SYNCED, *rows[person])
        if person in reasons:
            why = reasons[person]
            ending = Ending.HELD if why["kind"] == "ambiguous" else Ending.REFUSED
            return Fate(person, ending, code=why["code"], message=why["message"])
        return Fate(person, Ending.UNFINISHED if person in planned else Ending.NOT_FOUND)

    return [fate(one) for one in marketo_ids]


def ids_in(changes: pd.DataFrame) -> set[int]:
    """Return the Marketo ids of changes."""
    return {int(one) for one in changes["marketo_id"].dropna()}
