"""
The lead database: people, fields, activities and partitions of one instance, and the changes that keep them in step.

Everything that alters a person goes through here, whoever asks, so that the activity log always tells the truth.
Nothing here checks permissions or limits; the caller holds the lock.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from include.sandbox.marketo.activity_log import (
    CHANGE_SCORE,
    CHANGE_VALUE,
    DELETE_LEAD,
    MERGE_LEADS,
    NEW_LEAD,
    Activity,
    ActivityLog,
    Change,
)
from include.sandbox.marketo.errors import RefusalError
from include.sandbox.marketo.fields import DataType, FieldCatalogue, FieldDefinition
from include.sandbox.marketo.origin import Origin
from include.sandbox.marketo.people import People, Person
from include.sandbox.marketo.settings import CompanyFields, MarketoSettings
from include.sandbox.marketo.standard_fields import FALSE_BY_DEFAULT, STANDARD_FIELDS
from include.sandbox.marketo.values import Value, log_text, moment_text, parse_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.clock import Clock

__all__ = ["LeadDatabase", "full_name"]

_SYSTEM_DEFAULTS: Final[Mapping[str, Value]] = dict.fromkeys(FALSE_BY_DEFAULT, False) | {
    "isLead": True,
    "personType": "contact",
}
_MERGING: Final = Origin("Merge leads", "Merge leads", "Merge leads")
_NEVER_FILLED_BY_MERGE: Final = frozenset({"id", "createdAt", "updatedAt", "leadPartitionId", "leadPerson", "mktoName"})


class LeadDatabase:
    """The data of one instance. `partitions` maps partition ids to names; 1 is the default one."""

    def __init__(self, clock: Clock, settings: MarketoSettings, *, instance: int) -> None:
        self.clock = clock
        self.settings = settings
        self.fields = FieldCatalogue(STANDARD_FIELDS, instance)
        self.people = People(self.fields)
        self.log = ActivityLog()
        self.partitions: dict[int, str] = {1: "Default"}
        self.merged_into: dict[int, int] = {}

    # ------------------------------------------------------------------ checking

    def clean(self, record: Mapping[str, object], *, lead: Person | None = None) -> dict[str, Value | None]:
        """
        Return the record's values as they would be kept. Raises RefusalError at the first one that cannot be written.

        Source: leads.md, error-codes.md 1001, 1003, 1006, 1021.
        """
        linked = "externalCompanyId" in (lead or {}) or bool(record.get("externalCompanyId"))
        return {name: self._clean_value(name, raw, linked=linked) for name, raw in record.items()}

    def _clean_value(self, name: str, raw: object, *, linked: bool) -> Value | None:
        field = self.fields.usable(name)
        if field is None:
            raise RefusalError("1006", f"Field '{name}' not found")
        if field.read_only:
            raise RefusalError(self.settings.read_only_code, f"Field '{name}' is read-only")
        if field.is_company and (linked or self.settings.company_fields is CompanyFields.REFUSED):
            raise RefusalError("1021")
        value = parse_value(field, raw, self.settings)
        if value is None and name in FALSE_BY_DEFAULT:
            return False
        return value

    # ------------------------------------------------------------------ changing

    def create(
        self,
        values: Mapping[str, Value | None],
        origin: Origin,
        *,
        partition_id: int = 1,
        at: datetime | None = None,
    ) -> int:
        """Make a person of checked values and return the id. `at` puts the creation into the past."""
        lead_id = self.people.next_id()
        moment = (at or self.clock.now()).astimezone(UTC)
        stamp = moment_text(moment)
        person: Person = {**_SYSTEM_DEFAULTS, "id": lead_id, "leadPerson": lead_id, "leadPartitionId": partition_id}
        person.update({name: value for name, value in values.items() if value is not None})
        person.update(createdAt=stamp, updatedAt=stamp, originalSourceType=origin.created_by)
        self._rename(person)
        self.people.add(lead_id, person)
        self._log_creation(lead_id, person, origin, moment)
        return lead_id

    def edit(self, lead_id: int, values: Mapping[str, Value | None], origin: Origin) -> int:
        """Write checked values over a person's and return how many really changed; the others leave no trace."""
        person = self.people.get(lead_id)
        if person is None:
            raise RefusalError("1004")
        changed = {name: value for name, value in values.items() if person.get(name) != value}
        logged = values if self.settings.same_value_logged else changed
        self._log_changes(lead_id, person, logged, origin)
        if changed:
            self.people.put(lead_id, changed)
            self._touch(lead_id, person, changed)
        return len(changed)

    def delete(self, lead_id: int) -> None:
        """Delete a person for good. Raises RefusalError 1004 when there is none."""
        if lead_id not in self.people:
            raise RefusalError("1004")
        person = self.people.remove(lead_id)
        self._log_deletion(lead_id, person)

    def merge(self, winner: int, losers: list[int]) -> None:
        """
        Merge losers into a winner: its empty fields are filled from them in the order given, their ids cease to exist.

        Raises RefusalError when one of them is unknown. Source: leads.md, Merge Leads.
        """
        for lead_id in (winner, *losers):
            if lead_id not in self.people:
                raise RefusalError("1004", f"Lead '{lead_id}' not found")
        fills: dict[str, Value | None] = {}
        for loser in losers:
            fills = self._fills(winner, self.people.remove(loser)) | fills
            self._retire(loser, winner)
        self._fill(winner, fills)
        self._log_merge(winner, losers)

    def set_partition(self, lead_id: int, partition_id: int) -> None:
        """Move a person to another partition."""
        self.people.put(lead_id, {"leadPartitionId": partition_id})

    # ------------------------------------------------------------------ details

    def _fills(self, winner: int, loser: Person) -> dict[str, Value | None]:
        kept = self.people.get(winner) or {}
        return {name: value for name, value in loser.items() if name not in kept and name not in _NEVER_FILLED_BY_MERGE}

    def _fill(self, winner: int, fills: dict[str, Value | None]) -> None:
        person = self.people.get(winner)
        if not fills or person is None:
            return
        if self.settings.merge_fills_logged:
            from include.sandbox.marketo.origin import Origin

            self._log_changes(winner, person, fills, Origin("Merge leads", "Merge leads", "Merge leads"))
        self.people.put(winner, fills)
        self._touch(winner, person, fills)

    def _retire(self, loser: int, winner: int) -> None:
        self.merged_into[loser] = winner
        if self.settings.merge_losers_listed_as_deleted:
            self._log_deletion(loser, {})
        elif self.settings.merge_moves_activities:
            self.log.move(loser, winner)

    def _touch(self, lead_id: int, person: Person, changed: Mapping[str, Value | None]) -> None:
        # Source: bulk-lead-extract.md: the visible updatedAt reflects changes to standard fields only.
        if any(not field.is_custom for name in changed if (field := self.fields.get(name)) is not None):
            self.people.put(lead_id, {"updatedAt": moment_text(self.clock.timestamp())})
        self._rename(person)

    @staticmethod
    def _rename(person: Person) -> None:
        name = full_name(person)
        if name:
            person["mktoName"] = name
        else:
            person.pop("mktoName", None)

    # ------------------------------------------------------------------ logging

    def _log_creation(self, lead_id: int, person: Person, origin: Origin, moment: datetime) -> None:
        lower_case = self.settings.attribute_names_lower_case
        self.log.add(
            NEW_LEAD,
            lead_id,
            moment.timestamp(),
            moment.timestamp(),
            attributes=origin.creation_attributes(moment.date().isoformat(), lower_case=lower_case),
            primary_id=lead_id,
            primary_value=full_name(person),
        )
        if self.settings.values_at_creation_logged:
            written = {field.name for field in self.fields if not field.read_only and field.name in person}
            self._log_changes(lead_id, {}, {name: person[name] for name in sorted(written)}, origin)

    def _log_changes(
        self, lead_id: int, before: Person, changes: Mapping[str, Value | None], origin: Origin
    ) -> list[Activity]:
        now = self.clock.timestamp()
        author = origin.attributes(lower_case=self.settings.attribute_names_lower_case)
        return [
            self._log_change(lead_id, field, before.get(name), value, now=now, author=author)
            for name, value in changes.items()
            if (field := self.fields.get(name)) is not None
        ]

    def _log_change(
        self,
        lead_id: int,
        field: FieldDefinition,
        old: Value | None,
        new: Value | None,
        *,
        now: float,
        author: tuple[tuple[str, object], ...],
    ) -> Activity:
        change = Change(field.id, field.name, field.display_name, log_text(field, old), log_text(field, new))
        is_score = field.data_type is DataType.SCORE
        return self.log.add(
            # Source: activities.md: scores have an activity type of their own.
            CHANGE_SCORE if is_score else CHANGE_VALUE,
            lead_id,
            now,
            now,
            attributes=author,
            change=change,
            primary_id=field.id,
            primary_value=field.display_name,
        )

    def _log_deletion(self, lead_id: int, person: Person) -> None:
        now = self.clock.timestamp()
        # Source: activities.md, Deleted Leads: the primary id of the sample differs from the lead's id.
        self.log.add(
            DELETE_LEAD, lead_id, now, now, primary_id=lead_id + 5, primary_value=full_name(person) or str(lead_id)
        )

    def _log_merge(self, winner: int, losers: list[int]) -> None:
        now = self.clock.timestamp()
        self.log.add(
            MERGE_LEADS,
            winner,
            now,
            now,
            attributes=(("Merge IDs", list(losers)), ("Merge Source", "leaddb"), ("Master Updated", False)),
            primary_id=winner,
            primary_value=full_name(self.people.get(winner) or {}),
        )


def full_name(person: Mapping[str, object]) -> str:
    """First and last name with a blank between, or the one there is, or nothing."""
    return " ".join(str(person[name]) for name in ("firstName", "lastName") if person.get(name))
