"""A sync whose two systems were in step, and ways to break things behind its back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from include.person_sync.audit import AuditRequest, run_audit
from include.person_sync.core.schema import TABLES
from include.person_sync.core.watermarks import MARKETO_FEEDS, dynamics_watermark
from include.person_sync.run.request import RunRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.stages.extract_dynamics import extract_dynamics
from include.person_sync.stages.extract_marketo import extract_marketo
from include.person_sync.stages.open_run import open_run
from include.person_sync.state import Commit
from tests.integration.stages.conftest import pairing, sandbox  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.stages.conftest import Pairing

Audit = dict[str, Any]


@pytest.fixture
def audit(pairing: Pairing) -> Callable[..., Audit]:  # noqa: F811 - the fixture
    """Return a function that audits and requires that nothing but a repair wrote anything."""

    def run(**request: Any) -> Audit:
        pairing.mark()
        summary = run_audit(pairing.context(), AuditRequest(**request))
        assert request.get("repair") or pairing.writes() == []
        return summary

    return run


@pytest.fixture
def lose_changes(pairing: Pairing) -> Callable[[], None]:  # noqa: F811 - the fixture
    """
    Return a function that consumes the feeds and forgets what they told.

    The watermarks are past every change then, and no cycle will ever look at them again: what a bug, a restored
    database or a plug-in that writes without change tracking leaves behind.
    """

    def lose() -> None:
        ctx = pairing.context()
        run_id = open_run(ctx, f"lost-{ctx.now().isoformat()}", RunRequest())
        folder = RunFolder(ctx.staging, run_id)
        marketo = folder.read_manifest(extract_marketo(ctx, run_id))
        dynamics = folder.read_manifest(extract_dynamics(ctx, run_id))
        moved = {MARKETO_FEEDS: marketo["watermark"]}
        moved |= {dynamics_watermark(one): dynamics["tables"][one.value]["watermark"] for one in TABLES}
        with ctx.lease(run_id):
            ctx.store.commit(run_id, Commit(watermarks=moved, settles=False))
        ctx.release_lease(run_id)

    return lose


def frame(summary: Audit, name: str) -> pd.DataFrame:
    """Return one of an audit's Parquet reports; a report without such files gives an empty frame."""
    place = summary["reports"].get(name)
    return pd.read_parquet(place) if place else pd.DataFrame(columns=["explanation"])


def found(summary: Audit) -> dict[str, int]:
    """Return the kinds of findings of an audit and how many of each."""
    return {kind: count for kind, count in summary["counts"]["findings"].items() if count}


def page_of(summary: Audit) -> str:
    """Return the text of an audit's page."""
    return Path(summary["reports"]["page"]).read_text(encoding="utf-8")
