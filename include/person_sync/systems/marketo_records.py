"""People about to be written to Marketo: how they are there now, and the records that are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.core.control_fields import is_control, rest_names, wire_value
from include.person_sync.core.fields import Side, Table
from include.person_sync.core.payloads import payloads
from include.person_sync.core.values import differs
from include.person_sync.systems.people import people_frame

if TYPE_CHECKING:
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

__all__ = ["MarketoRecords", "moved_cells"]


class MarketoRecords:
    """The people of a run's changes as Marketo holds and takes them, by REST name."""

    def __init__(self, ctx: SyncContext, schema: ResolvedSchema) -> None:
        self._ctx = ctx
        self._schema = schema
        self._control = rest_names(ctx.settings.custom_fields)

    def read(self, changes: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
        """Return the people of a batch with just the fields about to be written: index marketo_id."""
        mapped = {field.name: field.marketo.name for table in Table for field in self._schema.fields(table)}
        names = mapped | self._control
        columns = ["id", *sorted({names[name] for name in values["field"].unique()})]
        pages = self._ctx.marketo.leads_by("id", changes["marketo_id"].tolist(), columns)
        return people_frame([row for page in pages for row in page], columns).set_index("marketo_id")

    def bodies(self, changes: pd.DataFrame, values: pd.DataFrame) -> pd.Series:
        """Return the record to send per change_no: mapped and control fields by REST name, without its key."""
        control = is_control(values)
        mapped = payloads(changes, values[~control], self._schema.effective, Side.MARKETO)
        bodies: dict[int, dict[str, Any]] = {int(str(number)): body for number, body in mapped.bodies.items() if body}
        held = values[control]
        for number, field, planned in zip(held["change_no"], held["field"], held["planned"], strict=True):
            bodies.setdefault(int(number), {})[self._control[field]] = wire_value(field, planned)
        return pd.Series(bodies, dtype=object)


def moved_cells(values: pd.DataFrame, current: pd.DataFrame) -> pd.Series:
    """Return True per planned value whose Marketo side is no longer what the plan was based on."""
    cells = current.rename_axis(columns="field").reset_index(names="link_id").melt("link_id", value_name="now")
    now = values[["link_id", "field"]].merge(cells, on=["link_id", "field"], how="left")["now"].astype("str")
    return differs(values["marketo"].astype("str"), now.set_axis(values.index))
