"""
Refusals in the person's activity log in Marketo, where a marketer looks first.

Activities are write-once and have no key, so each letter is marked before it is sent; one whose answer was lost is
looked up before it would be sent again.
"""

from __future__ import annotations

import logging
from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

from include.errors import LostAnswer
from include.person_sync.core.records import records

if TYPE_CHECKING:
    import pandas as pd

    from include.person_sync.run.context import SyncContext

__all__ = ["tell_refusals"]

log = logging.getLogger(__name__)

LETTER_ATTRIBUTE = "letter"
LOOK_BACK = timedelta(days=2)


def tell_refusals(ctx: SyncContext) -> None:
    """Send one custom activity per refusal that has none yet, a call's records at a time."""
    if not ctx.store.has_pending_activities():
        return
    letters = ctx.store.pending_activities()
    type_id = refusal_type(ctx)
    if type_id is None:
        log.warning("the custom activity type %s is not approved in Marketo; run setup", ctx.settings.activity_type)
        return
    known: set[int] = set()
    while len(letters) and known.isdisjoint(letters["dead_letter_id"]):
        known |= set(letters["dead_letter_id"])
        send_some(ctx, type_id, without_arrived(ctx, type_id, letters))
        letters = ctx.store.pending_activities()


def send_some(ctx: SyncContext, type_id: int, letters: pd.DataFrame) -> None:
    """Send the activities of some refusals; those whose answer is lost are looked up by the next run."""
    if letters.empty:
        return
    ctx.store.set_activity_state(letters["dead_letter_id"].tolist(), "sending")
    try:
        results = ctx.marketo.add_activities([activity(ctx, type_id, row) for row in records(letters)])
    except LostAnswer:
        log.warning("the answer to %d activities was lost; the next run looks which arrived", len(letters))
        return
    done = [
        letter for letter, result in zip(letters["dead_letter_id"], results, strict=True) if result.status != "unknown"
    ]
    ctx.store.set_activity_state(done, "sent")


def refusal_type(ctx: SyncContext) -> int | None:
    """Return the id of the approved custom activity type for refusals."""
    stored = ctx.store.document("activity_type")
    if stored:
        return int(stored[0]["id"])
    for one in ctx.marketo.custom_activity_types():
        if one.api_name == ctx.settings.activity_type and one.status.startswith("approved") and one.type_id is not None:
            ctx.store.save_document("activity_type", {"id": one.type_id})
            return one.type_id
    return None


def without_arrived(ctx: SyncContext, type_id: int, letters: pd.DataFrame) -> pd.DataFrame:
    """Return the letters still to be sent: of those whose answer was lost, the ones Marketo does not show."""
    lost = letters[letters["activity_state"] == "sending"]
    if lost.empty:
        return letters
    token = ctx.marketo.paging_token(ctx.now() - LOOK_BACK)
    arrived = {
        str(one.attributes.get(LETTER_ATTRIBUTE))
        for page in ctx.marketo.activities(token, [type_id])
        for one in page.items
    }
    there = letters["dead_letter_id"].astype("str").isin(arrived)
    ctx.store.set_activity_state(letters.loc[there, "dead_letter_id"].tolist(), "sent")
    return letters[~there]


def activity(ctx: SyncContext, type_id: int, letter: dict[str, Any]) -> dict[str, Any]:
    """Return one refusal as a custom activity. Times in UTC with an explicit zone."""
    direction = "Marketo to Dynamics" if letter["direction"] == "to_dynamics" else "Dynamics to Marketo"
    fields = ", ".join((letter["payload"] or {}).get("fields", {}))
    attributes = {
        "operation": letter["action"],
        "direction": direction,
        "errorCode": letter["code"],
        "fields": fields,
        LETTER_ATTRIBUTE: str(letter["dead_letter_id"]),
    }
    return {
        "leadId": int(letter["marketo_id"]),
        "activityDate": ctx.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "activityTypeId": type_id,
        "primaryAttributeValue": str(letter["message"] or letter["code"])[:255],
        "attributes": [{"apiName": name, "value": value} for name, value in attributes.items() if value],
    }
