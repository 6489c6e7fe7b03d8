"""Which mapped fields take part, given what the systems say about themselves."""

from __future__ import annotations

import pytest

from include.person_sync.core.fields import Field, FieldMap, FieldType, Provision, Rule, Table
from include.person_sync.core.schema import DynamicsColumn, MarketoColumn, Resolution, resolve_fields

TITLE = MarketoColumn("title", "string", 255)
JOB = DynamicsColumn("jobtitle", "String", max_length=100)
LOCKED_TITLE = MarketoColumn("title", "string", read_only=True)
LOCKED_JOB = DynamicsColumn("jobtitle", "String", updatable=False)


def resolve(
    field: Field | None = None,
    marketo: MarketoColumn | None = TITLE,
    dynamics: DynamicsColumn | None = JOB,
    table: Table = Table.CONTACT,
) -> Resolution:
    """Return the resolution of one field, by default a sound one."""
    own = field or Field("job_title", FieldType.TEXT, "title", contact="jobtitle")
    ours = {} if marketo is None else {marketo.name: marketo}
    theirs = {} if dynamics is None else {dynamics.name: dynamics}
    return resolve_fields(FieldMap((own,)), table, ours, theirs)


def reason(resolution: Resolution) -> str:
    """Return why the one field was dropped."""
    assert resolution.effective == ()
    assert resolution.dropped[0].remedy
    return resolution.dropped[0].reason


def test_sound_field_takes_part_with_its_rule() -> None:
    """Mapped, present, readable and writable on both sides: effective."""
    (field,) = resolve().effective

    assert (field.name, field.rule, field.raw_column) == ("job_title", Rule.TWO_WAY, "jobtitle")


def test_field_without_a_column_in_the_table_is_not_mentioned() -> None:
    """A contact-only field is no loss on a lead."""
    assert resolve(table=Table.LEAD) == Resolution((), ())


def test_lookup_takes_part_under_its_own_name_towards_marketo() -> None:
    """Owner names arrive as ready text in a column named like the field."""
    (field,) = resolve_owner({"systemuser": {"fullname": DynamicsColumn("fullname", "String")}}).effective

    assert (field.raw_column, field.rule, field.is_lookup) == ("owner", Rule.DYNAMICS_TO_MARKETO, True)


def resolve_owner(lookups: dict[str, dict[str, DynamicsColumn]]) -> Resolution:
    """Return what becomes of a field that reads the owner's name."""
    owner = Field("owner", FieldType.LOOKUP, "title", contact="owninguser>systemuser.fullname")
    ours = {"title": MarketoColumn("title", "string", 255)}
    theirs = {"owninguser": DynamicsColumn("owninguser", "Lookup", updatable=False)}
    return resolve_fields(FieldMap((owner,)), Table.CONTACT, ours, theirs, lookups)


@pytest.mark.parametrize(
    ("lookups", "words"),
    [
        ({}, "table systemuser does not exist or can't be read"),
        ({"systemuser": {}}, "column fullname does not exist on systemuser"),
        ({"systemuser": {"fullname": DynamicsColumn("fullname", "String", readable=False)}}, "secured"),
        ({"systemuser": {"fullname": DynamicsColumn("fullname", "Money")}}, "type Money, which does not fit"),
    ],
)
def test_lookup_whose_referenced_column_cannot_be_read_is_dropped(
    lookups: dict[str, dict[str, DynamicsColumn]], words: str
) -> None:
    """A secured column of the account reads as null; taken for empty it would clear Marketo (T-21)."""
    resolution = resolve_owner(lookups)

    assert resolution.effective == ()
    assert words in resolution.dropped[0].reason


@pytest.mark.parametrize(
    ("marketo", "dynamics", "words"),
    [
        (None, JOB, "does not exist or is not usable by REST"),
        (TITLE, None, "column jobtitle does not exist on contact"),
        (TITLE, DynamicsColumn("jobtitle", "String", readable=False), "may not read it"),
        (TITLE, DynamicsColumn("jobtitle", "Picklist"), "of type Picklist"),
        (MarketoColumn("title", "boolean"), JOB, "of type boolean"),
        (MarketoColumn("title", "lead_function", read_only=True), JOB, "of type lead_function"),
        (
            MarketoColumn("title", "string", read_only=True),
            DynamicsColumn("jobtitle", "String", updatable=False),
            "not writable",
        ),
    ],
)
def test_field_is_dropped_with_a_reason(
    marketo: MarketoColumn | None, dynamics: DynamicsColumn | None, words: str
) -> None:
    """What can't take part is named with its cause (T-21, T-23), never treated as empty."""
    assert words in reason(resolve(marketo=marketo, dynamics=dynamics))


def test_unprovisioned_field_waits_for_setup() -> None:
    """A field that setup may create is told apart from a misspelt one."""
    field = Field("topic", FieldType.TEXT, "msTopic", contact="jobtitle", provision=Provision("Topic", "string"))

    resolution = resolve(field, marketo=None)

    assert "not provisioned yet" in reason(resolution)
    assert "person-sync setup" in resolution.dropped[0].remedy


def test_switched_off_field_is_listed_as_such() -> None:
    """`off` is a reason like any other."""
    assert "switched off" in reason(resolve(Field("a", FieldType.TEXT, "title", contact="jobtitle", rule=Rule.OFF)))


@pytest.mark.parametrize(
    ("rule", "read_only", "updatable", "left"),
    [
        (Rule.TWO_WAY, True, True, Rule.MARKETO_TO_DYNAMICS),
        (Rule.TWO_WAY, False, False, Rule.DYNAMICS_TO_MARKETO),
        (Rule.PREFER_DYNAMICS, True, True, Rule.MARKETO_TO_DYNAMICS),
        (Rule.PREFER_MARKETO, False, False, Rule.DYNAMICS_TO_MARKETO),
        (Rule.PREFER_MARKETO, False, True, Rule.PREFER_MARKETO),
        (Rule.MARKETO_TO_DYNAMICS, True, True, Rule.MARKETO_TO_DYNAMICS),
        (Rule.MARKETO_TO_DYNAMICS, False, False, None),
        (Rule.DYNAMICS_TO_MARKETO, True, True, None),
    ],
)
def test_rule_is_narrowed_to_what_can_be_written(
    rule: Rule, read_only: bool, updatable: bool, left: Rule | None
) -> None:
    """A side that can't be written can't win a collision by being written: no dead-lock (T-25)."""
    field = Field("job_title", FieldType.TEXT, "title", contact="jobtitle", rule=rule)

    resolution = resolve(
        field,
        MarketoColumn("title", "string", read_only=read_only),
        DynamicsColumn("jobtitle", "String", updatable=updatable),
    )

    assert [found.rule for found in resolution.effective] == ([] if left is None else [left])


@pytest.mark.parametrize(
    ("kind", "marketo", "behavior", "fits"),
    [
        (FieldType.DATE, "date", "DateOnly", True),
        (FieldType.DATE, "date", "UserLocal", False),
        (FieldType.DATETIME, "datetime", "UserLocal", True),
        (FieldType.DATETIME, "datetime", "TimeZoneIndependent", True),
        (FieldType.DATETIME, "datetime", "DateOnly", False),
    ],
)
def test_dates_fit_by_their_behaviour_not_their_format(
    kind: FieldType, marketo: str, behavior: str, fits: bool
) -> None:
    """A column that travels with a time of day is no date, whatever forms show."""
    resolution = resolve(
        Field("job_title", kind, "title", contact="jobtitle"),
        MarketoColumn("title", marketo),
        DynamicsColumn("jobtitle", "DateTime", date_behavior=behavior),
    )

    assert bool(resolution.effective) is fits
