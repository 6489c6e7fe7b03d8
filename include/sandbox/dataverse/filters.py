"""
The grammar of `$filter`: text to syntax tree.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from include.sandbox.dataverse.errors import NotBuilt, query_error
from include.sandbox.dataverse.gaps import Gap

__all__ = [
    "And",
    "Comparison",
    "EnumLiteral",
    "Function",
    "Guid",
    "Moment",
    "Node",
    "Not",
    "Or",
    "Path",
    "Term",
    "parse_filter",
]

_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<enum>[A-Za-z_][\w.]*'(?:[^']|'')*')
  | (?P<string>'(?:[^']|'')*')
  | (?P<json>"(?:[^"\\]|\\.)*")
  | (?P<guid>[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b)
  | (?P<moment>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?)
  | (?P<number>[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
  | (?P<name>[A-Za-z_@$][\w.]*(?:/[A-Za-z_][\w.]*)*)
  | (?P<mark>[()\[\],=:])
    )""",
    re.VERBOSE | re.ASCII,
)
_OPERATORS: Final = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_TEXT_FUNCTIONS: Final = frozenset({"contains", "startswith", "endswith"})
_IN: Final = "Microsoft.Dynamics.CRM.In"
_LITERALS: Final = {"null": None, "true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Path:
    """A property, or a property behind a navigation property (`a/b`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Guid:
    """A GUID literal, in lower case."""

    text: str


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, or a date and time, as written."""

    text: str


@dataclass(frozen=True, slots=True)
class EnumLiteral:
    """A literal such as `Microsoft.Dynamics.CRM.AttributeTypeCode'Picklist'`."""

    value: str


Term = Path | Guid | Moment | EnumLiteral | str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`."""

    operator: str
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Function:
    """`contains`, `startswith`, `endswith` (one value) or `In` (any number)."""

    name: str
    path: Path
    values: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class And:
    """All of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any of the parts."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite of the part."""

    part: Node


Node = Comparison | Function | And | Or | Not


@lru_cache(maxsize=256)
def parse_filter(text: str) -> Node:
    """Return the syntax tree of a filter. Raises Refusal for a wrong one, NotBuilt for what the sandbox lacks."""
    parser = _Parser(text)
    node = parser.alternatives()
    parser.expect_end()
    return node


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _tokens(text)
        self._next = 0

    def alternatives(self) -> Node:
        """Parse parts joined by `or`."""
        parts = [self._conjunction()]
        while self._take_name("or"):
            parts.append(self._conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _conjunction(self) -> Node:
        parts = [self._negation()]
        while self._take_name("and"):
            parts.append(self._negation())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _negation(self) -> Node:
        if self._take_name("not"):
            return Not(self._negation())
        if self._take_mark("("):
            node = self.alternatives()
            self._need_mark(")")
            return node
        return self._condition()

    def _condition(self) -> Node:
        kind, word = self._peek()
        following = self._tokens[self._next + 1] if self._next + 1 < len(self._tokens) else ("end", "")
        if kind == "name" and following == ("mark", "("):
            return self._function(word)
        left = self._term()
        kind, operator = self._advance()
        if kind != "name" or operator not in _OPERATORS:
            raise self._wrong(operator)
        return Comparison(operator, left, self._term())

    def _function(self, name: str) -> Function:
        self._next += 2
        if name in _TEXT_FUNCTIONS:
            return self._text_function(name)
        if name == _IN:
            return self._membership()
        if name.endswith(("/any", "/all")):
            raise NotBuilt(Gap.LAMBDA)
        raise NotBuilt(Gap.FILTER_FUNCTION, name)

    def _text_function(self, name: str) -> Function:
        path = self._path()
        self._need_mark(",")
        value = self._term()
        self._need_mark(")")
        if not isinstance(value, str):
            raise query_error(
                f"No function signature for the function with name '{name}' matches the specified arguments."
            )
        return Function(name, path, (value,))

    def _membership(self) -> Function:
        self._need_parameter("PropertyName")
        kind, name = self._advance()
        if kind != "string":
            raise self._wrong(name)
        self._need_mark(",")
        self._need_parameter("PropertyValues")
        self._need_mark("[")
        values = [self._member()]
        while self._take_mark(","):
            values.append(self._member())
        self._need_mark("]")
        self._need_mark(")")
        return Function("In", Path(_unquoted(name)), tuple(values))

    def _member(self) -> Term:
        """Parse one value of a collection: as a literal, or as JSON writes it, which Microsoft's own client does."""
        kind, word = self._peek()
        if kind != "json":
            return self._term()
        self._next += 1
        try:
            return str(json.loads(word))
        except ValueError as error:
            raise self._wrong(word) from error

    def _need_parameter(self, name: str) -> None:
        if not self._take_name(name):
            raise self._wrong(self._peek()[1])
        self._need_mark("=")

    def _path(self) -> Path:
        kind, word = self._advance()
        if kind != "name" or word in _LITERALS:
            raise self._wrong(word)
        return Path(word)

    def _term(self) -> Term:
        kind, word = self._advance()
        match kind:
            case "string":
                return _unquoted(word)
            case "guid":
                return Guid(word.lower())
            case "moment":
                return Moment(word)
            case "number":
                return int(word) if word.lstrip("+-").isdigit() else float(word)
            case "enum":
                return EnumLiteral(_unquoted(word[word.index("'") :]))
            case "name":
                return _LITERALS[word] if word in _LITERALS else Path(word)
            case _:
                raise self._wrong(word)

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._next] if self._next < len(self._tokens) else ("end", "")

    def _advance(self) -> tuple[str, str]:
        token = self._peek()
        self._next += 1
        return token

    def _take_name(self, word: str) -> bool:
        taken = self._peek() == ("name", word)
        self._next += taken
        return taken

    def _take_mark(self, mark: str) -> bool:
        taken = self._peek() == ("mark", mark)
        self._next += taken
        return taken

    def _need_mark(self, mark: str) -> None:
        if not self._take_mark(mark):
            raise self._wrong(self._peek()[1])

    def expect_end(self) -> None:
        """Raise unless everything was read."""
        if self._peek()[0] != "end":
            raise self._wrong(self._peek()[1])

    def _wrong(self, word: str) -> Exception:
        return query_error(f"Syntax error at '{word or 'end of text'}' in '{self._text}'.")


def _tokens(text: str) -> list[tuple[str, str]]:
    tokens: list[tuple[str, str]] = []
    position, end = 0, len(text.rstrip())
    while position < end:
        found = _TOKEN.match(text, position)
        if found is None or found.lastgroup is None:
            raise query_error(f"Syntax error at position {position} in '{text}'.")
        tokens.append((found.lastgroup, found[found.lastgroup]))
        position = found.end()
    return tokens


def _unquoted(literal: str) -> str:
    return literal[1:-1].replace("''", "'")
