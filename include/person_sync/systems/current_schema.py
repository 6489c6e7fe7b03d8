"""
Working with schemas that may have moved since they were read.

They are read once a day. Where a vendor no longer knows a column or field, or where what is seen casts doubt on them,
they are read again and the work starts over, once: what vanished is then isolated, and the rest goes on in the very
same run.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from include.dynamics import SchemaChanged
from include.errors import SyncError
from include.marketo import FieldNotFound
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable

    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

Result = TypeVar("Result")


class SchemaOutdated(SyncError):
    """What was read can't be explained by the schemas as they are known: read them again before deciding anything."""


def with_current_schema(ctx: SyncContext, work: Callable[[ResolvedSchema, bool], Result]) -> Result:
    """
    Return what `work` returns, starting it over with schemas just read when those at hand turn out to be outdated.

    `work` gets the schema and whether it may still ask for newer one (by raising SchemaOutdated); it has to be
    safe to repeat. Raises what `work` raises the second time.
    """
    try:
        return work(load_schema(ctx), True)
    except (SchemaChanged, FieldNotFound, SchemaOutdated) as error:
        log.warning("the schemas have changed; they are read again: %s", error)
    return work(load_schema(ctx, refresh=True), False)
