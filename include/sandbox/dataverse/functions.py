"""Functions and actions that are bound to nothing or to one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.sandbox.dataverse.access import Verb, privilege_id
from include.sandbox.dataverse.answers import answer
from include.sandbox.dataverse.errors import NotBuilt
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.paths import no_such_method
from include.sandbox.dataverse.sales import qualify_lead
from include.sandbox.dataverse.schema import metadata_id

if TYPE_CHECKING:
    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.server import Call, Reply

__all__ = ["BoundFunctions", "who_am_i"]

_ALLOWED = 4


def who_am_i(organization: Organization, caller: Caller) -> Reply:
    """
    Return who the caller is.

    Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/whoami
    """
    body = {
        "@odata.context": f"{organization.api_url}$metadata#Microsoft.Dynamics.CRM.WhoAmIResponse",
        "BusinessUnitId": organization.ids.business_unit,
        "UserId": caller.user_id,
        "OrganizationId": organization.ids.organization,
    }
    return answer(200, body)


class BoundFunctions:
    """Functions and actions of one row. The organisation's lock has to be held."""

    def __init__(self, organization: Organization, caller: Caller, table: Table, row_id: str) -> None:
        self._organization = organization
        self._caller = caller
        self._table = table
        self._row_id = row_id

    def answer(self, call: Call, step: str) -> Reply:
        """
        Return the answer of a function or action. Raises Refusal, NotBuilt for one that the sandbox lacks.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/use-web-api-functions
        """
        name = step.removeprefix("Microsoft.Dynamics.CRM.").removesuffix("()")
        match self._table.name, name:
            case "systemuser", "RetrieveUserPrivileges":
                return self._function(call, name, self._privileges())
            case "systemuser", "RetrievePrincipalAttributePrivileges":
                return self._function(call, name, self._column_privileges())
            case "lead", "QualifyLead":
                return qualify_lead(self._organization, self._caller, self._row_id, call)
            case _:
                raise NotBuilt(Gap.ACTION, name)

    def _function(self, call: Call, name: str, body: dict[str, Any]) -> Reply:
        if call.method != "GET":
            raise no_such_method(call.method)
        organization = self._organization
        organization.access.require(self._caller, Verb.READ, self._table)
        organization.row(self._table, self._row_id)
        context = f"{organization.api_url}$metadata#Microsoft.Dynamics.CRM.{name}Response"
        return answer(200, {"@odata.context": context, **body})

    def _privileges(self) -> dict[str, Any]:
        """
        Return what the user's roles allow.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveuserprivileges
        """
        granted = self._organization.access.privileges if self._row_id == self._caller.user_id else {}
        empty = "00000000-0000-0000-0000-000000000000"
        return {
            "RolePrivileges": [
                {
                    "Depth": depth,
                    "PrivilegeId": privilege_id(name),
                    "BusinessUnitId": self._organization.ids.business_unit,
                    "PrivilegeName": name,
                    "RecordFilterId": empty,
                    "RecordFilterUniqueName": "",
                }
                for name, depth in granted.items()
            ]
        }

    def _column_privileges(self) -> dict[str, Any]:
        """
        Return what the user may do with secured columns. A secured column that is not listed is closed.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/reference/retrieveprincipalattributeprivileges
        """
        own = self._row_id == self._caller.user_id
        grants = self._organization.access.grants.items() if own else ()
        return {
            "AttributePrivileges": [
                {
                    "AttributeId": metadata_id(table, column),
                    "CanRead": _ALLOWED * grant.read,
                    "CanCreate": _ALLOWED * grant.create,
                    "CanUpdate": _ALLOWED * grant.update,
                }
                for (table, column), grant in grants
            ]
        }
