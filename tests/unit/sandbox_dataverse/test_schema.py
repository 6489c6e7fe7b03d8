"""The shipped schema, against the vendor's published limits."""

from __future__ import annotations

import pytest

from include.sandbox.dataverse.schema import ColumnType, Required, Schema


@pytest.fixture(scope="module")
def schema() -> Schema:
    """Return the schema of a new organisation."""
    return Schema.shipped()


@pytest.mark.parametrize(
    ("table", "column", "length"),
    [
        ("contact", "firstname", 50),
        ("contact", "jobtitle", 100),
        ("contact", "mobilephone", 50),
        ("lead", "mobilephone", 20),
        ("lead", "pager", 20),
        ("lead", "subject", 300),
        ("lead", "companyname", 100),
        ("contact", "company", 50),
        ("contact", "address1_line1", 250),
        ("contact", "address1_city", 80),
        ("contact", "address1_postalcode", 20),
        ("contact", "address1_name", 200),
        ("lead", "address1_name", 100),
        ("contact", "description", 2000),
        ("account", "name", 160),
    ],
)
def test_lengths(schema, table, column, length):
    """Texts are as long as the vendor ships them, contact and lead apart."""
    assert schema.tables[table].columns[column].max_length == length


def test_what_differs_between_contact_and_lead(schema):
    """Columns that only one of the two has are absent from the other."""
    contact, lead = schema.tables["contact"].columns, schema.tables["lead"].columns

    assert "donotbulkpostalmail" in contact
    assert "donotbulkpostalmail" not in lead
    assert "msdyn_gdproptout" in lead
    assert "msdyn_gdproptout" not in contact
    assert not any(name.startswith("address3") for name in lead)
    assert len(lead["leadsourcecode"].options) == 10
    assert len(contact["leadsourcecode"].options) == 1
    assert len(lead["industrycode"].options) == 33


def test_rights_of_system_columns(schema):
    """States cannot be set at creation, keys not afterwards, computed columns never."""
    columns = schema.tables["contact"].columns

    assert (columns["statecode"].creatable, columns["statecode"].updatable) == (False, True)
    assert (columns["contactid"].creatable, columns["contactid"].updatable) == (True, False)
    assert not any(
        columns[name].creatable or columns[name].updatable for name in ("fullname", "createdon", "owninguser")
    )
    assert columns["ownerid"].required is Required.SYSTEM


def test_every_column_is_addressed_by_one_name(schema):
    """Lookups are read as `_x_value` and written by their navigation properties."""
    contact = schema.tables["contact"]

    assert "_parentcustomerid_value" in contact.properties
    assert "parentcustomerid" not in contact.properties
    assert contact.navigations["parentcustomerid_account"][1] == ("account",)
    assert contact.navigations["ownerid"][1] == ("systemuser", "team")


def test_every_choice_has_options_and_every_number_a_range(schema):
    """No column lacks what its type needs."""
    for table in schema.tables.values():
        for column in table.columns.values():
            if column.type in {ColumnType.PICKLIST, ColumnType.STATE, ColumnType.STATUS, ColumnType.BOOLEAN}:
                assert column.options, (table.name, column.name)
            if column.type in {ColumnType.INTEGER, ColumnType.MONEY, ColumnType.DECIMAL, ColumnType.DOUBLE}:
                assert column.minimum is not None, (table.name, column.name)
                assert column.maximum is not None, (table.name, column.name)
            if column.is_lookup:
                assert column.navigations, (table.name, column.name)
