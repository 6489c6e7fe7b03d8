"""The rules of a run as one value, from the settings, the schemas and the request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.person_sync.core.policy import Policy
from include.person_sync.run.request import Mode

if TYPE_CHECKING:
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext
    from include.person_sync.run.request import RunRequest

__all__ = ["policy_of"]


def policy_of(ctx: SyncContext, schema: ResolvedSchema, request: RunRequest) -> Policy:
    """Return the rules of a run. Somebody who names people asks for another try of what was refused."""
    settings = ctx.settings
    return Policy(
        schema=schema,
        field_map=settings.field_map,
        control=settings.custom_fields,
        to_marketo=settings.matching.to_marketo,
        to_dynamics=settings.matching.to_dynamics,
        deleted_in_marketo=settings.deleted_in_marketo,
        sync_filter_column=settings.sync_filter_column,
        munchkin_id=ctx.munchkin_id,
        create_requests=request.create_requests,
        is_incremental=request.mode is Mode.INCREMENTAL,
        retries_refusals=request.mode is Mode.PEOPLE,
    )
