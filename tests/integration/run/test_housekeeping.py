"""What a run leaves behind, and for how long."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.request import RunRequest
from include.person_sync.stages.extract_marketo import extract_marketo

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing


def test_a_committed_run_leaves_no_staged_people(pairing: Pairing) -> None:
    """Staged files go right after the commit, and a stage that is run again reads nobody anew."""
    pairing.pair("lead", "ada@example.com")
    summary = pairing.cycle()

    context = pairing.context()
    assert list(context.staging.iterdir()) == []
    extract_marketo(context, summary["run_id"])
    assert list(context.staging.iterdir()) == []
    assert context.api_calls() == {"marketo": 0, "dynamics": 0}


def test_old_folders_and_history_are_swept_once_a_day(pairing: Pairing) -> None:
    """A folder older than the settings keep goes with the first run of a day; a younger one stays."""
    context = pairing.context()
    for name, days in (("old", 8), ("young", 6)):
        folder = context.staging / name
        folder.mkdir(parents=True)
        (folder / "part.parquet").write_bytes(b"")
        moment = (context.now() - timedelta(days=days)).timestamp()
        os.utime(folder, (moment, moment))
    run_cycle(context, RunRequest())

    assert [one.name for one in context.staging.iterdir()] == ["young"]
    assert context.store.document("swept") is not None
