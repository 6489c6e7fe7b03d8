"""A wrong scenario file is refused with a message that says where and what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.scenarios.reading import ScenarioError, read_scenario

if TYPE_CHECKING:
    from pathlib import Path

RIGHT = """
title: A title
covers: [T-01]
given:
  - {in step: Ada, as: lead}
steps:
  - marketo edits Ada: {job_title: CEO}
  - cycle
expect:
  Ada: {both: {job_title: CEO}}
"""


def test_a_right_file_is_read(tmp_path: Path) -> None:
    """People, steps and expectations come out as they were written."""
    path = tmp_path / "right.yaml"
    path.write_text(RIGHT)

    scenario = read_scenario(path)

    assert [one.name for one in scenario.people] == ["Ada"]
    assert [(one.verb, one.name) for one in scenario.steps] == [("marketo edits", "Ada"), ("cycle", None)]


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("title: A title", "titel: A title", "the file: does not know titel"),
        ("title: A title\n", "", "`title` is missing"),
        ("in step: Ada", "in steps: Ada", "given 1: a person begins with one of: in step"),
        (", as: lead", "", "given 1: says `as: lead`"),
        ("marketo edits Ada", "marketo edits Adda", "step 1: nobody is called 'Adda'; there are: Ada"),
        ("marketo edits Ada", "marketo paints Ada", "step 1: 'marketo paints Ada' is nothing that can be done"),
        (": {job_title: CEO}\n  - cycle", ":\n  - cycle", "step 1: says nothing after"),
        ("  Ada: {both", "  Bob: {both", "expect: 'Bob' is nobody's name"),
        ("Ada: {both", "Ada: {booth", "expect: Ada: does not know booth"),
        ("covers: [T-01]", "covers: [T-01", "is no YAML"),
    ],
)
def test_a_wrong_file_is_refused_where_it_is_wrong(tmp_path: Path, written: str, instead: str, message: str) -> None:
    """The message names the file, the place and the words that would do."""
    assert written in RIGHT
    path = tmp_path / "wrong.yaml"
    path.write_text(RIGHT.replace(written, instead, 1))

    with pytest.raises(ScenarioError) as caught:
        read_scenario(path)

    assert str(caught.value).startswith("wrong.yaml: ")
    assert message in str(caught.value)
