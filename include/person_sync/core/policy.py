"""What the people who run the sync have decided, as one value that the rules take."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.person_sync.core.control_fields import ControlNames
    from include.person_sync.core.fields import FieldMap
    from include.person_sync.core.schema import ResolvedSchema

__all__ = ["DeletedPerson", "MatchingPolicy", "Policy"]


class MatchingPolicy(StrEnum):
    """
    What happens to someone who is not linked yet.

    `link`: search by e-mail and link when exactly one matches, create when none does. `create`: create without looking.
    `hold`: neither, until a person decides.
    """

    LINK = "link"
    CREATE = "create"
    HOLD = "hold"


class DeletedPerson(StrEnum):
    """
    What a deletion in Marketo means for the Dynamics row.

    `recreate_on_change`: nothing, until the row is edited; then it becomes a new person (what the native connector
    does). `ignore`: nothing, and the row gets no new person. `delete`: the row is deleted too, unless it was edited
    meanwhile.
    """

    RECREATE = "recreate_on_change"
    IGNORE = "ignore"
    DELETE = "delete"


@dataclass(frozen=True)
class Policy:
    """
    The rules of one run.

    `schema`: the fields that take part. `field_map`: the map they come from. `control`: the REST names of the control
    fields. `to_marketo`, `to_dynamics`: what becomes of unlinked rows, and of people asked into Dynamics.
    `sync_filter_column`: the column whose No keeps a row out, None for no filter. `munchkin_id`: the Marketo instance,
    part of what the ids of new rows are made from. `create_requests`: what the run itself was asked to create (Marketo
    id → request text). `is_incremental`: the run takes the feeds further, and with them the life of fields.
    `retries_refusals`: somebody named people and so asks for another try of what was refused.
    """

    schema: ResolvedSchema
    field_map: FieldMap
    control: ControlNames
    to_marketo: MatchingPolicy = MatchingPolicy.LINK
    to_dynamics: MatchingPolicy = MatchingPolicy.LINK
    deleted_in_marketo: DeletedPerson = DeletedPerson.RECREATE
    sync_filter_column: str | None = None
    munchkin_id: str = ""
    create_requests: Mapping[int, str] = field(default_factory=dict)
    is_incremental: bool = True
    retries_refusals: bool = False
