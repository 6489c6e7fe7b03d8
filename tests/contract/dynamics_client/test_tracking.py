"""Change tracking: the first pass, later passes, deletions, and every way a feed can end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from include.dynamics import ChangePage, DynamicsClient, FeedExpired, SchemaChanged
from include.errors import ConfigError, ContractViolation, RetryableError
from tests.contract.dynamics_client.scripted import API, ScriptedOrganization, page, refusal
from tests.contract.dynamics_client.test_reading import guid, row

if TYPE_CHECKING:
    from include.sandbox.server import Reply
    from tests.contract.dynamics_client.conftest import Stage

TOKEN = "$select=jobtitle&$deltatoken=919042%2101%2f05%2f2026%2010%3a10%3a44"


def delta_link(stage: Stage) -> str:
    """Return a delta link of the organisation, in the form the service makes."""
    return f"{stage.connection['host']}{API}contacts?{TOKEN}"


def test_first_pass_gives_every_page_and_the_link_with_the_last(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Tracking and page size are asked for on every page; annotations, and what tracking refuses, are not."""
    link = delta_link(stage)
    organization.answers(page([row(1)], next=f"{API}contacts?$skiptoken=2"), page([row(2)], delta=link))

    pages = list(client.track_changes("contact", ["jobtitle", "_ownerid_value"], page_size=1000))

    following = f"{API}contacts?$skiptoken=2"
    assert pages == [ChangePage([row(1)], [], None, following), ChangePage([row(2)], [], link)]
    assert dict(organization.calls[0].query) == {"$select": "contactid,jobtitle,_ownerid_value"}
    prefer = [call.headers["prefer"] for call in organization.calls]
    assert prefer == ["odata.track-changes,odata.maxpagesize=1000"] * 2


@pytest.mark.parametrize("absolute", [True, False])
def test_delta_link_is_called_exactly_as_received(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization, *, absolute: bool
) -> None:
    """The stored link goes back as it is, but for the case of escapes; tracking is not asked for again."""
    link = delta_link(stage) if absolute else f"{API}contacts?{TOKEN}"
    organization.answers(page([], delta=f"{link}5"))

    pages = list(client.track_changes("contact", ["ignored"], delta_link=link))

    assert pages == [ChangePage([], [], f"{link}5")]
    assert organization.calls[0].target.lower() == f"{API}contacts?{TOKEN}".lower()
    assert dict(organization.calls[0].query)["$deltatoken"] == "919042!01/05/2026 10:10:44"
    assert organization.calls[0].headers["prefer"] == "odata.maxpagesize=5000"


@pytest.mark.parametrize(
    "entry",
    [
        {"@odata.context": "https://x/$metadata#contacts/$deletedEntity", "id": guid(9), "reason": "deleted"},
        {"@odata.context": "https://x/$metadata#contacts/$deletedEntity", "id": guid(9).upper()},
        {"id": f"https://x{API}contacts({guid(9)})", "reason": "deleted"},
        {"@removed": {"reason": "deleted"}, "contactid": guid(9)},
    ],
)
def test_deletions_are_told_apart_by_what_they_say(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization, entry: dict[str, Any]
) -> None:
    """A deletion is one in every documented form, in any place of the page; a row of nulls is none (S-05)."""
    organization.answers(page([entry, row(1, jobtitle=None)], delta=delta_link(stage)))

    (only,) = client.track_changes("contact", ["jobtitle"], delta_link=delta_link(stage))

    assert only.deleted == [guid(9)]
    assert only.rows == [row(1, jobtitle=None)]


@pytest.mark.parametrize(
    "answer",
    [
        refusal(400, "0x80044352", "Version stamp associated with the client has expired."),
        refusal(400, "", ""),
        refusal(400, "0x80048d19", "malformed"),
        refusal(410, "", ""),
        refusal(410, "0x80044352", ""),
        page([]),
    ],
)
def test_a_feed_that_cannot_go_on_is_a_state_of_its_own(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization, answer: Reply
) -> None:
    """
    Whatever code or status an expired link gets, and a pass that ends without a new link: read everything again (S-18).
    """
    organization.answers(answer)

    with pytest.raises(FeedExpired):
        list(client.track_changes("contact", [], delta_link=delta_link(stage)))


def test_a_feed_that_breaks_between_two_pages_gives_no_link(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Pages already given carry no link, so nothing after them is skipped."""
    organization.answers(page([row(1)], next=f"{API}contacts?$skiptoken=2"), refusal(400, "", "cookie"))
    seen: list[ChangePage] = []

    with pytest.raises(FeedExpired):
        seen.extend(client.track_changes("contact", [], delta_link=delta_link(stage)))

    assert all(each.delta_link is None for each in seen)


def test_a_link_of_another_organisation_is_not_called(
    client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """After a change of the host, the old organisation's link must not be read with the new one's people."""
    with pytest.raises(FeedExpired, match="another organisation"):
        list(client.track_changes("contact", [], delta_link=f"https://other.crm.dynamics.com{API}contacts?{TOKEN}"))

    assert organization.calls == []


@pytest.mark.parametrize(
    ("answer", "raises", "says"),
    [
        (page([row(1)]), ConfigError, "Track changes"),
        (refusal(400, "0x0", "Change tracking is not enabled for entity contact."), ConfigError, "Track changes"),
        (refusal(403, "0x80040220", "is missing prvReadContact privilege"), ConfigError, "prvReadContact"),
        (refusal(403, "0x80040220", "no rights"), ConfigError, "organisation"),
        (refusal(400, "0x80060888", "Could not find a property named 'x'"), SchemaChanged, "property"),
        (refusal(404, "0x8006088a", ""), ConfigError, "no such table"),
        (refusal(400, "0x80040265", "a plug-in says no"), ContractViolation, "0x80040265"),
    ],
)
def test_a_first_pass_that_fails_says_why(
    client: DynamicsClient, organization: ScriptedOrganization, answer: Reply, raises: type[Exception], says: str
) -> None:
    """A first pass has no link that could have expired: each refusal is told as what it is."""
    organization.answers(answer)

    with pytest.raises(raises, match=says):
        list(client.track_changes("contact", ["x"]))


def test_an_outage_during_a_feed_passes(
    stage: Stage, client: DynamicsClient, organization: ScriptedOrganization
) -> None:
    """Gateways and throttling are waited out, then the same request goes out again."""
    organization.answers(
        refusal(503), refusal(429, "0x80072322", Retry_After="12"), page([row(1)], delta=delta_link(stage))
    )

    (only,) = client.track_changes("contact", [], delta_link=delta_link(stage))

    assert [r["contactid"] for r in only.rows] == [guid(1)]
    assert len({call.target for call in organization.calls}) == 1
    assert max(stage.time.sleeps) >= 12


def test_throttling_beyond_patience_tells_how_long(client: DynamicsClient, organization: ScriptedOrganization) -> None:
    """A wait that is too long for a task is left to the scheduler, with the server's advice."""
    organization.answers(refusal(429, "0x80072322", Retry_After="900"))

    with pytest.raises(RetryableError) as caught:
        list(client.track_changes("contact", []))

    assert caught.value.retry_after_s == 900
