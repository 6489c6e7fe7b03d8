"""Feeds that can't be continued: each run takes the documented way round, misses nothing, and says so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from include.errors import SafetyStop
from include.person_sync.core.feeds import DENSE_WINDOW
from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.request import RunRequest

if TYPE_CHECKING:
    from tests.integration.stages.conftest import Pairing


def cycle(pairing: Pairing, **request: Any) -> dict[str, Any]:
    """Run a cycle whose clock is the one of the two systems, which a test may put forward."""
    ctx = pairing.context()
    ctx.now = pairing.sandbox.clock.now
    return run_cycle(ctx, RunRequest(**request))


def pause(pairing: Pairing, **length: float) -> None:
    """Let time pass in both systems without a cycle."""
    pairing.sandbox.clock.advance(timedelta(**length).total_seconds())


def pairs(pairing: Pairing, count: int, table: str = "contact") -> list[tuple[int, str]]:
    """Return linked pairs."""
    made = [pairing.pair(table, f"{table}{number}@example.com", jobtitle="CTO") for number in range(count)]
    cycle(pairing)
    return made


def open_people(pairing: Pairing) -> set[int]:
    """Return the Marketo ids of the open links."""
    return set(pairing.context().store.load_links()["marketo_id"])


def feeds(summary: dict[str, Any]) -> list[str]:
    """Return the feeds a summary names gaps of."""
    return [one["feed"] for one in summary.get("gaps", [])]


@pytest.mark.parametrize("status", [400, 410])
def test_an_expired_delta_link_loses_neither_an_edit_nor_a_deletion(pairing: Pairing, status: int) -> None:
    """
    The table is read in full; a linked row it does not show is asked for by its id before it counts as deleted (S-05,
    S-18).
    """
    (ada, edited), (bob, deleted), _ = pairs(pairing, 3)
    lead, _ = pairs(pairing, 1, "lead")[0]
    pairing.dynamics.settings.delta_expiry_status = status
    pairing.dynamics.expire_delta_links()
    pairing.dynamics.edit("contact", edited, {"jobtitle": "CEO"})
    pairing.dynamics.delete("contact", deleted)

    summary = cycle(pairing)

    assert sorted(feeds(summary)) == ["dynamics.account", "dynamics.lead"], "contacts are read in full for the accounts"
    assert all(one["seen"] and one["route"] for one in summary["gaps"])
    assert (pairing.marketo.lead(ada) or {})["title"] == "CEO"
    assert (pairing.marketo.lead(bob) or {})["dynamicsIsDeleted"] is True
    assert bob not in open_people(pairing)
    assert lead in open_people(pairing)
    assert summary["counts"]["to_marketo"]["updated"] == 2
    assert "gaps" not in cycle(pairing)
    pairing.quiet()


def test_a_row_that_is_only_hidden_is_not_taken_for_deleted(pairing: Pairing) -> None:
    """Whoever may not be read is there all the same: no flag, no closed link (S-05)."""
    (ada, _), (_, row) = pairs(pairing, 2)
    pairing.dynamics.expire_delta_links()
    ctx = pairing.context()
    pairing.dynamics.grant("Read", "contact", "Basic")

    assert ctx.dynamics.absent_rows("contact", [row, "00000000-0000-0000-0000-00000000abcd"]) == {
        "00000000-0000-0000-0000-00000000abcd"
    }

    pairing.dynamics.grant("Read", "contact")
    cycle(pairing)
    assert ada in open_people(pairing)


def test_a_side_that_suddenly_shrank_stops_the_run(pairing: Pairing) -> None:
    """
    So many rows are missing from a full reading that nobody is asked for one by one: a person has to look first (S-30).
    """
    made = pairs(pairing, 120)
    for _, row in made[:110]:
        pairing.dynamics.delete("contact", row)
    pairing.dynamics.expire_delta_links()

    with pytest.raises(SafetyStop) as stopped:
        cycle(pairing)
    assert stopped.value.brake == "dynamics_shrank"
    assert len(open_people(pairing)) == 120

    cycle(pairing, overrides=("dynamics_shrank", "changed_to_marketo"))
    assert open_people(pairing) == {person for person, _ in made[110:]}
    pairing.quiet()


def test_an_account_feed_that_expired_has_everybody_looked_at(pairing: Pairing) -> None:
    """What an account was called meanwhile is found although the feed can't tell (S-18)."""
    acme = pairing.dynamics.create("account", {"name": "Acme"})
    person, _ = pairing.pair("contact", "ada@example.com", parentcustomerid=("account", acme))
    cycle(pairing)
    pairing.dynamics.edit("account", acme, {"name": "Acme Ltd"})
    pairing.dynamics.expire_delta_links()

    summary = cycle(pairing)

    assert "dynamics.account" in feeds(summary)
    assert (pairing.marketo.lead(person) or {})["company"] == "Acme Ltd"
    pairing.quiet()


def test_a_refused_paging_token_is_replaced_by_one_from_the_date(pairing: Pairing) -> None:
    """
    While the overlap is dense the feeds go on from tokens; one that is refused costs nothing but a new one (S-18).
    """
    people = [pairing.marketo.create({"lastName": f"P{number}"}) for number in range(DENSE_WINDOW + 20)]
    (ada, row), *_ = pairs(pairing, 1)
    for person in people:
        pairing.marketo.edit(person, {"title": "CTO"})
    cycle(pairing)
    store = pairing.context().store
    marked = store.watermarks()["marketo"]
    assert len(marked["seen"]) > DENSE_WINDOW
    forget_tokens(pairing)
    pairing.marketo.edit(ada, {"title": "CEO"})

    summary = cycle(pairing)

    assert feeds(summary) == ["marketo"]
    assert (pairing.dynamics.row("contact", row) or {})["jobtitle"] == "CEO"
    assert "gaps" not in cycle(pairing)


def forget_tokens(pairing: Pairing) -> None:
    """Let Marketo no longer know the tokens that are stored."""
    from sqlalchemy import update

    from include.person_sync.state.tables import watermark

    store = pairing.context().store
    value = store.watermarks()["marketo"]
    value["tokens"] = dict.fromkeys(value["tokens"], "GIYDAOBNGEYS====")
    with store._writing() as connection:
        connection.execute(update(watermark).where(watermark.c.feed == "marketo").values(value=value))


def test_a_day_of_downtime_is_made_up_for_in_one_cycle(pairing: Pairing) -> None:
    """Every change of the day arrives once, the last one of each field, deletions and merges included (T-27)."""
    (ada, row), (bob, bobs), (eve, _), (winner, _) = pairs(pairing, 4)
    for hour, title in enumerate(["CFO", "COO", "CEO"]):
        pause(pairing, hours=6)
        pairing.marketo.edit(ada, {"title": title})
        pairing.dynamics.edit("contact", bobs, {"jobtitle": title, "mobilephone": str(hour)})
    pairing.dynamics.edit("contact", row, {"mobilephone": "7"})
    pairing.marketo.merge(winner, [eve])
    pause(pairing, hours=6)
    pairing.mark()

    summary = cycle(pairing)

    assert (pairing.dynamics.row("contact", row) or {})["jobtitle"] == "CEO"
    held = pairing.marketo.lead(bob) or {}
    assert (held["title"], held["mobilePhone"]) == ("CEO", "2")
    assert (pairing.marketo.lead(ada) or {})["mobilePhone"] == "7"
    assert open_people(pairing) == {ada, bob, winner}
    assert summary["counts"]["to_dynamics"]["updated"] == 1
    assert "gaps" not in summary
    history = pairing.context().store.history(marketo_id=bob)
    assert len(history[(history["run_id"] == summary["run_id"]) & (history["field"] == "job_title")]) == 1


def test_a_pause_beyond_the_deletions_kept_finds_who_was_deleted(pairing: Pairing) -> None:
    """
    Deletions are kept for 14 days; after more everybody linked is asked for by id (policy as for any deletion) (S-05,
    S-18).
    """
    pairing.dynamics.settings.expire_change_tracking_days = 365
    (gone, row), (ada, adas) = pairs(pairing, 2)
    pairing.marketo.delete(gone)
    pause(pairing, days=20)
    pairing.marketo.edit(ada, {"title": "CEO"})

    summary = cycle(pairing)

    assert feeds(summary) == ["deletedleads"]
    assert open_people(pairing) == {ada}
    assert (pairing.dynamics.row("contact", adas) or {})["jobtitle"] == "CEO"
    assert pairing.dynamics.row("contact", row) is not None
    assert "gaps" not in cycle(pairing)


def test_a_pause_beyond_the_changes_kept_reads_everybody_again(pairing: Pairing) -> None:
    """
    Changes are kept for 90 days; after more, edits and requests nobody tells of any more are found all the same (S-18).
    """
    pairing.dynamics.settings.expire_change_tracking_days = 365
    (ada, row), _ = pairs(pairing, 2)
    asking = pairing.marketo.create({"lastName": "Ruiz", "email": "ruiz@example.com"})
    pairing.marketo.edit(ada, {"title": "CEO"})
    pairing.marketo.edit(asking, {"syncToDynamics": "lead"})
    pause(pairing, days=120)

    summary = cycle(pairing)

    assert feeds(summary) == ["deletedleads", "leadchanges"]
    assert (pairing.dynamics.row("contact", row) or {})["jobtitle"] == "CEO"
    assert [one["lastname"] for one in pairing.dynamics.rows("lead")] == ["Ruiz"]


def test_a_quiet_fortnight_is_no_gap(pairing: Pairing) -> None:
    """Cycles that found nothing have read the feeds all the same."""
    pairing.dynamics.settings.expire_change_tracking_days = 365
    pairs(pairing, 1)
    for _ in range(3):
        pause(pairing, days=10)
        summary = cycle(pairing)
        assert "gaps" not in summary
    assert summary["api_calls"]["marketo"] <= 6
