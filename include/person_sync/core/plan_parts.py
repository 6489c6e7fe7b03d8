"""What is added to a plan and taken from it between the merge and the database. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from include.person_sync.core.control_fields import CONTROL_FIELDS
from include.person_sync.core.dead_letters import PROBLEM_COLUMNS
from include.person_sync.core.plan import Action, Direction, Newcomer, Plan


def with_deletions(plan: Plan, links: pd.DataFrame) -> Plan:
    """Return the plan with a deletion of each link's row, at the version last seen."""
    if links.empty:
        return plan
    about = links[["link_id", "marketo_id", "dynamics_table", "dynamics_id", "generation"]]
    deletions = about.assign(
        change_no=range(len(plan.changes), len(plan.changes) + len(links)),
        direction=Direction.TO_DYNAMICS.value,
        action=Action.DELETE.value,
        if_match=links["dynamics_version"],
        note=None,
        status="planned",
    )
    columns = list(plan.changes.columns)
    changes = pd.concat([plan.changes, deletions[columns].astype(plan.changes.dtypes)], ignore_index=True)
    return replace(plan, changes=changes)


def mapped_only(plan: Plan) -> Plan:
    """Return the plan without its control fields, which are no mapped fields and need no checks."""
    return replace(plan, values=plan.values[~plan.values["field"].isin(CONTROL_FIELDS)])


def with_owners(plan: Plan, pairs: pd.DataFrame) -> Plan:
    """Return the plan with the owner a request names noted on the create."""
    owners = pairs.dropna(subset=["owner_email"]).set_index("link_id")["owner_email"]
    creates = (plan.changes["action"] == "create") & (plan.changes["direction"] == Direction.TO_DYNAMICS)
    note = plan.changes["link_id"].map(owners).where(creates).astype("str")
    return replace(plan, changes=plan.changes.assign(note=note))


def without_unborn(plan: Plan, pairs: pd.DataFrame) -> tuple[Plan, pd.DataFrame]:
    """Return plan and pairs without newcomers whose missing half is not going to be created after all."""
    to_make = pairs["newcomer"].isin([Newcomer.CREATE_IN_DYNAMICS, Newcomer.CREATE_IN_MARKETO])
    made = plan.changes.loc[plan.changes["action"] == "create", "link_id"]
    unborn = set(pairs.loc[to_make & ~pairs["link_id"].isin(made), "link_id"])
    changes = plan.changes[~plan.changes["link_id"].isin(unborn)]
    values = plan.values[plan.values["change_no"].isin(changes["change_no"])]
    return replace(plan, changes=changes, values=values), pairs[~pairs["link_id"].isin(unborn)]


def without(plan: Plan, refused: set[int], keep: Any) -> Plan:
    """Return the plan without some changes and cells; an update with nothing left to write is left out too."""
    values = plan.values[keep]
    values = values[~values["change_no"].isin(refused)]
    emptied = (plan.changes["action"] == "update") & ~plan.changes["change_no"].isin(values["change_no"])
    changes = plan.changes[~plan.changes["change_no"].isin(refused) & ~emptied]
    return replace(plan, changes=changes, values=values)


def about_pairs(problems: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return problems with the ids of the pair each is about."""
    about = pairs[["link_id", "marketo_id", "dynamics_table", "dynamics_id"]]
    rest = problems.drop(columns=["marketo_id", "dynamics_table", "dynamics_id"], errors="ignore")
    return rest.merge(about, on="link_id", how="left").reindex(columns=PROBLEM_COLUMNS)
