"""Reading of tables and columns, in the shapes a real organisation sends."""

from __future__ import annotations

from typing import Any

import pytest

from include.dynamics.metadata import add_details, parse_column, parse_table
from include.dynamics.values import Column, Option
from include.errors import ContractViolation


def _attribute(**changes: Any) -> dict[str, Any]:
    return {
        "@odata.type": "#Microsoft.Dynamics.CRM.StringAttributeMetadata",
        "LogicalName": "jobtitle",
        "AttributeType": "String",
        "AttributeTypeName": {"Value": "StringType"},
        "AttributeOf": None,
        "IsValidForRead": True,
        "IsValidForCreate": True,
        "IsValidForUpdate": False,
        "IsSecured": True,
        "RequiredLevel": {"Value": "Recommended", "CanBeChanged": True},
        "MetadataId": "6B1C0000-0000-4000-8000-00000000AB01",
        **changes,
    }


def _label(text: str | None) -> dict[str, Any]:
    one = {"Label": text, "LanguageCode": 1033}
    return {"LocalizedLabels": [one] if text else [], "UserLocalizedLabel": one if text else None}


def test_parse_column_takes_over_what_the_base_collection_tells() -> None:
    """Type without its ending, rights, security, level, id in lower case."""
    assert parse_column(_attribute()) == Column(
        name="jobtitle",
        type="String",
        metadata_id="6b1c0000-0000-4000-8000-00000000ab01",
        readable=True,
        creatable=True,
        updatable=False,
        secured=True,
        required_level="Recommended",
    )


def test_parse_column_leaves_out_shadows_of_other_columns() -> None:
    """A column that repeats another one is none of its own."""
    assert parse_column(_attribute(AttributeOf="ownerid")) is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"AttributeType": "Virtual", "AttributeTypeName": {"Value": "MultiSelectPicklistType"}},
            "MultiSelectPicklist",
        ),
        ({"AttributeTypeName": None}, "String"),
        ({"AttributeTypeName": None, "AttributeType": "Virtual"}, "String"),
        ({"AttributeTypeName": "MoneyType"}, "Money"),
    ],
)
def test_parse_column_finds_the_type_wherever_it_stands(changes: dict[str, Any], expected: str) -> None:
    """AttributeType says Virtual for several types; the better sources win."""
    column = parse_column(_attribute(**changes))

    assert column is not None
    assert column.type == expected


def test_add_details_reads_options_with_their_state_and_label() -> None:
    """A status belongs to a state; an unlabelled option has an empty label; false and zero are values."""
    details = {
        "OptionSet": {
            "Options": [
                {"Value": 1, "State": 0, "Label": _label("Active")},
                {"Value": 2, "State": 1, "Label": _label(None)},
            ]
        }
    }

    column = add_details(Column("statuscode", "Status"), details)

    assert column.options == (Option(1, "Active", 0), Option(2, "", 1))


def test_add_details_reads_global_choices_and_booleans() -> None:
    """A shared list of options and the two sides of a boolean are options alike."""
    shared = {"OptionSet": None, "GlobalOptionSet": {"Options": [{"Value": 0, "Label": _label("Sunday")}]}}
    boolean = {
        "OptionSet": {"TrueOption": {"Value": 1, "Label": _label("No")}, "FalseOption": {"Value": 0, "Label": {}}}
    }

    assert add_details(Column("day", "Picklist"), shared).options == (Option(0, "Sunday"),)
    assert add_details(Column("b", "Boolean"), boolean).options == (Option(0, ""), Option(1, "No"))


def test_add_details_reads_limits_behaviour_and_targets() -> None:
    """Zero is a limit, not the lack of one."""
    limits = add_details(Column("x", "Money"), {"MinValue": 0, "MaxValue": 1e14, "Precision": 2, "MaxLength": None})
    date = add_details(Column("birthdate", "DateTime"), {"DateTimeBehavior": {"Value": "DateOnly"}})
    lookup = add_details(Column("ownerid", "Owner"), {"Targets": ["systemuser", "team"]})

    assert (limits.minimum, limits.maximum, limits.precision, limits.max_length) == (0, 1e14, 2, None)
    assert date.date_behavior == "DateOnly"
    assert lookup.targets == ("systemuser", "team")


def test_parse_table_reads_plain_and_managed_properties() -> None:
    """A flag may be a plain value or an object with Value."""
    definition = {
        "LogicalName": "lead",
        "EntitySetName": "leads",
        "PrimaryIdAttribute": "leadid",
        "ChangeTrackingEnabled": {"Value": True},
        "IsOptimisticConcurrencyEnabled": False,
    }

    table = parse_table(definition)

    assert (table.name, table.entity_set, table.primary_key) == ("lead", "leads", "leadid")
    assert table.change_tracking
    assert not table.optimistic_concurrency


def test_parse_table_without_entity_set_is_a_breach_of_contract() -> None:
    """Without the set no row can be addressed, so nothing is guessed."""
    with pytest.raises(ContractViolation):
        parse_table({"LogicalName": "lead"})
