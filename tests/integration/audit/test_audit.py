"""What an audit sees: full agreement, each kind of disorder, what explains it, and what a repair puts right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest

from include.errors import QuotaExhausted, SafetyStop
from include.person_sync.audit import AuditRequest, compare_sides, open_audit, publish, run_audit
from include.person_sync.audit.looking import Look, Observer
from include.person_sync.run.cycle import run_cycle
from include.person_sync.run.request import RunRequest
from include.sandbox.dataverse.schema import Column, ColumnType, Option
from include.sandbox.seed import Seed, plant
from tests.integration.audit.conftest import found, frame, page_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from include.person_sync.core.fields import Table
    from tests.integration.audit.conftest import Audit
    from tests.integration.stages.conftest import Pairing


def test_after_the_first_sync_everything_agrees(pairing: Pairing, audit: Callable[..., Audit]) -> None:
    """Of 300 invented people all pairs and fields agree; who has no person is held, and the report says so."""
    plant(pairing.sandbox, Seed(people=300))
    pairing.cycle()

    summary = audit()

    counts = summary["counts"]
    assert counts["shares"] == {"pairs_in_agreement": 1.0, "fields_in_agreement": 1.0}
    assert counts["pairs"]["compared"] > 200
    assert counts["fields"]["compared"] > 4_000
    assert not any(counts["unexplained"].values())
    assert set(frame(summary, "findings")["explanation"]) == {"hold"}
    run = pairing.context().store.require_run(summary["run_id"])
    assert (run.kind, run.status, run.counts) == ("audit", "committed", counts)


def test_a_lost_edit_is_found_and_repaired_by_the_rules(
    pairing: Pairing, audit: Callable[..., Audit], lose_changes: Callable[[], None]
) -> None:
    """
    Edits no feed will name again are unexplained differences; a repair merges them, and the next audit is clean (S-41).
    """
    lead_person, lead = pairing.pair("lead", "ada@example.com", jobtitle="CTO", mobilephone="1")
    person, contact = pairing.pair("contact", "bob@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(lead_person, {"title": "CEO"})
    pairing.dynamics.edit("lead", lead, {"mobilephone": "2"})
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.dynamics.edit("contact", contact, {"jobtitle": "CFO"})
    lose_changes()

    summary = audit()

    seen = frame(summary, "differences").set_index(["dynamics_id", "field"])
    assert summary["counts"]["pairs"]["differing"] == 2
    assert seen["direction"].to_dict() == {
        (lead, "job_title"): "to_dynamics",
        (lead, "mobile_phone"): "to_marketo",
        (contact, "job_title"): "to_marketo",
    }
    assert set(seen["explanation"]) == {"unexplained"}
    assert seen.loc[(contact, "job_title"), ["outcome", "base", "marketo", "dynamics"]].tolist() == [
        "collision", "CTO", "CEO", "CFO",
    ]  # fmt: skip
    assert pairing.dynamics.row("lead", lead)["jobtitle"] == "CTO"

    repaired = audit(repair=True)

    assert [one["status"] for one in repaired["repair"]] == ["done"]
    assert pairing.dynamics.row("lead", lead)["jobtitle"] == "CEO"
    assert pairing.marketo.lead(lead_person)["mobilePhone"] == "2"
    assert pairing.marketo.lead(person)["title"] == "CFO"
    clean = audit()
    assert clean["counts"]["shares"]["fields_in_agreement"] == 1.0
    assert clean["counts"]["fields"]["behind"] == 0
    pairing.quiet()


def test_changes_on_their_way_are_told_from_lost_ones(pairing: Pairing, audit: Callable[..., Audit]) -> None:
    """What the next cycle will take up anyway is explained as in flight, on either side and for new rows (S-41)."""
    person, _ = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    _, contact = pairing.pair("contact", "bob@example.com", jobtitle="CTO")
    _, gone = pairing.pair("contact", "cy@example.com")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    pairing.dynamics.edit("contact", contact, {"jobtitle": "CFO"})
    pairing.dynamics.create("lead", {"lastname": "New", "emailaddress1": "new@example.com"})
    pairing.dynamics.delete("contact", gone)

    summary = audit()

    assert frame(summary, "differences")["explanation"].tolist() == ["in_flight", "in_flight"]
    assert found(summary) == {"row_without_person": 1, "link_without_row": 1}
    assert set(frame(summary, "findings")["explanation"]) == {"in_flight"}
    assert not any(summary["counts"]["unexplained"].values())
    pairing.cycle()
    assert audit()["counts"]["shares"]["fields_in_agreement"] == 1.0


def test_missing_halves_and_identities_are_found(
    pairing: Pairing, audit: Callable[..., Audit], lose_changes: Callable[[], None]
) -> None:
    """Each kind of disorder among people, rows and links shows up once, and a repair puts right what it may (S-41)."""
    no_row, row_gone = pairing.pair("contact", "a@example.com")
    person_gone, no_person = pairing.pair("lead", "b@example.com")
    both_person, both_row = pairing.pair("contact", "c@example.com")
    wrong, row_of_wrong = pairing.pair("lead", "d@example.com")
    owner, shared = pairing.pair("lead", "e@example.com")
    pairing.cycle()
    pairing.dynamics.delete("contact", row_gone)
    pairing.marketo.delete(person_gone)
    pairing.dynamics.delete("contact", both_row)
    pairing.marketo.delete(both_person)
    pairing.marketo.edit(wrong, {"dynamicsId": None, "dynamicsType": "contact"})
    twin = pairing.marketo.create({"email": "f@example.com", "dynamicsId": shared, "dynamicsType": "lead"})
    alone = pairing.dynamics.create("lead", {"lastname": "Alone", "emailaddress1": "g@example.com"})
    asking = pairing.marketo.create({"email": "h@example.com", "lastName": "Asking", "syncToDynamics": "lead"})
    lose_changes()

    findings = frame(audit(), "findings")

    assert set(findings["explanation"]) == {"unexplained"}
    by_kind = findings.set_index("kind")
    assert sorted(by_kind.index) == [
        "link_without_both", "link_without_person", "link_without_row", "request_without_row", "row_without_person",
        "shared_identity", "wrong_identity",
    ]  # fmt: skip
    assert by_kind.loc["link_without_row", "marketo_id"] == no_row
    assert by_kind.loc["link_without_person", "dynamics_id"] == no_person
    assert by_kind.loc["link_without_both", ["marketo_id", "dynamics_id"]].tolist() == [both_person, both_row]
    assert by_kind.loc["wrong_identity", ["marketo_id", "dynamics_id"]].tolist() == [wrong, row_of_wrong]
    assert by_kind.loc["shared_identity", ["marketo_id", "dynamics_id"]].tolist() == [twin, shared]
    assert str(owner) in by_kind.loc["shared_identity", "note"]
    assert by_kind.loc["row_without_person", "dynamics_id"] == alone
    assert by_kind.loc["request_without_row", "marketo_id"] == asking

    audit(repair=True)

    assert pairing.marketo.find(dynamicsId=alone)
    assert pairing.marketo.lead(asking)["dynamicsType"] == "lead"
    assert pairing.marketo.lead(wrong)["dynamicsId"] == row_of_wrong
    assert found(audit()) == {
        "link_without_row": 1, "link_without_person": 1, "link_without_both": 1, "shared_identity": 1,
    }  # fmt: skip


def test_a_refused_value_explains_its_difference(pairing: Pairing, audit: Callable[..., Audit]) -> None:
    """A value that became a dead letter differs for a known reason; once it is edited it is on its way."""
    person, _ = pairing.pair("lead", "ada@example.com", mobilephone="1")
    pairing.cycle()
    pairing.marketo.edit(person, {"mobilePhone": "1" * 21})
    pairing.cycle()

    assert frame(audit(), "differences")["explanation"].tolist() == ["dead_letter"]

    pairing.marketo.edit(person, {"mobilePhone": "3" * 22})
    assert frame(audit(), "differences")["explanation"].tolist() == ["in_flight"]


def test_a_one_way_field_may_differ(pairing: Pairing, audit: Callable[..., Audit]) -> None:
    """An edit its rule does not let through is set apart: neither agreement nor disorder."""
    person, _ = pairing.pair("lead", "ada@example.com")
    pairing.cycle()
    pairing.marketo.edit(person, {"leadStatus": "Qualified"})
    pairing.cycle()

    summary = audit()

    assert frame(summary, "differences")["explanation"].tolist() == ["rule"]
    assert summary["counts"]["fields"]["set_apart"] == 1
    assert summary["counts"]["shares"]["fields_in_agreement"] == 1.0


def test_a_row_the_filter_keeps_out_needs_no_person(pairing: Pairing, audit: Callable[..., Audit]) -> None:
    """Rows with an explicit No are counted and are no finding (T-15)."""
    options = (Option(0, "No"), Option(1, "Yes"))
    pairing.dynamics.add_column("lead", Column("new_synctomkto", ColumnType.BOOLEAN, options=options, custom=True))
    pairing.setup()
    pairing.dynamics.create("lead", {"lastname": "Out", "emailaddress1": "o@example.com", "new_synctomkto": False})
    pairing.cycle()

    summary = audit()

    assert summary["counts"]["rows"]["filtered"] == 1
    assert found(summary) == {}


def test_a_large_repair_trips_a_brake_as_a_whole(
    pairing: Pairing, audit: Callable[..., Audit], lose_changes: Callable[[], None]
) -> None:
    """
    A repair cut into runs below the brake's limit is stopped before the first of them; an override lets it go on
    (S-41).
    """
    people = [pairing.pair("lead", f"p{number}@example.com", jobtitle="CTO")[0] for number in range(120)]
    pairing.cycle()
    for person in people:
        pairing.marketo.edit(person, {"title": "CEO"})
    lose_changes()
    ctx = pairing.context()
    ctx.settings = ctx.settings.model_copy(update={"chunk_people": 50})
    pairing.mark()

    with pytest.raises(SafetyStop) as stop:
        run_audit(ctx, AuditRequest(repair=True))

    assert stop.value.brake == "changed_to_dynamics"
    assert pairing.writes() == []
    summary = run_audit(ctx, AuditRequest(repair=True, overrides=("changed_to_dynamics",)))
    assert len(summary["repair"]) == 3
    assert audit()["counts"]["shares"]["pairs_in_agreement"] == 1.0


def test_the_page_holds_no_value_and_loads_nothing(
    pairing: Pairing, audit: Callable[..., Audit], lose_changes: Callable[[], None]
) -> None:
    """People's values are in the Parquet files only, and the page is complete in itself."""
    person, row = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "<b>Secret title</b>"})
    lose_changes()

    summary = audit()

    page = page_of(summary)
    assert "Secret" in frame(summary, "differences").to_string()
    assert "Secret" not in page
    assert "ada@example.com" not in page
    assert row in page
    assert "job_title" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_only_the_newest_reports_are_kept(pairing: Pairing, audit: Callable[..., Audit]) -> None:
    """Reports beyond the number that is set are removed with all their files."""
    ctx = pairing.context()
    kept = ctx.settings.model_copy(update={"audit": ctx.settings.audit.model_copy(update={"keep_reports": 2})})
    ctx.settings = kept

    for _ in range(4):
        run_audit(ctx, AuditRequest())

    assert len(list((ctx.staging / "reports").iterdir())) == 2


def test_a_cycle_in_the_middle_is_no_difference(
    pairing: Pairing, audit: Callable[..., Audit], monkeypatch: pytest.MonkeyPatch
) -> None:
    """People changed and synced between the reading of rows and of people are looked at again, and agree."""
    person, row = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    look = Observer.look

    def interrupted(observer: Observer, table: Table, rows: pd.DataFrame, row_ids: Collection[str]) -> Look:
        if pairing.dynamics.row("lead", row)["jobtitle"] == "CTO" and row in row_ids:
            pairing.dynamics.edit("lead", row, {"jobtitle": "CEO"})
            pairing.cycle()
            pairing.mark()
        return look(observer, table, rows, row_ids)

    monkeypatch.setattr(Observer, "look", interrupted)

    summary = audit()

    assert pairing.marketo.lead(person)["title"] == "CEO"
    assert summary["counts"]["shares"]["fields_in_agreement"] == 1.0
    assert summary["counts"]["pairs"]["compared"] == 1
    assert frame(summary, "differences").empty


def test_chunks_change_nothing_but_memory(
    pairing: Pairing, audit: Callable[..., Audit], lose_changes: Callable[[], None]
) -> None:
    """The same findings whether everybody is looked at together or a hundred at a time; no chunk is larger (S-42)."""
    plant(pairing.sandbox, Seed(people=300))
    pairing.cycle()
    links = pairing.context().store.load_links()
    for person in links["marketo_id"].head(30):
        pairing.marketo.edit(int(person), {"city": "Elsewhere"})
    lose_changes()
    sizes: list[int] = []
    ctx = pairing.context()
    ctx.settings = ctx.settings.model_copy(update={"chunk_people": 100})
    observed = Observer.look

    def measured(observer: Observer, table: Table, rows: pd.DataFrame, row_ids: Collection[str]) -> Look:
        sizes.append(len(rows))
        return observed(observer, table, rows, row_ids)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Observer, "look", measured)
        cut = run_audit(ctx, AuditRequest())
    whole = audit()

    assert len(sizes) >= 4
    assert max(sizes) <= 100
    assert cut["counts"] == whole["counts"]
    order = ["link_id", "field"]
    left, right = (frame(one, "differences").sort_values(order, ignore_index=True) for one in (cut, whole))
    pd.testing.assert_frame_equal(left, right)


def test_a_second_try_replaces_what_the_first_left(pairing: Pairing, lose_changes: Callable[[], None]) -> None:
    """Comparing again within the same run leaves no part of the try before."""
    person, _ = pairing.pair("lead", "ada@example.com", jobtitle="CTO")
    pairing.cycle()
    pairing.marketo.edit(person, {"title": "CEO"})
    lose_changes()
    ctx = pairing.context()
    open_audit(ctx, "audit-1", AuditRequest())
    compare_sides(ctx, "audit-1")
    pairing.marketo.edit(person, {"title": "CTO"})

    summary = publish(ctx, "audit-1", compare_sides(ctx, "audit-1"))

    assert summary["counts"]["fields"]["differing"] == 0
    assert not list((ctx.staging / "reports").rglob("part-*.parquet"))


def test_an_audit_that_the_quota_would_not_carry_does_not_begin(pairing: Pairing) -> None:
    """When what is left of today's calls is less than reading everybody takes, it stops before the first."""
    ctx = pairing.context()
    used = ctx.marketo.usage()
    pairing.pair("lead", "ada@example.com")
    pairing.cycle()
    marketo = ctx.settings.marketo.model_copy(update={"daily_quota": used + 1})
    ctx.settings = ctx.settings.model_copy(update={"marketo": marketo})

    with pytest.raises(QuotaExhausted) as stop:
        run_audit(ctx, AuditRequest())

    assert stop.value.resets_at > ctx.now()
    assert ctx.store.latest_runs(1)[0].status == "failed"


def test_who_waits_for_a_turn_is_queued(pairing: Pairing) -> None:
    """Rows that a bounded cycle has put off are no surprise, and the report tells how many wait (O-001)."""
    for number in range(130):
        pairing.dynamics.create("lead", {"lastname": f"Number {number}", "emailaddress1": f"n{number}@example.com"})
    ctx = pairing.context()
    ctx.settings = ctx.settings.model_copy(update={"chunk_people": 100})
    run_cycle(ctx, RunRequest())

    summary = run_audit(pairing.context(), AuditRequest())

    findings = frame(summary, "findings")
    assert findings[["kind", "explanation"]].value_counts().to_dict() == {("row_without_person", "queued"): 30}
    assert summary["counts"]["backlog"] == {"dynamics.lead": 30}
    assert "wait for a later cycle" in page_of(summary)
