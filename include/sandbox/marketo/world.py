"""One Marketo instance, and what a person at its screen can do in it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.bulk_jobs import BulkJobs
from include.sandbox.marketo.custom_activity_types import CustomActivityTypes
from include.sandbox.marketo.database import LeadDatabase
from include.sandbox.marketo.errors import RefusalError
from include.sandbox.marketo.fields import DataType, FieldDefinition
from include.sandbox.marketo.limits import CallMeter
from include.sandbox.marketo.origin import HUMAN, Origin
from include.sandbox.marketo.settings import MarketoSettings, Permission
from include.sandbox.marketo.tokens import CustomService, TokenDesk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from include.sandbox.clock import Clock
    from include.sandbox.identifiers import Identifiers
    from include.sandbox.marketo.activity_log import Activity

__all__ = ["API_USER", "MarketoWorld"]

API_USER: Final = "person-sync@api.example.com"
_TEXT_LENGTH: Final = 255


class MarketoWorld:
    """
    One Marketo instance.

    The methods are a marketer's hands: what they write appears in the activity log as `Lead update` / `Manual person
    edit`. A value Marketo would refuse raises ValueError and changes nothing. All of it may be called while API calls
    are being answered.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        identifiers: Identifiers,
        client_id: str,
        client_secret: str,
        instance: int = 7,
    ) -> None:
        self.clock = clock
        self.settings = MarketoSettings()
        self.lock = threading.RLock()
        self.database = LeadDatabase(clock, self.settings, instance=instance)
        self.activity_types = CustomActivityTypes()
        self.meter = CallMeter(clock, self.settings)
        self.bulk = BulkJobs(clock, self.settings)
        self.tokens = TokenDesk(clock, self.settings, identifiers)
        self._identifiers = identifiers
        self._feed_pages = 0
        self.add_service(client_id, client_secret, API_USER)

    # ------------------------------------------------------------------ people

    def create(self, values: Mapping[str, Any], *, at: datetime | None = None, partition_id: int = 1) -> int:
        """Enter a person by hand and return the id. `at` dates the creation back."""
        with self.lock, _as_value_error():
            return self.database.create(self.database.clean(values), HUMAN, at=at, partition_id=partition_id)

    def create_many(self, people: Iterable[tuple[Mapping[str, Any], datetime | None]]) -> list[int]:
        """Enter many people by hand, each with the moment of the creation, and return their ids."""
        with self.lock, _as_value_error():
            database = self.database
            return [database.create(database.clean(values), HUMAN, at=at) for values, at in people]

    def edit(self, lead_id: int, values: Mapping[str, Any]) -> int:
        """Edit a person by hand and return how many fields changed. KeyError when there is no such person."""
        return self._edit(lead_id, values, HUMAN)

    def edit_by_campaign(self, lead_id: int, values: Mapping[str, Any], campaign: str = "Nurture") -> int:
        """Let a smart campaign change a person: other attributes in the log, otherwise the same."""
        reason = f"Changed by Smart Campaign {campaign}"
        return self._edit(lead_id, values, Origin("Marketo Flow Action", reason, "Marketo Flow Action"))

    def _edit(self, lead_id: int, values: Mapping[str, Any], origin: Origin) -> int:
        with self.lock, _as_value_error():
            person = self.database.people.get(lead_id)
            if person is None:
                raise KeyError(lead_id)
            return self.database.edit(lead_id, self.database.clean(values, lead=person), origin)

    def lead(self, lead_id: int) -> dict[str, Any] | None:
        """Return a person's filled fields, or None."""
        with self.lock:
            person = self.database.people.get(lead_id)
            return None if person is None else dict(person)

    def leads(self) -> list[dict[str, Any]]:
        """Everybody's filled fields, oldest id first."""
        with self.lock:
            return [dict(person) for _, person in self.database.people]

    def find(self, **values: Any) -> list[dict[str, Any]]:
        """People whose fields hold these values exactly, e.g. `find(email="a@x.example")`."""
        with self.lock:
            return [
                dict(person)
                for _, person in self.database.people
                if all(person.get(name) == value for name, value in values.items())
            ]

    def delete(self, lead_id: int) -> None:
        """Delete a person by hand. KeyError when there is none."""
        with self.lock:
            if lead_id not in self.database.people:
                raise KeyError(lead_id)
            self.database.delete(lead_id)

    def merge(self, winner: int, losers: Iterable[int]) -> None:
        """Merge people by hand into `winner`. ValueError when one of them is unknown."""
        with self.lock, _as_value_error():
            self.database.merge(winner, list(losers))

    def activities(self, lead_id: int, type_id: int | None = None) -> list[Activity]:
        """Return a person's activities, oldest first, visible to the API yet or not."""
        with self.lock:
            return self.database.log.of_lead(lead_id, type_id)

    def next_feed_page(self) -> int:
        """Count a page of a change feed that has rows to give, and return its number."""
        with self.lock:
            self._feed_pages += 1
            return self._feed_pages

    def next_export_id(self) -> str:
        """Return an id for a bulk job, never used before."""
        return self._identifiers.guid()

    # ------------------------------------------------------------------ administration

    def add_service(
        self, client_id: str, client_secret: str, user: str, permissions: Iterable[Permission] | None = None
    ) -> CustomService:
        """Register another integration with its own credentials; it shares all limits."""
        granted = None if permissions is None else frozenset(permissions)
        return self.tokens.register(CustomService(client_id, client_secret, user, granted))

    def add_field(
        self,
        name: str,
        data_type: str = "string",
        *,
        display_name: str | None = None,
        length: int | None = None,
        read_only: bool = False,
    ) -> FieldDefinition:
        """Make a custom field in the admin screen, where text areas are possible too, and return it."""
        kind = DataType(data_type)
        default = {DataType.TEXT: 30_000}.get(kind, _TEXT_LENGTH if kind in _WITH_LENGTH else None)
        definition = FieldDefinition(
            id=0,
            name=name,
            display_name=display_name or name,
            data_type=kind,
            length=length or default,
            soap_name=name,
            read_only=read_only,
            is_custom=True,
        )
        with self.lock:
            return self.database.fields.add(definition)

    def change_field(self, name: str, **changes: Any) -> None:
        """Change a field's definition, e.g. `length=50` or `data_type=DataType.INTEGER`. KeyError when unknown."""
        with self.lock:
            field = self.database.fields.get(name)
            if field is None:
                raise KeyError(name)
            self.database.fields.replace(replace(field, **changes))

    def set_field_read_only(self, name: str, read_only: bool = True) -> None:  # noqa: FBT001, FBT002 - reads as a verb
        """Take a field's writability away from the API, or give it back."""
        self.change_field(name, read_only=read_only)

    def hide_field(self, name: str, hidden: bool = True) -> None:  # noqa: FBT001, FBT002 - reads as a verb
        """Hide a field, the nearest thing to deleting one, or show it again."""
        self.change_field(name, is_hidden=hidden)

    def add_partition(self, name: str) -> int:
        """Make a lead partition and return its id."""
        with self.lock:
            number = max(self.database.partitions) + 1
            self.database.partitions[number] = name
            return number


_WITH_LENGTH: Final = frozenset({DataType.STRING, DataType.EMAIL, DataType.PHONE, DataType.URL})


@contextmanager
def _as_value_error() -> Iterator[None]:
    try:
        yield
    except RefusalError as refused:
        raise ValueError(str(refused)) from refused
