"""Checks of the Marketo side, from the address to the activity type; provisioning happens on the way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from include.errors import QuotaExhausted
from include.http import Transport
from include.marketo import CallRefused, format_datetime
from include.marketo.auth import TokenKeeper
from include.person_sync.setup.checklist import NotRunError
from include.person_sync.setup.checks_local import SETTINGS
from include.person_sync.setup.provisioning import (
    ensure_activity_type,
    ensure_fields,
    identity_fields,
    optional_fields,
)
from include.person_sync.setup.reach import api_answer, reach

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from include.marketo import SchemaField
    from include.person_sync.config.settings import Settings
    from include.person_sync.setup.checklist import Checklist
    from include.person_sync.setup.parts import SetupParts

__all__ = ["ACTIVITY_TYPE", "CUSTOM_FIELDS", "READ_LEAD", "MarketoChecks"]

CONNECTION = "marketo_connection"
HOST = "marketo_host"
CREDENTIALS = "marketo_credentials"
BUDGET = "marketo_api_budget"
READ_LEAD = "marketo_read_lead"
WRITE_LEAD = "marketo_write_lead"
SCHEMA = "marketo_schema"
READ_ACTIVITIES = "marketo_read_activities"
ACTIVITY_METADATA = "marketo_activity_metadata"
CUSTOM_FIELDS = "marketo_custom_fields"
SEARCHABLE = "marketo_searchable_id"
OPTIONAL_FIELDS = "marketo_optional_fields"
ACTIVITY_TYPE = "marketo_activity_type"
WRITE_ACTIVITIES = "marketo_write_activities"

_IDENTITY_PATH = "/identity/oauth/token"
_HOST_REMEDY = "Check the setting 'host': it must be the REST address of the instance (Admin > Web Services)."
_TYPE_REMEDY = (
    "Look at Admin > Marketo Custom Activities: at most ten types are allowed, and their names must differ. Then run "
    "setup again."
)
_IDLE_CALLS_A_DAY = 288 * 5
_LEAST_CALLS_LEFT = 60
"""An hour of cycles that find nothing to do."""

_NOBODY = 0
"""An id no lead has: writes aimed at it prove the permission and change nothing."""
_NO_ROW = "00000000-0000-0000-0000-000000000000"


class MarketoChecks:
    """
    The checks of one instance. `made` names what was provisioned.

    Writes nothing with `check_only`. The permissions to write are tried on a lead that can't exist, so these calls
    change nothing either.
    """

    def __init__(
        self,
        checklist: Checklist,
        parts: SetupParts,
        *,
        provision: Sequence[str] | Literal["all"],
        check_only: bool,
    ) -> None:
        self._checklist = checklist
        self._parts = parts
        self._provision = provision
        self._create = not check_only
        self.made: list[str] = []
        self._exhausted: QuotaExhausted | None = None
        self._used = 0
        self._schema: dict[str, SchemaField] = {}
        self._type_id = 0

    def run(self) -> None:
        """Run the checks in order."""
        run = self._checklist.run
        run(CONNECTION, self._connection)
        run(HOST, self._host, needs=[CONNECTION])
        run(CREDENTIALS, self._credentials, needs=[HOST])
        run(BUDGET, self._budget, needs=[CREDENTIALS])
        run(READ_LEAD, self._read_lead, needs=[BUDGET])
        run(WRITE_LEAD, self._write_lead, needs=[READ_LEAD])
        run(SCHEMA, self._read_schema, needs=[BUDGET])
        run(READ_ACTIVITIES, self._read_activities, needs=[BUDGET])
        run(ACTIVITY_METADATA, self._activity_metadata, needs=[BUDGET])
        run(CUSTOM_FIELDS, self._custom_fields, needs=[SETTINGS, READ_LEAD])
        run(SEARCHABLE, self._searchable, needs=[CUSTOM_FIELDS])
        if self._provision:
            run(OPTIONAL_FIELDS, self._optional_fields, needs=[CUSTOM_FIELDS, SCHEMA])
        run(ACTIVITY_TYPE, self._activity_type, needs=[SETTINGS, ACTIVITY_METADATA], remedy=_TYPE_REMEDY)
        run(WRITE_ACTIVITIES, self._write_activities, needs=[ACTIVITY_TYPE])

    @property
    def _settings(self) -> Settings:
        return self._parts.settings()

    def _connection(self) -> str:
        connection = self._parts.marketo_connection()
        return f"instance {connection.munchkin_id}."

    def _host(self) -> str:
        connection = self._parts.marketo_connection()
        return reach(
            f"{connection.host}{_IDENTITY_PATH}",
            name="marketo",
            setting="host",
            ca_bundle=connection.ca_bundle,
            judge=api_answer,
            remedy=_HOST_REMEDY,
        )

    def _credentials(self) -> str:
        """Ask for a token, then use it; a used-up allowance comes after that and is the next check's matter."""
        connection = self._parts.marketo_connection()
        transport = Transport(name="marketo", ca_bundle=connection.ca_bundle, attempts=2, total_wait_s=10)
        try:
            TokenKeeper(connection, transport, clock=time.monotonic, sleep=time.sleep).authorization()
        finally:
            transport.close()
        try:
            self._used = self._parts.marketo().usage()
        except QuotaExhausted as exhausted:
            self._exhausted = exhausted
        return "the identity service gives a token, and the API takes it."

    def _budget(self) -> str:
        if self._exhausted is not None:
            raise self._exhausted
        quota = self._settings.marketo.daily_quota if self._checklist.has_passed(SETTINGS) else 50_000
        if quota - self._used < _LEAST_CALLS_LEFT:
            raise _too_few_calls(self._used, quota, self._parts.now())
        return (
            f"{self._used:,} of {quota:,} calls were used today by all integrations; cycles that find nothing to do "
            f"take at most {_IDLE_CALLS_A_DAY:,} a day."
        )

    def _read_lead(self) -> str:
        return f"{len(self._parts.marketo().describe())} lead fields are visible."

    def _write_lead(self) -> str:
        try:
            self._parts.marketo().sync_leads([{"id": _NOBODY}], action="updateOnly", lookup_field="id")
        except CallRefused as refusal:
            return f"leads may be written (a lead that can't exist was refused with {refusal.code})."
        return "leads may be written (tried on a lead that can't exist)."

    def _read_schema(self) -> str:
        self._schema = {field.name: field for field in self._parts.marketo().schema_fields()}
        return f"{len(self._schema)} fields are defined, hidden ones included."

    def _read_activities(self) -> str:
        self._parts.marketo().paging_token(self._parts.now())
        return "the change feeds may be read."

    def _activity_metadata(self) -> str:
        return f"{len(self._parts.marketo().custom_activity_types())} custom activity types exist."

    def _custom_fields(self) -> str:
        wanted = identity_fields(self._settings.custom_fields)
        if self._create and not self._checklist.has_passed(SCHEMA):
            self._require_without_schema([field.name for field in wanted])
        ensure_fields(
            self._parts.marketo(), wanted, schema=self._schema, create=self._create, made=self.made, same_type=True
        )
        return f"present and writable: {', '.join(field.name for field in wanted)}."

    def _require_without_schema(self, names: Sequence[str]) -> None:
        """Without the schema a missing field could be hidden rather than absent, and nothing can be made."""
        present = {field.name for field in self._parts.marketo().describe()}
        missing = [name for name in names if name not in present]
        if missing:
            raise NotRunError(f"{', '.join(missing)} can't be made before '{SCHEMA.replace('_', ' ')}' passes.")

    def _searchable(self) -> str:
        """Search for nobody; Marketo answers 1003 or 1011 for a field by which leads can't be found."""
        name = self._settings.custom_fields.dynamics_id
        for _ in self._parts.marketo().leads_by(name, [_NO_ROW], ["id"]):
            pass
        return f"leads can be found by {name}."

    def _optional_fields(self) -> str:
        wanted = optional_fields(self._settings.field_map, self._provision)
        ensure_fields(
            self._parts.marketo(), wanted, schema=self._schema, create=self._create, made=self.made, same_type=False
        )
        return f"present: {', '.join(field.name for field in wanted) or 'none to make'}."

    def _activity_type(self) -> str:
        name = self._settings.activity_type
        self._type_id = ensure_activity_type(self._parts.marketo(), name, create=self._create, made=self.made)
        return f"{name} is approved (id {self._type_id})."

    def _write_activities(self) -> str:
        activity = {
            "leadId": _NOBODY,
            "activityDate": format_datetime(self._parts.now()),
            "activityTypeId": self._type_id,
            "primaryAttributeValue": "setup",
            "attributes": [],
        }
        try:
            self._parts.marketo().add_activities([activity])
        except CallRefused as refusal:
            return f"activities may be added (one for a lead that can't exist was refused with {refusal.code})."
        return "activities may be added (tried on a lead that can't exist)."


def _too_few_calls(used: int, quota: int, now: datetime) -> QuotaExhausted:
    from include.marketo.dates import next_quota_reset

    return QuotaExhausted(
        f"{used:,} of {quota:,} calls were used today; fewer than {_LEAST_CALLS_LEFT} are left.",
        resets_at=next_quota_reset(now),
        remedy="Wait for the reset at midnight US Central Time, raise the limit with Adobe, or correct the setting "
        "marketo.daily_quota.",
    )
