"""The lead fields of one instance: definitions, the catalogue, and which of them can be searched by."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["TEXT_TYPES", "DataType", "FieldCatalogue", "FieldDefinition"]


class DataType(StrEnum):
    """Field types as `describe` spells them. Source: field-types.md."""

    STRING = "string"
    TEXT = "text"
    EMAIL = "email"
    PHONE = "phone"
    URL = "url"
    INTEGER = "integer"
    SCORE = "score"
    PERCENT = "percent"
    FLOAT = "float"
    CURRENCY = "currency"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    REFERENCE = "reference"
    FORMULA = "lead_function"


TEXT_TYPES: Final = frozenset({DataType.STRING, DataType.TEXT, DataType.EMAIL, DataType.PHONE, DataType.URL})
# Source: leads.md: "any custom field of type string, email, or integer".
_SEARCHABLE_TYPES: Final = frozenset({DataType.STRING, DataType.EMAIL, DataType.INTEGER})
_FIRST_CUSTOM_ID: Final = 1_100


@dataclass(frozen=True, slots=True)
class FieldDefinition:
    """
    One lead field.

    `name` is its REST name; `rest` says whether REST may use it at all; `length` is in characters (bytes for text
    areas) and only there for texts.
    """

    id: int
    name: str
    display_name: str
    data_type: DataType
    length: int | None = None
    soap_name: str = ""
    rest: bool = True
    read_only: bool = False
    is_company: bool = False
    is_custom: bool = False
    is_api_created: bool = False
    is_hidden: bool = False
    is_html_encoding_in_email: bool = True
    is_sensitive: bool = False
    searchable: bool = False
    description: str = ""

    @property
    def usable(self) -> bool:
        """Whether REST calls may name this field."""
        return self.rest and not self.is_hidden


class FieldCatalogue:
    """
    All fields of an instance, found by REST name.

    Field ids differ from instance to instance, so the standard ones are shuffled by the instance's number.
    """

    def __init__(self, standard: tuple[FieldDefinition, ...], instance: int) -> None:
        shuffled = random.Random(instance).sample(range(2, 900), len(standard))  # noqa: S311 - repeatable on purpose
        self._by_name = {one.name: replace(one, id=number) for one, number in zip(standard, shuffled, strict=True)}
        self._next_id = _FIRST_CUSTOM_ID + instance

    def __iter__(self) -> Iterator[FieldDefinition]:
        """All fields, in the order of their making."""
        return iter(list(self._by_name.values()))

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> FieldDefinition | None:
        """Return the field with this REST name, or None. Names are case-sensitive."""
        return self._by_name.get(name)

    def usable(self, name: str) -> FieldDefinition | None:
        """Return the field with this REST name if REST calls may use it, else None."""
        found = self._by_name.get(name)
        return found if found is not None and found.usable else None

    def searchable(self) -> list[FieldDefinition]:
        """Fields that may be `filterType`: `id`, the listed standard ones, and custom texts and integers."""
        return [one for one in self._by_name.values() if one.usable and self.is_searchable(one)]

    @staticmethod
    def is_searchable(one: FieldDefinition) -> bool:
        """Whether leads can be found by this field. Source: leads.md, describe2 `searchableFields`."""
        return one.searchable or (one.is_custom and one.data_type in _SEARCHABLE_TYPES)

    def names_taken(self) -> set[str]:
        """Lower-cased REST and display names in use, for the uniqueness rules of new fields."""
        taken = {one.name.lower() for one in self._by_name.values()}
        return taken | {one.display_name.lower() for one in self._by_name.values()}

    def count_api_created(self) -> int:
        """How many custom fields the API has made so far."""
        return sum(one.is_api_created for one in self._by_name.values())

    def add(self, definition: FieldDefinition) -> FieldDefinition:
        """Take in a custom field and return it with its id. Raises ValueError when the name is taken."""
        if definition.name in self._by_name:
            raise ValueError(f"field {definition.name!r} exists already")
        added = replace(definition, id=self._next_id)
        self._next_id += 1
        self._by_name[added.name] = added
        return added

    def replace(self, definition: FieldDefinition) -> None:
        """Put a changed definition in the place of the field with the same name. KeyError when there is none."""
        if definition.name not in self._by_name:
            raise KeyError(definition.name)
        self._by_name[definition.name] = definition

    def remove(self, name: str) -> None:
        """Forget a field altogether, as support can. KeyError when there is none."""
        del self._by_name[name]
