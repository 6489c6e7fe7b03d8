"""
Single settings out of the environment: `PERSON_SYNC__BRAKES__CHANGED__SHARE=0.5`.

A variable's name is the place of a setting, in capitals, its parts joined by `__`; its value is written as in the YAML.
Settings of the environment win over those of the file. A variable that names no setting is a mistake, not a stranger.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pydantic import BaseModel

from include.errors import ConfigError
from include.person_sync.config.yaml_file import parse_yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

__all__ = ["PREFIX", "Overrides", "keys_of", "model_in", "read_overrides"]

DELIMITER = "__"
PREFIX = "PERSON_SYNC" + DELIMITER


@dataclass(frozen=True)
class Overrides:
    """
    What the environment sets.

    `values` is nested as the YAML would be. `variables` names the variable per place (a tuple of keys); none of the
    texts are kept, since they may be anything.
    """

    values: dict[str, Any]
    variables: dict[tuple[str, ...], str]

    def variable_of(self, error: ErrorDetails) -> str | None:
        """Return the variable a mistake comes from: it set the value, or a section in part whose rest is missing."""
        place = tuple(str(part) for part in error["loc"])
        for known, variable in self.variables.items():
            if place[: len(known)] == known or (error["type"] == "missing" and place[:-1] == known[:-1]):
                return variable
        return None

    def laid_over(self, content: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
        """
        Return the content of a file with the overrides on top.

        Of a section that the file leaves out and the environment sets in part, the rest comes from `defaults`. Raises
        ConfigError for a field that the map does not hold: the environment changes fields, it does not make them.
        """
        mapped = content["fields"] if isinstance(content["fields"], dict) else {}
        for place, variable in self.variables.items():
            if place[0] == "fields" and len(place) > 1 and place[1] not in mapped:
                raise _unknown(variable, place[:2], list(mapped))
        return _merged(content, self.values, defaults)


def read_overrides(model: type[BaseModel], environ: Mapping[str, str]) -> Overrides:
    """
    Return what the variables set; one that is empty sets nothing, `null` sets nothing on purpose.

    Raises ConfigError naming a variable that names no setting, or whose value is not YAML.
    """
    variables = {_place(name): name for name in environ if name.upper().startswith(PREFIX)}
    for place, name in variables.items():
        _check_name(model, name, place)
    filled = {place: name for place, name in variables.items() if environ[name].strip()}
    return Overrides(_values(model, {name: environ[name] for name in filled.values()}) if filled else {}, filled)


def _place(name: str) -> tuple[str, ...]:
    return tuple(name[len(PREFIX) :].lower().split(DELIMITER))


def _check_name(model: type[BaseModel], name: str, place: tuple[str, ...]) -> None:
    if name != name.upper():
        raise ConfigError(
            f"{name}: settings in the environment are written in capitals.", remedy=f"Use {name.upper()}."
        )
    inner: Any = model
    for depth, part in enumerate(place):
        if get_origin(inner) is dict:
            inner = get_args(inner)[1]  # the key is a name of its own, which the content of the file knows
            continue
        section = model_in(inner)
        keys = {} if section is None else keys_of(section)
        if part not in keys:
            raise _unknown(name, place[: depth + 1], list(keys))
        inner = keys[part]


def _unknown(variable: str, place: tuple[str, ...], valid: list[str]) -> ConfigError:
    above = ".".join(place[:-1])
    where = f"in {above}" if above else "at the top"
    return ConfigError(
        f"{variable}: there is no setting {'.'.join(place) or 'of that name'}.",
        remedy=f"Valid {where}: {', '.join(valid)}." if valid else f"{above} is a single setting: name it alone.",
    )


def _values(model: type[BaseModel], texts: dict[str, str]) -> dict[str, Any]:
    from pydantic_settings import EnvSettingsSource  # a tenth of a second, which only those who override pay
    from pydantic_settings.sources.types import EnvNoneType

    class Source(EnvSettingsSource):
        """Values arrive here as the YAML they are; pydantic-settings sorts them into sections."""

        def decode_complex_value(self, field_name: str, field: Any, value: Any) -> Any:  # noqa: ARG002
            return value

    source = Source(
        model,  # type: ignore[arg-type]  # it reads fields and configuration, which any model has
        env_prefix=PREFIX,
        env_prefix_target="all",
        env_nested_delimiter=DELIMITER,
        env_parse_none_str="null",
    )
    parsed = {name.lower(): _value(name, text) for name, text in texts.items()}
    source.env_vars = {name: EnvNoneType("null") if value is None else value for name, value in parsed.items()}
    return source()


def _value(name: str, text: str) -> Any:
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise ConfigError(
            f"{name}: its value is not valid YAML ({error}).",
            remedy="Write it as it would stand in the YAML: 0.5, true, hold, null, [a, b]; text with : or # in quotes.",
        ) from None


def _merged(content: dict[str, Any], over: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    merged = dict(content)
    for key, value in over.items():
        default = defaults.get(key)
        below = content.get(key, default)
        if isinstance(value, dict) and isinstance(below, dict):
            merged[key] = _merged(below, value, default if isinstance(default, dict) else {})
        elif not isinstance(value, dict) or below is None:
            merged[key] = value  # else the file has no section here, a mistake that the environment does not cover up
    return merged


def keys_of(section: type[BaseModel]) -> dict[str, Any]:
    """Return the keys a section may have in the YAML, with their types."""
    return {one.alias or name: one.annotation for name, one in section.model_fields.items()}


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section an annotation holds, as in `ProvisionSettings | None`; None for a single setting."""
    for one in (annotation, *get_args(annotation)):
        if isinstance(one, type) and issubclass(one, BaseModel):
            return one
    return None
