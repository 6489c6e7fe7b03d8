"""The schema by which editors check a settings file says what the settings say."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from include.errors import ConfigError
from include.person_sync.config.settings import DEFAULT_PATH, load_settings
from include.person_sync.config.yaml_file import parse_yaml, read_yaml
from tools.settings_schema import SCHEMA, schema_text


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """Return the schema in the documents."""
    return json.loads(SCHEMA.read_text(encoding="utf-8"))


def test_schema_is_what_the_models_say() -> None:
    """The file in the documents is the one the tool writes; `python -m tools.settings_schema` makes it so."""
    assert SCHEMA.read_text(encoding="utf-8") == schema_text()


def test_first_line_of_the_settings_names_the_schema() -> None:
    """An editor that opens the default settings finds their schema."""
    first = DEFAULT_PATH.read_text(encoding="utf-8").splitlines()[0]

    named = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert named
    assert (DEFAULT_PATH.parent / named[1]).resolve() == SCHEMA


def test_schema_describes_every_key(schema: dict[str, Any]) -> None:
    """Whoever points at a key reads what it means, in a sentence."""
    sections = [schema, *schema["$defs"].values()]
    keys = [(key, content) for section in sections for key, content in section.get("properties", {}).items()]

    assert len(keys) > 60
    for key, content in keys:
        assert re.fullmatch(r"\S.*\.", content["description"]), key


def test_schema_takes_the_defaults(schema: dict[str, Any]) -> None:
    """No line of the default settings is underlined, and none is missing in the schema."""
    Draft202012Validator.check_schema(schema)
    written = read_yaml(DEFAULT_PATH)

    assert list(Draft202012Validator(schema).iter_errors(written)) == []
    assert set(schema["properties"]) == set(written)


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("history_days: 7", True),
        ("fields: {a: {type: text, marketo: a, lead: b, backfill_since: '2026-01-01'}}", True),
        ("sync_filter_column: null", True),
        ("history_days: 0", False),
        ("history_days: many", False),
        ("history_dayz: 7", False),
        ("marketo: {rate_share: 1.5}", False),
        ("brakes: {changed: {share: 0.1, number: 1}}", False),
        ("matching: {to_marketo: merge}", False),
        ("fields: {a: {type: words, marketo: a, lead: b}}", False),
        ("fields: {a: {type: text, marketo: a, led: b}}", False),
        ("alerts: {email_to: [nobody]}", False),
    ],
)
def test_schema_and_settings_agree(schema: dict[str, Any], tmp_path: Any, text: str, valid: bool) -> None:
    """What an editor underlines is what the sync refuses, and the other way round."""
    path = tmp_path / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    try:
        load_settings(path, environ={})
    except ConfigError:
        taken = False
    else:
        taken = True

    assert taken is valid
    assert Draft202012Validator(schema).is_valid(parse_yaml(text)) is valid
