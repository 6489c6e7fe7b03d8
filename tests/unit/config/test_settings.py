"""The settings file: its defaults are complete, and every mistake in it is named with its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from include.errors import ConfigError
from include.person_sync.config.settings import DEFAULT_PATH, Brakes, MatchingPolicy, Settings, load_settings
from include.person_sync.config.yaml_file import read_yaml
from include.person_sync.core.brakes import BrakeSettings
from include.person_sync.core.fields import Rule, Table

if TYPE_CHECKING:
    from collections.abc import Callable

NATIVE_COLUMNS = {
    Table.CONTACT: """
        createdon salutation firstname middlename lastname emailaddress1 jobtitle telephone1 mobilephone telephone2
        address1_line1 address1_line2 address1_line3 address1_city address1_stateorprovince address1_country
        address1_postalcode statecode statuscode description donotphone donotbulkemail donotemail donotfax donotsendmm
        preferredcontactmethodcode mkt_lastinterestingmomentdate mkt_lastinterestingmomentdesc
        mkt_lastinterestingmomenttype mkt_leadinterestingmomentsource mkt_priority mkt_urgency mkt_relativescore
        mkt_leadscore owninguser parentcustomerid
        """,
    Table.LEAD: """
        createdon salutation firstname middlename lastname emailaddress1 jobtitle telephone1 mobilephone telephone2 fax
        address1_line1 address1_line2 address1_line3 address1_city address1_stateorprovince address1_country
        address1_postalcode leadsourcecode statecode statuscode description leadqualitycode donotphone donotbulkemail
        donotemail donotfax donotsendmm preferredcontactmethodcode subject companyname revenue
        mkt_lastinterestingmomentdate mkt_lastinterestingmomentdesc mkt_lastinterestingmomenttype
        mkt_leadinterestingmomentsource mkt_priority mkt_urgency mkt_relativescore owninguser
        """,
}
STANDARD_MARKETO = """
    salutation firstName middleName lastName title email phone mobilePhone fax address city state country postalCode
    company annualRevenue numberOfEmployees industry website mainPhone billingStreet billingCity billingState
    billingPostalCode billingCountry doNotCall unsubscribed leadSource rating leadStatus mktoPersonNotes leadScore
    """


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a settings file and gives back its path."""

    def write(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_defaults_map_every_field_of_the_native_connector() -> None:
    """Whoever replaces the native connector loses no person field of either table."""
    field_map = load_settings(environ={}).field_map

    for table, columns in NATIVE_COLUMNS.items():
        sources = [field.source(table) for field in field_map.for_table(table)]
        mapped = {source.attribute for source in sources if source is not None}
        assert mapped == set(columns.split())


def test_defaults_provision_exactly_the_fields_marketo_lacks() -> None:
    """A field takes part at once when Marketo ships it, and waits for setup when it does not."""
    fields = load_settings(environ={}).field_map.fields

    assert {field.marketo for field in fields if field.provision is None} == set(STANDARD_MARKETO.split())
    assert all(field.marketo.startswith("dynamics") for field in fields if field.provision is not None)


def test_defaults_write_subject_back_from_one_field_only() -> None:
    """Of the two Marketo fields that show a lead's topic, one alone may change it."""
    lead = load_settings(environ={}).field_map.for_table(Table.LEAD)

    subject = {field.name: field.rule_for(Table.LEAD) for field in lead if field.lead == "subject"}

    assert subject == {"topic": Rule.TWO_WAY, "subject": Rule.DYNAMICS_TO_MARKETO}


@pytest.mark.parametrize("name", ["status", "status_reason", "created_on", "owner_name"])
def test_defaults_only_read_what_dynamics_computes(name: str) -> None:
    """States, creation date and owner go to Marketo and never back."""
    field = next(field for field in load_settings(environ={}).field_map.fields if field.name == name)

    assert [field.rule_for(table) for table in Table] == [Rule.DYNAMICS_TO_MARKETO] * 2


def test_company_is_read_from_the_account_of_a_contact_and_shared_with_a_lead() -> None:
    """The company's name is a column of a lead and the name of a contact's account."""
    field = next(field for field in load_settings(environ={}).field_map.fields if field.name == "company")

    assert field.rule_for(Table.CONTACT) is Rule.DYNAMICS_TO_MARKETO
    assert field.rule_for(Table.LEAD) is Rule.TWO_WAY
    assert field.source(Table.CONTACT).lookup_table == "account"


def test_default_file_states_every_default() -> None:
    """The values written in the file are those that hold when a section is left out, and none is missing there."""
    written = read_yaml(DEFAULT_PATH)
    bare = Settings.model_validate({"fields": written["fields"]})

    assert load_settings(environ={}) == bare
    assert set(written) == set(bare.model_dump(by_alias=True))
    for name, section in bare.model_dump(by_alias=True, exclude={"fields_"}).items():
        if isinstance(section, dict):
            assert set(written[name]) == set(section), name


def test_default_brakes_are_those_of_the_core() -> None:
    """The limits in the file are the limits the brakes were designed with."""
    assert Brakes().limits() == BrakeSettings()


def test_load_keeps_defaults_of_sections_the_file_leaves_out(settings_file: Callable[[str], Path]) -> None:
    """A short file that changes one thing changes that one thing."""
    path = settings_file("matching: {to_marketo: hold}\n")

    settings = load_settings(environ={"PERSON_SYNC_CONFIG": str(path)})

    assert settings.matching.to_marketo is MatchingPolicy.HOLD
    assert settings.matching.to_dynamics is MatchingPolicy.LINK
    assert settings.field_map == load_settings(environ={}).field_map


def test_load_prefers_the_path_given_over_the_environment(settings_file: Callable[[str], Path]) -> None:
    """A path that is asked for is the one that is read."""
    path = settings_file("history_days: 7\n")

    assert load_settings(path, {"PERSON_SYNC_CONFIG": "/nowhere/else.yaml"}).history_days == 7


def test_off_is_a_rule_and_not_false(settings_file: Callable[[str], Path]) -> None:
    """`rule: off` works unquoted, although YAML 1.1 would read it as a boolean."""
    path = settings_file("fields: {nickname: {type: text, marketo: nickName, contact: nickname, rule: off}}\n")

    assert load_settings(path).field_map.fields[0].rule is Rule.OFF


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("matching: {to_marketo: merge}", ["matching.to_marketo", "'merge'", "'link'", "'create'", "'hold'"]),
        ("marketo: {rate: 1}", ["marketo.rate", "unknown key", "rate_share", "daily_quota"]),
        ("brakes: {changed: {share: 0.1, number: 1, flor: 2}}", ["brakes.changed.flor", "share, number, floor"]),
        ("brakes: {changed: {share: 0.1, number: 1}}", ["brakes.changed.floor", "is missing"]),
        ("unknown_thing: 1", ["unknown_thing", "unknown key", "fields", "alerts"]),
        ("dynamics: {batch_size: 5000}", ["dynamics.batch_size", "5000", "less than or equal to 1000"]),
        ("dynamics: {concurrency: many}", ["dynamics.concurrency", "'many'", "integer"]),
        ("marketo: {rate_share: 1.5}", ["marketo.rate_share", "1.5", "less than or equal to 1"]),
        ("alerts: {email_to: [nobody]}", ["alerts.email_to.0", "'nobody'"]),
        ("alerts: {apprise_conn_id: 'slack://key@host'}", ["alerts.apprise_conn_id", "pattern"]),
        ("history_days: 0", ["history_days", "greater than or equal to 1"]),
        (
            "fields: {a: {type: words, marketo: a, contact: b}}",
            ["fields.a.type", "'words'", "'text'", "'multi_choice'"],
        ),
        ("fields: {a: {type: text, marketo: a, contact: b, rule: on}}", ["fields.a.rule", "'on'", "'two_way'"]),
        ("fields: {a: {type: text, marketo: a, kontact: b}}", ["fields.a.kontact", "contact", "lead", "provision"]),
        (
            "fields: {a: {type: text, marketo: a, lead: b, provision: {display_name: A, data_type: text}}}",
            ["fields.a.provision.data_type", "'text'", "'string'"],
        ),
        ("fields: {a: {type: text, marketo: a}}", ["fields", "Field a", "neither a contact nor a lead column"]),
        (
            "fields: {a: {type: text, marketo: x, lead: b}, c: {type: text, marketo: x, lead: d}}",
            ["fields", "a and c", "x"],
        ),
        ("- a list", ["no sections"]),
        ("a: [", ["not valid YAML", "line"]),
        ("history_days: 1\nhistory_days: 2", ["stands twice", "line 2"]),
    ],
)
def test_load_names_the_mistake(settings_file: Callable[[str], Path], text: str, expected: list[str]) -> None:
    """A wrong setting is a ConfigError that says where it stands, what was seen and what may stand there."""
    path = settings_file(text)

    with pytest.raises(ConfigError) as caught:
        load_settings(path)

    assert caught.value.exit_code == 4
    assert str(path) in str(caught.value)
    for part in expected:
        assert part in str(caught.value)


def test_load_names_a_file_that_is_not_there() -> None:
    """A path that leads nowhere is told with the variable that holds it."""
    with pytest.raises(ConfigError, match=r"/nowhere/settings\.yaml.*PERSON_SYNC_CONFIG"):
        load_settings(environ={"PERSON_SYNC_CONFIG": "/nowhere/settings.yaml"})


def test_settings_do_not_change() -> None:
    """Nobody changes settings half-way through a run."""
    settings = load_settings(environ={})

    with pytest.raises(ValidationError, match="frozen"):
        settings.matching.to_marketo = MatchingPolicy.CREATE


def test_reading_settings_loads_nothing_heavy() -> None:
    """The command line starts in well under a second: settings and connections need neither pandas nor SQLAlchemy."""
    code = (
        "import sys; from include.person_sync.config import settings, connections; settings.load_settings();"
        "print([m for m in ('pandas', 'pyarrow', 'sqlalchemy', 'airflow', 'requests') if m in sys.modules])"
    )
    project = Path(__file__).resolve().parents[3]

    done = subprocess.run([sys.executable, "-c", code], cwd=project, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
