"""
Collections of rows and single rows: what each method does to them.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/perform-operations-web-api
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.sandbox.dataverse.answers import answer, no_content
from include.sandbox.dataverse.errors import NotBuilt, payload_error, query_error
from include.sandbox.dataverse.gaps import Gap
from include.sandbox.dataverse.headers import requirements
from include.sandbox.dataverse.links import find_by_key, key_missing, parse_key
from include.sandbox.dataverse.multiple import Multiple
from include.sandbox.dataverse.options import QueryOptions, parse_options
from include.sandbox.dataverse.paging import parse_cookie
from include.sandbox.dataverse.paths import no_such_method
from include.sandbox.dataverse.payload import parse_json_object
from include.sandbox.dataverse.preferences import Preferences, parse_preferences
from include.sandbox.dataverse.query import Reader, require_readable
from include.sandbox.dataverse.tracking import ChangeFeed
from include.sandbox.dataverse.writing import Writer, etag
from include.sandbox.server import Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from include.sandbox.dataverse.access import Caller
    from include.sandbox.dataverse.organization import Organization
    from include.sandbox.dataverse.schema import Table
    from include.sandbox.server import Call

__all__ = ["CollectionResource", "RowResource"]


class CollectionResource:
    """An entity set."""

    def __init__(self, organization: Organization, caller: Caller, table: Table, references: Mapping[str, str]) -> None:
        self._organization = organization
        self._caller = caller
        self._table = table
        self._references = references

    def answer(self, call: Call, rest: list[str]) -> Reply:
        """
        Return the answer of a request to the collection or to what hangs on it. Raises Refusal.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/perform-operations-web-api
        """
        match call.method, rest:
            case "GET", []:
                return self._query(call)
            case "GET", ["$count"]:
                return self._count(call)
            case "POST", []:
                return self._create(call)
            case "POST", [action] if action.startswith("Microsoft.Dynamics.CRM."):
                body = parse_json_object(call.body, self._table.entity_set)
                name = action.removeprefix("Microsoft.Dynamics.CRM.")
                return Multiple(self._organization, self._caller, self._table).answer(name, body)
            case _:
                raise no_such_method(call.method)

    def _query(self, call: Call) -> Reply:
        """
        Return rows, or a page of a change-tracking pass.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/overview
        """
        options, preferences = self._options(call), parse_preferences(call.header("Prefer"))
        require_readable(self._organization, self._caller, self._table, options)
        applied = preferences.applied_header("odata.maxpagesize", "odata.include-annotations")
        if self._tracks(options, preferences):
            feed = ChangeFeed(self._organization, self._caller, self._table, options, preferences)
            names = ("odata.track-changes", "odata.maxpagesize", "odata.include-annotations")
            return answer(200, feed.page(call), preferences.applied_header(*names))
        return answer(200, self._reader(options, preferences).page(call), applied)

    def _tracks(self, options: QueryOptions, preferences: Preferences) -> bool:
        if options.delta_token is not None and not self._table.change_tracking:
            raise query_error(f"Change tracking is not enabled for the entity '{self._table.name}'.")
        if options.skip_token is not None and options.delta_token is None:
            return parse_cookie(options.skip_token).tracking
        # Where tracking is off the preference is passed over without a word, as preferences are.
        return options.delta_token is not None or (preferences.track_changes and self._table.change_tracking)

    def _count(self, call: Call) -> Reply:
        """
        Return the number of rows, or of changes since a delta link, as plain text.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/count-rows
        """
        options = self._options(call)
        require_readable(self._organization, self._caller, self._table, options)
        if options.delta_token is not None:
            number = ChangeFeed(self._organization, self._caller, self._table, options, Preferences()).count()
        else:
            number = self._reader(options, Preferences()).count()
        return Reply(200, {"Content-Type": "text/plain", "OData-Version": "4.0"}, str(number).encode())

    def _options(self, call: Call) -> QueryOptions:
        return parse_options(self._organization, self._table, call.query)

    def _reader(self, options: QueryOptions, preferences: Preferences) -> Reader:
        return Reader(self._organization, self._caller, self._table, options, preferences)

    def _create(self, call: Call) -> Reply:
        """
        Create a row.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api
        """
        body = _body(call, self._table)
        wishes = requirements(call, self._references)
        row_id = Writer(self._organization).create(self._caller, self._table, body, wishes)
        return written(self._organization, self._caller, self._table, row_id, call, created=True)


class RowResource:
    """One row, named by its id or by an alternate key."""

    def __init__(
        self, organization: Organization, caller: Caller, table: Table, key: str, references: Mapping[str, str]
    ) -> None:
        self._organization = organization
        self._caller = caller
        self._table = table
        self._references = references
        self._key = parse_key(organization, table, key)

    def existing_id(self) -> str:
        """Return the row's id. Raises Refusal 404 when no row has the key."""
        row_id = self._known_id()
        if row_id is None:
            raise key_missing(self._table)
        return row_id

    def _known_id(self) -> str | None:
        return self._key if isinstance(self._key, str) else find_by_key(self._organization, self._table, self._key)

    def answer(self, call: Call) -> Reply:
        """
        Return the answer of a request to the row itself. Raises Refusal.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api
        """
        match call.method:
            case "GET":
                return self._get(call)
            case "PATCH":
                return self._patch(call)
            case "DELETE":
                wishes = requirements(call, self._references)
                Writer(self._organization).delete(self._caller, self._table, self.existing_id(), wishes)
                return no_content()
            case _:
                raise no_such_method(call.method)

    def _get(self, call: Call) -> Reply:
        """
        Return the row, or 304 when the caller has it already.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/retrieve-entity-using-web-api
        """
        options = _single_options(self._organization, self._table, call)
        preferences = parse_preferences(call.header("Prefer"))
        require_readable(self._organization, self._caller, self._table, options)
        shown = Reader(self._organization, self._caller, self._table, options, preferences).one(self.existing_id())
        tag = shown["@odata.etag"]
        conditional = not options.expand and not preferences.annotations
        if conditional and requirements(call, {}).if_none_match == tag:
            return Reply(304, {"ETag": tag, "OData-Version": "4.0"})
        return answer(200, shown, {"ETag": tag, **preferences.applied_header("odata.include-annotations")})

    def _patch(self, call: Call) -> Reply:
        """
        Update the row, or create it when no condition forbids.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api
        and .../perform-conditional-operations-using-web-api
        """
        body, wishes, writer = (
            _body(call, self._table),
            requirements(call, self._references),
            Writer(self._organization),
        )
        row_id = self._known_id()
        exists = row_id is not None and self._organization.store.table(self._table.name).get(row_id) is not None
        updates = wishes.if_match is not None or (exists and wishes.if_none_match is None)
        if not updates:
            row_id = writer.create(self._caller, self._table, self._with_key(body), wishes, row_id=row_id)
        elif row_id is None:
            raise key_missing(self._table)
        else:
            writer.update(self._caller, self._table, row_id, body, wishes)
        assert row_id is not None  # noqa: S101 - create and update both end with one
        return written(self._organization, self._caller, self._table, row_id, call, created=not updates)

    def _with_key(self, body: dict[str, Any]) -> dict[str, Any]:
        return body if isinstance(self._key, str) else {**self._key, **body}

    def answer_property(self, call: Call, name: str) -> Reply:
        """
        Return the answer of a request to one column or one related row. Raises Refusal.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/update-delete-entities-using-web-api
        """
        if name == "systemuserroles_association" and self._table.name == "systemuser":
            return self._roles(call)
        if name in self._table.navigations:
            return self._related(call, name)
        column = self._table.properties.get(name)
        if column is None or column.is_lookup:
            raise (
                NotBuilt(Gap.NAVIGATION, name)
                if column is None and "_" in name
                else query_error(
                    f"Could not find a property named '{name}' on type 'Microsoft.Dynamics.CRM.{self._table.name}'."
                )
            )
        match call.method:
            case "GET":
                return self._get_column(name)
            case "PUT":
                body = parse_json_object(call.body, self._table.entity_set)
                if body.keys() != {"value"}:
                    raise payload_error(self._table.entity_set, 'The body of a property has to be {"value": …}.')
                return self._set(call, {name: body["value"]})
            case "DELETE":
                return self._set(call, {name: None})
            case _:
                raise no_such_method(call.method)

    def _set(self, call: Call, body: dict[str, Any]) -> Reply:
        wishes = requirements(call, self._references)
        Writer(self._organization).update(self._caller, self._table, self.existing_id(), body, wishes)
        return no_content()

    def _get_column(self, name: str) -> Reply:
        """
        Return one column.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/retrieve-entity-using-web-api
        """
        options = QueryOptions(select=(name,))
        require_readable(self._organization, self._caller, self._table, options)
        row_id = self.existing_id()
        shown = Reader(self._organization, self._caller, self._table, options, Preferences()).one(row_id)
        if shown[name] is None:
            return no_content()
        context = f"{self._organization.api_url}$metadata#{self._table.entity_set}({row_id})/{name}"
        return answer(200, {"@odata.context": context, "value": shown[name]})

    def _related(self, call: Call, name: str) -> Reply:
        """
        Return the row behind a lookup.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/retrieve-related-entities-query
        """
        if call.method != "GET":
            raise no_such_method(call.method)
        column, targets = self._table.navigations[name]
        require_readable(self._organization, self._caller, self._table, QueryOptions())
        reference = self._organization.row(self._table, self.existing_id()).get(column.name)
        if reference is None or reference.table not in targets:
            return no_content()
        target = self._organization.schema.tables.get(reference.table)
        if target is None:
            raise NotBuilt(Gap.TABLE, reference.table)
        return RowResource(self._organization, self._caller, target, reference.row_id, {}).answer(call)

    def _roles(self, call: Call) -> Reply:
        """
        Return the roles that a user has directly.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/reference/entities/systemuser
        """
        if call.method != "GET":
            raise NotBuilt(Gap.ASSOCIATE)
        roles = self._organization.table("role")
        options = _single_options(self._organization, roles, call)
        require_readable(self._organization, self._caller, roles, options)
        self._organization.row(self._table, self.existing_id())
        shown = Reader(self._organization, self._caller, roles, options, Preferences()).one(self._organization.ids.role)
        context = str(shown.pop("@odata.context")).removesuffix("/$entity")
        return answer(200, {"@odata.context": context, "value": [shown]})

    def answer_reference(self, call: Call, name: str) -> Reply:
        """
        Bind or clear a lookup through its `$ref`.

        Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/associate-disassociate-entities-using-web-api
        """
        if name not in self._table.navigations:
            raise NotBuilt(Gap.ASSOCIATE, name)
        match call.method:
            case "DELETE":
                return self._set(call, {name: None})
            case "PUT":
                body = parse_json_object(call.body, self._table.entity_set)
                return self._set(call, {f"{name}@odata.bind": body.get("@odata.id")})
            case _:
                raise NotBuilt(Gap.NAVIGATION, f"{call.method} {name}/$ref")


def written(
    organization: Organization, caller: Caller, table: Table, row_id: str, call: Call, *, created: bool
) -> Reply:
    """
    Return the answer of a create or update: nothing, or the row when the caller prefers its representation.

    Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/create-entity-web-api
    """
    preferences = parse_preferences(call.header("Prefer"))
    address = f"{organization.api_url}{table.entity_set}({row_id})"
    if not preferences.representation:
        headers = {"OData-EntityId": address}
        if created:
            headers["Location"] = address
        if organization.settings.etag_on_no_content:
            headers["ETag"] = etag(organization.row(table, row_id))
        return no_content(headers)
    options = _single_options(organization, table, call)
    shown = Reader(organization, caller, table, options, preferences).one(row_id)
    headers = {"ETag": shown["@odata.etag"], **preferences.applied_header("return", "odata.include-annotations")}
    if created:
        headers["Location"] = address
    return answer(201 if created else 200, shown, headers)


def _single_options(organization: Organization, table: Table, call: Call) -> QueryOptions:
    options = parse_options(organization, table, call.query)
    if unfit := sorted(options.given - {"$select", "$expand"}):
        raise query_error(f"The query parameter {unfit[0]} is not supported for a single entity.")
    return options


def _body(call: Call, table: Table) -> dict[str, Any]:
    kind = call.header("Content-Type") or ""
    if not kind.startswith("application/json"):
        raise payload_error(table.entity_set, f"A supported MIME type could not be found that matches '{kind}'.")
    return parse_json_object(call.body, table.entity_set)
