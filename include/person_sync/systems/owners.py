"""Who a new row belongs to: the user whom a create request names by e-mail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from include.person_sync.run.context import SyncContext


class OwnerIds:
    """Users a create request names as owner, found by e-mail once per run."""

    def __init__(self, ctx: SyncContext) -> None:
        self._ctx = ctx
        self._known: dict[str, str | None] = {}

    def bindings(self, changes: pd.DataFrame) -> dict[int, dict[str, Any]]:
        """Return the owner binding per change_no that has one."""
        named = self._named(changes)
        return {
            number: {"ownerid@odata.bind": f"/systemusers({self._known[email]})"}
            for number, email in zip(named["change_no"], named["note"], strict=True)
        }

    def refused(self, changes: pd.DataFrame) -> pd.DataFrame:
        """Return an outcome for each change whose owner does not exist: without its owner it is not made."""
        named = self._named(changes)
        self._look_up(set(named["note"]) - set(self._known))
        unknown = named[named["note"].map(self._known).isna()]
        return unknown[["change_no", "action"]].assign(
            status="refused",
            code="UNKNOWN_OWNER",
            message="no Dynamics user has the e-mail address the request names as owner",
        )

    def _named(self, changes: pd.DataFrame) -> pd.DataFrame:
        return changes[(changes["action"] == "create") & changes["note"].notna()]

    def _look_up(self, emails: set[str]) -> None:
        if not emails:
            return
        rows = self._ctx.dynamics.rows_by_value(
            "systemuser", "internalemailaddress", sorted(emails), ["internalemailaddress"]
        )
        found = {str(row["internalemailaddress"]).lower(): str(row["systemuserid"]) for row in rows}
        self._known.update({email: found.get(email.lower()) for email in emails})
