"""Who makes a change, and what the activity log says about it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["HUMAN", "Origin", "by_api"]

Attribute = tuple[str, object]


@dataclass(frozen=True, slots=True)
class Origin:
    """
    The author of a change.

    `source` and `reason` are the texts of the attributes of those names; the other three are known for API calls, and
    `user` also for a person at the screen.
    """

    source: str
    reason: str
    created_by: str
    user: str | None = None
    request_id: str | None = None
    api_method: str | None = None

    def attributes(self, *, lower_case: bool) -> tuple[Attribute, ...]:
        """`Source`, `Reason` and what is known of the call. Source: activities.md; the spelling is recorded data."""
        return (("Source", self.source), ("Reason", self.reason), *self._call(lower_case=lower_case))

    def creation_attributes(self, created_on: str, *, lower_case: bool) -> tuple[Attribute, ...]:
        """Return the attributes of a New Lead row; `created_on` is a date."""
        first = (("Created Date", created_on), ("Source Type", self.created_by))
        return (*first, *self._call(lower_case=lower_case))

    def _call(self, *, lower_case: bool) -> tuple[Attribute, ...]:
        known = (
            ("API Method Name", self.api_method),
            ("Modifying User", self.user),
            ("Request Id", self.request_id),
        )
        return tuple((name.lower() if lower_case else name, value) for name, value in known if value is not None)


HUMAN = Origin(
    source="Lead update",
    reason="Manual person edit",
    created_by="New lead",
    user="mia.marketer@example.com",
)


def by_api(user: str, request_id: str, method: str) -> Origin:
    """
    Return the author of an API call.

    [ND] what `Modifying User` and `Request Id` hold: the token's scope and the envelope's id are assumed.
    """
    return Origin("Web service API", "Web service API", "Web service API", user, request_id, method)
