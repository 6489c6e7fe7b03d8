"""A group of people to whom everything happens that can happen in one cycle, and what should have become of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing

TOO_LONG = "9" * 21
"""One digit more than a lead's mobile phone takes."""

EXPECTED: dict[str, tuple[tuple[Any, ...], tuple[Any, ...]]] = {
    "edited": (("CEO", "222"), ("lead", "CEO", "222")),
    "collided": (("CFO", "111"), ("contact", "CFO", "111")),
    "agreed": (("Boss", "111"), ("lead", "Boss", "111")),
    "refused": (("CEO", TOO_LONG), ("lead", "CEO", "111")),
    "arrived": (("New", None), ("contact", "New", None)),
    "asked": (("Asked", None), ("lead", "Asked", None)),
    "met": (("Marketer", "333"), ("lead", "Marketer", "333")),
}
"""Role → job title and mobile phone in Marketo; table, job title and mobile phone in Dynamics."""


class Group:
    """People whose addresses carry the group's name, so that many groups share two systems."""

    def __init__(self, pairing: Pairing, name: str) -> None:
        self._pairing = pairing
        self._name = name
        self.linked: dict[str, tuple[int, str]] = {}

    def arrive(self) -> None:
        """Put those who are linked from the start on both sides, in step; a cycle then links them."""
        for role, (_, (table, *_)) in list(EXPECTED.items())[:4]:
            self.linked[role] = self._pairing.pair(table, self._email(role), jobtitle="CTO", mobilephone="111")

    def live(self) -> None:
        """Let everything happen: edits, a collision, an agreement, a refusal, a new row, a request, a natural pair."""
        marketo, dynamics = self._pairing.marketo, self._pairing.dynamics
        marketo.edit(self.linked["edited"][0], {"title": "CEO"})
        dynamics.edit("lead", self.linked["edited"][1], {"mobilephone": "222"})
        marketo.edit(self.linked["collided"][0], {"title": "CEO"})
        dynamics.edit("contact", self.linked["collided"][1], {"jobtitle": "CFO"})
        marketo.edit(self.linked["agreed"][0], {"title": "Boss"})
        dynamics.edit("lead", self.linked["agreed"][1], {"jobtitle": "Boss"})
        marketo.edit(self.linked["refused"][0], {"title": "CEO", "mobilePhone": TOO_LONG})
        dynamics.create("contact", {"lastname": "A", "emailaddress1": self._email("arrived"), "jobtitle": "New"})
        marketo.create({"lastName": "A", "email": self._email("asked"), "title": "Asked", "syncToDynamics": "lead"})
        marketo.create({"lastName": "M", "email": self._email("met"), "title": "Marketer", "syncToDynamics": "lead"})
        dynamics.create("lead", {"lastname": "M", "emailaddress1": self._email("met"), "mobilephone": "333"})

    def picture(self) -> dict[str, Any]:
        """Return what is in both systems by role; a list of several entries where somebody is there twice."""
        return {role: self._seen(role) for role in EXPECTED}

    def _seen(self, role: str) -> Any:
        email = self._email(role)
        people = [(one.get("title"), one.get("mobilePhone")) for one in self._pairing.marketo.find(email=email)]
        rows = [
            (table, one["jobtitle"], one["mobilephone"])
            for table in ("contact", "lead")
            for one in self._pairing.dynamics.find(table, emailaddress1=email)
        ]
        return (people[0], rows[0]) if len(people) == len(rows) == 1 else [people, rows]

    def refusals(self) -> int:
        """Return how often the refused person's activity log tells of a refusal."""
        log = self._pairing.marketo.activities(self.linked["refused"][0])
        return len([one for one in log if one.type_id >= 100_000])

    def _email(self, role: str) -> str:
        return f"{role}.{self._name}@example.com"
