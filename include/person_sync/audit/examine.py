"""What a look shows: pairs compared field by field, and everything that is not a pair as it should be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.person_sync.audit.compare import Comparison, compare_pairs
from include.person_sync.audit.findings import (
    DIFFERENCE_COLUMNS,
    FINDING_COLUMNS,
    SET_APART,
    Explanation,
    Kind,
    findings_frame,
    typed,
)
from include.person_sync.core.canonical import canonical_dynamics, canonical_marketo
from include.person_sync.core.claims import claims as claims_of
from include.person_sync.core.control_fields import control_decisions
from include.person_sync.core.relations import PAIRS
from include.person_sync.core.rows import is_alive, is_read_only, passes_filter
from include.person_sync.core.sides import by_link
from include.person_sync.core.vocabulary import Outcome

if TYPE_CHECKING:
    from include.person_sync.audit.looking import Look
    from include.person_sync.config.settings import Settings
    from include.person_sync.core.control_fields import ControlNames
    from include.person_sync.core.schema import ResolvedSchema


@dataclass(frozen=True)
class Examined:
    """
    What one look showed.

    `differences`: DIFFERENCE_COLUMNS. `cells`: numbers per field (compare.CELL_COLUMNS). `findings`: FINDING_COLUMNS.
    `rows`: how many rows were looked at, by what they are to the sync. `pairs`: how many pairs were compared. `linked`:
    the link ids the look was about.
    """

    differences: pd.DataFrame
    cells: pd.DataFrame
    findings: pd.DataFrame
    rows: dict[str, int]
    pairs: int
    linked: np.ndarray

    def doubtful(self) -> set[str]:
        """Return the row ids about which something was seen that no rule means to be so."""
        meant = self.differences["explanation"].isin(SET_APART)
        return {*self.differences.loc[~meant, "dynamics_id"], *self.findings["dynamics_id"].dropna()}


def examine(look: Look, schema: ResolvedSchema, settings: Settings) -> Examined:
    """Return what a look shows, with the explanations that follow from the look itself. Pure."""
    here = look.links["dynamics_id"].isin(look.rows.index)
    known = look.links["marketo_id"].isin(look.people.index)
    pairs = look.links[here & known]
    compared = compare_look(look, pairs, schema)
    rows, missing = place_rows(look, settings)
    names = settings.custom_fields
    identity = control_decisions(PAIRS.of(pairs), look.people, names)
    findings = [
        findings_frame(missing, Kind.ROW_WITHOUT_PERSON),
        findings_frame(look.links[~here & known], Kind.LINK_WITHOUT_ROW),
        findings_frame(look.links[here & ~known], Kind.LINK_WITHOUT_PERSON),
        findings_frame(look.links[~here & ~known], Kind.LINK_WITHOUT_BOTH),
        wrong_identities(pairs, identity),
        shared_identities(look, names),
    ]
    return Examined(
        differences=explained_by_look(look, about_links(compared.differences, pairs), settings),
        cells=compared.cells,
        findings=typed(pd.concat(findings, ignore_index=True), FINDING_COLUMNS),
        rows=rows,
        pairs=len(pairs),
        linked=look.links["link_id"].to_numpy(dtype="int64"),
    )


def compare_look(look: Look, pairs: pd.DataFrame, schema: ResolvedSchema) -> Comparison:
    """Return the comparison of a look's complete pairs."""
    fields = schema.fields(look.table)
    by_id = pairs.set_index("link_id")
    marketo = canonical_marketo(by_link(look.people, by_id["marketo_id"]), fields).values
    dynamics = canonical_dynamics(by_link(look.rows, by_id["dynamics_id"]), fields).values
    base = look.base.loc[by_id.index]
    return compare_pairs(base, marketo, dynamics, fields, look.table)


def about_links(differences: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """Return differences with the ids of the pair each is about."""
    about = pairs[["link_id", "marketo_id", "dynamics_table", "dynamics_id"]]
    return typed(differences.merge(about, on="link_id", how="left"), DIFFERENCE_COLUMNS)


def explained_by_look(look: Look, differences: pd.DataFrame, settings: Settings) -> pd.DataFrame:
    """Return differences with the explanations that the rule and the row itself give."""
    filtered = look.rows.index[~passes_filter(look.rows, settings.sync_filter_column)]
    closed = differences["dynamics_id"].isin(look.rows.index[is_read_only(look.rows, look.table)])
    reasons = {
        Explanation.RULE: differences["outcome"] == Outcome.WITHHELD,
        Explanation.FILTER: differences["dynamics_id"].isin(filtered),
        Explanation.READ_ONLY_ROW: closed & (differences["direction"] == "to_dynamics"),
    }
    chosen = np.select(
        list(reasons.values()), [reason.value for reason in reasons], default=Explanation.UNEXPLAINED.value
    )
    return differences.assign(explanation=pd.Series(chosen, index=differences.index, dtype="str"))


def place_rows(look: Look, settings: Settings) -> tuple[dict[str, int], pd.DataFrame]:
    """Return how many rows are linked, kept out by the filter, inactive, closed or missing; and the missing ones."""
    rows = look.rows
    linked = rows.index.isin(look.links["dynamics_id"])
    out = ~linked & ~passes_filter(rows, settings.sync_filter_column).to_numpy()
    inactive = ~linked & ~out & ~is_alive(rows).to_numpy()
    closed = ~linked & ~out & ~inactive & rows.index.isin(look.closed)
    missing = rows.index[~linked & ~out & ~inactive & ~closed]
    counted = {"read": len(rows), "linked": linked, "filtered": out, "inactive": inactive, "closed": closed}
    numbers = {name: int(np.sum(value)) for name, value in counted.items()}
    frame = pd.DataFrame({"dynamics_table": look.table.value, "dynamics_id": missing})
    return {**numbers, "missing": len(missing)}, frame


def wrong_identities(pairs: pd.DataFrame, decisions: pd.DataFrame) -> pd.DataFrame:
    """Return the pairs whose person's control fields are not what the link says, with the fields' names."""
    fields = decisions.groupby("link_id")["field"].agg(", ".join)
    wrong = pairs[pairs["link_id"].isin(fields.index)]
    return findings_frame(wrong, Kind.WRONG_IDENTITY, wrong["link_id"].map(fields))


def shared_identities(look: Look, control: ControlNames) -> pd.DataFrame:
    """
    Return people who name a row that is another's: linked to somebody else, or named by several.

    The linked person is no finding; of a row nobody is linked to, everybody who names it is one.
    """
    people = look.people.reset_index(names="marketo_id")
    rows = pd.DataFrame({"dynamics_table": look.table.value, "dynamics_id": list(look.row_ids)}, dtype="str")
    claims = claims_of(people, rows, control)[["marketo_id", "dynamics_id"]]
    owners = look.links[["link_id", "dynamics_id", "marketo_id"]].rename(columns={"marketo_id": "owner"})
    claims = claims.merge(owners, on="dynamics_id", how="left")
    several = claims["dynamics_id"].duplicated(keep=False)
    foreign = claims["owner"].notna() & (claims["owner"] != claims["marketo_id"])
    found = claims[foreign | (several & claims["owner"].isna())].assign(dynamics_table=look.table.value)
    note = ("the row is linked to person " + found["owner"].astype("Int64").astype("str")).where(found["owner"].notna())
    return findings_frame(found, Kind.SHARED_IDENTITY, note.fillna("several people name the row"))
