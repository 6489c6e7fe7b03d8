"""
Write docs/promises.md: what the sync promises, a sentence each, and the tests that hold it.

Sentences are in docs/promises.yaml. A test holds a promise when its docstring names the label, as in `(T-01)`, a
scenario when its `covers` does. `python -m tools.promises` writes the page; a test compares it with both.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["DOCUMENT", "LABEL", "Holders", "holders_by_label", "labels_in_use", "main", "page", "read_sentences"]

PROJECT: Final = Path(__file__).resolve().parents[1]
DOCUMENT: Final = PROJECT / "docs" / "promises.md"
SENTENCES: Final = PROJECT / "docs" / "promises.yaml"
LABEL: Final = re.compile(r"(?<![\w-])[EOPRST]-\d{2,3}(?![\w-])")
FOLDERS: Final = ("include", "dags", "plugins", "tools", "tests", "docs")
SUFFIXES: Final = {".py", ".yaml", ".md"}

HEAD: Final = """\
# Promises

What the sync promises, and the tests that hold it; made by `make promises` from `docs/promises.yaml` and the tests.
A label stands in the docstring of each test that would fail if the promise were broken. `T`, `P`, `E`, `O` and `R` tell
what people know from the native connector, or miss in it: whole stories, people and their fields, accounts, operations,
and what replacing it takes. `S` is about safety: what has to hold whatever happens.
"""

Sentences = dict[str, dict[str, str]]
"""The promises: heading, label, sentence."""
Holders = dict[str, dict[str, list[str]]]
"""What holds them: label, file below the project, names of its tests; none for a scenario, which is one as a whole."""


def read_sentences(file: Path = SENTENCES) -> Sentences:
    """Return the promises in the order of their file."""
    sentences: Sentences = yaml.safe_load(file.read_text(encoding="utf-8"))
    return sentences


def holders_by_label(folder: Path = PROJECT / "tests") -> Holders:
    """Return which tests name which label, files and tests in a fixed order."""
    found: Holders = defaultdict(dict)
    for file in sorted([*folder.rglob("test_*.py"), *(folder / "scenarios").glob("*.yaml")]):
        for name, label in _labels_of(file):
            names = found[label].setdefault(file.relative_to(folder.parent).as_posix(), [])
            names += [name] if name else []
    return dict(found)


def _labels_of(file: Path) -> Iterator[tuple[str, str]]:
    """Yield test and label; the name is empty for a scenario."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".yaml":
        yield from (("", label) for label in yaml.safe_load(text)["covers"])
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            labels = dict.fromkeys(LABEL.findall(ast.get_docstring(node) or ""))
            yield from ((node.name, label) for label in labels)


def labels_in_use(project: Path = PROJECT) -> dict[str, str]:
    """Return every label that sources, tests and documents mention, with one file that does."""
    found: dict[str, str] = {}
    files = (file for folder in FOLDERS for file in (project / folder).rglob("*") if file.suffix in SUFFIXES)
    for file in sorted([*files, *project.glob("*.md")]):
        for label in LABEL.findall(file.read_text(encoding="utf-8")):
            found.setdefault(label, file.relative_to(project).as_posix())
    return found


def page(sentences: Sentences, holders: Holders) -> str:
    """Return the page as Markdown."""
    return "\n".join([HEAD, *(line for part in sentences.items() for line in _section(*part, holders))]).rstrip() + "\n"


def _section(heading: str, promises: Mapping[str, str], holders: Holders) -> Iterator[str]:
    yield from (f"## {heading}", "")
    for label, sentence in promises.items():
        yield f"- **{label}** {sentence}"
        for file, names in holders.get(label, {}).items():
            shown = f": {', '.join(f'`{name}`' for name in names)}" if names else ""
            yield f"  - [{file.removeprefix('tests/')}](../{file}){shown}"
    yield ""


def main() -> int:
    """Write the page and return 0."""
    DOCUMENT.write_text(page(read_sentences(), holders_by_label()), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
