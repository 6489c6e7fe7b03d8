"""The people of an instance and the indexes by which they are found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.sandbox.marketo.values import Value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from include.sandbox.marketo.fields import FieldCatalogue

__all__ = ["People", "Person"]

Person = dict[str, Value]


class People:
    """
    People by id, each a mapping from REST name to value without its empty fields.

    An index over a searchable field is built when that field is first searched by, and kept up to date from then on:
    finding 300 keys among 200,000 people costs 300 dictionary look-ups. `comparisons` counts them for the tests.
    """

    def __init__(self, fields: FieldCatalogue, *, first_id: int = 1_001) -> None:
        self._fields = fields
        self._people: dict[int, Person] = {}
        self._indexes: dict[str, dict[Value, set[int]]] = {}
        self._next_id = first_id
        self.case_sensitive = False
        self.comparisons = 0

    def __len__(self) -> int:
        return len(self._people)

    def __contains__(self, lead_id: int) -> bool:
        return lead_id in self._people

    def __iter__(self) -> Iterator[tuple[int, Person]]:
        return iter(self._people.items())

    def get(self, lead_id: int) -> Person | None:
        """Return the living record (not a copy), or None."""
        return self._people.get(lead_id)

    def ids(self) -> list[int]:
        """All ids, oldest first."""
        return list(self._people)

    def next_id(self) -> int:
        """Return an id never used before."""
        taken = self._next_id
        self._next_id += 1
        return taken

    def add(self, lead_id: int, person: Person) -> None:
        """Take in a person under a fresh id."""
        self._people[lead_id] = person
        for name in self._indexes:
            self._index(name, lead_id, person.get(name))

    def put(self, lead_id: int, changes: Mapping[str, Value | None]) -> None:
        """Write values over a person's; None empties a field."""
        person = self._people[lead_id]
        for name, value in changes.items():
            if name in self._indexes:
                self._unindex(name, lead_id, person.get(name))
                self._index(name, lead_id, value)
            if value is None:
                person.pop(name, None)
            else:
                person[name] = value

    def remove(self, lead_id: int) -> Person:
        """Take a person out and return what was known."""
        person = self._people.pop(lead_id)
        for name in self._indexes:
            self._unindex(name, lead_id, person.get(name))
        return person

    def find(self, name: str, values: Iterable[Value]) -> set[int]:
        """
        Ids of the people whose field `name` holds one of the values.

        Texts compare without case unless `case_sensitive`. [ND] in lead-database.md.
        """
        if name == "id":
            return self._known(values)
        index = self._indexes.get(name)
        if index is None:
            index = self._build(name)
        found: set[int] = set()
        for value in values:
            self.comparisons += 1
            found |= index.get(self._key(value), set())
        return found

    def find_one_field(self, name: str, value: Value) -> set[int]:
        """Ids of the people whose field `name` holds the value."""
        return self.find(name, (value,))

    def drop_indexes(self) -> None:
        """Forget all indexes: a switch of how texts compare makes them wrong."""
        self._indexes.clear()

    def _known(self, values: Iterable[Value]) -> set[int]:
        wanted = {int(value) for value in values}
        self.comparisons += len(wanted)
        return {lead_id for lead_id in wanted if lead_id in self._people}

    def _build(self, name: str) -> dict[Value, set[int]]:
        self._indexes[name] = {}
        for lead_id, person in self._people.items():
            self._index(name, lead_id, person.get(name))
        return self._indexes[name]

    def _key(self, value: Value) -> Value:
        return value.casefold() if isinstance(value, str) and not self.case_sensitive else value

    def _index(self, name: str, lead_id: int, value: Value | None) -> None:
        if value is not None:
            self._indexes[name].setdefault(self._key(value), set()).add(lead_id)

    def _unindex(self, name: str, lead_id: int, value: Value | None) -> None:
        if value is None:
            return
        key = self._key(value)
        holders = self._indexes[name].get(key, set())
        holders.discard(lead_id)
        if not holders:
            self._indexes[name].pop(key, None)
