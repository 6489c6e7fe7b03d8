"""Every promise is held by a test, every label is explained, and the page of promises is the one the tests make."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING

from tools.promises import DOCUMENT, LABEL, holders_by_label, labels_in_use, page, read_sentences

if TYPE_CHECKING:
    from pathlib import Path

# Put together here, so that the check of all labels does not take them for some that lack a sentence.
KEPT, BROKEN, UNKNOWN = (f"S-{number}" for number in (997, 998, 999))

everyone = cache(holders_by_label)


def labels() -> list[str]:
    """Return the labels of all promises, in the order of their file."""
    return list(chain.from_iterable(read_sentences().values()))


def test_every_promise_has_a_test() -> None:
    """No sentence stands there that no test would miss: name its label in the docstring of the test that holds it."""
    assert set(labels()) - everyone().keys() == set()


def test_every_label_has_a_sentence() -> None:
    """Whoever meets a label in a source, a test or a document finds its sentence in docs/promises.yaml."""
    explained = set(labels())

    assert {label: file for label, file in labels_in_use().items() if label not in explained} == {}


def test_labels_and_sentences_are_well_formed() -> None:
    """A label is used once, and its sentence is one that a person can read."""
    sentences = [sentence for promises in read_sentences().values() for sentence in promises.values()]

    assert len(labels()) == len(set(labels()))
    assert [label for label in labels() if not LABEL.fullmatch(label)] == []
    assert [sentence for sentence in sentences if not sentence[0].isupper() or sentence[-1] != "."] == []


def test_the_page_is_current() -> None:
    """docs/promises.md is what sentences and tests make of it: run `make promises`."""
    assert DOCUMENT.read_text(encoding="utf-8") == page(read_sentences(), everyone())


def test_the_checks_can_fail(tmp_path: Path) -> None:
    """A promise without a test, a label without a sentence, and a new test show up in what the checks compare."""
    tests = tmp_path / "tests"
    (tests / "scenarios").mkdir(parents=True)
    promises = {"Whatever happens": {KEPT: "Nothing is lost.", BROKEN: "Nothing is made twice."}}
    before = page(promises, holders_by_label(tests))
    (tests / "test_losses.py").write_text(f'def test_loss():\n    """Nobody is lost ({KEPT}, {UNKNOWN})."""\n')
    (tests / "scenarios" / "story.yaml").write_text(f"covers: [{KEPT}]\n")

    holders = holders_by_label(tests)

    assert holders[KEPT] == {"tests/scenarios/story.yaml": [], "tests/test_losses.py": ["test_loss"]}
    assert BROKEN not in holders
    assert labels_in_use(tmp_path)[UNKNOWN] == "tests/test_losses.py"
    assert page(promises, holders) != before
