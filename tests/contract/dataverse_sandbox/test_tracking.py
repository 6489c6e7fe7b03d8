"""Change tracking on the wire: first pass, deltas, deletions, expiry."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.dataverse_sandbox.conftest import error_of

if TYPE_CHECKING:
    from tests.contract.dataverse_sandbox.conftest import Wire

TRACK = "odata.track-changes"


def follow(wire: Wire, path: str, prefer: str = TRACK) -> tuple[list[dict[str, Any]], str]:
    """Return every entry of a pass and the delta link at its end."""
    entries: list[dict[str, Any]] = []
    answer = wire.get(path, prefer=prefer).json()
    while True:
        entries += answer["value"]
        if "@odata.nextLink" not in answer:
            return entries, answer["@odata.deltaLink"]
        assert "@odata.deltaLink" not in answer
        answer = wire.get(answer["@odata.nextLink"], prefer=prefer).json()


def test_first_pass_returns_every_row_and_a_link_at_the_end(sandbox, wire):
    """The first pass is the whole table, with the delta link on its last page only."""
    made = {sandbox.dynamics.create("contact", {"lastname": f"L{number}"}) for number in range(5)}

    entries, link = follow(wire, "contacts?$select=lastname", f"{TRACK},odata.maxpagesize=2")

    assert {entry["contactid"] for entry in entries} == made
    assert "$deltatoken=" in link
    assert wire.get("contacts?$select=lastname", prefer=TRACK).headers["Preference-Applied"] == TRACK


def test_quiet_table_gives_an_empty_delta_and_a_new_link(sandbox, wire):
    """Nothing changed: no entries, and a link to store all the same."""
    sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    _, link = follow(wire, "contacts?$select=lastname")

    entries, newer = follow(wire, link, "")

    assert entries == []
    assert follow(wire, newer, "")[0] == []


def test_delta_returns_changes_in_order_then_deletions(sandbox, wire):
    """New and edited rows come first, oldest change first, with all selected columns; deletions follow."""
    first, second, third = (sandbox.dynamics.create("contact", {"lastname": name}) for name in "ABC")
    _, link = follow(wire, "contacts?$select=lastname,jobtitle")
    sandbox.dynamics.delete("contact", first)
    sandbox.dynamics.edit("contact", third, {"department": "outside the selection"})
    fourth = sandbox.dynamics.create("contact", {"lastname": "D"})
    sandbox.dynamics.edit("contact", second, {"jobtitle": "CEO"})
    sandbox.dynamics.edit("contact", second, {"jobtitle": "CTO"})

    entries, _ = follow(wire, link, "odata.maxpagesize=1")

    assert [entry.get("contactid") for entry in entries] == [third, fourth, second, None]
    assert entries[2]["lastname"] == "B"
    assert entries[2]["jobtitle"] == "CTO"
    assert (entries[3]["id"], entries[3]["reason"]) == (first, "deleted")
    assert entries[3]["@odata.context"].endswith("#contacts/$deletedEntity")


def test_own_writes_come_back(sandbox, wire):
    """The feed does not know whose write it was."""
    made = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    _, link = follow(wire, "contacts?$select=lastname")

    wire.patch(f"contacts({made})", {"jobtitle": "CEO"}, If_Match="*")

    assert [entry["contactid"] for entry in follow(wire, link, "")[0]] == [made]


def test_unchanged_value_is_a_change(sandbox, wire):
    """Writing what is stored already moves the version and surfaces in the feed."""
    made = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    _, link = follow(wire, "contacts?$select=lastname")

    wire.patch(f"contacts({made})", {"lastname": "Ruiz"}, If_Match="*")

    assert len(follow(wire, link, "")[0]) == 1


def test_old_link_may_be_called_again(sandbox, wire):
    """A link is a place, not a cursor: called again it brings everything since."""
    _, link = follow(wire, "contacts?$select=lastname")
    sandbox.dynamics.create("contact", {"lastname": "A"})
    once = follow(wire, link, "")[0]
    sandbox.dynamics.create("contact", {"lastname": "B"})

    assert len(once) == 1
    assert len(follow(wire, link, "")[0]) == 2


def test_row_made_and_deleted_between_polls_shows_as_a_deletion(sandbox, wire):
    """A deletion may name an id that the reader never saw."""
    _, link = follow(wire, "contacts?$select=lastname")
    made = sandbox.dynamics.create("contact", {"lastname": "A"})
    sandbox.dynamics.delete("contact", made)

    assert [entry["id"] for entry in follow(wire, link, "")[0]] == [made]


def test_row_changed_during_a_pass_is_not_lost(sandbox, wire):
    """A row that moves while the pages are read is in this pass or in the next delta."""
    ids = [sandbox.dynamics.create("contact", {"lastname": f"L{number}"}) for number in range(4)]
    page = wire.get("contacts?$select=jobtitle", prefer=f"{TRACK},odata.maxpagesize=2").json()
    sandbox.dynamics.edit("contact", ids[0], {"jobtitle": "behind the reader"})
    sandbox.dynamics.edit("contact", ids[3], {"jobtitle": "before the reader"})

    rest, link = follow(wire, page["@odata.nextLink"], f"{TRACK},odata.maxpagesize=2")
    later, _ = follow(wire, link, "")

    latest = {entry["contactid"]: entry["jobtitle"] for entry in [*page["value"], *rest, *later]}
    assert latest == {
        ids[0]: "behind the reader",
        ids[1]: None,
        ids[2]: None,
        ids[3]: "before the reader",
    }


def test_number_of_changes_can_be_asked_for(sandbox, wire):
    """The count of a delta is plain text."""
    _, link = follow(wire, "contacts?$select=lastname")
    sandbox.dynamics.create("contact", {"lastname": "A"})

    token = link.partition("$deltatoken=")[2]

    assert wire.get(f"contacts/$count?$deltatoken={token}").text == "1"


@pytest.mark.parametrize("option", ["$filter=statecode eq 0", "$orderby=lastname", "$expand=ownerid", "$top=5"])
def test_forbidden_option_is_refused(wire, option):
    """Tracking does not go with filters, orders, joins and tops."""
    answer = wire.get(f"contacts?$select=lastname&{option}".replace("ownerid", "createdby"), prefer=TRACK)

    assert answer.status_code == 400
    name = option.partition("=")[0]
    assert answer.json()["error"]["message"] == (
        f'The "{name}" query parameter isn\'t supported when Change Tracking is enabled.'
    )


def test_read_privilege_has_to_be_global(sandbox, wire):
    """A narrower role is refused, even where it can read the rows."""
    sandbox.dynamics.grant("Read", "contact", "Basic")

    assert wire.get("contacts?$select=lastname").status_code == 200
    refused = wire.get("contacts?$select=lastname", prefer=TRACK)

    assert error_of(refused) == (403, "0x80040220")
    assert "prvReadContact" in refused.json()["error"]["message"]


def test_tracking_turned_off_gives_no_link(sandbox, wire):
    """Where tracking is off the preference is passed over: no link, not applied."""
    sandbox.dynamics.set_change_tracking("contact", on=False)

    answer = wire.get("contacts?$select=lastname", prefer=TRACK)

    assert "@odata.deltaLink" not in answer.json()
    assert "Preference-Applied" not in answer.headers


def test_link_expires_after_the_organisations_days(sandbox, wire):
    """Seven days later, by default, the link has to be given up."""
    _, link = follow(wire, "contacts?$select=lastname")

    sandbox.clock.advance(timedelta(days=7, seconds=2))
    wire.token = sandbox.entra.issue(sandbox.credentials.dynamics_client_id, sandbox.dynamics_url)

    assert error_of(wire.get(link)) == (400, "0x80044352")


def test_expired_links_can_be_made_at_will(sandbox, wire):
    """Links issued before are dead, links issued after work; the status can be switched."""
    _, link = follow(wire, "contacts?$select=lastname")
    sandbox.dynamics.expire_delta_links()
    sandbox.dynamics.settings.delta_expiry_status = 410

    assert error_of(wire.get(link)) == (410, "0x80044352")
    assert follow(wire, follow(wire, "contacts?$select=lastname")[1], "")[0] == []


def test_expired_link_fault_strikes_once(sandbox, wire):
    """An ordered expiry hits one request with a token."""
    _, link = follow(wire, "contacts?$select=lastname")
    sandbox.faults.add("dynamics", "expired_delta_link", match="GET *contacts")

    assert wire.get(link).status_code == 400
    assert wire.get(link).status_code == 200


def test_changed_schema_can_end_links(sandbox, wire):
    """When so switched, a changed column ends every link; a removed one always breaks links that select it."""
    _, link = follow(wire, "contacts?$select=lastname,nickname")
    sandbox.dynamics.change_column("contact", "jobtitle", max_length=50)
    assert wire.get(link).status_code == 200

    sandbox.dynamics.remove_column("contact", "nickname")
    assert error_of(wire.get(link)) == (400, "0x80060888")

    _, link = follow(wire, "contacts?$select=lastname")
    sandbox.dynamics.settings.schema_change_expires_delta_links = True
    sandbox.dynamics.change_column("contact", "jobtitle", max_length=40)
    assert error_of(wire.get(link)) == (400, "0x80044352")


@pytest.mark.parametrize("token", ["x", "1!yesterday", "99"])
def test_malformed_token_is_refused(wire, token):
    """A token that was tampered with is an error."""
    assert wire.get(f"contacts?$select=lastname&$deltatoken={token}").status_code == 400


def test_annotations_lose_the_link(sandbox, wire):
    """Annotations and tracking together: no delta link, unless switched."""
    prefer = f'{TRACK},odata.include-annotations="*"'
    assert "@odata.deltaLink" not in wire.get("contacts?$select=lastname", prefer=prefer).json()

    sandbox.dynamics.settings.annotations_lose_delta_link = False
    assert "@odata.deltaLink" in wire.get("contacts?$select=lastname", prefer=prefer).json()


def test_organisation_says_how_long_links_last(sandbox, wire):
    """The days can be read from the organisation's row."""
    sandbox.dynamics.settings.expire_change_tracking_days = 30

    answer = wire.get("organizations?$select=name,expirechangetrackingindays").json()

    assert answer["value"][0]["expirechangetrackingindays"] == 30
