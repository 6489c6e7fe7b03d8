"""How a refusal is known again, and what is left out because of it."""

from __future__ import annotations

import pandas as pd
import pytest

from include.person_sync.core.changes import ChangeSet
from include.person_sync.core.dead_letters import (
    fingerprint,
    hold_letters,
    problem_letters,
    refusal_letters,
    schemas_watermark,
    without_known_refusals,
)
from include.person_sync.core.relations import CHANGES, HOLDS, PLAN_VALUES, PROBLEMS

DIGEST = "schema"


def changes(*rows: dict[str, object]) -> pd.DataFrame:
    """Return changes (CHANGES), updates of contact c1 in Dynamics unless said otherwise; with code and message."""
    known = {
        "link_id": 11,
        "direction": "to_dynamics",
        "action": "update",
        "marketo_id": 1,
        "dynamics_table": "contact",
        "dynamics_id": "c1",
        "generation": 1,
    }
    frame = pd.DataFrame([{"change_no": number, **known, **row} for number, row in enumerate(rows)])
    return CHANGES.of(frame).assign(code="0x80", message="no")


def values(*cells: tuple[int, str, str | None]) -> pd.DataFrame:
    """Return planned values (PLAN_VALUES) by change number, field and value."""
    return PLAN_VALUES.of(pd.DataFrame(cells, columns=["change_no", "field", "planned"]), outcome="to_dynamics")


def problems(*rows: dict[str, object]) -> pd.DataFrame:
    """Return problems (PROBLEMS), of the last name of link 11 on its way to Dynamics unless said otherwise."""
    known = {"link_id": 11, "direction": "to_dynamics", "field": "last_name", "code": "too_long", "planned": "x"}
    return PROBLEMS.of(pd.DataFrame([{**known, **row} for row in rows]))


def prints(frame: pd.DataFrame, cells: pd.DataFrame, digest: str = DIGEST) -> list[str]:
    """Return the fingerprints of refusals."""
    return refusal_letters(frame, cells, digest)["fingerprint"].tolist()


def test_update_gives_a_letter_per_refused_value_and_a_creation_one() -> None:
    """A person is not created half, and a person's other fields are no matter of a refused one."""
    letters = refusal_letters(
        changes({}, {"action": "create", "link_id": 12, "dynamics_id": "c2"}),
        values((0, "last_name", "a"), (0, "score", None), (1, "last_name", "b"), (1, "score", "c")),
        DIGEST,
    )

    payloads = letters.set_index(["link_id", "action"])["payload"].groupby(level=[0, 1]).agg(list).to_dict()
    assert payloads == {
        (11, "update"): [{"fields": {"last_name": "a"}}, {"fields": {"score": None}}],
        (12, "create"): [{"fields": {"last_name": "b", "score": "c"}}],
    }
    assert letters["fingerprint"].is_unique
    assert set(letters["kind"]) == {"rejected"}


def test_fingerprints_are_the_same_in_any_row_order() -> None:
    """What is refused is known again, however the plan was sorted or numbered."""
    one = prints(changes({}, {"link_id": 12, "dynamics_id": "c2"}), values((0, "score", "a"), (1, "score", "a")))
    other = prints(changes({"link_id": 12, "dynamics_id": "c2"}, {}), values((1, "score", "a"), (0, "score", "a")))
    create = changes({"action": "create"})

    assert sorted(one) == sorted(other)
    assert prints(create, values((0, "a", "1"), (0, "b", None))) == prints(
        create, values((0, "b", None), (0, "a", "1"))
    )


@pytest.mark.parametrize("action", ["update", "create"])
@pytest.mark.parametrize(
    ("change", "cell", "digest"),
    [
        ({"direction": "to_marketo"}, ("score", "a"), DIGEST),
        ({"dynamics_id": "c2"}, ("score", "a"), DIGEST),
        ({"dynamics_table": "lead"}, ("score", "a"), DIGEST),
        ({}, ("last_name", "a"), DIGEST),
        ({}, ("score", "b"), DIGEST),
        ({}, ("score", None), DIGEST),
        ({}, ("score", "a"), "another"),
    ],
)
def test_fingerprint_differs_when_anything_that_matters_does(
    action: str, change: dict[str, str], cell: tuple[str, str | None], digest: str
) -> None:
    """Another direction, target, field, value or schema is another try."""
    before = prints(changes({"action": action}), values((0, "score", "a")))

    assert prints(changes({"action": action, **change}), values((0, *cell)), digest) != before


def test_fingerprint_of_a_person_differs_by_the_person() -> None:
    """To Marketo the target is the person; one yet to be made is known by its row."""
    made = [
        prints(changes({"direction": "to_marketo", "marketo_id": person, "dynamics_id": row}), values((0, "a", "b")))[0]
        for person, row in ((1, "c1"), (2, "c1"), (None, "c1"), (None, "c2"))
    ]

    assert len(set(made)) == 4


def test_fingerprint_keeps_its_parts_apart() -> None:
    """Parts that run together are not the same."""
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint("a", "b") == fingerprint("a", "b")


def test_known_cell_is_left_out_of_an_update_while_other_fields_go_on() -> None:
    """One bad value does not keep back the person."""
    planned = ChangeSet(changes({}), values((0, "last_name", "bad"), (0, "score", "good")))
    known = frozenset(prints(changes({}), values((0, "last_name", "bad"))))

    left = without_known_refusals(planned, PROBLEMS.empty(), known, DIGEST)

    assert left.change_set.values["field"].tolist() == ["score"]
    assert left.change_set.changes["change_no"].tolist() == [0]
    assert left.skipped == {"to_dynamics": 1, "to_marketo": 0}


def test_update_of_which_all_is_known_to_be_refused_is_left_out() -> None:
    """Nothing is sent without a value."""
    planned = ChangeSet(changes({}), values((0, "last_name", "bad")))

    left = without_known_refusals(planned, PROBLEMS.empty(), frozenset(prints(planned.changes, planned.values)), DIGEST)

    assert left.change_set.changes.empty
    assert left.change_set.values.empty


@pytest.mark.parametrize("action", ["create", "delete"])
def test_refused_creation_or_deletion_is_left_out_as_a_whole(action: str) -> None:
    """Half a person is worse than none; and with one value corrected it is tried again."""
    body = values((0, "last_name", "bad"), (0, "score", "good")) if action == "create" else values()
    planned = ChangeSet(changes({"action": action}), body)
    known = frozenset(prints(planned.changes, planned.values))

    left = without_known_refusals(planned, PROBLEMS.empty(), known, DIGEST)
    corrected = ChangeSet(planned.changes, values((0, "last_name", "fine"), (0, "score", "good")))

    assert left.change_set.changes.empty
    assert left.change_set.values.empty
    assert left.skipped["to_dynamics"] == 1
    if action == "create":
        assert len(without_known_refusals(corrected, PROBLEMS.empty(), known, DIGEST).change_set.changes) == 1


def test_known_problem_is_not_told_again_and_a_new_one_is() -> None:
    """A value that is known to be refused counts as skipped, until it changes."""
    known = frozenset(problem_letters(problems({}), DIGEST, pd.Series([11]))["fingerprint"])
    nothing = ChangeSet(CHANGES.empty(), PLAN_VALUES.empty())

    again = without_known_refusals(nothing, problems({}, {"planned": "y"}), known, DIGEST)

    assert again.problems["planned"].tolist() == ["y"]
    assert again.skipped == {"to_dynamics": 1, "to_marketo": 0}


def test_nothing_is_left_out_without_open_refusals() -> None:
    """Whoever names people asks for another try of everything."""
    planned = ChangeSet(changes({}), values((0, "last_name", "bad")))

    left = without_known_refusals(planned, problems({}), frozenset(), DIGEST)

    assert left.change_set is planned
    assert len(left.problems) == 1
    assert left.skipped == {"to_dynamics": 0, "to_marketo": 0}


def test_agreements_are_not_left_out() -> None:
    """What both sides hold already is written nowhere and can't have been refused."""
    agreed = ChangeSet(changes({"direction": "none", "action": "adopt"}), values((0, "score", "a")))
    known = frozenset(prints(agreed.changes, agreed.values))

    assert len(without_known_refusals(agreed, PROBLEMS.empty(), known, DIGEST).change_set.values) == 1


def test_hold_letters_are_known_by_whom_they_are_about() -> None:
    """A hold repeats in every cycle and is one letter; another code or row is another."""
    hold = {"kind": "ambiguous", "code": "AMBIGUOUS_EMAIL", "marketo_id": 1, "message": "choose"}
    rows = HOLDS.of(pd.DataFrame([hold, {**hold, "message": "reworded"}, {**hold, "marketo_id": 2}]))

    letters = hold_letters(rows, DIGEST)

    assert letters["fingerprint"].nunique() == 2
    assert set(letters["activity_state"]) == {"none"}
    assert letters["payload"].tolist() == [{}, {}, {}]


def test_problem_letters_name_field_and_value() -> None:
    """A person reads which field is meant, and the console which value."""
    letters = problem_letters(problems({"message": "11 characters, 10 allowed"}), DIGEST, pd.Series([11]))

    assert letters["message"].tolist() == ["last_name: 11 characters, 10 allowed"]
    assert letters["payload"].tolist() == [{"fields": {"last_name": "x"}}]
    assert letters["kind"].tolist() == ["invalid"]


def test_schemas_are_noted_only_when_both_sides_were_read_by_them() -> None:
    """When they were read anew half-way, the next run looks at all refusals."""
    assert schemas_watermark("new", ["new", "new"]) == {"digest": "new"}
    assert schemas_watermark("new", ["old", "new"]) is None
    assert schemas_watermark("new", [None, "new"]) is None
