"""
Keep docs/person_sync.schema.json, by which editors complete and check the settings, in step with the models.

`python -m tools.settings_schema` rewrites the file; a test compares both. Each key is described by the string below it
in `include/person_sync/config/settings.py`; pydantic could read these itself, but would do so at every start.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from include.person_sync.config import settings
from include.person_sync.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SCHEMA", "main", "schema_text"]

SCHEMA: Final = Path(__file__).resolve().parents[1] / "docs" / "person_sync.schema.json"


def schema_text() -> str:
    """Return the schema of a settings file as JSON, described for a person who writes one."""
    schema = Settings.model_json_schema(by_alias=True)
    del schema["required"]  # a file that leaves the fields out has those of the default one
    described = dict(descriptions())
    for name, section in [("Settings", schema), *schema["$defs"].items()]:
        _describe(section, described, name)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Settings of the person sync"}
    return json.dumps({**head, **{key: schema[key] for key in schema if key != "title"}}, indent=2) + "\n"


def _describe(section: dict[str, Any], described: dict[tuple[str, str], str], name: str) -> None:
    """Give a section's keys their descriptions, and take away the titles, which repeat the names."""
    section.pop("title", None)
    section["description"] = inspect.cleandoc(section["description"])
    for key, content in section.get("properties", {}).items():
        content.pop("title", None)
        content["description"] = described[name, key]


def descriptions() -> Iterator[tuple[tuple[str, str], str]]:
    """Yield what is said below each attribute of the models, by class and key."""
    for model in ast.parse(inspect.getsource(settings)).body:
        if not isinstance(model, ast.ClassDef):
            continue
        for attribute, below in zip(model.body, model.body[1:], strict=False):
            if isinstance(attribute, ast.AnnAssign) and isinstance(attribute.target, ast.Name):
                yield (model.name, attribute.target.id.rstrip("_")), _text(model.name, attribute.target.id, below)


def _text(model: str, key: str, below: ast.stmt) -> str:
    if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
        return inspect.cleandoc(below.value.value)
    raise ValueError(f"{model}.{key} has no description below it")


def main() -> int:
    """Rewrite the file and return 0."""
    SCHEMA.write_text(schema_text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
