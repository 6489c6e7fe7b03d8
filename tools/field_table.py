"""
Keep the table of docs/field-mapping.md in step with the default field map.

`python -m tools.field_table` rewrites the part of the document between its two marks; a test compares both.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from include.person_sync.config.settings import DEFAULT_PATH, load_settings
from include.person_sync.core.fields import Rule, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from include.person_sync.core.fields import Field

__all__ = ["DOCUMENT", "document_with_table", "main", "table_lines"]

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "field-mapping.md"
BEGIN: Final = "<!-- field table: made by `python -m tools.field_table` -->"
END: Final = "<!-- end of field table -->"

_HEADINGS: Final = ("field", "type", "Marketo", "contact", "lead", "rule")
_ARROWS: Final = {
    Rule.TWO_WAY: "↔",
    Rule.PREFER_MARKETO: "↔ Marketo wins",
    Rule.PREFER_DYNAMICS: "↔ Dynamics wins",
    Rule.MARKETO_TO_DYNAMICS: "→ Dynamics",
    Rule.DYNAMICS_TO_MARKETO: "→ Marketo",
    Rule.OFF: "off",
}


def table_lines(fields: Iterable[Field]) -> Iterator[str]:
    """Yield the table as Markdown, one line per field in map order; `*` marks fields that setup may provision."""
    yield _line(_HEADINGS)
    yield _line(["---"] * len(_HEADINGS))
    for field in fields:
        marketo = f"`{field.marketo}`" + ("*" if field.provision is not None else "")
        yield _line([f"`{field.name}`", field.type.value, marketo, *_columns(field), _rules(field)])


def document_with_table(text: str) -> str:
    """Return the document with the table of the default field map. Raises ValueError when a mark is missing."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the document has no {BEGIN} … {END}")
    fields = load_settings(DEFAULT_PATH, environ={}).field_map.fields
    return "\n".join([f"{before}{BEGIN}", "", *table_lines(fields), "", f"{END}{after}"])


def main() -> int:
    """Rewrite the document and return 0."""
    DOCUMENT.write_text(document_with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _columns(field: Field) -> list[str]:
    return [f"`{column}`" if (column := field.column(table)) else "-" for table in Table]


def _rules(field: Field) -> str:
    """Return the rule, or one per table where they differ."""
    rules = {table: field.rule_for(table) for table in Table if field.column(table) is not None}
    if len(set(rules.values())) == 1:
        return _ARROWS[next(iter(rules.values()))]
    return ", ".join(f"{table.value} {_ARROWS[rule]}" for table, rule in rules.items())


if __name__ == "__main__":
    sys.exit(main())
