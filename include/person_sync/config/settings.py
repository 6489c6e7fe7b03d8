"""
The settings of the sync, typed and checked.

They come from one YAML file. Sections that it leaves out have the values of the `person_sync.yaml` beside this module,
which states every default. The environment may set single ones: see `include.person_sync.config.overrides`.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, WithJsonSchema

from include.errors import ConfigError
from include.person_sync.config.overrides import keys_of, model_in, read_overrides
from include.person_sync.config.yaml_file import read_yaml
from include.person_sync.core import fields as core
from include.person_sync.core.policy import DeletedPerson, MatchingPolicy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from include.person_sync.config.overrides import Overrides
    from include.person_sync.core.brakes import BrakeSettings

__all__ = ["DEFAULT_PATH", "DeletedPerson", "MatchingPolicy", "Settings", "load_settings"]

DEFAULT_PATH = Path(__file__).with_name("person_sync.yaml")
PATH_VARIABLE = "PERSON_SYNC_CONFIG"

Count = Annotated[int, Field(strict=True, ge=1)]
Amount = Annotated[int, Field(strict=True, ge=0)]
Share = Annotated[float, Field(gt=0, le=1)]
ConnectionId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.\-]+$")]
RestName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
ColumnName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Moment = Annotated[
    datetime,
    AfterValidator(lambda moment: moment if moment.tzinfo else moment.replace(tzinfo=UTC)),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date"}, {"format": "date-time"}]}),
]
"""A date or a point in time; without a zone it means UTC."""

CreatableType = Literal[
    "boolean", "currency", "date", "datetime", "email", "float", "integer", "percent", "phone", "score", "string", "url"
]
"""Types of custom fields that Marketo's API can make. Source: Marketo developer guide, "Leads", schema endpoints."""


class _Section(BaseModel):
    """A part of the settings: immutable, and a key it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class Matching(_Section):
    """The policy per direction: for a person asked into Dynamics, and for a new Dynamics row."""

    to_dynamics: MatchingPolicy = MatchingPolicy.LINK
    """A Marketo person whose field `syncToDynamics` asks for a row."""
    to_marketo: MatchingPolicy = MatchingPolicy.LINK
    """A new row in Dynamics."""


class CustomFields(_Section):
    """REST names of the Marketo fields in which the sync keeps a person's identity and takes requests."""

    dynamics_id: RestName = "dynamicsId"
    """Holds the id of the contact or lead."""
    dynamics_type: RestName = "dynamicsType"
    """Says whether it is a contact or a lead."""
    dynamics_is_deleted: RestName = "dynamicsIsDeleted"
    """Flags a person whose row was deleted."""
    sync_to_dynamics: RestName = "syncToDynamics"
    """Asks for a row in Dynamics."""


class MarketoSettings(_Section):
    """How hard Marketo may be used; all its limits are shared with every other integration of the instance."""

    rate_share: Share = 0.5
    """Share of the documented 100 calls in 20 seconds and 10 at once."""
    daily_quota: Count = 50_000
    """Calls a day the subscription allows."""


class DynamicsSettings(_Section):
    """How requests to Dynamics are cut, and whether its duplicate detection may refuse them."""

    batch_size: Annotated[int, Field(strict=True, ge=1, le=1000)] = 100
    """Requests in one `$batch`."""
    concurrency: Annotated[int, Field(strict=True, ge=1, le=52)] = 4
    """Batches at once."""
    page_size: Annotated[int, Field(strict=True, ge=1, le=5000)] = 5000
    """Rows read at a time."""
    duplicate_detection: bool = False
    """Whether Dynamics may refuse a row because its rules see a duplicate."""


class LimitSettings(_Section):
    """How many people of one run are still usual: at most `number`, and at most `share` of all once above `floor`."""

    share: Share
    """Most people, as a share of all who are linked, once above the floor."""
    number: Amount
    """Most people."""
    floor: Amount
    """So many people are usual, whatever their share."""


class Brakes(_Section):
    """The limits beyond which a run stops before its first write; they hold per direction."""

    changed: LimitSettings = LimitSettings(share=0.30, number=10_000, floor=100)
    """People who would be changed."""
    created: LimitSettings = LimitSettings(share=0.20, number=5_000, floor=100)
    """People who would be created."""
    emptied: LimitSettings = LimitSettings(share=0.05, number=1_000, floor=25)
    """People who would lose a filled value."""
    deleted: LimitSettings = LimitSettings(share=0.01, number=200, floor=10)
    """Rows that would be deleted."""
    shrunk_share: Share = 0.20
    """Share of the people that may be missing when a side is read in full."""
    shrunk_floor: Amount = 100
    """So many may be missing, whatever their share."""
    stop_on_map_change: bool = True
    """Whether a field map or filter that differs from that of the last run stops it."""

    def limits(self) -> BrakeSettings:
        """Return the limits as the core takes them."""
        from include.person_sync.core.brakes import (  # loads pandas, which reading settings does not
            BrakeSettings,
            Limit,
        )

        kinds = {
            name: Limit(**getattr(self, name).model_dump()) for name in ("changed", "created", "emptied", "deleted")
        }
        return BrakeSettings(
            **kinds,
            shrunk_share=self.shrunk_share,
            shrunk_floor=self.shrunk_floor,
            stop_on_map_change=self.stop_on_map_change,
        )


class Alerts(_Section):
    """Where failures are told; nothing set means nobody is told. Servers and keys live in Airflow connections."""

    email_to: tuple[Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")], ...] = ()
    """Who gets an e-mail."""
    email_from: str | None = None
    """The sender; null: as the connection says."""
    smtp_conn_id: ConnectionId = "smtp_default"
    """Airflow connection of type smtp."""
    apprise_conn_id: ConnectionId | None = None
    """Airflow connection of type apprise: Slack, Teams and other chat services."""


class AuditSettings(_Section):
    """Where the reports of audits are kept (a folder or URL; None: below the staging place), and how many of them."""

    reports: str | None = None
    """Folder or URL of the reports; null: `reports/` below `PERSON_SYNC_STAGING`."""
    keep_reports: Count = 30
    """Older reports are removed; their Parquet files hold values of people."""


class BaselineSettings(_Section):
    """How everybody is read and worked through in a baseline."""

    bulk: Literal["auto", "off"] = "auto"
    """`auto`: Marketo's bulk extract where the subscription has it; `off`: people are read by id."""
    poll_s: Annotated[float, Field(gt=0)] = 60.0
    """Seconds between two looks at an extract."""
    daily_megabytes: Count = 500
    """Extracts allowed per day, all integrations together."""
    jobs: Annotated[int, Field(strict=True, ge=1, le=10)] = 4
    """Extracts in Marketo's queue at once; all integrations share its ten places."""
    partition_people: Annotated[int, Field(strict=True, ge=100)] = 10_000
    """People per partition; bounds the memory."""


class ProvisionSettings(_Section):
    """The Marketo custom field that setup may make for a mapped field."""

    display_name: Annotated[str, StringConstraints(min_length=1, max_length=255)]
    """What people see in Marketo."""
    data_type: CreatableType
    """Its type in Marketo."""


class FieldSettings(_Section):
    """One mapped field; its name is its key. See `include.person_sync.core.fields.Field`."""

    type: core.FieldType
    """The form in which both sides are compared."""
    marketo: str
    """REST name in Marketo."""
    contact: str | None = None
    """Column of the contact; `lookup>table.column`: of the row a lookup points to."""
    lead: str | None = None
    """Column of the lead; `lookup>table.column`: of the row a lookup points to."""
    rule: core.Rule = core.Rule.TWO_WAY
    """The directions, and who wins a collision."""
    blank: core.Blank = core.Blank.PROPAGATE
    """What an emptied value means for the other side."""
    contact_rule: core.Rule | None = None
    """Another rule for contacts."""
    lead_rule: core.Rule | None = None
    """Another rule for leads."""
    provision: ProvisionSettings | None = None
    """The Marketo custom field that setup may make; until it exists the field takes no part."""
    backfill_since: Moment | None = None
    """When the field starts to take part, only rows changed since then are filled in at once."""

    def as_field(self, name: str) -> core.Field:
        """Return the field as the core takes it. Raises ConfigError naming it when its parts do not fit together."""
        parts = self.model_dump(exclude={"provision"})
        provision = None if self.provision is None else core.Provision(**self.provision.model_dump())
        return core.Field(name=name, **parts, provision=provision)


class Settings(_Section):
    """Everything a person may set. `field_map` is the map in the core's form."""

    fields_: dict[str, FieldSettings] = Field(alias="fields")
    """Which field of a person belongs to which columns, by a name of our own."""
    matching: Matching = Matching()
    """What happens to people who are not linked yet."""
    custom_fields: CustomFields = CustomFields()
    """Marketo fields of the sync itself."""
    deleted_in_marketo: DeletedPerson = DeletedPerson.RECREATE
    """What a deletion in Marketo means for the Dynamics row."""
    sync_filter_column: ColumnName | None = "new_synctomkto"
    """Yes/No column of contact and lead: No keeps a row out, empty lets it in. null: every row is synced."""
    activity_type: RestName = "dynamicsSyncRefused"
    """API name of the Marketo custom activity that records a refused change."""
    marketo: MarketoSettings = MarketoSettings()
    """How hard Marketo may be used."""
    dynamics: DynamicsSettings = DynamicsSettings()
    """How requests to Dynamics are cut."""
    overlap_minutes: Annotated[int, Field(strict=True, ge=0, le=1440)] = 10
    """Marketo's feeds are read again from this long before the last row seen: rows turn up late."""
    lease_ttl_s: Annotated[int, Field(strict=True, ge=30, le=86_400)] = 300
    """Seconds after which a run that was killed frees the lease."""
    schema_refresh_hours: Annotated[float, Field(gt=0)] = 24
    """How old the knowledge of both schemas may become."""
    chunk_people: Annotated[int, Field(strict=True, ge=100)] = 20_000
    """People worked on at a time; bounds the memory."""
    history_days: Count = 365
    """How long the history of every field is kept."""
    staging_days: Count = 7
    """How long staged files of runs that died are kept; others go right after their commit."""
    audit: AuditSettings = AuditSettings()
    """Reports of audits."""
    baseline: BaselineSettings = BaselineSettings()
    """Reading everybody: the first load, or a new baseline."""
    brakes: Brakes = Brakes()
    """What stops a run before its first write."""
    alerts: Alerts = Alerts()
    """Who is told of failures."""

    @cached_property
    def field_map(self) -> core.FieldMap:
        """The field map. Raises ConfigError naming the fields when two of them get in each other's way."""
        return core.FieldMap(tuple(entry.as_field(name) for name, entry in self.fields_.items()))

    def map_memory(self) -> dict[str, Any]:
        """Return what is remembered of the field map and the filter, to tell later what changed about them."""
        field_map = self.field_map
        return {"digest": field_map.digest(), "fields": field_map.meanings(), "filter": self.sync_filter_column}


def load_settings(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] = os.environ) -> Settings:
    """
    Return the settings in the file at `path`, else in the one `PERSON_SYNC_CONFIG` names, else the defaults.

    Variables `PERSON_SYNC__…` in `environ` win over the file. Raises ConfigError naming the file or the variable, the
    place in it, what stands there and what may.
    """
    chosen = Path(path or environ.get(PATH_VARIABLE) or DEFAULT_PATH).expanduser()
    content = read_yaml(chosen)
    overrides = read_overrides(Settings, environ)
    defaults = read_yaml(DEFAULT_PATH) if overrides.values or "fields" not in content else {}
    if "fields" not in content:
        content["fields"] = defaults["fields"]
    content = overrides.laid_over(content, defaults)
    try:
        settings = Settings.model_validate(content)
        _ = settings.field_map
    except ValidationError as error:
        raise ConfigError(_complaints(chosen, overrides, error), remedy=f"Compare with {DEFAULT_PATH}.") from None
    except ConfigError as error:
        raise ConfigError(f"{_sources(chosen, overrides)}: fields: {error.message}", remedy=error.remedy) from None
    return settings


_SHOWN = 10


def _sources(path: Path, overrides: Overrides) -> str:
    """Return what the field map was read from, for a mistake that lies between fields."""
    return " with ".join([str(path), *(name for place, name in overrides.variables.items() if place[0] == "fields")])


def _complaints(path: Path, overrides: Overrides, error: ValidationError) -> str:
    """Return the mistakes found: those of the file, then those of the environment."""
    of_file, of_environment = [], []
    for found in error.errors(include_url=False):
        variable = overrides.variable_of(found)
        if variable is None:
            of_file.append(_complaint(found))
        else:
            of_environment.append(f"{variable}: {_complaint(found)}")
    told = of_environment + ([f"{path}: {of_file[0]}", *of_file[1:]] if of_file else [])
    more = [f"and {len(told) - _SHOWN} more"] if len(told) > _SHOWN else []
    return "; ".join([*told[:_SHOWN], *more]) + "."


def _complaint(error: ErrorDetails) -> str:
    place = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"{place}: unknown key; valid keys: {', '.join(_keys_at(error['loc'][:-1]))}"
    if error["type"] == "missing":
        return f"{place}: is missing"
    context: Mapping[str, Any] = error.get("ctx") or {}
    if error["type"] in {"enum", "literal_error"}:
        return f"{place}: {_shown(error['input'])} is not one of {context['expected']}"
    message = error["msg"][:1].lower() + error["msg"][1:]
    return f"{place}: {_shown(error['input'])} is not valid: {message}"


def _shown(value: object) -> str:
    text = repr(value)
    if "://" in text:  # the address of a service, put where its connection's id belongs, often is a key
        return "a URL"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _keys_at(place: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the section at `place` may have."""
    section: type[BaseModel] = Settings
    for part in place:
        inner = keys_of(section).get(str(part))
        section = model_in(inner) or section  # a field's own name is no key of a section and leads nowhere
    return list(keys_of(section))
