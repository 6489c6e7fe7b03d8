"""
Anything in any order: people edited and created on both sides, requests, crashes and faults, against a small model.

The model is a dictionary of bases. What a cycle must do follows from the two sides as it finds them; a run that dies
may have done any part of it, but nothing else. `HYPOTHESIS_PROFILE=nightly` plays for much longer.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from include.errors import SyncError
from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.request import RunRequest
from include.sandbox import Sandbox
from tests.integration.stages.conftest import Pairing
from tests.integration.stages.killing import Killed, dead_process, trip

FIELDS = {"title": "jobtitle", "city": "address1_city", "unsubscribed": "donotbulkemail"}
TEXTS = st.sampled_from(["", "CEO", "CFO", "null", "Zoë's 🚀", " x "])
TABLES = st.sampled_from(["contact", "lead"])
FAULTS = st.sampled_from(
    [
        ("marketo", "606", "", {}),
        ("marketo", "expired_token", "", {}),
        ("marketo", "applied_then_timed_out", "POST /rest/v1/leads.json", {}),
        ("marketo", "lost_after", "POST /rest/v1/leads.json", {}),
        ("marketo", "lost_before", "POST /rest/v1/leads.json", {}),
        ("marketo", "truncated", "POST /rest/v1/leads.json", {}),
        ("marketo", "status", "", {"status": 502}),
        ("marketo", "empty_page", "", {}),
        ("dynamics", "status", "", {"status": 429, "retry_after": 1}),
        ("dynamics", "status", "", {"status": 503}),
        ("dynamics", "expired_token", "", {}),
        ("dynamics", "lost_after", "PATCH", {}),
        ("dynamics", "lost_after", "POST", {}),
        ("dynamics", "truncated", "", {}),
        ("dynamics", "stale", "PATCH", {}),
        ("dynamics", "throttled", "PATCH", {}),
        ("dynamics", "expired_delta_link", "", {}),
    ]
)
UNKNOWN = object()
"""The base of a pair that never agreed."""

Cell = tuple[str, str]


def merged(base: Any, marketo: Any, dynamics: Any, table: str) -> Any:
    """Return what both sides must hold after a cycle: the whole specification of a two-way field."""
    if marketo == dynamics:
        return marketo
    if base is UNKNOWN and "" in {marketo, dynamics}:
        return marketo or dynamics
    if marketo == base:
        return dynamics
    if dynamics == base:
        return marketo
    return marketo if table == "lead" else dynamics


class Machine(RuleBasedStateMachine):
    """Two systems, a sync, and a model of what the sync must do."""

    def __init__(self) -> None:
        super().__init__()
        self._ended = contextlib.ExitStack()
        home = Path(self._ended.enter_context(tempfile.TemporaryDirectory()))
        sandbox = self._ended.enter_context(Sandbox.start(directory=home / "sandbox"))
        self.pairing = Pairing(sandbox, home, f"sqlite:///{home}/state.db")
        self.pairing.install()
        self.numbers = itertools.count(1)
        self.base: dict[Cell, Any] = {}
        self.half: dict[Cell, set[Any]] = {}
        self.ours: dict[Cell, tuple[int, Any]] = {}

    def teardown(self) -> None:
        """End as every scenario ends: one undisturbed cycle brings everybody in step, and then all is quiet."""
        self.pairing.sandbox.faults.clear()
        self.cycle()
        self.pairing.quiet()
        self._ended.close()

    # people at work

    @rule(table=TABLES, title=TEXTS, city=TEXTS)
    def create_in_dynamics(self, table: str, title: str, city: str) -> None:
        """Let a salesperson enter a new contact or lead."""
        email = f"d{next(self.numbers)}@example.com"
        self.pairing.dynamics.create(
            table, {"lastname": "Dee", "emailaddress1": email, "jobtitle": title, "address1_city": city}
        )

    @rule(wish=st.sampled_from([None, "lead", "contact"]), title=TEXTS)
    def create_in_marketo(self, wish: str | None, title: str) -> None:
        """Let a marketer enter a new person, asked for in Dynamics or not."""
        email = f"m{next(self.numbers)}@example.com"
        self.pairing.marketo.create({"lastName": "Em", "email": email, "title": title, "syncToDynamics": wish or ""})

    @rule(data=st.data(), table=TABLES, title=TEXTS)
    def create_the_other_half(self, data: st.DataObject, table: str, title: str) -> None:
        """Let a salesperson enter somebody who is in Marketo only."""
        lonely = [email for email in self.emails() if not self.rows(email)]
        if lonely:
            email = data.draw(st.sampled_from(lonely))
            self.pairing.dynamics.create(table, {"lastname": "Em", "emailaddress1": email, "jobtitle": title})

    @rule(data=st.data(), wish=st.sampled_from(["lead", "contact", "LEAD"]))
    def ask(self, data: st.DataObject, wish: str) -> None:
        """Let a campaign ask for somebody, whether there already or not."""
        if people := self.pairing.marketo.leads():
            person = data.draw(st.sampled_from([one["id"] for one in people]))
            self.pairing.marketo.edit_by_campaign(person, {"syncToDynamics": wish})

    @rule(data=st.data(), field=st.sampled_from(["title", "city"]), value=TEXTS, flag=st.booleans())
    def edit_in_marketo(self, data: st.DataObject, field: str, value: str, flag: bool) -> None:
        """Let a marketer edit somebody."""
        if people := self.pairing.marketo.leads():
            person = data.draw(st.sampled_from([one["id"] for one in people]))
            self.pairing.marketo.edit(person, {field: value, "unsubscribed": flag})

    @rule(data=st.data(), field=st.sampled_from(["title", "city"]), value=TEXTS, flag=st.booleans())
    def edit_in_dynamics(self, data: st.DataObject, field: str, value: str, flag: bool) -> None:
        """Let a salesperson edit somebody."""
        rows = [
            (table, row[f"{table}id"]) for table in ("contact", "lead") for row in self.pairing.dynamics.rows(table)
        ]
        if rows:
            table, row_id = data.draw(st.sampled_from(rows))
            self.pairing.dynamics.edit(table, row_id, {FIELDS[field]: value, "donotbulkemail": flag})

    # the sync

    @rule(fault=FAULTS, skip=st.integers(0, 4))
    def order_a_fault(self, fault: tuple[str, str, str, dict[str, Any]], skip: int) -> None:
        """Have something go wrong in one of the next cycles."""
        service, kind, match, details = fault
        self.pairing.sandbox.faults.add(service, kind, match=match, skip=skip, **details)

    @precondition(lambda self: not self.pairing.sandbox.faults.pending())
    @rule()
    def cycle(self) -> None:
        """Run one undisturbed cycle, which does everything there is to do."""
        due = self.due()
        self.pairing.cycle()
        seen = self.seen()
        for cell, possible in due.items():
            assert seen[cell][0] == seen[cell][1], f"{cell} differs: {seen[cell]}"
            assert seen[cell][0] in possible, f"{cell} is {seen[cell][0]!r}, expected {possible}"
            self.base[cell] = seen[cell][0]
        self.half.clear()
        self.ours.clear()

    @rule(number=st.integers(3, 25), after=st.booleans())
    def crash(self, number: int, after: bool) -> None:
        """Let a run die at one of its writes to the state database; faults may end it before."""
        context = self.pairing.context(process=dead_process())
        trip(context, number, after=after)
        due, before = self.due(), self.seen(everybody=True)
        with contextlib.suppress(Killed, SyncError):
            run_cycle(context, RunRequest())
        self.allow(due, before)

    @precondition(lambda self: self.pairing.sandbox.faults.pending())
    @rule()
    def disturbed_cycle(self) -> None:
        """Run a cycle among faults: it may fail or leave work to the next one, and does nothing that was not due."""
        due, before = self.due(), self.seen(everybody=True)
        with contextlib.suppress(SyncError):
            self.pairing.cycle()
        self.allow(due, before)

    # the model

    def allow(self, due: dict[Cell, set[Any]], before: dict[Cell, tuple[Any, Any]]) -> None:
        """
        Require that each cell is as it was or as it should become, and note what may be its base from now on.

        A side that was given its new value holds a write of ours.
        """
        seen = self.seen(everybody=True)
        for cell, possible in due.items():
            sides = zip(seen[cell], before[cell], strict=True)
            for side, (now, then) in enumerate(sides):
                assert now in possible | {then}, f"{cell} is {now!r}, was {then!r}, expected {possible}"
                if now != then:
                    self.ours[cell] = (side, now)
            self.half.setdefault(cell, set()).update(possible)

    def due(self) -> dict[Cell, set[Any]]:
        """Return what each cell of those who will be in both systems may become: one value, unless a run died."""
        cells: dict[Cell, set[Any]] = {}
        for (email, field), (marketo, dynamics) in self.seen(everybody=True).items():
            table = self.table(email)
            if table is None:
                continue
            sides = [one for one in (marketo, dynamics) if one is not None]
            bases = self.bases((email, field), (marketo, dynamics))
            one_sided = len(sides) == 1
            cells[email, field] = set(sides) if one_sided else {merged(base, *sides, table) for base in bases}
        return cells

    def bases(self, cell: Cell, now: tuple[Any, Any]) -> set[Any]:
        """
        Return what the base of a cell may be.

        Where a side still holds a write of ours, that write is the base, whether its run recorded it or not. Once
        somebody has written over it, it depends on what was recorded.
        """
        if cell in self.ours and now[self.ours[cell][0]] == self.ours[cell][1]:
            return {self.ours[cell][1]}
        return {self.base.get(cell, UNKNOWN), *self.half.get(cell, ())}

    def seen(self, *, everybody: bool = False) -> dict[Cell, tuple[Any, Any]]:
        """
        Return both sides of each cell, empty as "", None for a side where somebody is not.

        Without `everybody` only of those who are on both sides.
        """
        cells = {}
        for email in self.emails():
            people, rows = self.pairing.marketo.find(email=email), self.rows(email)
            assert len(people) <= 1, f"{email} is there twice"
            assert len(rows) <= 1, f"{email} is there twice"
            if everybody or (people and rows):
                for field, column in FIELDS.items():
                    marketo = text(people[0].get(field)) if people else None
                    dynamics = text(rows[0][1].get(column)) if rows else None
                    cells[email, field] = (marketo, dynamics)
        return cells

    def emails(self) -> list[str]:
        """Return everybody's address."""
        found = {one["email"] for one in self.pairing.marketo.leads()}
        for table in ("contact", "lead"):
            found |= {row["emailaddress1"] for row in self.pairing.dynamics.rows(table)}
        return sorted(found)

    def rows(self, email: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the rows of an address with their tables."""
        return [
            (table, row)
            for table in ("contact", "lead")
            for row in self.pairing.dynamics.find(table, emailaddress1=email)
        ]

    def table(self, email: str) -> str | None:
        """Return the table somebody is in or was asked for; None for a person whom nobody wants in Dynamics."""
        rows = self.rows(email)
        if rows:
            return rows[0][0]
        wish = self.pairing.marketo.find(email=email)[0].get("syncToDynamics")
        return wish.lower() if wish else None


def text(value: Any) -> Any:
    """Return a value as both systems mean it: blanks around a text do not count, and nothing is empty."""
    return value.strip() if isinstance(value, str) else "" if value is None else value


@pytest.mark.timeout(7200)
def test_the_sync_does_what_the_model_says() -> None:
    """Whatever people and networks do, and in whatever order, both sides end as the model says (S-16, S-17)."""
    nightly = os.environ.get("HYPOTHESIS_PROFILE") == "nightly"
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=300 if nightly else 3,
            stateful_step_count=40 if nightly else 12,
            phases=tuple(Phase) if nightly else (Phase.explicit, Phase.reuse, Phase.generate),
            suppress_health_check=list(HealthCheck),
            deadline=None,
            print_blob=True,
        ),
    )
