"""What is not built is listed, and what is built names where it is documented."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from include.sandbox.dataverse.gaps import Gap
from include.sandbox.entra.errors import EntraGap

SANDBOX = Path(__file__).parents[3] / "include" / "sandbox"
MODULES = sorted([*(SANDBOX / "dataverse").glob("*.py"), *(SANDBOX / "entra").glob("*.py")])


def listed(title: str) -> set[str]:
    """Return the gaps that GAPS.md lists under a title."""
    section = (SANDBOX / "GAPS.md").read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return {row[1].strip() for row in re.finditer(r"^\| ([^|]+) \|", section, re.MULTILINE)} - {"Gap", "---"}


@pytest.mark.parametrize(("title", "gaps"), [("Dataverse", Gap), ("Entra ID", EntraGap)])
def test_list_and_code_are_in_step(title, gaps):
    """Every gap of the code is listed, and every listed gap is one of the code's."""
    assert listed(title) == {gap.partition(": ")[2] for gap in gaps}


@pytest.mark.parametrize("gap", [*Gap, *EntraGap])
def test_every_gap_is_answered_somewhere(gap):
    """A gap that no code raises would be a promise of a 501 that never comes."""
    name = f"{type(gap).__name__}.{gap.name}"

    assert any(name in module.read_text() for module in MODULES if module.name not in {"gaps.py", "errors.py"})


def handlers() -> list[tuple[str, str]]:
    """Return (name, docstring) of every documented function that answers requests; those without one are plumbing."""
    found = []
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            answers = isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == "Reply"
            if answers and (docstring := ast.get_docstring(node)):
                found.append((f"{module.stem}.{node.name}", docstring))
    return found


SHARED = {"answers.answer", "answers.no_content", "answers.refusal_reply", "operations.run", "service.handle"}


@pytest.mark.parametrize(("name", "docstring"), [entry for entry in handlers() if entry[0] not in SHARED])
def test_handlers_cite_their_source(name, docstring):
    """Whoever doubts a behaviour finds the vendor's page beside it."""
    assert "Source: https://learn.microsoft.com/" in docstring, name


def test_there_are_handlers_to_look_at():
    """The search above finds what it is meant to find."""
    names = {name for name, _ in handlers()}

    assert {"resources._patch", "batch.answer", "functions.who_am_i", "service._token"} <= names
