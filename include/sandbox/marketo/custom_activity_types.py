"""Custom activity types: draft, approval, attributes, and the rules that hold in each state."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.marketo.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ATTRIBUTE_TYPES", "CustomActivityType", "CustomActivityTypes", "TypeAttribute", "TypeState"]

# Source: activities.md and the Swagger file.
ATTRIBUTE_TYPES: Final = frozenset(
    {"string", "boolean", "integer", "float", "link", "email", "currency", "date", "datetime", "phone", "text"},
)
_MAX_TYPES: Final = 10
_MAX_ATTRIBUTES: Final = 20
_FIRST_ID: Final = 100_001
_API_NAME: Final = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9_]+")


class TypeState(StrEnum):
    """The states of a custom activity type, spelled as answers do."""

    DRAFT = "draft"
    APPROVED = "approved"
    APPROVED_WITH_DRAFT = "approved with draft"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class TypeAttribute:
    """One attribute of a type. `is_primary` for the one every record has."""

    api_name: str
    name: str
    data_type: str = "string"
    description: str = ""
    is_primary: bool = False


@dataclass(frozen=True, slots=True)
class Definition:
    """What a draft or the approved version says."""

    name: str
    trigger_name: str
    filter_name: str
    primary: TypeAttribute
    description: str = ""
    attributes: tuple[TypeAttribute, ...] = ()


@dataclass(slots=True)
class CustomActivityType:
    """A custom activity type: at most one draft and at most one approved version. `used` once a record was added."""

    id: int
    api_name: str
    created_at: str
    updated_at: str
    draft: Definition | None
    approved: Definition | None = None
    deleted: bool = False
    used: bool = False

    @property
    def state(self) -> TypeState:
        """The state, from which versions there are."""
        if self.deleted:
            return TypeState.DELETED
        if self.approved is None:
            return TypeState.DRAFT
        return TypeState.APPROVED if self.draft is None else TypeState.APPROVED_WITH_DRAFT

    @property
    def current(self) -> Definition:
        """The approved version, else the draft."""
        version = self.approved or self.draft
        if version is None:
            raise ValueError(f"activity type {self.api_name} has no version")
        return version

    @property
    def edited(self) -> Definition:
        """The draft, else the approved version."""
        return self.draft or self.current


@dataclass(slots=True)
class CustomActivityTypes:
    """All custom activity types of an instance."""

    _types: dict[str, CustomActivityType] = field(default_factory=dict)
    _next_id: int = _FIRST_ID

    def __iter__(self) -> Iterator[CustomActivityType]:
        return iter(self._types.values())

    def get(self, api_name: str) -> CustomActivityType:
        """Return the type with this API name. Raises ApiError 1013 when there is none."""
        found = self._types.get(api_name)
        if found is None or found.deleted:
            raise ApiError("1013", f"Activity type '{api_name}' not found")
        return found

    def by_id(self, type_id: int) -> CustomActivityType | None:
        """Return the type with this id, or None."""
        return next((one for one in self if one.id == type_id and not one.deleted), None)

    def create(self, api_name: str, draft: Definition, now: str) -> CustomActivityType:
        """Make a draft type. Raises ApiError 1027 over ten types, 1017 for a taken name, 1003 for an unusable one."""
        if not _API_NAME.fullmatch(api_name):
            raise ApiError("1003", "apiName must be alphanumeric and contain a letter")
        alive = [one for one in self if not one.deleted]
        self._refuse_taken_names(api_name, draft, alive)
        if len(alive) >= _MAX_TYPES:
            raise ApiError("1027", "Maximum number of custom activity types reached")
        made = CustomActivityType(self._next_id, api_name, now, now, draft)
        self._next_id += 1
        self._types[api_name] = made
        return made

    @staticmethod
    def _refuse_taken_names(api_name: str, draft: Definition, alive: list[CustomActivityType]) -> None:
        for one in alive:
            if one.api_name.lower() == api_name.lower() or one.current.name.lower() == draft.name.lower():
                raise ApiError("1017", "An activity type with this apiName or name exists already")

    def change(self, api_name: str, changes: dict[str, Any], now: str) -> CustomActivityType:
        """Change the draft, made of the approved version if need be. A used type's primary attribute is fixed."""
        one = self.get(api_name)
        if one.used and "primary" in changes and changes["primary"] != one.edited.primary:
            raise ApiError("1022", "The primary attribute of an activity type in use cannot change")
        one.draft = replace(one.edited, **changes)
        one.updated_at = now
        return one

    def approve(self, api_name: str, now: str) -> CustomActivityType:
        """Make the draft the approved version. Raises ApiError 1003 when there is no draft."""
        one = self.get(api_name)
        if one.draft is None:
            raise ApiError("1003", f"Activity type '{api_name}' has no draft to approve")
        one.approved, one.draft, one.updated_at = one.draft, None, now
        return one

    def discard_draft(self, api_name: str, now: str) -> CustomActivityType:
        """Drop the draft of an approved type. Raises ApiError 1003 when either version is missing."""
        one = self.get(api_name)
        if one.draft is None or one.approved is None:
            raise ApiError("1003", f"Activity type '{api_name}' has no draft that could be discarded")
        one.draft, one.updated_at = None, now
        return one

    def delete(self, api_name: str, now: str) -> CustomActivityType:
        """Delete an unused type. Raises ApiError 1022 for one in use."""
        one = self.get(api_name)
        if one.used:
            raise ApiError("1022", f"Activity type '{api_name}' is in use")
        one.deleted, one.updated_at = True, now
        return one

    def add_attributes(self, api_name: str, added: list[TypeAttribute], now: str) -> CustomActivityType:
        """Put attributes into the draft. Raises ApiError 1028 over twenty, 1017 for a taken name."""
        present = self.get(api_name).edited
        for one in added:
            if any(
                one.api_name == other.api_name or one.name == other.name
                for other in (*present.attributes, present.primary)
            ):
                raise ApiError("1017", f"Attribute '{one.api_name}' exists already")
        together = (*present.attributes, *added)
        if len(together) > _MAX_ATTRIBUTES:
            raise ApiError("1028", "Maximum number of attributes reached")
        return self.change(api_name, {"attributes": together}, now)

    def change_attributes(self, api_name: str, changed: list[dict[str, Any]], now: str) -> CustomActivityType:
        """Change attributes of the draft, each a mapping with `api_name` and what should differ."""
        attributes = {one.api_name: one for one in self.get(api_name).edited.attributes}
        for change in changed:
            name = change["api_name"]
            if name not in attributes:
                raise ApiError("1013", f"Attribute '{name}' not found")
            attributes[name] = replace(attributes[name], **change)
        return self.change(api_name, {"attributes": tuple(attributes.values())}, now)

    def remove_attributes(self, api_name: str, removed: list[str], now: str) -> CustomActivityType:
        """Take attributes out of the draft."""
        attributes = {one.api_name: one for one in self.get(api_name).edited.attributes}
        for name in removed:
            if attributes.pop(name, None) is None:
                raise ApiError("1013", f"Attribute '{name}' not found")
        return self.change(api_name, {"attributes": tuple(attributes.values())}, now)
