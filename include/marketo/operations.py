"""The endpoints in use: path, the permission each needs, and the server's own time-out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from urllib.parse import quote

READ_LEAD = "Read-Only Lead"
WRITE_LEAD = "Read-Write Lead"
READ_ACTIVITY = "Read-Only Activity"
WRITE_ACTIVITY = "Read-Write Activity"
WRITE_ACTIVITY_METADATA = "Read-Write Activity Metadata"
WRITE_SCHEMA = "Read-Write Schema Custom Field"


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint. `server_timeout_s` as in "marketo-integration-best-practices"; 30 s where it is silent."""

    name: str
    path: str
    permission: str
    server_timeout_s: float = 30.0

    @property
    def label(self) -> str:
        """The name used in logs and messages."""
        return f"marketo {self.name}"

    def at(self, **segments: str | int) -> Operation:
        """Return the operation with the placeholders of its path filled in, percent-encoded."""
        return replace(self, path=self.path.format(**{k: quote(str(v), safe="") for k, v in segments.items()}))


DESCRIBE = Operation("describe", "/rest/v1/leads/describe.json", READ_LEAD)
DESCRIBE2 = Operation("describe2", "/rest/v1/leads/describe2.json", READ_LEAD)
SCHEMA_FIELDS = Operation("schema_fields", "/rest/v1/leads/schema/fields.json", WRITE_SCHEMA)
CREATE_FIELDS = Operation("create_fields", "/rest/v1/leads/schema/fields.json", WRITE_SCHEMA)
LEADS_BY = Operation("leads_by", "/rest/v1/leads.json", READ_LEAD, 60.0)
SYNC_LEADS = Operation("sync_leads", "/rest/v1/leads.json", WRITE_LEAD, 90.0)
DELETE_LEADS = Operation("delete_leads", "/rest/v1/leads/delete.json", WRITE_LEAD)
MERGE_LEADS = Operation("merge_leads", "/rest/v1/leads/{winner}/merge.json", WRITE_LEAD, 180.0)
PAGING_TOKEN = Operation("paging_token", "/rest/v1/activities/pagingtoken.json", READ_ACTIVITY, 300.0)
LEAD_CHANGES = Operation("lead_changes", "/rest/v1/activities/leadchanges.json", READ_ACTIVITY)
ACTIVITIES = Operation("activities", "/rest/v1/activities.json", READ_ACTIVITY)
DELETED_LEADS = Operation("deleted_leads", "/rest/v1/activities/deletedleads.json", READ_ACTIVITY)
ADD_ACTIVITIES = Operation("add_activities", "/rest/v1/activities/external.json", WRITE_ACTIVITY, 90.0)
ACTIVITY_TYPES = Operation("custom_activity_types", "/rest/v1/activities/external/types.json", WRITE_ACTIVITY_METADATA)
CREATE_ACTIVITY_TYPE = Operation(
    "create_custom_activity_type", "/rest/v1/activities/external/type.json", WRITE_ACTIVITY_METADATA
)
DESCRIBE_ACTIVITY_TYPE = Operation(
    "describe_custom_activity_type", "/rest/v1/activities/external/type/{name}/describe.json", WRITE_ACTIVITY_METADATA
)
CREATE_ACTIVITY_ATTRIBUTES = Operation(
    "create_custom_activity_attributes",
    "/rest/v1/activities/external/type/{name}/attributes/create.json",
    WRITE_ACTIVITY_METADATA,
)
APPROVE_ACTIVITY_TYPE = Operation(
    "approve_custom_activity_type", "/rest/v1/activities/external/type/{name}/approve.json", WRITE_ACTIVITY_METADATA
)
CREATE_EXPORT = Operation("bulk create", "/bulk/v1/leads/export/create.json", READ_LEAD)
ENQUEUE_EXPORT = Operation("bulk enqueue", "/bulk/v1/leads/export/{job}/enqueue.json", READ_LEAD)
EXPORT_STATUS = Operation("bulk status", "/bulk/v1/leads/export/{job}/status.json", READ_LEAD)
EXPORT_FILE = Operation("bulk file", "/bulk/v1/leads/export/{job}/file.json", READ_LEAD, 120.0)
CANCEL_EXPORT = Operation("bulk cancel", "/bulk/v1/leads/export/{job}/cancel.json", READ_LEAD)
LIST_EXPORTS = Operation("bulk jobs", "/bulk/v1/leads/export.json", READ_LEAD)
USAGE = Operation("usage", "/rest/v1/stats/usage.json", "any")
