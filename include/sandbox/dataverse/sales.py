"""
What sales people do with leads and contacts beyond editing: qualify and merge.

Source: https://learn.microsoft.com/dynamics365/customer-engagement/web-api/qualifylead and
https://learn.microsoft.com/power-apps/developer/data-platform/webapi/merge-entity-using-web-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from include.sandbox.dataverse.access import Caller, Verb
from include.sandbox.dataverse.answers import answer, no_content
from include.sandbox.dataverse.computed import compute_columns
from include.sandbox.dataverse.errors import NotBuilt, Refusal, invalid_argument, payload_error
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.organization import Requirements
from include.sandbox.dataverse.paths import no_such_method
from include.sandbox.dataverse.payload import parse_json_object
from include.sandbox.dataverse.removal import referring_rows
from include.sandbox.dataverse.store import Reference
from include.sandbox.dataverse.values import GUID
from include.sandbox.dataverse.writing import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.dataverse.store import Row
    from include.sandbox.server import Call, Reply

__all__ = ["merge", "merge_rows", "qualify", "qualify_lead"]

_CREATES: Final = {"CreateAccount": "account", "CreateContact": "contact", "CreateOpportunity": "opportunity"}
_QUALIFY_PARAMETERS: Final = frozenset(
    {
        *_CREATES,
        "Status",
        "OpportunityCurrencyId",
        "OpportunityCustomerId",
        "SourceCampaignId",
        "ProcessInstanceId",
    }
)
_MERGE_PARAMETERS: Final = frozenset({"Target", "Subordinate", "UpdateContent", "PerformParentingChecks"})
_MERGED_STATE: Final = {"contact": (1, 2), "lead": (2, 7), "account": (1, 2)}
_NEVER_COPIED: Final = frozenset(
    {"statecode", "statuscode", "leadsourcecode", "fullname", "yomifullname", "merged", "masterid"}
)


def qualify_lead(organization: Organization, caller: Caller, lead_id: str, call: Call) -> Reply:
    """
    Turn an open lead into the rows asked for, and close it as qualified.

    Source: https://learn.microsoft.com/dynamics365/customer-engagement/web-api/qualifylead
    """
    if call.method != "POST":
        raise no_such_method(call.method)
    body = parse_json_object(call.body, "leads")
    if unknown := sorted(body.keys() - _QUALIFY_PARAMETERS):
        raise payload_error("leads", f"The parameter '{unknown[0]}' is not a parameter of 'QualifyLead'.")
    for name in (*_CREATES, "Status"):
        if name not in body:
            raise payload_error("leads", f"The parameter '{name}' of 'QualifyLead' is missing.")
    if body.keys() - {*_CREATES, "Status"}:
        raise NotBuilt(Gap.ACTION, "QualifyLead with references")
    organization.access.require(caller, Verb.WRITE, organization.table("lead"))
    status = 3 if body["Status"] == -1 else body["Status"]
    wanted = {table for name, table in _CREATES.items() if body[name]}
    made = qualify(organization, caller, lead_id, wanted, status=status)
    value = [_reference(organization, table, row_id) for table, row_id in made.items()]
    return answer(200, {"@odata.context": f"{organization.api_url}$metadata#Collection(crmbaseentity)", "value": value})


def _reference(organization: Organization, table: str, row_id: str) -> dict[str, Any]:
    return {"@odata.type": f"#Microsoft.Dynamics.CRM.{table}", organization.table(table).primary_key: row_id}


def qualify(
    organization: Organization, caller: Caller, lead_id: str, wanted: set[str], *, status: int = 3
) -> dict[str, str]:
    """
    Qualify a lead and return the ids of the rows made, by table.

    The column mapping is simple: a column goes into the column of the same name. Raises Refusal for a closed lead.
    """
    table = organization.table("lead")
    lead = organization.row(table, lead_id)
    if lead["statecode"] != 0:
        raise Refusal(400, "0x80040519", "The lead is already closed.")
    option = table.columns["statuscode"].option(status)
    if option is None or option.state != 1:
        raise invalid_argument(f"{status} is not a status of a qualified lead.")
    with organization.store.transaction():
        made = _make_rows(organization, caller, lead, lead_id, wanted)
        after: Row = {**lead, "statecode": 1, "statuscode": status}
        columns = {"account": "parentaccountid", "contact": "parentcontactid", "opportunity": "qualifyingopportunityid"}
        after |= {columns[name]: Reference(name, row_id) for name, row_id in made.items()}
        _store(organization, caller, table, lead_id, after)
    return made


def _make_rows(organization: Organization, caller: Caller, lead: Row, lead_id: str, wanted: set[str]) -> dict[str, str]:
    made: dict[str, str] = {}
    own = {"account": {"name": lead.get("companyname")}, "contact": {}, "opportunity": {"name": lead.get("subject")}}
    for name in ("account", "contact", "opportunity"):
        if name in wanted:
            values: dict[str, Any] = {**_copied(organization, name, lead), **own[name]}
            if "originatingleadid" in organization.table(name).columns:
                values["originatingleadid"] = Reference("lead", lead_id)
            if name == "contact" and "account" in made:
                values["parentcustomerid"] = Reference("account", made["account"])
            made[name] = _insert(organization, caller, organization.table(name), values)
    return made


def _copied(organization: Organization, name: str, lead: Row) -> dict[str, Any]:
    columns = organization.table(name).columns
    return {
        column: value
        for column, value in lead.items()
        if column not in _NEVER_COPIED and (column == "ownerid" or not isinstance(value, Reference))
        if column in columns
        and columns[column].creatable
        and columns[column].type is organization.table("lead").columns[column].type
    }


def _insert(organization: Organization, caller: Caller, table: Table, values: Mapping[str, Any]) -> str:
    row_id = Writer(organization).create(caller, table, {}, Requirements())
    row = {**organization.row(table, row_id), **{name: value for name, value in values.items() if value is not None}}
    _store(organization, caller, table, row_id, row)
    return row_id


def _store(organization: Organization, caller: Caller, table: Table, row_id: str, row: Row) -> None:
    row["modifiedon"], row["modifiedby"] = organization.now_text(), Reference("systemuser", caller.user_id)
    compute_columns(organization, table, row)
    organization.store.put(table.name, row_id, row)


def merge(organization: Organization, caller: Caller, call: Call) -> Reply:
    """
    Merge two rows of a table: the subordinate is closed and points to the target.

    Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/merge-entity-using-web-api
    """
    if call.method != "POST":
        raise no_such_method(call.method)
    body = parse_json_object(call.body, "Merge")
    if unknown := sorted(body.keys() - _MERGE_PARAMETERS):
        raise payload_error("Merge", f"The parameter '{unknown[0]}' is not a parameter of 'Merge'.")
    table, target_id = _named_row(organization, body, "Target")
    other, subordinate_id = _named_row(organization, body, "Subordinate")
    if table is not other or table.name not in _MERGED_STATE:
        raise invalid_argument("Merge needs two rows of the same table: account, contact or lead.")
    content = body.get("UpdateContent") or {}
    organization.access.require(caller, Verb.WRITE, table)
    merge_rows(organization, caller, table, target_id, subordinate_id, content)
    return no_content()


def _named_row(organization: Organization, body: Mapping[str, Any], name: str) -> tuple[Table, str]:
    value = body.get(name)
    kind = str(value.get("@odata.type", "")).removeprefix("#") if isinstance(value, dict) else ""
    table = organization.schema.tables.get(kind.removeprefix("Microsoft.Dynamics.CRM."))
    row_id = value.get(table.primary_key) if table is not None and isinstance(value, dict) else None
    if table is None or not isinstance(row_id, str) or not GUID.fullmatch(row_id):
        raise payload_error("Merge", f"The parameter '{name}' has to name a row by '@odata.type' and primary key.")
    return table, row_id.lower()


def merge_rows(
    organization: Organization,
    caller: Caller,
    table: Table,
    target_id: str,
    subordinate_id: str,
    content: Mapping[str, Any],
) -> None:
    """Merge the subordinate into the target, with `content` (a body) taken into the target. Raises Refusal."""
    if target_id == subordinate_id:
        raise invalid_argument("A row cannot be merged with itself.")
    organization.row(table, target_id)
    subordinate = organization.row(table, subordinate_id)
    if subordinate.get("merged"):
        raise invalid_argument("The subordinate has already been merged.")
    state, status = _MERGED_STATE[table.name]
    with organization.store.transaction():
        Writer(organization).update(caller, table, target_id, dict(content), Requirements())
        _repoint(organization, caller, table, subordinate_id, target_id)
        master = Reference(table.name, target_id)
        closed = {**organization.row(table, subordinate_id), "merged": True, "masterid": master}
        _store(organization, caller, table, subordinate_id, {**closed, "statecode": state, "statuscode": status})


def _repoint(organization: Organization, caller: Caller, table: Table, old_id: str, new_id: str) -> None:
    for child, column, child_id in list(referring_rows(organization, table, old_id)):
        if column == "masterid" or (child is table and child_id in {old_id, new_id}):
            continue
        row = {**organization.row(child, child_id), column: Reference(table.name, new_id)}
        _store(organization, caller, child, child_id, row)
