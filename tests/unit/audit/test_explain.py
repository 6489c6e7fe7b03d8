"""Facts explain what they are about, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from include.person_sync.audit.explain import Facts, explain_differences, explain_findings
from include.person_sync.audit.findings import DIFFERENCE_COLUMNS, FINDING_COLUMNS
from include.person_sync.audit.pending import Pending
from tests.unit.audit.build import entries

LETTER = {
    "kind": "rejected", "action": "update", "marketo_id": 7, "dynamics_id": "r7", "payload": {"fields": {"city": "b"}},
}  # fmt: skip


def facts(*letters: dict[str, object], people: set[int] | None = None, queued: set[int] | None = None) -> Facts:
    """Return facts with these letters, people named by the feeds, and queued links."""
    frame = pd.DataFrame(list(letters), columns=list(LETTER)).astype({"marketo_id": "Int64"})
    return Facts(Pending(people=people or set()), frame, frozenset(queued or ()))


def difference(**changes: object) -> pd.DataFrame:
    """Return one difference."""
    row = {"link_id": 1, "marketo_id": 7, "dynamics_id": "r7", "field": "city", "planned": "b", **changes}
    return entries([row], DIFFERENCE_COLUMNS)


def reason(frame: pd.DataFrame) -> str:
    """Return the explanation of the only entry."""
    (explanation,) = frame["explanation"]
    return str(explanation)


def test_a_letter_explains_the_very_value_it_refused():
    """The same field with another value, or another field with the same one, is not what was refused."""
    assert reason(explain_differences(difference(), facts(LETTER))) == "dead_letter"
    assert reason(explain_differences(difference(planned="c"), facts(LETTER))) == "unexplained"
    assert reason(explain_differences(difference(planned=None), facts(LETTER))) == "unexplained"
    assert reason(explain_differences(difference(field="name"), facts(LETTER))) == "unexplained"
    assert reason(explain_differences(difference(marketo_id=8), facts(LETTER))) == "unexplained"


def test_a_letter_about_an_empty_value_explains_an_empty_value():
    """Emptying a required field is refused like any other value."""
    emptied = {**LETTER, "payload": {"fields": {"city": None}}}

    assert reason(explain_differences(difference(planned=None), facts(emptied))) == "dead_letter"


def test_what_the_feeds_name_is_in_flight_and_what_was_left_is_queued():
    """A change behind the watermark, or a link the next cycle looks at unasked, needs nobody."""
    assert reason(explain_differences(difference(), facts(people={7}))) == "in_flight"
    assert reason(explain_differences(difference(), facts(queued={1}))) == "queued"
    waiting = replace(facts(), waiting=Pending(rows={"r7"}))
    assert reason(explain_differences(difference(), waiting)) == "queued"
    assert reason(explain_differences(difference(), facts(people={8}, queued={2}))) == "unexplained"


def test_an_explanation_that_is_there_stays():
    """What the rule itself explains is not explained anew."""
    assert reason(explain_differences(difference(explanation="rule"), facts(LETTER, people={7}))) == "rule"


def test_holds_and_refused_creates_explain_missing_halves():
    """A held row is held, a refused create is a dead letter; a letter about single fields explains no missing half."""
    finding = entries([{"kind": "row_without_person", "dynamics_id": "r7"}], FINDING_COLUMNS)

    assert reason(explain_findings(finding, facts({**LETTER, "kind": "ambiguous", "action": "create"}))) == "hold"
    assert reason(explain_findings(finding, facts({**LETTER, "action": "create"}))) == "dead_letter"
    assert reason(explain_findings(finding, facts(LETTER))) == "unexplained"
    assert reason(explain_findings(finding, facts())) == "unexplained"
