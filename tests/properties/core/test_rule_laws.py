"""Laws of the single rules beside the merge, each with wrong variants that it catches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from include.person_sync.core.changes import direction_from, writes_to
from include.person_sync.core.claims import claims
from include.person_sync.core.dead_letters import refusal_letters
from include.person_sync.core.feeds import Intake, take_next
from include.person_sync.core.field_lifecycle import FieldStates, after_backfills, next_states
from include.person_sync.core.fields import FieldMap, Side, Table
from include.person_sync.core.identity import Identities, follow
from include.person_sync.core.outcome import Outcome
from include.person_sync.core.plan import Plan
from include.person_sync.core.relations import BASE_UPDATES, CHANGES, PAIRS, PLAN_VALUES
from include.person_sync.core.snapshot import Events, Needs
from include.person_sync.core.vocabulary import Outcome as Outcomes
from tests.unit.core.world import (
    FIELDS,
    NAMES,
    POLICY,
    contact,
    lead,
    link,
    people_frame,
    person,
    schema,
    seen,
)

if TYPE_CHECKING:
    from include.person_sync.core.snapshot import Snapshot

few = settings(max_examples=max(10, settings().max_examples // 5))
PEOPLE, ROWS = st.integers(1, 6), st.sampled_from([f"r{number}" for number in range(1, 7)])
RECORDS = st.lists(st.sampled_from("abcdefgh"), max_size=6)


@st.composite
def events(draw: st.DrawFn) -> Snapshot:
    """Draw up to six linked people of either table, and any events about them."""
    links, rows = [], []
    for number in range(1, draw(st.integers(0, 6)) + 1):
        table, make = draw(st.sampled_from([("contact", contact), ("lead", lead)]))
        links.append(link(number, number, f"{table}:r{number}"))
        merged = {"merged": "true", "master": draw(ROWS)} if draw(st.booleans()) else {}
        named = draw(st.one_of(st.none(), ROWS))
        own = {"origin": named} if table == "contact" else {"parent": named, "state": draw(st.sampled_from("01"))}
        if draw(st.booleans()):
            rows.append(make(f"r{number}", **{**own, **merged}))
    told = Events(
        frozenset(draw(st.lists(PEOPLE, max_size=2))),
        draw(st.dictionaries(PEOPLE, st.integers(1, 8), max_size=3)),
        {table: frozenset(draw(st.lists(ROWS, max_size=2))) for table in Table},
    )
    return seen(*rows, *links, events=told)


Follow = Callable[..., Identities] if TYPE_CHECKING else object


def links_never_share_a_half(follow_events: Follow, snapshot: Snapshot) -> None:
    """Whatever happens, a person and a row have one open link at most, and no link is lost."""
    now = follow_events(snapshot, POLICY)
    assert now.links["marketo_id"].is_unique
    assert not now.links.duplicated(["dynamics_table", "dynamics_id"]).any()
    assert sorted([*now.links["link_id"], *now.closed]) == sorted(snapshot.links["link_id"])
    assert set(now.ended["link_id"]) == set(now.closed)
    assert now.retabled <= now.relinked <= set(now.links["link_id"])


def order_of_events_is_irrelevant(follow_events: Follow, snapshot: Snapshot) -> None:
    """Rows, links and events may come in any order."""
    told = snapshot.events
    other = replace(
        snapshot,
        links=snapshot.links.iloc[::-1],
        rows={table: snapshot.rows[table].iloc[::-1] for table in reversed(Table)},
        events=Events(told.deleted_people, dict(reversed(told.merged_people.items())), told.deleted_rows),
    )
    one, two = (follow_events(each, POLICY) for each in (snapshot, other))
    for name in ("links", "ended", "flagged", "holds"):
        frames = [getattr(each, name).astype("str").fillna("") for each in (one, two)]
        assert sorted(frames[0].to_numpy().tolist()) == sorted(frames[1].to_numpy().tolist())
    assert (one.closed, one.relinked, one.retabled) == (two.closed, two.relinked, two.retabled)


def nobody_is_left_with_the_dead(follow_events: Follow, snapshot: Snapshot) -> None:
    """No open link ends at a deleted person, at the loser of a merge, or at a deleted row that did not come again."""
    told, now = snapshot.events, follow_events(snapshot, POLICY).links
    untouched = set(snapshot.links["marketo_id"])
    assert not now["marketo_id"].isin(told.merged_people).any()
    assert not now["marketo_id"].isin(told.deleted_people & untouched - set(told.merged_people.values())).any()


IDENTITY_LAWS = (links_never_share_a_half, order_of_events_is_irrelevant, nobody_is_left_with_the_dead)


@few
@given(snapshot=events())
def test_identity_keeps_its_laws(snapshot: Snapshot) -> None:
    """Links follow the human, in any order of events."""
    for law in IDENTITY_LAWS:
        law(follow, snapshot)


def chains_are_followed_one_step(snapshot: Snapshot, policy: object) -> Identities:
    """Return wrong identities: the winner of a first merge keeps the link though it lost the next one."""
    told = snapshot.events
    steps = {loser: winner for loser, winner in told.merged_people.items() if winner not in told.merged_people}
    return follow(replace(snapshot, events=replace(told, merged_people=steps)), POLICY)


def the_last_row_read_counts(snapshot: Snapshot, policy: object) -> Identities:
    """Return wrong identities: of contacts that name one lead the one read last is taken."""
    contacts = snapshot.rows[Table.CONTACT]
    last = contacts[~contacts["_originatingleadid_value"].duplicated(keep="last")]
    return follow(replace(snapshot, rows={**snapshot.rows, Table.CONTACT: last}), POLICY)


def a_linked_winner_takes_both(snapshot: Snapshot, policy: object) -> Identities:
    """Return wrong identities: losers' links go to winners who have one."""
    now = follow(snapshot, POLICY)
    given_away = now.links["marketo_id"].replace(dict(snapshot.events.merged_people))
    both = pd.concat([now.links.assign(marketo_id=given_away), now.ended], ignore_index=True)
    both["marketo_id"] = both["marketo_id"].replace(dict(snapshot.events.merged_people))
    return replace(now, links=both)


@pytest.mark.parametrize(
    ("wrong", "law"),
    [
        (chains_are_followed_one_step, nobody_is_left_with_the_dead),
        (the_last_row_read_counts, order_of_events_is_irrelevant),
        (a_linked_winner_takes_both, links_never_share_a_half),
    ],
    ids=lambda value: value.__name__,
)
def test_laws_catch_wrong_identities(wrong: Follow, law: Callable[..., None]) -> None:
    """A law that no wrong variant breaks would promise nothing."""
    caught(law, wrong, events())


NEEDS = st.builds(
    Needs,
    follow=st.dictionaries(st.sampled_from(Table), st.frozensets(ROWS, max_size=2)),
    rows_by_id=st.dictionaries(st.sampled_from(Table), st.frozensets(ROWS, max_size=2)),
    people_by_row=st.frozensets(ROWS, max_size=2),
    people_by_email=st.frozensets(ROWS, max_size=2),
    rows_by_email=st.frozensets(ROWS, max_size=2),
    people_by_id=st.frozensets(PEOPLE, max_size=2),
)


def what_was_asked_for_is_not_needed_again(beyond: Callable[[Needs, Needs], Needs], data: tuple[Needs, Needs]) -> None:
    """Needs beyond themselves, or beyond more than themselves, are none; nothing new is lost."""
    one, other = data
    assert not beyond(one, one | other)
    assert not beyond(one, other) or beyond(one, other).beyond(other)
    assert not (one | other).beyond(other).beyond(one)
    assert bool(one | other) == (bool(one) or bool(other))
    assert beyond(one, Needs()).beyond(Needs()) == one.beyond(Needs())


@given(data=st.tuples(NEEDS, NEEDS))
def test_needs_add_up_and_go_down(data: tuple[Needs, Needs]) -> None:
    """Asking ends."""
    what_was_asked_for_is_not_needed_again(Needs.beyond, data)


def followed_rows_are_asked_for_again(one: Needs, asked: Needs) -> Needs:
    """Return wrong needs: rows that links move to are asked for in every round."""
    return replace(one.beyond(asked), follow=one.follow)


def test_laws_catch_wrong_needs() -> None:
    """A chain would be read for ever."""
    caught(what_was_asked_for_is_not_needed_again, followed_rows_are_asked_for_again, st.tuples(NEEDS, NEEDS))


Take = Callable[..., Intake] if TYPE_CHECKING else object
QUEUES = st.tuples(RECORDS, st.lists(st.sampled_from("abcdefgh"), max_size=6, unique=True), st.integers(0, 8))


def nobody_is_lost_or_taken_twice(take: Take, queue: tuple[list[str], list[str], int]) -> None:
    """Whoever waited longest comes first; everybody else is taken now or later, once."""
    fresh, waiting, limit = queue
    waiting = waiting[:limit]
    intake = take(fresh, waiting, limit)
    everybody = [*intake.now, *intake.later]
    assert sorted(everybody) == sorted({*fresh, *waiting})
    assert list(intake.now[: len(waiting)]) == waiting == list(intake.waited)
    assert len(intake.now) <= limit
    assert not intake.later or len(intake.now) == limit


@given(queue=QUEUES)
def test_take_next_loses_nobody(queue: tuple[list[str], list[str], int]) -> None:
    """Bounded work leaves nobody behind."""
    nobody_is_lost_or_taken_twice(take_next, queue)


def waiting_records_are_dropped(fresh: list[str], waiting: list[str], limit: int) -> Intake:
    """Return a wrong intake: what does not fit beside the fresh ones is forgotten."""
    return take_next(fresh, waiting[:-1], limit)


def fresh_records_go_first(fresh: list[str], waiting: list[str], limit: int) -> Intake:
    """Return a wrong intake: whoever waits goes on waiting while new ones come."""
    intake = take_next(fresh, waiting, limit)
    return replace(intake, now=tuple(reversed(intake.now)))


def who_waits_is_noted_again(fresh: list[str], waiting: list[str], limit: int) -> Intake:
    """Return a wrong intake: a record that waits and comes again is taken twice."""
    room = limit - len(waiting)
    return Intake((*waiting, *fresh[:room]), tuple(waiting), tuple(fresh[room:]))


@pytest.mark.parametrize("wrong", [waiting_records_are_dropped, fresh_records_go_first, who_waits_is_noted_again])
def test_laws_catch_a_wrong_intake(wrong: Take) -> None:
    """A law that no wrong variant breaks would promise nothing."""
    caught(nobody_is_lost_or_taken_twice, wrong, QUEUES)


Letters = Callable[[pd.DataFrame, pd.DataFrame, str], pd.DataFrame] if TYPE_CHECKING else object
CELL = st.tuples(
    st.sampled_from(["to_dynamics", "to_marketo"]),
    st.sampled_from(["c1", "c2"]),
    st.sampled_from(["score", "last_name"]),
    st.sampled_from(["a", "b", None]),
    st.sampled_from(["old", "new"]),
)


TWO_CELLS = st.tuples(CELL, CELL, st.integers(0, 4)).map(
    lambda drawn: (drawn[0], tuple(drawn[place == drawn[2]][place] for place in range(5)))
)
"""Two cells that differ in one part at most."""


def equal_cells_have_equal_fingerprints_and_others_do_not(letters: Letters, cells: tuple) -> None:
    """Direction, target, field, value and schema make the fingerprint, and nothing else does."""
    prints = [_fingerprint(letters, cell, number) for number, cell in enumerate(cells)]
    assert (prints[0] == prints[1]) == (cells[0] == cells[1])


def _fingerprint(letters: Letters, cell: tuple, number: int) -> str:
    way, row, field, value, digest = cell
    known = {"change_no": number, "link_id": number, "generation": 1, "marketo_id": int(row[1])}
    changes = CHANGES.of(
        pd.DataFrame([known]), direction=way, action="update", dynamics_table="contact", dynamics_id=row
    )
    values = PLAN_VALUES.of(pd.DataFrame([{"change_no": number, "field": field, "planned": value}]))
    return letters(changes.assign(code="x", message="y"), values, digest)["fingerprint"].iloc[0]


@few
@given(cells=TWO_CELLS)
def test_fingerprints_tell_refusals_apart(cells: tuple) -> None:
    """A refusal is known again while all that matters is the same, and no longer."""
    equal_cells_have_equal_fingerprints_and_others_do_not(refusal_letters, cells)


def the_value_does_not_count(changes: pd.DataFrame, values: pd.DataFrame, digest: str) -> pd.DataFrame:
    """Return wrong letters: a corrected value counts as refused too."""
    return refusal_letters(changes, values.assign(planned="x"), digest)


def the_schema_does_not_count(changes: pd.DataFrame, values: pd.DataFrame, digest: str) -> pd.DataFrame:
    """Return wrong letters: what was refused before a column was widened stays refused."""
    return refusal_letters(changes, values, "any")


def the_change_number_counts(changes: pd.DataFrame, values: pd.DataFrame, digest: str) -> pd.DataFrame:
    """Return wrong letters: no refusal is ever known again."""
    return refusal_letters(changes, values, f"{digest} {changes['change_no'].iloc[0]}")


@pytest.mark.parametrize("wrong", [the_value_does_not_count, the_schema_does_not_count])
def test_laws_catch_wrong_fingerprints(wrong: Letters) -> None:
    """A law that no wrong variant breaks would promise nothing."""
    caught(equal_cells_have_equal_fingerprints_and_others_do_not, wrong, TWO_CELLS)


def test_laws_catch_fingerprints_that_never_come_again() -> None:
    """Equal cells in other places of a plan are equal."""
    twice = CELL.map(lambda cell: (cell, cell))
    caught(equal_cells_have_equal_fingerprints_and_others_do_not, the_change_number_counts, twice)


NAMED = st.lists(st.sampled_from([field.name for field in FIELDS]), unique=True, max_size=3)
LIVES = st.lists(st.tuples(NAMED, NAMED, st.booleans()), min_size=1, max_size=4)
After = Callable[..., FieldStates] if TYPE_CHECKING else object


def a_backfill_ends(after: After, life: list[tuple[list[str], list[str], bool]]) -> None:
    """However fields come and go: isolated and taking part exclude each other, and a backfill ends with its queue."""
    states = FieldStates()
    for dropped, added, busy in life:
        waiting = {"contact"} if busy else set()
        now = next_states(states, schema(dropped=dropped), FieldMap(FIELDS), {"contact": added})
        effective = set(now.effective["contact"])
        assert not effective & set(now.isolated["contact"])
        assert set(states.effective.get("contact", [])) - effective <= set(now.isolated["contact"])
        assert set(now.pending(Table.CONTACT)) == ({*states.pending(Table.CONTACT), *added} & effective)
        states = after(now, waiting)
        assert states.pending(Table.CONTACT) == (now.pending(Table.CONTACT) if busy else [])


@few
@given(life=LIVES)
def test_fields_come_and_go_by_their_laws(life: list[tuple[list[str], list[str], bool]]) -> None:
    """No field is lost from sight, and no backfill goes on for ever."""
    a_backfill_ends(after_backfills, life)


def a_backfill_never_ends(states: FieldStates, busy: set[str]) -> FieldStates:
    """Return wrong states: what is being filled in stays so."""
    return states


def a_backfill_ends_at_once(states: FieldStates, busy: set[str]) -> FieldStates:
    """Return wrong states: people who wait for their turn are not filled in."""
    return after_backfills(states, set())


@pytest.mark.parametrize("wrong", [a_backfill_never_ends, a_backfill_ends_at_once])
def test_laws_catch_a_wrong_life_of_fields(wrong: After) -> None:
    """A law that no wrong variant breaks would promise nothing."""
    caught(a_backfill_ends, wrong, LIVES)


STATUS = st.sampled_from(["applied", "refused", "stale", "unknown", "skipped", "planned"])
FATES = st.lists(
    st.tuples(st.sampled_from(["create", "update"]), STATUS, st.sampled_from(["to_dynamics", "deferred", "refused"])),
    min_size=1,
    max_size=4,
)


def only_what_is_known_is_remembered(outcome_of: type[Outcome], fates: list[tuple[str, str, str]]) -> None:
    """Bring nothing of a failed creation, move the base by applied cells only, look again at what has no answer."""
    numbers = list(range(len(fates)))
    frame = pd.DataFrame({"change_no": numbers, "link_id": numbers, "marketo_id": numbers, "generation": 1})
    frame["action"], frame["status"], verdicts = ([fate[part] for fate in fates] for part in range(3))
    changes = CHANGES.of(frame, direction="to_dynamics", dynamics_table="contact", dynamics_id="c")
    values = PLAN_VALUES.of(frame.assign(outcome=list(verdicts)), field="score", planned="x", rule="two_way")
    pairs = PAIRS.of(frame.assign(is_filtered=False), dynamics_table="contact", dynamics_id="c")
    pairs["origin"] = pairs["origin"].mask(changes["action"] == "create", "create_in_dynamics")
    outcome = outcome_of.of(changes, values, Plan(changes=changes, values=values, pairs=pairs))

    born = {number for number, (action, status, _) in enumerate(fates) if action == "create" and status == "applied"}
    unborn = {number for number, (action, status, _) in enumerate(fates) if action == "create" and status != "applied"}
    open_ends = {number for number, (_, status, cell) in enumerate(fates)
                 if status in {"stale", "unknown", "skipped", "planned"} or cell == "deferred"}  # fmt: skip
    agreed = {number for number, (_, status, cell) in enumerate(fates) if status == "applied" and cell == "to_dynamics"}
    assert set(outcome.links()["link_id"]) == born
    assert set(BASE_UPDATES.check(outcome.base_updates())["link_id"]) == agreed
    assert outcome.recheck() == open_ends - unborn


@few
@given(fates=FATES)
def test_outcome_keeps_its_law(fates: list[tuple[str, str, str]]) -> None:
    """Whatever ended without an answer is looked at again, and nothing is remembered that may not be true."""
    only_what_is_known_is_remembered(Outcome, fates)


class RecheckForgetsTheUnknown(Outcome):
    """A wrong outcome: a write whose answer never came is taken for refused."""

    def recheck(self) -> set[int]:
        """Return too few links."""
        answered = self.changes.loc[self.changes["status"] == "unknown", "link_id"]
        return super().recheck() - set(answered)


class RefusedCellsMoveTheBase(Outcome):
    """A wrong outcome: what a change was to write counts as written."""

    def base_updates(self) -> pd.DataFrame:
        """Return too many cells."""
        return replace(self, values=self.values.assign(outcome="to_dynamics")).plain()

    def plain(self) -> pd.DataFrame:
        """Return what the right outcome would say of these values."""
        return super().base_updates()


class FailedCreatesAreLinks(Outcome):
    """A wrong outcome: a link comes into being whether or not its row was made."""

    def failed_creates(self) -> set[int]:
        """Return nobody."""
        return set()


@pytest.mark.parametrize("wrong", [RecheckForgetsTheUnknown, RefusedCellsMoveTheBase, FailedCreatesAreLinks])
def test_laws_catch_a_wrong_outcome(wrong: type[Outcome]) -> None:
    """A law that no wrong variant breaks would promise nothing."""
    caught(only_what_is_known_is_remembered, wrong, FATES)


@given(
    drawn=st.lists(
        st.tuples(st.sampled_from(Outcomes), st.sampled_from([None, "marketo", "dynamics"])), min_size=1, max_size=6
    )
)
def test_swapped_sides_swap_the_direction_of_a_write(drawn: list[tuple[str, str | None]]) -> None:
    """Nothing but the names tells the two ways apart."""
    other = {"to_dynamics": "to_marketo", "to_marketo": "to_dynamics", "marketo": "dynamics", "dynamics": "marketo"}
    frame = pd.DataFrame(drawn, columns=["outcome", "winner"]).astype("str")

    mirrored = writes_to(frame.replace(other))

    assert mirrored.tolist() == writes_to(frame).replace(other).tolist()
    assert direction_from(Side.MARKETO) == other[direction_from(Side.MARKETO.other)]


SPELLED = st.tuples(st.sampled_from(["c1", " C1 ", "C1", "l1", None, ""]), st.sampled_from(["contact", "lead", None]))


def a_claim_goes_by_the_id(find: Callable[..., pd.DataFrame], spelled: tuple[str | None, str | None]) -> None:
    """However an id is written, it is the same row; the table does not matter where one has it."""
    row, table = spelled
    rows = pd.DataFrame({"dynamics_table": ["contact", "lead"], "dynamics_id": ["c1", "l1"]})
    people = people_frame([person(1, row=row, table=table)]).reset_index()
    key = (row or "").strip().lower()
    assert find(people, rows, NAMES)["dynamics_id"].tolist() == ([key] if key else [])


@few
@given(spelled=SPELLED)
def test_claims_keep_their_law(spelled: tuple[str | None, str | None]) -> None:
    """Whose a row is does not depend on spelling."""
    a_claim_goes_by_the_id(claims, spelled)


def ids_are_compared_as_written(people: pd.DataFrame, rows: pd.DataFrame, names: object) -> pd.DataFrame:
    """Return wrong claims: blanks and case matter."""
    exact = people[people[NAMES.dynamics_id].isin(rows["dynamics_id"])]
    return claims(exact, rows, NAMES)


def the_table_always_matters(people: pd.DataFrame, rows: pd.DataFrame, names: object) -> pd.DataFrame:
    """Return wrong claims: a qualified lead's old table hides the row."""
    found = claims(people, rows, NAMES)
    return found[found["dynamics_table"].isin(people[NAMES.dynamics_type])]


@pytest.mark.parametrize("wrong", [ids_are_compared_as_written, the_table_always_matters])
def test_laws_catch_wrong_claims(wrong: Callable[..., pd.DataFrame]) -> None:
    """A law that no wrong variant breaks would promise nothing."""
    caught(a_claim_goes_by_the_id, wrong, SPELLED)


def caught(law: Callable[..., None], wrong: object, drawn: st.SearchStrategy[object]) -> None:
    """Fail unless a law complains about a wrong variant in one of many worlds."""

    @settings(max_examples=300, derandomize=True, database=None, phases=[Phase.generate], report_multiple_bugs=False)
    @given(value=drawn)
    def hold_against(value: object) -> None:
        law(wrong, value)

    with pytest.raises(AssertionError):
        hold_against()
