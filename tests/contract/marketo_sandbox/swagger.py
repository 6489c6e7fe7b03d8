"""
The vendor's Swagger file as JSON schemas, with the deviations that the sandbox makes on purpose.

The file disagrees with the vendor's own documentation and with recorded answers; where it does, documentation and
recordings win, and the reason stands beside the deviation.
"""

from __future__ import annotations

import copy
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft4Validator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROJECT: Final = Path(__file__).resolve().parents[3]

ENVELOPE_REASON: Final = "samples of the documentation omit empty errors, warnings and results"


@dataclass(frozen=True, slots=True)
class Deviation:
    """One place where the sandbox does not follow the file, and why."""

    definition: str
    reason: str
    optional: tuple[str, ...] = ()
    members: Mapping[str, Any] = field(default_factory=dict)

    def apply(self, definitions: dict[str, Any]) -> None:
        """Loosen the definition: members that need not be there, members with another schema or new ones."""
        definition = definitions[self.definition]
        if self.optional:
            definition["required"] = [one for one in definition["required"] if one not in self.optional]
        definition["properties"].update(self.members)


_NO_ID: Final = "its own description says that the id may be missing; marketoGUID replaces it"
_CLEARED: Final = "a cleared field has no new value"
_FIRST: Final = "a first value has no old one"
_REFUSED: Final = "a refused field is told as other refused records are: by position, with status and reasons"
_MIXED: Final = "one definition for input and output; the documented answer has id, marketoGUID and status, or errors"

DEVIATIONS: Final = (
    Deviation("Activity", _NO_ID, optional=("id",)),
    Deviation("LeadChange", _NO_ID, optional=("id",)),
    Deviation(
        "LeadChange",
        "a sample of the documentation has them for New Lead",
        members={"primaryAttributeValue": {}, "primaryAttributeValueId": {}},
    ),
    Deviation("LeadChangeField", _CLEARED, members={"newValue": {"type": ["string", "null"]}}),
    Deviation("LeadChangeField", _FIRST, members={"oldValue": {"type": ["string", "null"]}}),
    Deviation(
        "ActivityType", "New Lead has none in a recorded list of a live instance", optional=("primaryAttribute",)
    ),
    Deviation("Attribute", "values are strings, numbers, booleans and lists, not objects", members={"value": {}}),
    Deviation(
        "CustomActivity",
        _MIXED,
        optional=(
            "activityDate",
            "activityTypeId",
            "attributes",
            "errors",
            "id",
            "leadId",
            "primaryAttributeValue",
        ),
    ),
    Deviation("LeadFieldStatus", _REFUSED, optional=("name",), members={"status": {}, "reasons": {}}),
)

# Definitions whose members are the fields of the instance.
OPEN: Final = ("Lead",)


def swagger_file() -> Path:
    """Return where the vendor's file should be; it is not part of the project."""
    return Path(
        os.environ.get(
            "PERSON_SYNC_TEST_MARKETO_SWAGGER",
            str(PROJECT.parent / "shared" / "contracts" / "marketo" / "swagger-mapi.json"),
        )
    )


class Swagger:
    """Validators by method and path template."""

    def __init__(self, path: Path, deviations: Sequence[Deviation] = DEVIATIONS) -> None:
        document = json.loads(path.read_text())
        self._paths: dict[str, Any] = document["paths"]
        self._definitions = _loosened(document["definitions"], deviations)

    def templates(self) -> set[tuple[str, str]]:
        """Return every (METHOD, path template) of the file."""
        return {(method.upper(), path) for path, methods in self._paths.items() for method in methods}

    def violations(self, method: str, template: str, answer: Any) -> list[str]:
        """Return what is wrong with an answer, by place."""
        schema = self._paths[template][method.lower()]["responses"]["200"]["schema"]
        validator = Draft4Validator({**schema, "definitions": self._definitions})
        return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(answer)]


def _loosened(definitions: dict[str, Any], deviations: Sequence[Deviation]) -> dict[str, Any]:
    changed = copy.deepcopy(definitions)
    for name, definition in changed.items():
        if name.startswith("Response"):  # ENVELOPE_REASON
            definition["required"] = ["requestId", "success"]
        if "properties" in definition and name not in OPEN:
            definition["additionalProperties"] = False
    for deviation in deviations:
        deviation.apply(changed)
    return {name: _without_empty_required(definition) for name, definition in changed.items()}


def _without_empty_required(definition: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in definition.items() if key != "required" or value}
