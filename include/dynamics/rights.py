"""What the application user may do: privileges by role, and rights on secured columns."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from include.dynamics.errors import read_error
from include.dynamics.literals import find_guids, row_path
from include.dynamics.reading import entries, page_size, read_pages
from include.dynamics.values import ColumnPrivilege

if TYPE_CHECKING:
    from include.dynamics.web_api import WebApi

_log = logging.getLogger(__name__)

_DEPTHS = ("Basic", "Local", "Deep", "Global")
_ALLOWED = 4


def fetch_privileges(api: WebApi, user_id: str) -> dict[str, str] | None:
    """
    Return the user's privileges with their depth: Basic, Local, Deep or Global (the organisation).

    Of several grants of one privilege the widest counts. None when the organisation does not tell.
    """
    granted = _call(api, user_id, "RetrieveUserPrivileges", "RolePrivileges")
    if granted is None:
        return None
    names = {} if all(item.get("PrivilegeName") for item in granted) else _fetch_privilege_names(api)
    privileges: dict[str, str] = {}
    for item in granted:
        name = item.get("PrivilegeName") or names.get(_guid(item.get("PrivilegeId")))
        if isinstance(name, str):
            depth = _depth(item.get("Depth"))
            privileges[name] = max(depth, privileges.get(name, depth), key=_DEPTHS.index)
    return privileges


def fetch_column_privileges(api: WebApi, user_id: str) -> dict[str, ColumnPrivilege] | None:
    """
    Return the user's rights on secured columns, also those through teams, by the column's metadata id.

    A secured column that is not listed may not be read or written. None when the organisation does not tell: then every
    secured column has to count as unreadable, because a hidden value comes as null.
    Source: https://learn.microsoft.com/power-apps/developer/data-platform/column-level-security
    """
    listed = _call(api, user_id, "RetrievePrincipalAttributePrivileges", "AttributePrivileges")
    if listed is None:
        return None
    return {
        _guid(item.get("AttributeId")): ColumnPrivilege(
            read=item.get("CanRead") == _ALLOWED,
            create=item.get("CanCreate") == _ALLOWED,
            update=item.get("CanUpdate") == _ALLOWED,
        )
        for item in listed
    }


def _call(api: WebApi, user_id: str, function: str, collection: str) -> list[dict[str, Any]] | None:
    label = f"calling {function}"
    response = api.fetch(f"{row_path('systemusers', user_id)}/Microsoft.Dynamics.CRM.{function}()", label=label)
    if response.status in {400, 403, 404, 405, 501}:
        error = read_error(response)
        _log.warning("%s: not available (HTTP %d %s)", label, error.status, error.code)
        return None
    content = api.content(response, label=label)
    return entries({"value": content.get(collection)})


def _fetch_privilege_names(api: WebApi) -> dict[str, str]:
    """Return the names of all privileges by id; older builds tell only the id with a grant."""
    pages = read_pages(
        api, "privileges", [("$select", "name,privilegeid")], prefer=page_size(api), label="reading privileges"
    )
    return {_guid(row.get("privilegeid")): str(row.get("name")) for page in pages for row in entries(page)}


def _depth(told: object) -> str:
    if isinstance(told, int) and 0 <= told < len(_DEPTHS):
        return _DEPTHS[told]
    return str(told) if str(told) in _DEPTHS else _DEPTHS[0]


def _guid(told: object) -> str:
    found = find_guids(str(told))
    return found[0] if found else str(told)
