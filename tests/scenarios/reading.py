"""
Reading scenario files, with errors that say what is wrong where, and what would be right.

```yaml
title: Marketo wins a collision on a lead
covers: [T-02]                       # statements of the behaviour specification
settings: {matching: {to_marketo: hold}}        # optional: laid over the default settings
prepare:                             # optional: what administrators did before; see staging.PREPARATIONS
  - dynamics has user: {name: Jane Doe, email: jane@example.com}
given:                               # people by name; each is everything the later lines need to know of them
  - in step: Ada                     # on both sides with these values, and linked
    as: lead
    job_title: CTO
  - only in Marketo: Bob
  - only in Dynamics: Carla
    as: contact
  - on both sides: Dan               # not linked; `marketo` and `dynamics` may differ
    as: lead
    marketo: {job_title: CTO}
    dynamics: {mobile_phone: "1"}
steps:
  - marketo edits Ada: {job_title: CEO}
  - cycle
expect:
  Ada: {both: {job_title: CEO}}
  counts: {to_dynamics: {updated: 1}}
```

Besides edits there are `marketo deletes Ada`, `marketo merges Bob: {into: Ada}`, the same two for Dynamics,
`dynamics qualifies Ada` and `dynamics filters Ada: No`.

Fields go by their names in the field map; `first_name`, `last_name` and `email` have sensible values when left out.
At the end of every scenario two idle cycles must write nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from pathlib import Path

PLACES = ("in step", "on both sides", "only in Marketo", "only in Dynamics")
KEYS = ("title", "covers", "why", "settings", "prepare", "given", "steps", "expect")
WORDS = ("cycle", "cycle of")
VERBS = (
    "marketo edits",
    "marketo creates",
    "dynamics edits",
    "dynamics creates",
    "campaign edits",
    "campaign asks for",
    "marketo deletes",
    "marketo merges",
    "dynamics deletes",
    "dynamics merges",
    "dynamics qualifies",
    "dynamics filters",
    "expect",
)
ALONE = ("marketo deletes", "dynamics deletes", "dynamics qualifies")
"""Verbs after whose name nothing more is to be said."""
PERSON_KEYS = ("both", "marketo", "dynamics", "linked as", "owner", "times", "flagged as deleted")
EXPECTED = ("counts", "refused", "held", "activities", "left out")


class ScenarioError(Exception):
    """A scenario file says something the runner does not understand."""


@dataclass(frozen=True)
class Person:
    """Somebody of the given world: a name, where they are, and their values on each side."""

    name: str
    place: str
    table: str | None
    marketo: dict[str, Any]
    dynamics: dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One line of the story: what is done, to whom if to anybody, and the rest of the line."""

    verb: str
    name: str | None
    content: Any


@dataclass(frozen=True)
class Scenario:
    """A scenario file, checked."""

    path: Path
    title: str
    covers: tuple[str, ...]
    people: tuple[Person, ...]
    steps: tuple[Step, ...]
    expect: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    preparations: tuple[tuple[str, Any], ...] = ()


def read_scenario(path: Path) -> Scenario:
    """Return the scenario in a file. Raises ScenarioError naming the file, the place and the words that would do."""
    try:
        return _scenario(path, yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise ScenarioError(f"{path.name}: is no YAML: {error}") from error
    except ScenarioError as error:
        raise ScenarioError(f"{path.name}: {error}") from None


def _scenario(path: Path, content: Any) -> Scenario:
    if not isinstance(content, dict):
        raise ScenarioError("has to begin with `title: …`")
    _known("the file", content, KEYS)
    for key in ("title", "covers", "steps", "expect"):
        if not content.get(key):
            raise ScenarioError(f"`{key}` is missing")
    people = tuple(_person(number, one) for number, one in enumerate(content.get("given") or [], start=1))
    names = [one.name for one in people]
    if len(names) != len(set(names)):
        raise ScenarioError("given: every person needs a name of their own")
    steps = tuple(_step(number, one, names) for number, one in enumerate(content["steps"], start=1))
    check_expectation(content["expect"], names, "expect")
    return Scenario(
        path=path,
        title=str(content["title"]),
        covers=tuple(map(str, content["covers"])),
        people=people,
        steps=steps,
        expect=content["expect"],
        settings=content.get("settings") or {},
        preparations=tuple(_single(f"prepare {at}", one) for at, one in enumerate(content.get("prepare") or [], 1)),
    )


def _person(number: int, content: Any) -> Person:
    place = next((one for one in PLACES if isinstance(content, dict) and one in content), None)
    if place is None:
        raise ScenarioError(f"given {number}: a person begins with one of: {', '.join(PLACES)}")
    values = {name: value for name, value in content.items() if name not in {place, "as", "marketo", "dynamics"}}
    table = content.get("as")
    if (table not in {"lead", "contact"}) and place != "only in Marketo":
        raise ScenarioError(f"given {number}: says `as: lead` or `as: contact`, since the person is in Dynamics")
    return Person(
        name=str(content[place]),
        place=place,
        table=table,
        marketo={**values, **(content.get("marketo") or {})},
        dynamics={**values, **(content.get("dynamics") or {})},
    )


def _step(number: int, content: Any, names: list[str]) -> Step:
    """Return a step; a person it creates is added to `names`."""
    place = f"step {number}"
    line, rest = (content, None) if isinstance(content, str) else _single(place, content)
    if line == "cycle":
        return Step("cycle", None, rest)
    verb = next((one for one in VERBS if line == one or line.startswith(f"{one} ")), None)
    if verb is None:
        raise ScenarioError(f"{place}: {line!r} is nothing that can be done; there are: cycle, {', '.join(VERBS)}")
    if verb == "expect":
        check_expectation(rest, names, place)
        return Step(verb, None, rest)
    name = line.removeprefix(verb).strip()
    if verb.endswith("creates"):
        names.append(name)
    if name not in names:
        raise ScenarioError(f"{place}: nobody is called {name!r}; there are: {', '.join(names)}")
    if rest is None and verb not in ALONE:
        raise ScenarioError(f"{place}: says nothing after `{line}:`")
    return Step(verb, name, rest)


def check_expectation(content: Any, names: list[str], place: str) -> None:
    """Require that an expectation speaks of people and things that exist."""
    if not isinstance(content, dict):
        raise ScenarioError(f"{place}: names people, or one of: {', '.join(EXPECTED)}")
    for key, value in content.items():
        if key in EXPECTED:
            continue
        if key not in names:
            raise ScenarioError(f"{place}: {key!r} is nobody's name and not one of: {', '.join(EXPECTED)}")
        _known(
            f"{place}: {key}",
            value,
            PERSON_KEYS,
        )


def _single(place: str, content: Any) -> tuple[str, Any]:
    if not isinstance(content, dict) or len(content) != 1:
        raise ScenarioError(f"{place}: is one line, `what happens: with what`")
    ((line, rest),) = content.items()
    return str(line).strip(), rest


def _known(place: str, content: Any, keys: tuple[str, ...]) -> None:
    unknown = sorted(set(content if isinstance(content, dict) else [repr(content)]) - set(keys))
    if unknown:
        raise ScenarioError(f"{place}: does not know {', '.join(unknown)}; there are: {', '.join(keys)}")
