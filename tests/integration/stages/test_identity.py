"""What happens to a pair when one half is deleted, merged, qualified or filtered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from include.person_sync.config.settings import DEFAULT_PATH
from include.sandbox.dataverse.schema import Column, ColumnType, Option

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing


def linked(pairing: Pairing, table: str, email: str = "ada@example.com", **values: Any) -> tuple[int, str]:
    """Return a pair that is in step and linked."""
    ids = pairing.pair(table, email, **values)
    pairing.cycle()
    return ids


def with_filter(pairing: Pairing) -> None:
    """Give contacts the sync filter column, as an administrator would, and have setup see it."""
    options = (Option(0, "No"), Option(1, "Yes"))
    column = Column("new_synctomkto", ColumnType.BOOLEAN, options=options, custom=True)
    pairing.dynamics.add_column("contact", column)
    pairing.setup()


def open_links(pairing: Pairing) -> dict[int, tuple[str, str]]:
    """Return Marketo id → (table, row id) of the open links."""
    links = pairing.context().store.load_links()
    return {
        int(person): (str(table), str(row))
        for person, table, row in links[["marketo_id", "dynamics_table", "dynamics_id"]].itertuples(index=False)
    }


def test_a_row_deleted_in_dynamics_flags_the_person(pairing: Pairing) -> None:
    """The person stays and is flagged (T-12); a new request makes a new row, a new key and clears the flag (T-13)."""
    person, row = linked(pairing, "lead")
    pairing.dynamics.delete("lead", row)
    pairing.cycle()

    assert pairing.marketo.lead(person)["dynamicsIsDeleted"] is True
    assert open_links(pairing) == {}
    pairing.quiet()

    pairing.marketo.edit(person, {"syncToDynamics": "lead"})
    pairing.cycle()

    (new,) = pairing.dynamics.rows("lead")
    assert new["leadid"] != row
    stored = pairing.marketo.lead(person)
    assert (stored["dynamicsId"], stored["dynamicsIsDeleted"]) == (new["leadid"], False)
    pairing.quiet()


def test_a_person_deleted_in_marketo_comes_back_when_the_row_is_edited(pairing: Pairing) -> None:
    """Nothing happens to the row; its next edit makes a new person, as the native connector does (T-14)."""
    person, row = linked(pairing, "contact")
    pairing.marketo.delete(person)
    pairing.cycle()
    assert pairing.dynamics.row("contact", row) is not None
    assert pairing.marketo.find(email="ada@example.com") == []
    pairing.quiet()

    pairing.dynamics.edit("contact", row, {"jobtitle": "CEO"})
    pairing.cycle()

    (new,) = pairing.marketo.find(email="ada@example.com")
    assert new["id"] != person
    assert new["title"] == "CEO"
    assert open_links(pairing) == {new["id"]: ("contact", row)}
    pairing.quiet()


def with_settings(pairing: Pairing, **changes: Any) -> None:
    """Give the sync a settings file that differs from the defaults in the keys named."""
    settings = yaml.safe_load(DEFAULT_PATH.read_text())
    path = Path(pairing.environment["AIRFLOW_HOME"]) / "settings.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}))
    pairing.environment["PERSON_SYNC_CONFIG"] = str(path)


def test_a_deletion_in_marketo_follows_the_policy_to_delete_the_row(pairing: Pairing) -> None:
    """
    With the policy `delete` the row goes too; a row that was edited meanwhile stays and gets a new person (R-005).
    """
    with_settings(pairing, deleted_in_marketo="delete")
    gone, row = linked(pairing, "contact", "ada@example.com")
    edited, kept = linked(pairing, "contact", "bob@example.com")
    pairing.marketo.delete(gone)
    pairing.marketo.delete(edited)
    pairing.dynamics.edit("contact", kept, {"jobtitle": "CEO"})
    summary = pairing.cycle()

    assert summary["counts"]["to_dynamics"]["deleted"] == 1
    assert pairing.dynamics.row("contact", row) is None
    (new,) = pairing.marketo.find(email="bob@example.com")
    assert open_links(pairing) == {new["id"]: ("contact", kept)}
    pairing.quiet()


def test_a_mass_change_does_not_hold_back_a_small_one(pairing: Pairing) -> None:
    """
    A cycle takes up a bounded number per table, the longest waiting first; other tables are served too (T-29, S-42).
    """
    with_settings(pairing, chunk_people=100)
    contact = pairing.dynamics.create("contact", {"lastname": "Ruiz", "emailaddress1": "ana@example.com"})
    leads = [pairing.dynamics.create("lead", {"lastname": f"Lead {number}"}) for number in range(250)]
    sizes, waiting = [], []
    for _ in range(4):
        summary = pairing.cycle()
        sizes.append(summary["counts"]["to_marketo"]["created"])
        waiting.append(summary.get("backlog", {}).get("dynamics.lead", {}).get("waiting", 0))

    assert sizes == [101, 100, 50, 0]
    assert waiting == [150, 50, 0, 0]
    people = {one["dynamicsId"] for one in pairing.marketo.leads()}
    assert people == {contact, *leads}
    pairing.quiet()
