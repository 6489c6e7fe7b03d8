"""What a cycle costs: API calls are shared with everybody else who uses the two systems."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import pytest

from include.sandbox import Sandbox
from tests.integration.stages.conftest import Pairing

if TYPE_CHECKING:
    from pathlib import Path

IDLE = {"marketo": 5, "dynamics": 3}
SHARE = 1.2


@pytest.mark.parametrize("changed", [1, 150, 700])
def test_edits_in_marketo_cost_little_more_than_the_least(pairing: Pairing, changed: int) -> None:
    """For n edited people: the feed's pages, one reading per 300, and a batch of 100 writes each (T-35)."""
    people = [pairing.pair("lead", f"p{number}@example.com", jobtitle="CTO")[0] for number in range(changed)]
    pairing.cycle()
    pairing.sandbox.clock.advance(3600)
    pairing.quiet()
    for person in people:
        pairing.marketo.edit(person, {"title": "CEO"})

    summary = pairing.cycle(overrides=("changed_to_dynamics",))

    pages = ceil(changed / 200)  # the sandbox leaves pages short, as Marketo does
    assert summary["counts"]["to_dynamics"]["updated"] == changed
    assert summary["api_calls"]["marketo"] <= SHARE * (IDLE["marketo"] + pages + ceil(changed / 300))
    assert summary["api_calls"]["dynamics"] <= SHARE * (IDLE["dynamics"] + ceil(changed / 100))


@pytest.mark.parametrize("changed", [1, 150, 700])
def test_edits_in_dynamics_cost_little_more_than_the_least(pairing: Pairing, changed: int) -> None:
    """For n edited rows: the feed itself, and one reading and one writing per 300 people in Marketo (T-35)."""
    rows = [pairing.pair("contact", f"p{number}@example.com", jobtitle="CTO")[1] for number in range(changed)]
    pairing.cycle()
    pairing.sandbox.clock.advance(3600)
    pairing.quiet()
    for row in rows:
        pairing.dynamics.edit("contact", row, {"jobtitle": "CEO"})

    summary = pairing.cycle(overrides=("changed_to_marketo",))

    assert summary["counts"]["to_marketo"]["updated"] == changed
    assert summary["api_calls"]["marketo"] <= SHARE * (IDLE["marketo"] + 2 * ceil(changed / 300))
    assert summary["api_calls"]["dynamics"] <= SHARE * IDLE["dynamics"]


def test_the_same_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    """A cycle with edits, a collision, a request and a new row on the database meant for production."""
    with Sandbox.start(directory=tmp_path / "sandbox") as sandbox:
        pairing = Pairing(sandbox, tmp_path, postgres_url)
        pairing.setup()
        person, row = pairing.pair("contact", "ada@example.com", jobtitle="CTO", mobilephone="1")
        pairing.cycle()
        pairing.marketo.edit(person, {"title": "CEO", "mobilePhone": "2"})
        pairing.dynamics.edit("contact", row, {"jobtitle": "CFO"})
        asked = pairing.marketo.create({"lastName": "B", "email": "bob@example.com", "syncToDynamics": "lead"})

        summary = pairing.cycle()

        assert summary["counts"]["to_marketo"]["collisions"] == 1
        assert pairing.dynamics.row("contact", row)["mobilephone"] == "2"
        assert pairing.marketo.lead(person)["title"] == "CFO"
        assert pairing.marketo.lead(asked)["dynamicsType"] == "lead"
        pairing.quiet()
