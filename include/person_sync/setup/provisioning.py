"""What the sync needs in Marketo: custom fields and a custom activity type, and making them once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from include.errors import ConfigError
from include.marketo import ActivityAttribute, NewCustomActivityType, NewField

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from include.marketo import MarketoClient, MarketoField, RowResult, SchemaField
    from include.person_sync.config.settings import CustomFields
    from include.person_sync.core.fields import FieldMap

__all__ = ["PERMANENT", "ensure_activity_type", "ensure_fields", "identity_fields", "optional_fields", "refusal_type"]

PERMANENT = "Fields made by API can be hidden in Marketo, but never deleted."

_CHECK_ONLY_REMEDY = "Run setup without the check-only option; it makes them."
_TYPE_FAMILIES = (
    frozenset({"string", "text", "textarea"}),
    frozenset({"float", "currency", "percent"}),
    frozenset({"integer", "score"}),
)


def identity_fields(names: CustomFields) -> tuple[NewField, ...]:
    """Return the four fields the sync stands on, under the names the settings give them."""
    return (
        NewField(names.dynamics_id, "Dynamics Id", "string", "Id of the Dynamics row this person is linked to"),
        NewField(names.dynamics_type, "Dynamics Type", "string", "Dynamics table of the linked row: contact or lead"),
        NewField(names.dynamics_is_deleted, "Dynamics Is Deleted", "boolean", "The linked Dynamics row was deleted"),
        NewField(names.sync_to_dynamics, "Sync To Dynamics", "string", "Set to contact or lead to create the person"),
    )


def optional_fields(field_map: FieldMap, wanted: Sequence[str] | Literal["all"]) -> tuple[NewField, ...]:
    """
    Return the custom fields of the named map entries, or of all entries that have one to make.

    Raises ConfigError, with the valid names, for a name that is not mapped or needs no custom field.
    """
    possible = {field.name: field for field in field_map.fields if field.provision is not None}
    everything = "all" in wanted
    unknown = [] if everything else [name for name in wanted if name not in possible]
    if unknown:
        raise ConfigError(
            f"No custom field can be made for {', '.join(unknown)}.",
            remedy=f"Valid names: all, {', '.join(possible) or 'none'}.",
        )
    chosen = [field for name, field in possible.items() if everything or name in wanted]
    made = {
        field.marketo: NewField(field.marketo, field.provision.display_name, field.provision.data_type)
        for field in chosen
        if field.provision is not None
    }
    return tuple(made.values())


def refusal_type(api_name: str) -> NewCustomActivityType:
    """Return the activity type with which a refused record is written into its person's activity log."""
    attributes = {
        "operation": "Operation",
        "direction": "Direction",
        "errorCode": "Error Code",
        "fields": "Fields",
        "letter": "Letter",
    }
    return NewCustomActivityType(
        api_name=api_name,
        name="Dynamics Sync Refused",
        trigger_name="Dynamics sync is refused",
        filter_name="Dynamics sync was refused",
        primary_attribute=ActivityAttribute("reason", "Reason"),
        attributes=tuple(ActivityAttribute(name, label) for name, label in attributes.items()),
        description="A change that could not be carried out between Marketo and Dynamics",
    )


@dataclass
class _Complaints:
    """What is wrong with fields, each with its own remedy."""

    texts: list[str] = field(default_factory=list)
    remedies: list[str] = field(default_factory=list)

    def add(self, text: str, remedy: str) -> None:
        self.texts.append(text)
        if remedy not in self.remedies:
            self.remedies.append(remedy)

    def raise_if_any(self) -> None:
        if self.texts:
            raise ConfigError(f"{'; '.join(self.texts)}.", remedy=" ".join(self.remedies))


def ensure_fields(
    client: MarketoClient,
    wanted: Sequence[NewField],
    *,
    schema: Mapping[str, SchemaField],
    create: bool,
    made: list[str],
    same_type: bool,
) -> None:
    """
    Make the wanted fields that are absent, and raise ConfigError when one is missing or unusable afterwards.

    `schema` holds all fields by name, hidden ones too. Names of new fields are appended to `made`. Writes only with
    `create`; safe to repeat at any point, since what exists is left alone. With `same_type` a field must have exactly
    the wanted type, otherwise one that takes the same values will do.
    """
    present = _usable(client)
    complaints = _Complaints()
    _complain_about_unusable(complaints, wanted, present, schema)
    absent = [new for new in wanted if new.name not in present and new.name not in schema]
    if absent and not create:
        complaints.add(f"missing: {_names(absent)}", _CHECK_ONLY_REMEDY)
    elif absent:
        results = client.create_fields(absent)
        present = _usable(client)
        made += [f"field {new.name}" for new in absent if new.name in present]
        _complain_about_refusals(complaints, absent, results, present)
    _complain_about_definitions(complaints, wanted, present, same_type=same_type)
    complaints.raise_if_any()


def _usable(client: MarketoClient) -> dict[str, MarketoField]:
    return {field.name: field for field in client.describe()}


def _names(fields: Iterable[NewField]) -> str:
    return ", ".join(new.name for new in fields)


def _complain_about_unusable(
    complaints: _Complaints,
    wanted: Sequence[NewField],
    present: Mapping[str, MarketoField],
    schema: Mapping[str, SchemaField],
) -> None:
    for new in wanted:
        if new.name in present or new.name not in schema:
            continue
        state = "is hidden" if schema[new.name].is_hidden else "can't be used by REST"
        complaints.add(f"{new.name} exists but {state}", "Show the field again in Marketo (Admin > Field Management).")


def _complain_about_refusals(
    complaints: _Complaints,
    asked: Sequence[NewField],
    results: Sequence[RowResult],
    present: Mapping[str, MarketoField],
) -> None:
    """Judge by what is there now: after a repeated call Marketo reports a field it has just made as existing."""
    for new, result in zip(asked, results, strict=True):
        if new.name in present:
            continue
        if result.status == "created":
            complaints.add(f"{new.name} was made but is not shown yet", "Run setup again in a minute.")
            continue
        why = "; ".join(f"{error.code} {error.message}" for error in result.errors) or result.status
        complaints.add(
            f"{new.name} ({new.display_name!r}) could not be made ({why})",
            "Make it by hand in Marketo (Admin > Field Management), or rename the field that has its name or display "
            "name; then run setup again.",
        )


def _complain_about_definitions(
    complaints: _Complaints, wanted: Sequence[NewField], present: Mapping[str, MarketoField], *, same_type: bool
) -> None:
    for new in wanted:
        found = present.get(new.name)
        if found is None:
            continue
        if not _fits(found.data_type, new.data_type, same_type=same_type):
            complaints.add(
                f"{new.name} is of type {found.data_type}, not {new.data_type}",
                "Types can't be changed: give another field name in the YAML, and let setup make that one.",
            )
        if found.read_only:
            complaints.add(f"{new.name} is read-only for the API", "Lift 'block field updates' from it in Marketo.")


def _fits(found: str, wanted: str, *, same_type: bool) -> bool:
    if found == wanted:
        return True
    return not same_type and any({found, wanted} <= family for family in _TYPE_FAMILIES)


def ensure_activity_type(client: MarketoClient, api_name: str, *, create: bool, made: list[str]) -> int:
    """
    Return the id of the approved activity type, made, completed and approved when it is not.

    Appends to `made` what was done. Writes only with `create`; safe to repeat at any point. Raises ConfigError when the
    type is missing or a draft and nothing may be written, or when it has another primary attribute.
    """
    wanted = refusal_type(api_name)
    before = next((kind for kind in client.custom_activity_types() if kind.api_name == api_name), None)
    found = before
    if create:
        found = client.create_custom_activity_type(wanted)
        if not found.is_approved:
            found = client.approve_custom_activity_type(api_name)
            made.append(f"activity type {api_name} ({'completed and approved' if before else 'new, approved'})")
    if found is None or found.type_id is None or not found.status.startswith("approved"):
        state = f"is {found.status}" if found is not None else "does not exist"
        raise ConfigError(
            f"The activity type {api_name} {state}.", remedy="Run setup without the check-only option; it approves it."
        )
    if found.primary_attribute and found.primary_attribute != wanted.primary_attribute.api_name:
        raise ConfigError(
            f"The activity type {api_name} has the primary attribute {found.primary_attribute}, not "
            f"{wanted.primary_attribute.api_name}.",
            remedy="Give another name in the setting 'activity_type'; setup makes that type.",
        )
    return found.type_id
