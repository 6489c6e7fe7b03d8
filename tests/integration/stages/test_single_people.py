"""Runs about single people: whoever is named by one id is looked at on both sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from include.person_sync.run.request import Mode
from include.person_sync.run.staging import RunFolder

if TYPE_CHECKING:
    from typing import Any

    from tests.integration.stages.conftest import Pairing


@pytest.mark.parametrize("side", ["marketo", "dynamics"])
def test_both_halves_are_read_whichever_id_is_given(pairing: Pairing, side: str) -> None:
    """Edits on both sides arrive although only one id was named, and both halves were staged by their extract."""
    person, row = pairing.pair("contact", "ada@example.com", jobtitle="CTO", mobilephone="1")
    other, _ = pairing.pair("contact", "bob@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.dynamics.edit("contact", row, {"mobilephone": "2"})
    pairing.marketo.edit(other, {"title": "CEO"})
    named: dict[str, Any] = {"marketo_ids": (person,)} if side == "marketo" else {"dynamics_ids": (row.upper(),)}

    summary = pairing.cycle(mode=Mode.PEOPLE, dry_run=True, **named)
    staged = staged_ids(pairing, summary["run_id"])
    pairing.cycle(mode=Mode.PEOPLE, **named)

    assert staged == ([person], [row])
    assert pairing.dynamics.row("contact", row)["jobtitle"] == "CEO"
    assert pairing.marketo.lead(person)["mobilePhone"] == "2"


def staged_ids(pairing: Pairing, run_id: str) -> tuple[list[int], list[str]]:
    """Return the people and the contacts that the extracts of a run wrote down."""
    folder = RunFolder(pairing.context().staging, run_id)
    people = folder.read_frames(folder.read_manifest(f"{folder.name}/marketo.json")["parts"])
    tables = folder.read_manifest(f"{folder.name}/dynamics.json")["tables"]
    rows = folder.read_frames(tables["contact"]["parts"])
    return [int(one) for one in people.get("marketo_id", [])], list(rows.get("dynamics_id", []))
