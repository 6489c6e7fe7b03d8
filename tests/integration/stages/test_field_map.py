"""What happens when the field map is changed under a running sync."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from include.errors import SafetyStop
from include.person_sync.config.settings import DEFAULT_PATH

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing


def use_map(pairing: Pairing, **changes: Any) -> None:
    """Give the sync the default settings with some fields changed, added or (None) removed."""
    content = yaml.safe_load(DEFAULT_PATH.read_text(encoding="utf-8"))
    for name, entry in changes.items():
        if entry is None:
            del content["fields"][name]
        else:
            content["fields"][name] = {**content["fields"].get(name, {}), **entry}
    path = Path(pairing.environment["AIRFLOW_HOME"]) / "person_sync.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    pairing.environment["PERSON_SYNC_CONFIG"] = str(path)


def test_adding_a_field_to_the_map_needs_no_override(pairing: Pairing) -> None:
    """A field more changes nothing that was agreed on."""
    person, _ = pairing.pair("contact", "ada@example.com", department="Analysis")
    pairing.cycle()

    use_map(pairing, department={"type": "text", "marketo": "department", "contact": "department"})
    pairing.cycle()

    assert (pairing.marketo.lead(person) or {})["department"] == "Analysis"
    pairing.quiet()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"job_title": None}, "job_title was removed"),
        ({"job_title": {"contact": "department"}}, "job_title was changed"),
        ({"job_title": {"rule": "prefer_marketo"}}, "job_title was changed"),
    ],
)
def test_removing_or_turning_a_field_stops_until_a_person_agrees(
    pairing: Pairing, changes: dict[str, Any], said: str
) -> None:
    """The brake names the fields; an override lets the run pass once, and then the new map is the known one (S-30)."""
    pairing.pair("contact", "ada@example.com", jobtitle="CTO")
    pairing.cycle()

    use_map(pairing, **changes)
    with pytest.raises(SafetyStop, match=said) as stopped:
        pairing.cycle()
    assert stopped.value.brake == "map_changed"

    pairing.cycle(overrides=("map_changed",))
    pairing.quiet()
