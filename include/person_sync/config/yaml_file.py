"""Reading a YAML file strictly: `off` is a word and not false, and a key that stands twice is a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from include.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["parse_yaml", "read_yaml"]

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the fast one is missing where libyaml is


class _Loader(_Base):  # type: ignore[misc]  # chosen at run time
    """The safe loader, with booleans as in YAML 1.2 (true and false only) and without duplicate keys."""


_BOOLEAN = "tag:yaml.org,2002:bool"
_Loader.yaml_implicit_resolvers = {
    letter: [rule for rule in rules if rule[0] != _BOOLEAN or letter in "tTfF"]
    for letter, rules in _Base.yaml_implicit_resolvers.items()
}


def _mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            raise yaml.MarkedYAMLError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in the file. Raises ConfigError naming file, line and reason."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError(
            f"The settings file {path} can't be read: {reason}.",
            remedy="Correct PERSON_SYNC_CONFIG, or unset it to use the defaults.",
        ) from error
    try:
        value = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"The settings file {path} is not valid YAML: {error}.") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError(
            f"The settings file {path} holds no sections.", remedy="Start from a copy of person_sync.yaml."
        )
    return value


def parse_yaml(text: str) -> Any:
    """Return the value written as YAML. Raises ValueError with line and reason."""
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  # a subclass of the safe loader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise ValueError(f"line {line}: {error.problem}") from None
    except yaml.YAMLError:
        raise ValueError("it holds characters YAML does not allow") from None
