"""How many calls the instance has answered today. Source: usage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.marketo import operations
from include.marketo.reading import as_int, as_text, require_objects

if TYPE_CHECKING:
    from include.marketo.api import MarketoApi


def calls_used_today(api: MarketoApi) -> int:
    """Return the calls of all integrations since midnight Central Time; 0 when nothing is reported. Costs one call."""
    envelope = api.read(operations.USAGE)
    days = require_objects(envelope.result, operations.USAGE.label, envelope.request_id)
    if not days:
        return 0
    latest = max(days, key=lambda day: as_text(day.get("date")))
    return as_int(latest.get("total")) or 0
