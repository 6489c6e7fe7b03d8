"""
Read docker-compose.yaml as far as starting its processes by hand needs: commands and environments.

Source for the interpolation: https://docs.docker.com/reference/compose-file/interpolation/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "COMPOSE_FILE",
    "ComposeService",
    "MissingVariable",
    "health_checks",
    "interpolate",
    "read_services",
    "required_variables",
]

COMPOSE_FILE: Final = Path(__file__).resolve().parents[1] / "docker-compose.yaml"

# $$ | ${NAME} | ${NAME:-default} | ${NAME:?message}; the file uses no other form.
_VARIABLE: Final = re.compile(r"\$(?:(?P<escaped>\$)|\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\})")


class MissingVariable(LookupError):
    """A variable that the file requires is not set, or empty."""


@dataclass(frozen=True, slots=True)
class ComposeService:
    """A service with every variable filled in; `command` is None where the image's own is meant."""

    name: str
    command: tuple[str, ...] | None
    environment: Mapping[str, str]


def read_services(variables: Mapping[str, str], file: Path = COMPOSE_FILE) -> dict[str, ComposeService]:
    """
    Return the services by name, with `variables` in the place of .env.

    A variable without a value in the file (`NAME:`) is passed through when it is among `variables`, else left out.
    Raises MissingVariable.
    """
    services = yaml.safe_load(file.read_text())["services"]
    return {name: _service(name, service, variables) for name, service in services.items()}


def required_variables(file: Path = COMPOSE_FILE) -> set[str]:
    """Return the names without which Compose refuses to start."""
    return {found["name"] for found in _VARIABLE.finditer(file.read_text()) if found["kind"] == "?"}


def health_checks(file: Path = COMPOSE_FILE) -> dict[str, tuple[str, ...]]:
    """Return the command of each service that has a health check, as Docker runs it: `CMD-SHELL` through a shell."""
    services = yaml.safe_load(file.read_text())["services"]
    tests = {name: service["healthcheck"]["test"] for name, service in services.items() if "healthcheck" in service}
    return {name: _health_command([interpolate(word, {}) for word in test]) for name, test in tests.items()}


def _health_command(test: list[str]) -> tuple[str, ...]:
    kind, *words = test
    return ("sh", "-c", *words) if kind == "CMD-SHELL" else tuple(words)


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """Return the text with its variables filled in; `$$` becomes `$`. Raises MissingVariable."""

    def value(found: re.Match[str]) -> str:
        if found["escaped"]:
            return "$"
        filled = variables.get(found["name"], "")
        if filled or found["kind"] is None:
            return filled
        if found["kind"] == "?":
            raise MissingVariable(f"{found['name']}: {found['rest']}")
        return str(found["rest"])

    return _VARIABLE.sub(value, text)


def _service(name: str, service: Mapping[str, Any], variables: Mapping[str, str]) -> ComposeService:
    command = service.get("command")
    environment = service.get("environment", {})
    passed_through = {key: variables[key] for key, value in environment.items() if value is None and key in variables}
    filled = {key: interpolate(str(value), variables) for key, value in environment.items() if value is not None}
    return ComposeService(
        name=name,
        command=None if command is None else tuple(interpolate(str(word), variables) for word in command),
        environment=filled | passed_through,
    )
