"""
The control fields: identity and requests, kept in Marketo custom fields beside the mapped ones.

They travel in the same plan as mapped fields but have no base: what they should hold follows from the link.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import pandas as pd

from include.person_sync.core.relations import DECISIONS
from include.person_sync.core.values import TEXT_DTYPE
from include.person_sync.core.vocabulary import Outcome, PairOrigin

if TYPE_CHECKING:
    from collections.abc import Collection


DYNAMICS_ID, DYNAMICS_TYPE = "dynamics_id", "dynamics_type"
IS_DELETED, REQUEST = "dynamics_is_deleted", "sync_to_dynamics"
CONTROL_FIELDS = (DYNAMICS_ID, DYNAMICS_TYPE, IS_DELETED, REQUEST)
CONTROL_RULE = "control"
NOBODY = -1
"""Stands for a person yet to be created; no Marketo id is negative."""


class ControlNames(Protocol):
    """The REST names of the Marketo fields in which the sync keeps a person's identity and takes requests."""

    @property
    def dynamics_id(self) -> str:
        """Holds the id of the Dynamics row."""

    @property
    def dynamics_type(self) -> str:
        """Holds the table of the Dynamics row."""

    @property
    def dynamics_is_deleted(self) -> str:
        """Tells that the Dynamics row is gone."""

    @property
    def sync_to_dynamics(self) -> str:
        """Takes requests for a Dynamics row."""


def rest_names(names: ControlNames) -> dict[str, str]:
    """Return the REST name of each control field."""
    return {
        DYNAMICS_ID: names.dynamics_id,
        DYNAMICS_TYPE: names.dynamics_type,
        IS_DELETED: names.dynamics_is_deleted,
        REQUEST: names.sync_to_dynamics,
    }


def wire_value(field: str, planned: str | float | None) -> object:
    """Return the JSON value of a control field for Marketo."""
    if not isinstance(planned, str):
        return None
    return planned == "true" if field == IS_DELETED else planned


def is_control(values: pd.DataFrame) -> pd.Series:
    """Return True per decision or planned value that is about a control field, and no mapped one."""
    return values["rule"] == CONTROL_RULE


def control_decisions(pairs: pd.DataFrame, people: pd.DataFrame, names: ControlNames) -> pd.DataFrame:
    """
    Return what the control fields of living pairs must become (DECISIONS), only where they differ.

    `pairs`: PAIRS. `people`: index marketo_id, columns by REST name. A person yet to be created (without marketo_id)
    holds nothing; of one that was not read nothing is known and nothing decided. The request of a pair that is linked
    or made for it in this run is fulfilled: it is cleared, so that it may be set again later.
    """
    rest = rest_names(names)
    seen = pairs["marketo_id"].isna() | pairs["marketo_id"].isin(people.index)
    pairs = pairs[seen]
    fulfilled = pairs["origin"].isin([PairOrigin.LINK, PairOrigin.CREATE_IN_DYNAMICS])
    now = people.reindex(pairs["marketo_id"].fillna(NOBODY).astype("int64")).set_axis(pairs.index)
    current: dict[str, pd.Series] = {field: now[name] if name in now else empty(pairs) for field, name in rest.items()}
    deleted = current[IS_DELETED].str.lower() == "true"
    wanted = {
        DYNAMICS_ID: (pairs["dynamics_id"], current[DYNAMICS_ID].str.lower() != pairs["dynamics_id"]),
        DYNAMICS_TYPE: (pairs["dynamics_table"], current[DYNAMICS_TYPE].str.lower() != pairs["dynamics_table"]),
        IS_DELETED: (empty(pairs).fillna("false"), deleted),
        REQUEST: (empty(pairs), fulfilled & current[REQUEST].notna()),
    }
    rows = [
        decision_rows(pairs.loc[differs, "link_id"], field, current[field][differs], planned[differs])
        for field, (planned, differs) in wanted.items()
    ]
    return DECISIONS.joined(*rows)


def deletion_decisions(links: pd.DataFrame, asking: Collection[int]) -> pd.DataFrame:
    """
    Return what the control fields of links become whose row was deleted (DECISIONS): flagged, and free to ask again.

    The request of people `asking` just now is such a one already and stays.
    """
    nothing = empty(links)
    flagged = nothing.fillna("true")
    old = ~links["marketo_id"].isin(list(asking))
    rows = [
        decision_rows(links["link_id"], IS_DELETED, nothing, flagged),
        decision_rows(links.loc[old, "link_id"], REQUEST, nothing[old], nothing[old]),
    ]
    return DECISIONS.joined(*rows)


def empty(frame: pd.DataFrame) -> pd.Series:
    """Return an empty text column for the rows of `frame`."""
    return pd.Series(None, index=frame.index, dtype=TEXT_DTYPE)


def decision_rows(link_ids: pd.Series, field: str, current: pd.Series, planned: pd.Series) -> pd.DataFrame:
    """Return decisions to write one control field to Marketo."""
    rows = pd.DataFrame({"link_id": link_ids.to_numpy(), "marketo": current.to_numpy(), "planned": planned.to_numpy()})
    return DECISIONS.of(rows, field=field, outcome=Outcome.TO_MARKETO.value, rule=CONTROL_RULE)
