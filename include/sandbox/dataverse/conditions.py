"""
What a filter means: syntax tree to a test of rows, with the three truth values of SQL.

A comparison with an empty column is neither true nor false, so that neither `ne 'x'` nor `not (… eq 'x')` returns rows
whose column is empty. Texts compare without regard to case and trailing blanks; in `contains` and its siblings `%`, `_`
and `[…]` are wildcards. Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/query/filter-rows
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from include.sandbox.dataverse.errors import query_error
from include.sandbox.dataverse.filters import (
    And,
    Comparison,
    EnumLiteral,
    Function,
    Guid,
    Moment,
    Not,
    Or,
    Path,
)
from include.sandbox.dataverse.store import comparison_key
from include.sandbox.dataverse.values import parse_moment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from include.sandbox.dataverse.filters import Node, Term

__all__ = ["Operand", "Resolver", "Test", "compile_filter", "equalities"]

_COMPARE: Final = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


@dataclass(frozen=True, slots=True)
class Operand:
    """A property inside a filter: how to read it from a row, and its OData type."""

    get: Callable[[Mapping[str, Any]], Any]
    edm: str
    column: str | None = None


if TYPE_CHECKING:
    Resolver = Callable[[str], Operand]
    Test = Callable[[Mapping[str, Any]], bool | None]
else:
    Resolver = Test = object


def compile_filter(node: Node, resolve: Resolver) -> Test:
    """Return a test that gives True, False or None (unknown) for a row. Raises Refusal for ill-matched types."""
    match node:
        case And(parts):
            return _all([compile_filter(part, resolve) for part in parts])
        case Or(parts):
            return _any([compile_filter(part, resolve) for part in parts])
        case Not(part):
            return _opposite(compile_filter(part, resolve))
        case Comparison():
            return _comparison(node, resolve)
        case Function():
            return _function(node, resolve)


def equalities(node: Node, resolve: Resolver) -> tuple[str, list[Any]] | None:
    """Return (column, values) when the filter can only be met by rows whose column has one of the values, else None."""
    match node:
        case Comparison("eq", Path(name), right) if right is not None and not isinstance(right, Path):
            operand = resolve(name)
            return None if operand.column is None else (operand.column, [_literal(right, operand, name)])
        case Function("In", Path(name), values):
            operand = resolve(name)
            return (
                None
                if operand.column is None
                else (operand.column, [_member(value, operand, name) for value in values])
            )
        case Or(parts):
            return _joined([equalities(part, resolve) for part in parts])
        case And(parts):
            found = [pair for part in parts if (pair := equalities(part, resolve)) is not None]
            return min(found, key=lambda pair: len(pair[1]), default=None)
        case _:
            return None


def _joined(pairs: list[tuple[str, list[Any]] | None]) -> tuple[str, list[Any]] | None:
    known = [pair for pair in pairs if pair is not None]
    if len(known) != len(pairs) or len({column for column, _ in known}) != 1:
        return None
    return known[0][0], [value for _, values in known for value in values]


def _all(tests: list[Test]) -> Test:
    def test(row: Mapping[str, Any]) -> bool | None:
        unknown = False
        for part in tests:
            result = part(row)
            if result is False:
                return False
            unknown = unknown or result is None
        return None if unknown else True

    return test


def _any(tests: list[Test]) -> Test:
    def test(row: Mapping[str, Any]) -> bool | None:
        unknown = False
        for part in tests:
            result = part(row)
            if result:
                return True
            unknown = unknown or result is None
        return None if unknown else False

    return test


def _opposite(part: Test) -> Test:
    def test(row: Mapping[str, Any]) -> bool | None:
        result = part(row)
        return None if result is None else not result

    return test


def _comparison(node: Comparison, resolve: Resolver) -> Test:
    if not isinstance(node.left, Path):
        raise query_error("The left side of a comparison has to be a property.")
    left, compare = resolve(node.left.name), _COMPARE[node.operator]
    if isinstance(node.right, Path):
        return _compare_columns(compare, left, resolve(node.right.name))
    if node.right is None:
        return _compare_null(node.operator, left)
    literal, get = _literal(node.right, left, node.left.name), left.get
    if left.edm != "Edm.String":
        return _compare_plainly(compare, get, literal)
    value = comparison_key(literal)

    def test(row: Mapping[str, Any]) -> bool | None:
        present = get(row)
        return None if present is None else bool(compare(comparison_key(present), value))

    return test


def _compare_plainly(compare: Callable[[Any, Any], bool], get: Callable[[Mapping[str, Any]], Any], value: Any) -> Test:
    """Compare what has no case: worth its own path, since whole tables are filtered by date."""

    def test(row: Mapping[str, Any]) -> bool | None:
        present = get(row)
        return None if present is None else compare(present, value)

    return test


def _compare_columns(compare: Callable[[Any, Any], bool], left: Operand, right: Operand) -> Test:
    if left.edm != right.edm:
        raise _mismatch(left.edm, right.edm)

    def test(row: Mapping[str, Any]) -> bool | None:
        first, second = left.get(row), right.get(row)
        return None if first is None or second is None else compare(comparison_key(first), comparison_key(second))

    return test


def _compare_null(word: str, operand: Operand) -> Test:
    get = operand.get
    if word == "eq":
        return lambda row: get(row) is None
    if word == "ne":
        return lambda row: get(row) is not None
    return lambda row: None  # noqa: ARG005 - nothing is greater or less than null


def _function(node: Function, resolve: Resolver) -> Test:
    operand = resolve(node.path.name)
    get = operand.get
    if node.name == "In":
        wanted = frozenset(comparison_key(_member(value, operand, node.path.name)) for value in node.values)

        def member(row: Mapping[str, Any]) -> bool | None:
            present = get(row)
            return None if present is None else comparison_key(present) in wanted

        return member
    if operand.edm != "Edm.String":
        raise _mismatch(operand.edm, "Edm.String")
    pattern = _like(node.name, str(node.values[0]))

    def test(row: Mapping[str, Any]) -> bool | None:
        present = get(row)
        return None if present is None else pattern.search(present) is not None

    return test


def _like(name: str, text: str) -> re.Pattern[str]:
    body = "".join(_like_piece(piece) for piece in re.findall(r"\[[^\]]+\]|.", text, re.DOTALL))
    start, end = (
        ("" if name == "endswith" else r"\A") if name != "contains" else "",
        r"\Z" if name == "endswith" else "",
    )
    return re.compile(start + body + end, re.IGNORECASE | re.DOTALL)


def _like_piece(piece: str) -> str:
    if piece == "%":
        return ".*"
    if piece == "_":
        return "."
    if len(piece) > 2:
        inside = piece[1:-1].replace("\\", "\\\\").replace("[", "\\[")
        return f"[{inside}]"
    return re.escape(piece)


def _literal(value: Term, operand: Operand, name: str) -> Any:
    """Return a literal in stored form. Raises Refusal when its type does not fit the property."""
    edm = operand.edm
    match value:
        case None:
            return None
        case bool():
            found = "Edm.Boolean"
        case str():
            found = "Edm.String"
        case int() | float():
            found = edm if edm in _NUMERIC else "Edm.Int32"
        case Guid(text):
            value, found = text, "Edm.Guid"
        case EnumLiteral(text):
            value, found = text, "Edm.String"
        case Moment(text):
            value, found = _moment(text, edm)
        case _:
            raise query_error(f"A literal was expected beside '{name}'.")
    if found != edm:
        raise _mismatch(edm, found)
    return value


def _member(value: Term, operand: Operand, name: str) -> Any:
    """Return one value of `In`, whose parameter is a collection of texts whatever the property's type."""
    if not isinstance(value, str) or operand.edm == "Edm.String":
        return _literal(value, operand, name)
    try:
        return _literal(_unpacked(value, operand.edm), operand, name)
    except ValueError as error:
        raise _mismatch(operand.edm, "Edm.String") from error


def _unpacked(text: str, edm: str) -> Term:
    if edm == "Edm.Guid":
        return Guid(str(UUID(text)))
    if edm in _NUMERIC:
        return float(text)
    if edm == "Edm.Boolean":
        return {"true": True, "false": False}[text] if text in {"true", "false"} else text
    return Moment(text)


_NUMERIC: Final = frozenset({"Edm.Int32", "Edm.Int64", "Edm.Decimal", "Edm.Double"})


def _moment(text: str, edm: str) -> tuple[str, str]:
    if edm == "Edm.Date":
        return text, "Edm.Date" if "T" not in text else "Edm.DateTimeOffset"
    parsed = parse_moment(text)
    if parsed is None:
        raise query_error(f"Unrecognized 'Edm.DateTimeOffset' literal '{text}'.")
    return parsed, "Edm.DateTimeOffset"


def _mismatch(left: str, right: str) -> Exception:
    return query_error(
        "A binary operator with incompatible types was detected. "
        f"Found operand types '{left}' and '{right}' for operator kind 'Equal'."
    )
