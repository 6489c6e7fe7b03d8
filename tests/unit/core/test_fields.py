"""The field map refuses what could not work, and says which field is meant."""

from __future__ import annotations

import dataclasses

import pytest

from include.errors import ConfigError
from include.person_sync.core.fields import Blank, ColumnSource, Field, FieldMap, FieldType, Provision, Rule, Table


def text(name: str, marketo: str, **more: object) -> Field:
    """Return a text field on contact."""
    return Field(name, FieldType.TEXT, marketo, **{"contact": name, **more})


def test_source_of_a_plain_column_is_the_column() -> None:
    """A logical name is read as it is; a table without a column has no source."""
    field = text("jobtitle", "title")

    assert field.source(Table.CONTACT) == ColumnSource("jobtitle", "jobtitle")
    assert field.source(Table.LEAD) is None


def test_source_of_a_lookup_names_column_table_and_text() -> None:
    """The name of a referenced row is found through the lookup's value column."""
    field = Field("owner", FieldType.LOOKUP, "owner", contact="owninguser>systemuser.fullname")

    source = field.source(Table.CONTACT)

    assert source == ColumnSource("owninguser", "_owninguser_value", "systemuser", "fullname")
    assert source is not None
    assert source.is_lookup


def test_lookup_only_flows_to_marketo_where_it_is_one() -> None:
    """A company is text on a lead and an account's name on a contact."""
    field = Field("company", FieldType.TEXT, "company", contact="parentcustomerid>account.name", lead="companyname")

    assert field.rule_for(Table.CONTACT) is Rule.DYNAMICS_TO_MARKETO
    assert field.rule_for(Table.LEAD) is Rule.TWO_WAY


def test_rule_of_a_table_replaces_the_general_rule() -> None:
    """Per-table rules win, `off` included."""
    field = text("a", "a", lead="a", rule=Rule.PREFER_MARKETO, contact_rule=Rule.OFF)

    assert field.rule_for(Table.CONTACT) is Rule.OFF
    assert field.rule_for(Table.LEAD) is Rule.PREFER_MARKETO


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "Job Title"},
        {"name": "link_id"},
        {"marketo": "job title"},
        {"contact": "owninguser>systemuser"},
        {"contact": "Job;Title"},
        {"contact": None},
        {"contact": "owninguser>systemuser.fullname", "rule": Rule.MARKETO_TO_DYNAMICS},
    ],
)
def test_field_refuses_what_cannot_work_and_names_itself(arguments: dict[str, object]) -> None:
    """A mistake in the map is a configuration error that names the field."""
    sound = {"name": "job_title", "type": FieldType.TEXT, "marketo": "title", "contact": "jobtitle"}

    with pytest.raises(ConfigError, match=str(arguments.get("name", "job_title"))):
        Field(**(sound | arguments))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (text("a", "x"), text("a", "y", contact="b")),
        (text("a", "x"), text("b", "x")),
        (text("a", "x"), text("b", "y", contact="a")),
        (text("a", "x", rule=Rule.MARKETO_TO_DYNAMICS), text("b", "y", contact="a")),
    ],
    ids=["name", "marketo field", "dynamics column", "one-way and two-way"],
)
def test_map_refuses_two_writers_of_one_target(one: Field, other: Field) -> None:
    """Two fields that write the same place would undo each other for ever."""
    with pytest.raises(ConfigError, match=rf"Fields {one.name} and {other.name}"):
        FieldMap((one, other))


@pytest.mark.parametrize(
    "second",
    [
        text("b", "y", contact="a", rule=Rule.DYNAMICS_TO_MARKETO),
        text("b", "x", contact="a", rule=Rule.OFF),
        Field("b", FieldType.TEXT, "x", lead="a"),
    ],
    ids=["second reader", "switched off", "other table"],
)
def test_map_allows_fields_that_do_not_fight(second: Field) -> None:
    """One column may feed two Marketo fields (P-102); tables and switched-off fields don't clash."""
    both = FieldMap((text("a", "x"), second))

    assert text("a", "x") in both.for_table(Table.CONTACT)


def test_meaning_of_a_field_changes_with_what_moves_values_only() -> None:
    """What setup may provision says nothing about how values travel; everything else does."""
    field = text("a", "x", lead="a")
    edits = [{"marketo": "y"}, {"contact": "b"}, {"rule": Rule.PREFER_MARKETO}, {"blank": Blank.KEEP}]

    meanings = {FieldMap((dataclasses.replace(field, **edit),)).meanings()["a"] for edit in [{}, *edits]}

    assert len(meanings) == len(edits) + 1
    provisioned = dataclasses.replace(field, provision=Provision("A", "string"))
    assert FieldMap((provisioned,)).meanings() == FieldMap((field,)).meanings()


def test_map_digest_changes_with_every_part_of_a_field_and_with_nothing_else() -> None:
    """Equal maps have equal digests; any difference shows."""
    field = text("a", "x", lead="a")
    edits = [
        {"marketo": "y"},
        {"contact": "b"},
        {"lead": None},
        {"rule": Rule.PREFER_MARKETO},
        {"blank": Blank.KEEP},
        {"contact_rule": Rule.OFF},
        {"type": FieldType.PHONE},
        {"provision": Provision("A", "string")},
    ]

    digests = {FieldMap((dataclasses.replace(field, **edit),)).digest() for edit in [{}, *edits]}

    assert len(digests) == len(edits) + 1
    assert FieldMap((text("a", "x", lead="a"),)).digest() in digests
