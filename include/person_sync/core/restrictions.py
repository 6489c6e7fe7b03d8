"""
Values that count and may not be written: the other side has to win, and the target is closed to the sync.

Left alone such a field would stop moving in both directions without a word. Source: Adobe, "Block updates to a field"
(a block together with the conflict rule of contacts dead-locks the field).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.person_sync.core.merge import merge
from include.person_sync.core.values import MISSING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.person_sync.core.fields import Table
    from include.person_sync.core.schema import EffectiveField
    from include.person_sync.core.sides import Sides

WRITE_BLOCKED = "write_blocked"


def blocked_writes(base: pd.DataFrame, sides: Sides, fields: Sequence[EffectiveField], table: Table) -> pd.DataFrame:
    """
    Return what the rules of the map would write to a side that can't be written, as problems.

    Columns link_id, field, direction, code, message, planned. Only of fields whose rule was narrowed by the rights on
    either side, and of cells both sides agreed on before: on the first meeting nobody's edit is lost. Pure.
    """
    narrowed = {one.name: one for one in fields if one.rule is not one.field.rule_for(table)}
    declared = [replace(one, rule=one.field.rule_for(table)) for one in narrowed.values()]
    names = list(narrowed)
    wishes = merge(base[names], sides.marketo[names], sides.dynamics[names], declared, table)
    wishes = wishes[wishes["outcome"].isin(["to_dynamics", "to_marketo", "collision"]) & (wishes["base"] != MISSING)]
    to_dynamics = (wishes["outcome"] == "to_dynamics") | (wishes["winner"] == "marketo")
    allowed = {
        "to_dynamics": wishes["field"].map({name: one.rule.writes_dynamics for name, one in narrowed.items()}),
        "to_marketo": wishes["field"].map({name: one.rule.writes_marketo for name, one in narrowed.items()}),
    }
    blocked = ~np.where(to_dynamics, allowed["to_dynamics"], allowed["to_marketo"]).astype(bool)
    found = wishes[blocked][["link_id", "field", "planned"]]
    direction = np.where(to_dynamics[blocked], "to_dynamics", "to_marketo")
    return found.assign(
        direction=pd.Series(direction, index=found.index, dtype="str"),
        code=WRITE_BLOCKED,
        message=[message(narrowed[name], way) for name, way in zip(found["field"], direction, strict=True)],
    )


def message(field: EffectiveField, direction: str) -> str:
    """Return what to tell a person of one cell."""
    target = f"Marketo field {field.marketo.name}" if direction == "to_marketo" else f"column {field.dynamics.name}"
    other = "Dynamics" if direction == "to_marketo" else "Marketo"
    return (
        f"{target} is closed to the sync, while the value in {other} is the one that counts; both stay as they are "
        "until the target may be written or the field's rule is changed"
    )


def withheld(decisions: pd.DataFrame, blocked: pd.DataFrame) -> pd.DataFrame:
    """Return the decisions with those on blocked cells withheld: neither side overwrites the other."""
    cells = pd.MultiIndex.from_frame(blocked[["link_id", "field"]])
    stopped = pd.MultiIndex.from_frame(decisions[["link_id", "field"]]).isin(cells)
    return decisions.assign(
        outcome=decisions["outcome"].mask(stopped, "withheld"), winner=decisions["winner"].mask(stopped)
    )
