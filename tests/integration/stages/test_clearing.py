"""Single stages run again, as a person does who clears a task in Airflow: before the commit, and after it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from include.errors import RetryableError
from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.lazy import Lazy
from include.person_sync.run.request import RunRequest
from include.person_sync.stages.apply_dynamics import apply_dynamics
from include.person_sync.stages.apply_marketo import apply_marketo
from include.person_sync.stages.commit import commit
from include.person_sync.stages.extract_dynamics import extract_dynamics
from include.person_sync.stages.extract_marketo import extract_marketo
from include.person_sync.stages.guard import guard
from include.person_sync.stages.open_run import open_run
from include.person_sync.stages.reconcile import reconcile
from include.person_sync.stages.report import report
from tests.integration.stages.people import EXPECTED, Group

if TYPE_CHECKING:
    from include.person_sync.run.context import SyncContext
    from include.person_sync.state import Store
    from tests.integration.stages.conftest import Pairing

RUN = "scheduled__2026-01-01T00:00:00+00:00"
STAGES = ("open", "extract", "reconcile", "guard", "apply_dynamics", "apply_marketo", "commit", "report")


def play(ctx: SyncContext, *, twice: str = "") -> None:
    """Run the stages in order, the one called `twice` once more before the next."""
    reference = ""
    for stage in STAGES:
        for _ in range(2 if stage == twice else 1):
            reference = run_stage(ctx, stage, reference)


def run_stage(ctx: SyncContext, stage: str, reference: str) -> str:
    """Run one stage of the run and return the reference for the next ones."""
    if stage == "open":
        open_run(ctx, RUN, RunRequest())
    elif stage == "extract":
        return f"{extract_marketo(ctx, RUN)} {extract_dynamics(ctx, RUN)}"
    elif stage == "reconcile":
        extracts = reference if " " in reference else f"{extract_marketo(ctx, RUN)} {extract_dynamics(ctx, RUN)}"
        return reconcile(ctx, RUN, *extracts.split())
    elif stage in {"guard", "commit"}:
        {"guard": guard, "commit": commit}[stage](ctx, RUN, reference)
    elif stage == "apply_dynamics":
        apply_dynamics(ctx, RUN)
    elif stage == "apply_marketo":
        apply_marketo(ctx, RUN)
    else:
        report(ctx, RUN)
        ctx.release_lease(RUN)
    return reference


@pytest.mark.parametrize("stage", STAGES)
def test_any_stage_may_run_twice(pairing: Pairing, stage: str) -> None:
    """A cleared task does again what was not done and leaves alone what was (S-12)."""
    group = Group(pairing, "cleared")
    group.arrive()
    pairing.cycle()
    group.live()

    with pairing.closing() as context:
        play(context, twice=stage)

    assert group.picture() == EXPECTED
    pairing.quiet()
    assert group.refusals() == 1


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_run_again_after_the_commit_does_nothing(pairing: Pairing, stage: str) -> None:
    """The run is over: clearing one of its tasks writes nothing, even when people have gone on editing (S-12)."""
    group = Group(pairing, "over")
    group.arrive()
    pairing.cycle()
    group.live()
    with pairing.closing() as context:
        play(context)
    pairing.marketo.edit(group.linked["edited"][0], {"title": "Founder"})
    pairing.mark()

    with pairing.closing() as context:
        run_stage(context, stage, f"{folder(context)}/reconciled.json")

    assert pairing.writes() == []
    pairing.cycle()
    assert pairing.dynamics.row("lead", group.linked["edited"][1])["jobtitle"] == "Founder"
    pairing.quiet()


def folder(context: SyncContext) -> str:
    """Return the name of the run's folder of staged files."""
    from include.person_sync.run.staging import RunFolder

    return RunFolder(context.staging, RUN).name


class CommitFails:
    """A store whose database goes away at the commit."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __getattr__(self, name: str) -> object:
        if name == "commit":
            raise RetryableError("the state database does not answer")
        return getattr(self._store, name)


def test_a_commit_that_fails_loses_nothing(pairing: Pairing) -> None:
    """Everything was written and nothing recorded; the next run finds its own writes and commits them (S-13)."""
    group = Group(pairing, "uncommitted")
    group.arrive()
    pairing.cycle()
    group.live()

    with pairing.closing() as context:
        failing = CommitFails(context.store)
        with pytest.raises(RetryableError):
            run_cycle(replace(context, open_store=Lazy(lambda: failing)), RunRequest())
    pairing.cycle()

    assert group.picture() == EXPECTED
    pairing.quiet()
    assert group.refusals() == 1


def test_a_batch_of_which_one_record_is_refused_is_carried_out_for_the_others(pairing: Pairing) -> None:
    """Marketo skips one record of a call; its person keeps a dead letter, the others get their values (S-19)."""
    pairs = [pairing.pair("contact", f"p{number}@example.com", jobtitle="CTO") for number in range(3)]
    pairing.cycle()
    for _, row in pairs:
        pairing.dynamics.edit("contact", row, {"jobtitle": "CEO"})
    pairing.sandbox.faults.add("marketo", "skip_records", positions=[1], match="POST /rest/v1/leads.json")

    summary = pairing.cycle()

    titles = sorted(pairing.marketo.lead(person)["title"] for person, _ in pairs)
    assert titles == ["CEO", "CEO", "CTO"]
    assert summary["counts"]["to_marketo"]["rejected"] == 1
    pairing.quiet()
