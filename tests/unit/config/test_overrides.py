"""Settings out of the environment: each is named for its place, wins over the file, and is checked like the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.errors import ConfigError
from include.person_sync.config.settings import DEFAULT_PATH, load_settings
from include.person_sync.core.fields import Rule

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parents[3]


@pytest.fixture
def settings_file(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a settings file and gives back its path."""

    def write(text: str) -> Path:
        path = tmp_path / "settings.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("name", "text", "place", "expected"),
    [
        ("BRAKES__CHANGED__SHARE", "0.5", "brakes.changed.share", 0.5),
        ("HISTORY_DAYS", "7", "history_days", 7),
        ("SCHEMA_REFRESH_HOURS", "12", "schema_refresh_hours", 12.0),
        ("DYNAMICS__DUPLICATE_DETECTION", "true", "dynamics.duplicate_detection", True),
        ("BASELINE__BULK", "off", "baseline.bulk", "off"),
        ("SYNC_FILTER_COLUMN", "null", "sync_filter_column", None),
        ("AUDIT__REPORTS", "s3://bucket/reports", "audit.reports", "s3://bucket/reports"),
        ("ALERTS__EMAIL_TO", "[a@example.com, b@example.com]", "alerts.email_to", ("a@example.com", "b@example.com")),
        ("BRAKES__CHANGED", "{share: 0.5, floor: 0}", "brakes.changed.floor", 0),
        ("CUSTOM_FIELDS__DYNAMICS_IS_DELETED", "gone", "custom_fields.dynamics_is_deleted", "gone"),
        ("LEASE_TTL_S", " 60 ", "lease_ttl_s", 60),
    ],
)
def test_variable_sets_a_setting(name: str, text: str, place: str, expected: object) -> None:
    """A value is written as in the YAML: numbers, booleans, null, lists and sections."""
    found = load_settings(environ={f"PERSON_SYNC__{name}": text})

    for part in place.split("."):
        found = getattr(found, part)
    assert found == expected
    assert type(found) is type(expected)


def test_variable_changes_a_field_of_the_map() -> None:
    """One property of one field can be set; the others stay as they are."""
    usual = load_settings(environ={})

    settings = load_settings(environ={"PERSON_SYNC__FIELDS__JOB_TITLE__RULE": "prefer_marketo"})

    assert settings.fields_["job_title"] == usual.fields_["job_title"].model_copy(update={"rule": Rule.PREFER_MARKETO})
    assert settings.fields_.keys() == usual.fields_.keys()


def test_variables_win_over_the_file(settings_file: Callable[[str], Path]) -> None:
    """What both set is set by the environment; what the file alone sets stays, and so do the defaults of the rest."""
    path = settings_file("brakes: {changed: {share: 0.1, number: 5, floor: 6}}\nhistory_days: 9\n")

    settings = load_settings(
        environ={
            "PERSON_SYNC_CONFIG": str(path),
            "PERSON_SYNC__BRAKES__CHANGED__SHARE": "0.5",
            "PERSON_SYNC__BRAKES__EMPTIED__FLOOR": "7",
        }
    )

    defaults = load_settings(environ={})
    assert settings.brakes.changed.model_dump() == {"share": 0.5, "number": 5, "floor": 6}
    assert settings.brakes.emptied == defaults.brakes.emptied.model_copy(update={"floor": 7})
    assert settings.brakes.deleted == defaults.brakes.deleted
    assert settings.history_days == 9


def test_other_variables_of_the_project_are_no_settings() -> None:
    """`PERSON_SYNC_CONFIG`, `PERSON_SYNC_STAGING` and variables that are empty change nothing."""
    environ = {
        "PERSON_SYNC_CONFIG": str(DEFAULT_PATH),
        "PERSON_SYNC_STAGING": "/somewhere",
        "PERSON_SYNC__HISTORY_DAYS": "",
        "PERSON_SYNC__ALERTS__EMAIL_FROM": " ",
    }

    assert load_settings(environ=environ) == load_settings(environ={})


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("BRAKES__CHANGED__SHARE", "1.5", ["brakes.changed.share", "1.5", "less than or equal to 1"]),
        ("HISTORY_DAYS", "many", ["history_days", "'many'", "integer"]),
        ("MATCHING__TO_MARKETO", "merge", ["matching.to_marketo", "'merge'", "'link'", "'hold'"]),
        ("ALERTS__EMAIL_TO", "[nobody]", ["alerts.email_to.0", "'nobody'"]),
        ("BASELINE", "{jobs: 11}", ["baseline.jobs", "11", "less than or equal to 10"]),
        ("BASELINE", "{job: 1}", ["baseline.job", "unknown key", "partition_people"]),
        ("BRAKES", "5", ["brakes", "5", "dictionary"]),
        ("HISTORY_DAYS", "{", ["not valid YAML"]),
        ("ACTIVITY_TYPE", "a\x00b", ["not valid YAML"]),
        ("BRAKS__CHANGED__SHARE", "0.5", ["no setting braks", "brakes", "fields"]),
        ("BRAKES__CHANGED__SHAR", "0.5", ["no setting brakes.changed.shar", "share, number, floor"]),
        ("HISTORY_DAYS__X", "1", ["no setting history_days.x", "single setting"]),
        ("HISTORY_DAYZ", "", ["no setting history_dayz", "history_days"]),
        ("", "1", ["no setting", "fields"]),
        ("history_days", "1", ["capitals", "PERSON_SYNC__HISTORY_DAYS"]),
        ("FIELDS__PHON__RULE", "off", ["no setting fields.phon", "mobile_phone"]),
        ("FIELDS__PHONE__RUL", "off", ["no setting fields.phone.rul", "lead_rule"]),
        ("FIELDS__PHONE__RULE", "on", ["fields.phone.rule", "'on'", "'two_way'"]),
        ("FIELDS__PHONE__MARKETO", "email", ["fields", "email and phone", "one of them"]),
        ("FIELDS__PHONE__PROVISION__DISPLAY_NAME", "Phone", ["fields.phone.provision.data_type", "missing"]),
    ],
)
def test_mistake_names_the_variable(name: str, text: str, expected: list[str]) -> None:
    """A wrong value or name is a ConfigError that names the variable, what was seen and what is valid."""
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={f"PERSON_SYNC__{name}": text})

    assert caught.value.exit_code == 4
    for part in [f"PERSON_SYNC__{name}", *expected]:
        assert part in str(caught.value)


def test_mistake_of_the_file_is_not_blamed_on_the_environment(settings_file: Callable[[str], Path]) -> None:
    """A variable beside a mistake, or below it, neither takes the blame nor covers it up."""
    path = settings_file("brakes: 5\nhistory_days: 0\n")

    with pytest.raises(ConfigError) as caught:
        load_settings(
            path,
            {"PERSON_SYNC__BRAKES__CHANGED__SHARE": "0.5", "PERSON_SYNC__LEASE_TTL_S": "1"},
        )

    told = caught.value.message
    assert told.index("PERSON_SYNC__LEASE_TTL_S: lease_ttl_s: 1") < told.index(f"{path}: ")
    assert "brakes: 5 is not valid" in told
    assert "history_days: 0 is not valid" in told
    assert "SHARE" not in told


@pytest.mark.parametrize(
    ("name", "text"),
    [("MARKETO__CLIENT_SECRET", "hush-hush"), ("ALERTS__APPRISE_CONN_ID", "slack://hush-hush@host")],
)
def test_mistake_repeats_no_secret(name: str, text: str) -> None:
    """A password under a name that is no setting, or a service's address, never gets into a message."""
    with pytest.raises(ConfigError) as caught:
        load_settings(environ={f"PERSON_SYNC__{name}": text})

    assert "hush" not in str(caught.value)
    assert "hush" not in repr(caught.value.__cause__)


def test_variable_adds_no_field_that_the_file_left_out(settings_file: Callable[[str], Path]) -> None:
    """A map of its own is not filled up with fields of the default one."""
    path = settings_file("fields: {nickname: {type: text, marketo: nickName, contact: nickname}}\n")

    with pytest.raises(ConfigError, match=r"PERSON_SYNC__FIELDS__EMAIL__RULE: there is no setting fields\.email"):
        load_settings(path, {"PERSON_SYNC__FIELDS__EMAIL__RULE": "off"})


def test_nothing_is_loaded_where_nothing_is_overridden() -> None:
    """pydantic-settings takes a tenth of a second to load, which nobody pays who does not use it."""
    code = (
        "import sys; from include.person_sync.config.settings import load_settings;"
        "load_settings(environ={}); print('pydantic_settings' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
