"""A baseline between two systems full of invented people, with extracts that take moments instead of minutes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from include.marketo import MarketoClient, MarketoLimits
from include.person_sync.baseline import BaselineRequest, run_baseline
from include.person_sync.run.context import bulk_settings
from include.person_sync.run.lazy import Lazy
from include.sandbox import Sandbox, Seed
from tests.integration.stages.conftest import Pairing, ShortWait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from include.person_sync.run.context import SyncContext

SETTINGS = "baseline: {poll_s: 0.02, jobs: 10}\n"
PEOPLE = 90
VOLATILE = {"id", "leadPerson", "createdAt", "updatedAt", "originalSourceType"}
ROW_VOLATILE = {"@odata.etag", "modifiedon", "versionnumber", "_modifiedby_value", "createdon"}


class Whole(Pairing):
    """A pairing whose clocks are the sandbox's, so that a day passes when a test says so."""

    def __init__(self, sandbox: Sandbox, home: Path, settings: str = SETTINGS) -> None:
        super().__init__(sandbox, home, f"sqlite:///{home}/state.db")
        config = home / "person_sync.yaml"
        config.write_text(settings)
        self.environment["PERSON_SYNC_CONFIG"] = str(config)
        sandbox.marketo.settings.bulk_status_s = 0.02
        sandbox.marketo.settings.bulk_work_s = 0.01

    def context(self, *, process: int | None = None) -> SyncContext:
        """Return a new context, as a new process would have them."""
        ctx = super().context(process=process or os.getpid())
        ctx.now = self.sandbox.clock.now
        wait = ShortWait()
        connection, bulk = ctx.marketo_connection, bulk_settings(ctx.settings)
        ctx.marketo_client = Lazy(
            lambda: MarketoClient(
                connection,
                settings=MarketoLimits(rate_calls=10_000),
                bulk=bulk,
                sleep=wait.sleep,
                clock=wait.clock,
                now=self.sandbox.clock.now,
            )
        )
        return ctx

    def writes(self) -> list[str]:
        """Return what was written since the last mark; an extract writes nothing."""
        return [one for one in super().writes() if " /bulk/" not in one]

    def baseline(self, *, resume: str | None = None, **request: Any) -> dict[str, Any]:
        """Run a baseline in a context of its own and return its summary."""
        return run_baseline(self.context(), BaselineRequest(**request), resume=resume)

    def marketo_people(self) -> list[dict[str, Any]]:
        """Return everybody in Marketo without what depends on time or order, in an order of its own."""
        people = [{name: one[name] for name in one.keys() - VOLATILE} for one in self.marketo.leads()]
        return sorted(people, key=repr_sorted)

    def dynamics_rows(self) -> list[dict[str, Any]]:
        """Return everybody in Dynamics likewise."""
        rows = [row for table in ("contact", "lead") for row in self.dynamics.rows(table)]
        return sorted(({name: row[name] for name in row.keys() - ROW_VOLATILE} for row in rows), key=repr_sorted)

    def links(self) -> set[tuple[str, str, str]]:
        """Return the links: e-mail address in Marketo, table and row."""
        frame = self.context().store.load_links()
        return {
            (str(self.marketo.lead(int(person)).get("email", "")).lower(), table, row)
            for person, table, row in frame[["marketo_id", "dynamics_table", "dynamics_id"]].itertuples(index=False)
        }

    def holds(self) -> set[tuple[str, str]]:
        """Return what is held: code, and row or person."""
        letters = self.context().store.dead_letters()
        keys = letters["dynamics_id"].fillna(letters["marketo_id"].astype("str"))
        return set(zip(letters["code"], keys, strict=True))


def repr_sorted(record: dict[str, Any]) -> str:
    """Return a text by which records of any content have an order."""
    return repr(sorted(record.items()))


@pytest.fixture
def make_whole(tmp_path: Path) -> Iterator[Callable[..., Whole]]:
    """Return a function that makes systems full of people, the same ones for the same number; set up."""
    running: list[Sandbox] = []

    def make(people: int = PEOPLE, number: int = 7, settings: str = SETTINGS) -> Whole:
        home = tmp_path / f"world-{len(running)}"
        home.mkdir()
        running.append(Sandbox.start(seed=Seed(people, number) if people else None, directory=home / "sandbox"))
        whole = Whole(running[-1], home, settings)
        whole.install()
        return whole

    yield make
    for sandbox in running:
        sandbox.stop()


@pytest.fixture
def whole(make_whole: Callable[..., Whole]) -> Whole:
    """Return systems full of people who do not know each other yet."""
    return make_whole()


@pytest.fixture
def quick(make_whole: Callable[..., Whole]) -> Whole:
    """Return two empty systems, for tests that make their own people."""
    return make_whole(0)
