"""Definitions, privileges and column-level security on the wire."""

from __future__ import annotations

import pytest

from include.sandbox.dataverse.schema import Column, ColumnType, Option
from tests.contract.dataverse_sandbox.conftest import error_of

CONTACT = "EntityDefinitions(LogicalName='contact')"
CRM = "Microsoft.Dynamics.CRM."


def columns(wire, cast: str, options: str, table: str = "contact") -> dict[str, dict]:
    """Return definitions by column name."""
    answer = wire.get(f"EntityDefinitions(LogicalName='{table}')/Attributes/{CRM}{cast}?{options}")
    assert answer.status_code == 200, answer.text
    return {item["LogicalName"]: item for item in answer.json()["value"]}


def test_table_definition(wire):
    """A table tells its set, key, tracking and concurrency."""
    names = (
        "LogicalName,EntitySetName,PrimaryIdAttribute,ObjectTypeCode,ChangeTrackingEnabled,CanChangeTrackingBeEnabled"
    )
    found = wire.get(
        f"{CONTACT}?$select={names},IsOptimisticConcurrencyEnabled&$expand=Keys($select=KeyAttributes)"
    ).json()

    assert found["@odata.context"].endswith("/$entity")
    assert (found["EntitySetName"], found["PrimaryIdAttribute"], found["ObjectTypeCode"]) == (
        "contacts",
        "contactid",
        2,
    )
    assert (found["ChangeTrackingEnabled"], found["IsOptimisticConcurrencyEnabled"], found["Keys"]) == (True, True, [])
    assert found["MetadataId"]


def test_absent_table_is_not_found(sandbox, wire):
    """An organisation without Sales has no leads."""
    sandbox.dynamics.organization.lock.acquire()
    tables, sets = dict(sandbox.dynamics.organization.schema.tables), dict(sandbox.dynamics.organization.schema.by_set)
    sandbox.dynamics.organization.lock.release()
    sandbox.dynamics.remove_table("lead")
    try:
        assert wire.get("EntityDefinitions(LogicalName='lead')").status_code == 404
        assert error_of(wire.get("leads")) == (404, "0x8006088a")
    finally:
        sandbox.dynamics.organization.schema.tables = tables
        sandbox.dynamics.organization.schema.by_set = sets


def test_common_properties_of_columns(wire):
    """The plain collection gives what all columns have, and their kind as a type annotation."""
    names = "LogicalName,AttributeType,AttributeTypeName,AttributeOf,IsValidForCreate,IsValidForUpdate,RequiredLevel"
    found = {item["LogicalName"]: item for item in wire.get(f"{CONTACT}/Attributes?$select={names}").json()["value"]}

    assert found["lastname"]["@odata.type"] == f"#{CRM}StringAttributeMetadata"
    assert found["lastname"]["RequiredLevel"]["Value"] == "ApplicationRequired"
    assert (found["statecode"]["IsValidForCreate"], found["statecode"]["IsValidForUpdate"]) == (False, True)
    assert found["gendercodename"]["AttributeOf"] == "gendercode"
    assert found["parentcustomerid"]["AttributeType"] == "Customer"
    assert {name for name, item in found.items() if "MaxLength" in item} == set()


def test_special_properties_need_their_cast(wire):
    """MaxLength belongs to texts only."""
    assert error_of(wire.get(f"{CONTACT}/Attributes?$select=LogicalName,MaxLength")) == (400, "0x80060888")
    assert columns(wire, "StringAttributeMetadata", "$select=LogicalName,MaxLength")["jobtitle"]["MaxLength"] == 100
    assert columns(wire, "MemoAttributeMetadata", "$select=LogicalName,MaxLength")["description"]["MaxLength"] == 2000
    lead = columns(wire, "StringAttributeMetadata", "$select=LogicalName,MaxLength", "lead")
    assert (lead["mobilephone"]["MaxLength"], lead["pager"]["MaxLength"]) == (20, 20)


def test_ranges_precisions_dates_and_targets(wire):
    """Numbers have ranges, amounts a precision, dates a behaviour, lookups their targets."""
    whole = columns(wire, "IntegerAttributeMetadata", "$select=LogicalName,MinValue,MaxValue")
    money = columns(wire, "MoneyAttributeMetadata", "$select=LogicalName,MinValue,MaxValue,Precision,PrecisionSource")
    dates = columns(wire, "DateTimeAttributeMetadata", "$select=LogicalName,DateTimeBehavior,Format")
    lookups = columns(wire, "LookupAttributeMetadata", "$select=LogicalName,Targets")

    assert (whole["numberofchildren"]["MinValue"], whole["numberofchildren"]["MaxValue"]) == (0, 1_000_000_000)
    assert money["annualincome"]["Precision"] == 2
    assert dates["birthdate"]["DateTimeBehavior"]["Value"] == "DateOnly"
    assert (dates["lastusedincampaign"]["DateTimeBehavior"]["Value"], dates["lastusedincampaign"]["Format"]) == (
        "UserLocal",
        "DateOnly",
    )
    assert lookups["parentcustomerid"]["Targets"] == ["account", "contact"]
    assert lookups["ownerid"]["Targets"] == ["systemuser", "team"]


@pytest.mark.parametrize(
    ("cast", "column"), [("PicklistAttributeMetadata", "leadsourcecode"), ("StateAttributeMetadata", "statecode")]
)
def test_options_have_values_and_labels(wire, cast, column):
    """Options come when expanded, with labels in the user's language."""
    found = columns(wire, cast, "$select=LogicalName&$expand=OptionSet($select=Options),GlobalOptionSet", "lead")[
        column
    ]

    labels = {
        option["Value"]: option["Label"]["UserLocalizedLabel"]["Label"] for option in found["OptionSet"]["Options"]
    }
    assert labels[1] in {"Advertisement", "Qualified"}
    assert found["GlobalOptionSet"] is None


def test_status_options_name_their_state(wire):
    """A status belongs to a state."""
    found = columns(wire, "StatusAttributeMetadata", "$select=LogicalName&$expand=OptionSet", "lead")["statuscode"]

    states = {option["Value"]: option["State"] for option in found["OptionSet"]["Options"]}
    assert states == {1: 0, 2: 0, 3: 1, 4: 2, 5: 2, 6: 2, 7: 2}


def test_two_options_have_a_true_and_a_false(wire):
    """Booleans carry both labels and a default."""
    found = columns(wire, "BooleanAttributeMetadata", "$select=LogicalName,DefaultValue&$expand=OptionSet")

    assert found["donotemail"]["OptionSet"]["TrueOption"]["Label"]["UserLocalizedLabel"]["Label"] == "Do Not Allow"
    assert (found["donotemail"]["DefaultValue"], found["followemail"]["DefaultValue"]) == (False, True)


def test_multi_select_is_virtual_by_type_but_named(sandbox, wire):
    """Multi-select columns show their kind in AttributeTypeName only, take sorted texts, and check each option."""
    options = (Option(1, "Red"), Option(9, "Blue"))
    sandbox.dynamics.add_column("contact", Column("new_colours", ColumnType.MULTI_SELECT, options=options))

    found = columns(wire, "MultiSelectPicklistAttributeMetadata", "$select=LogicalName,AttributeType,AttributeTypeName")
    assert found["new_colours"]["AttributeType"] == "Virtual"
    assert found["new_colours"]["AttributeTypeName"]["Value"] == "MultiSelectPicklistType"
    made = wire.post("contacts?$select=new_colours", {"new_colours": "9,1"}, prefer="return=representation").json()
    assert made["new_colours"] == "9,1"
    assert error_of(wire.post("contacts", {"new_colours": "2"})) == (400, "0x8004431a")


def test_definitions_can_be_filtered(wire):
    """Simple properties can be filtered, kinds by their literal."""
    kind = f"{CRM}AttributeTypeCode'Picklist'"
    found = wire.get(f"{CONTACT}/Attributes?$select=LogicalName&$filter=AttributeType eq {kind}").json()["value"]
    tables = wire.get("EntityDefinitions?$select=EntitySetName&$filter=LogicalName eq 'lead'").json()["value"]

    assert "gendercode" in {item["LogicalName"] for item in found}
    assert "lastname" not in {item["LogicalName"] for item in found}
    assert [table["EntitySetName"] for table in tables] == ["leads"]


def test_metadata_is_not_paged_and_not_written(wire):
    """Paging options are refused; changing definitions is not built."""
    assert wire.get(f"{CONTACT}/Attributes?$top=1").status_code == 400
    assert wire.post(f"{CONTACT}/Attributes", {}).status_code == 501


def test_roles_and_privileges_of_the_user(sandbox, wire):
    """A user's role and rights can be read, with the depth that change tracking needs."""
    sandbox.dynamics.grant("Read", "lead", "Basic")
    sandbox.dynamics.revoke("Delete", "contact")
    user = wire.get("WhoAmI").json()["UserId"]

    roles = wire.get(f"systemusers({user})/systemuserroles_association?$select=name").json()["value"]
    granted = wire.get(f"systemusers({user})/{CRM}RetrieveUserPrivileges()").json()["RolePrivileges"]

    depths = {entry["PrivilegeName"]: entry["Depth"] for entry in granted}
    assert [role["name"] for role in roles] == ["Person Sync"]
    assert (depths["prvReadContact"], depths["prvReadLead"]) == ("Global", "Basic")
    assert "prvDeleteContact" not in depths


def test_column_privileges_join_by_metadata_id(sandbox, wire):
    """What a user may do with secured columns is told by the column's MetadataId."""
    sandbox.dynamics.secure_column("contact", "governmentid", read=True)
    user = sandbox.dynamics.user_id

    (entry,) = wire.get(f"systemusers({user})/{CRM}RetrievePrincipalAttributePrivileges()").json()[
        "AttributePrivileges"
    ]
    column = wire.get(f"{CONTACT}/Attributes(LogicalName='governmentid')?$select=IsSecured,MetadataId").json()

    assert entry == {"AttributeId": column["MetadataId"], "CanRead": 4, "CanCreate": 0, "CanUpdate": 0}
    assert column["IsSecured"] is True


def test_probe_for_bulk_actions(wire):
    """The message filters tell which bulk actions a table has."""
    condition = "sdkmessageid/name eq '{}' and primaryobjecttypecode eq 'contact'"
    query = f"sdkmessagefilters?$select=sdkmessagefilterid&$filter={condition}"

    assert len(wire.get(query.format("UpdateMultiple")).json()["value"]) == 1
    assert wire.get(query.format("DeleteMultiple")).json()["value"] == []


def test_who_am_i_is_a_function(wire):
    """It is asked for with GET, with or without brackets."""
    assert wire.get("WhoAmI()").json() == wire.get("WhoAmI").json()
    assert error_of(wire.post("WhoAmI", {})) == (404, "")
