"""The list of what is not built."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import include.sandbox as sandbox_package
from include.sandbox.marketo.gaps import ADDRESS_GAPS, FEATURE_GAPS, find_gap
from include.sandbox.marketo.router import ROUTES

_FOLDER = Path(str(sandbox_package.__file__)).parent


def _listed() -> list[str]:
    text = (_FOLDER / "GAPS.md").read_text()
    section = text.split("\n## Marketo\n")[1].split("\n## ")[0]
    cells = re.findall(r"^\| ([^|]+?) \|", section, flags=re.MULTILINE)
    return [cell for cell in cells if cell not in {"Gap", "---"}]


def test_gaps_file_lists_exactly_what_answers_501() -> None:
    """The document and the code name the same gaps in the same order."""
    assert _listed() == [*(gap.name for gap in ADDRESS_GAPS), *FEATURE_GAPS]


def test_raised_gaps_are_listed() -> None:
    """Every gap that an endpoint names is one of the list, and every one of the list is raised somewhere."""
    sources = [path.read_text() for path in (_FOLDER / "marketo" / "endpoints").glob("*.py")]
    raised = {name for text in sources for name in re.findall(r'GapError\("([^"]+)"\)', text)}

    assert raised == set(FEATURE_GAPS)


def test_no_built_address_hides_behind_a_gap() -> None:
    """An address is either built or a gap, never both."""
    addresses = [(route.method, re.sub(r"\{\w+\}", "1", route.path)) for route in ROUTES]

    assert [(method, path) for method, path in addresses if find_gap(method, path)] == []


def test_every_endpoint_cites_its_source() -> None:
    """Whoever doubts the sandbox finds the vendor's page in the docstring."""
    silent = [route.path for route in ROUTES if "Source:" not in (inspect.getdoc(route.endpoint) or "")]

    assert silent == []
