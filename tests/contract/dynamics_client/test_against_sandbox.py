"""The client and the sandbox's organisation held against each other: what one promises, the other shows."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from include.dynamics import (
    DynamicsClient,
    DynamicsConnection,
    DynamicsSettings,
    FeedExpired,
    Operation,
    Outcome,
    SchemaChanged,
)
from include.errors import ConfigError
from include.sandbox import Sandbox
from tests.contract.dynamics_client.scripted import FakeTime
from tests.contract.dynamics_client.test_reading import guid

if TYPE_CHECKING:
    from collections.abc import Iterator

PERSON = ["firstname", "lastname", "emailaddress1", "jobtitle"]


@pytest.fixture(scope="module")
def _sandbox() -> Iterator[Sandbox]:
    with Sandbox.start(seed=None) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(_sandbox: Sandbox) -> Sandbox:
    """Return the sandbox with no contacts, leads, faults and logged calls."""
    _sandbox.faults.clear()
    for table in ("contact", "lead"):
        for row_id in [row[f"{table}id"] for row in _sandbox.dynamics.rows(table)]:
            if _sandbox.dynamics.row(table, row_id) is not None:  # a parent's deletion takes its children with it
                _sandbox.dynamics.delete(table, row_id)
    _sandbox.reset_calls()
    return _sandbox


def connection(sandbox: Sandbox, **changes: Any) -> DynamicsConnection:
    """Return the connection to the sandbox; `changes` replace its fields."""
    fields = {
        "host": sandbox.dynamics_url,
        "client_id": sandbox.credentials.dynamics_client_id,
        "client_secret": sandbox.credentials.dynamics_client_secret,
        "tenant_id": sandbox.credentials.tenant_id,
        "authority": sandbox.authority,
        "ca_bundle": sandbox.ca_bundle,
    }
    return DynamicsConnection(**{**fields, **changes})


def connect(sandbox: Sandbox, **settings: Any) -> DynamicsClient:
    """Return a client of the sandbox for which waiting takes no time."""
    time = FakeTime()
    return DynamicsClient(
        connection(sandbox), settings=DynamicsSettings(**settings), sleep=time.sleep, clock=time.clock
    )


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[DynamicsClient]:
    """Return a client with default settings."""
    with connect(sandbox) as client:
        yield client


def create(sandbox: Sandbox, count: int, table: str = "contact") -> list[str]:
    """Make people in Dynamics, as somebody at work there would."""
    return [sandbox.dynamics.create(table, {"lastname": f"Number {n}"}) for n in range(count)]


def delta_after_first_pass(client: DynamicsClient, table: str = "contact") -> str:
    """Return the link that the next changes will be read from."""
    (*_, last) = client.track_changes(table, PERSON)
    assert last.delta_link is not None
    return last.delta_link


def test_the_connection_works_with_secret_and_certificate(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Both ways of signing in reach the same user."""
    path = str(sandbox.client_certificate.file)
    with DynamicsClient(connection(sandbox, client_secret=None, certificate_path=path)) as other:
        assert other.who_am_i() == client.who_am_i()

    assert client.who_am_i().organization_id in client.test_connection()


def test_first_pass_gives_each_row_once(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Pages of three out of eight rows: every row once, the link with the last page only."""
    ids = create(sandbox, 8)

    pages = list(client.track_changes("contact", PERSON, page_size=3))

    assert sorted(row["contactid"] for page in pages for row in page.rows) == sorted(ids)
    assert [len(page.rows) for page in pages] == [3, 3, 2]
    assert [page.delta_link is None for page in pages] == [True, True, False]


def test_later_passes_give_what_changed_and_what_was_deleted(sandbox: Sandbox, client: DynamicsClient) -> None:
    """A new row, an edited row and a deleted row; then nothing, with a new link."""
    edited, deleted, _ = create(sandbox, 3)
    link = delta_after_first_pass(client)
    sandbox.dynamics.edit("contact", edited, {"jobtitle": "CEO"})
    sandbox.dynamics.delete("contact", deleted)
    (new,) = create(sandbox, 1)

    (page,) = client.track_changes("contact", PERSON, delta_link=link)

    assert {row["contactid"]: row["jobtitle"] for row in page.rows} == {edited: "CEO", new: None}
    assert page.deleted == [deleted]
    (quiet,) = client.track_changes("contact", PERSON, delta_link=page.delta_link)
    assert (quiet.rows, quiet.deleted) == ([], [])
    assert quiet.delta_link


def test_a_change_spread_over_pages_comes_once_each(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Paging inside a later pass ends and repeats nothing."""
    create(sandbox, 1)
    link = delta_after_first_pass(client)
    ids = create(sandbox, 7)

    pages = list(client.track_changes("contact", PERSON, delta_link=link, page_size=2))

    assert sorted(row["contactid"] for page in pages for row in page.rows) == sorted(ids)
    assert [bool(page.delta_link) for page in pages] == [False] * (len(pages) - 1) + [True]


@pytest.mark.parametrize(("status", "code"), [(400, "0x80044352"), (410, "0x80044352"), (400, "")])
def test_an_expired_link_is_told_as_such(sandbox: Sandbox, client: DynamicsClient, status: int, code: str) -> None:
    """Whatever its status and code."""
    settings = sandbox.dynamics.settings
    before = settings.delta_expiry_status, settings.delta_expiry_code
    settings.delta_expiry_status, settings.delta_expiry_code = status, code
    create(sandbox, 1)
    link = delta_after_first_pass(client)
    sandbox.dynamics.expire_delta_links()

    try:
        with pytest.raises(FeedExpired):
            list(client.track_changes("contact", PERSON, delta_link=link))
    finally:
        settings.delta_expiry_status, settings.delta_expiry_code = before


def test_an_expired_token_is_renewed_in_passing(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Nobody notices."""
    client.who_am_i()
    sandbox.entra.expire_tokens()

    assert client.who_am_i().user_id
    assert [call.status for call in sandbox.calls("dynamics")] == [200, 401, 200]


def test_writes_arrive_and_repeating_them_is_harmless(sandbox: Sandbox, client: DynamicsClient) -> None:
    """The same creates and updates twice: one row, the same values, `exists` for the create (S-03)."""
    operations = [
        Operation("create", "contact", guid(1), {"lastname": "O'Hara", "emailaddress1": "o'hara+x@example.com"}),
        Operation("create", "lead", guid(2), {"lastname": "Ñandú 🦙", "companyname": "Müller & Söhne"}),
    ]

    first = client.apply(operations)
    again = client.apply(operations)
    updated = [client.apply([Operation("update", "lead", guid(2), {"jobtitle": "CEO"})])[0] for _ in range(2)]

    assert [result.outcome for result in first] == [Outcome.DONE, Outcome.DONE]
    assert [result.outcome for result in again] == [Outcome.EXISTS, Outcome.EXISTS]
    assert [result.outcome for result in updated] == [Outcome.DONE, Outcome.DONE]
    assert sandbox.dynamics.row("contact", guid(1))["emailaddress1"] == "o'hara+x@example.com"
    lead = sandbox.dynamics.row("lead", guid(2))
    assert (lead["lastname"], lead["companyname"], lead["jobtitle"]) == ("Ñandú 🦙", "Müller & Söhne", "CEO")
    assert (len(sandbox.dynamics.rows("contact")), len(sandbox.dynamics.rows("lead"))) == (1, 1)


def test_every_type_of_value_comes_back_as_written(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Text, memo, boolean, choice, date, money, integer; and null empties a column (S-07)."""
    values: dict[str, Any] = {
        "lastname": "Ruiz",
        "description": "two\nlines",
        "donotemail": True,
        "gendercode": 2,
        "birthdate": "1980-04-30",
        "annualincome": 1234.5,
        "numberofchildren": 3,
        "jobtitle": "CEO",
    }
    client.apply([Operation("create", "contact", guid(1), values)])

    (row,) = client.rows_by_id("contact", [guid(1)], list(values))
    assert {name: row[name] for name in values} == values

    client.apply([Operation("update", "contact", guid(1), {"jobtitle": None})])
    (row,) = client.rows_by_id("contact", [guid(1)], ["jobtitle"])
    assert row["jobtitle"] is None


def test_a_write_with_an_old_version_changes_nothing(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Somebody was faster: their value stays. With the current version the write goes through (S-14)."""
    (row_id,) = create(sandbox, 1)
    (read,) = client.rows_by_id("contact", [row_id], ["jobtitle"])
    sandbox.dynamics.edit("contact", row_id, {"jobtitle": "theirs"})
    (fresh,) = client.rows_by_id("contact", [row_id], ["jobtitle"])

    def write(version: str) -> Outcome:
        ours = Operation("update", "contact", row_id, {"jobtitle": "ours"}, if_match=version)
        return client.apply([ours])[0].outcome

    assert write(read["@odata.etag"]) is Outcome.STALE
    assert sandbox.dynamics.row("contact", row_id)["jobtitle"] == "theirs"
    assert write(fresh["@odata.etag"]) is Outcome.DONE
    assert sandbox.dynamics.row("contact", row_id)["jobtitle"] == "ours"


def test_an_update_or_delete_of_an_absent_row_makes_none(sandbox: Sandbox, client: DynamicsClient) -> None:
    """A deleted person never rises again by an update."""
    results = client.apply(
        [
            Operation("update", "contact", guid(1), {"jobtitle": "CEO"}),
            Operation("update", "contact", guid(2), {"jobtitle": "CEO"}, if_match='W/"7"'),
            Operation("delete", "contact", guid(3)),
        ]
    )

    assert [result.outcome for result in results] == [Outcome.MISSING] * 3
    assert sandbox.dynamics.rows("contact") == []


def test_refused_values_cost_their_own_row_only(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Too long, no such option, wrong type, unknown column: each refused with its code, the others written (S-19)."""
    bodies: list[dict[str, Any]] = [
        {"lastname": "x" * 51},
        {"lastname": "Ruiz", "gendercode": 9},
        {"lastname": "Chen", "numberofchildren": "three"},
        {"lastname": "Okafor", "no_such_column": 1},
        {"lastname": "Fine"},
    ]

    results = client.apply([Operation("create", "contact", guid(n), body) for n, body in enumerate(bodies)])

    assert [result.outcome.value for result in results] == ["refused"] * 4 + ["done"]
    assert [result.code for result in results[:2]] == ["0x80044331", "0x8004431a"]
    assert all(result.message and "three" not in result.message for result in results[:4])
    assert [row["lastname"] for row in sandbox.dynamics.rows("contact")] == ["Fine"]


@pytest.mark.parametrize("fault", ["lost_before", "lost_after", "truncated"])
def test_a_lost_batch_is_repeated_without_doing_anything_twice(
    sandbox: Sandbox, client: DynamicsClient, fault: str
) -> None:
    """Whether it had arrived or not: the rows are as wanted, once, and the results say to look (S-03)."""
    (row_id,) = create(sandbox, 1)
    (read,) = client.rows_by_id("contact", [row_id], [])
    sandbox.faults.add("dynamics", fault, match="POST *$batch")

    results = client.apply(
        [
            Operation("create", "contact", guid(1), {"lastname": "Ruiz"}),
            Operation("update", "contact", row_id, {"jobtitle": "ours"}, if_match=read["@odata.etag"]),
        ]
    )

    arrived = fault != "lost_before"
    assert [result.outcome.value for result in results] == (["exists", "stale"] if arrived else ["done", "done"])
    assert all(result.after_lost_answer for result in results)
    assert sandbox.dynamics.row("contact", row_id)["jobtitle"] == "ours"
    assert len(sandbox.dynamics.rows("contact")) == 2


def test_throttling_and_outages_are_waited_out(sandbox: Sandbox, client: DynamicsClient) -> None:
    """A 429 and a 503 on the way cost time and nothing else (S-21)."""
    sandbox.faults.add("dynamics", "status", match="POST *$batch", status=429, retry_after=2)
    sandbox.faults.add("dynamics", "status", match="GET *contacts", status=503)

    (result,) = client.apply([Operation("create", "contact", guid(1), {"lastname": "Ruiz"})])

    assert result.outcome is Outcome.DONE
    assert len(client.rows_by_id("contact", [guid(1)], [])) == 1


def test_many_rows_are_found_by_id_in_one_call(sandbox: Sandbox, client: DynamicsClient) -> None:
    """130 ids and two strangers: one batch, each row once."""
    ids = create(sandbox, 130)

    rows = client.rows_by_id("contact", [*ids, guid(1), guid(2)], ["lastname"])

    assert sorted(row["contactid"] for row in rows) == sorted(ids)
    assert client.calls == 1


def test_people_are_found_by_e_mail_whatever_its_case(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Apostrophes, plus signs and letters outside ASCII are found; wildcards are plain characters."""
    addresses = ["O'Hara+news@example.com", "müller@example.com", "a_b%@example.com"]
    for address in addresses:
        sandbox.dynamics.create("contact", {"lastname": "x", "emailaddress1": address})
    sandbox.dynamics.create("contact", {"lastname": "x", "emailaddress1": "axbc@example.com"})

    rows = client.rows_by_value("contact", "emailaddress1", [a.upper() for a in addresses], ["emailaddress1"])

    assert sorted(row["emailaddress1"] for row in rows) == sorted(addresses)


def test_only_an_absent_row_is_called_absent(changed: Sandbox) -> None:
    """A filter does not show a row that may not be read; asked for by its id, the server tells the two apart (S-05)."""
    hidden, gone = create(changed, 130), create(changed, 1)
    changed.dynamics.delete("contact", gone[0])
    changed.dynamics.grant("Read", "contact", "Basic")

    with connect(changed) as client:
        assert client.rows_by_id("contact", hidden, []) == []
        assert client.absent_rows("contact", [*hidden, *gone, guid(1)]) == {*gone, guid(1)}
        assert client.absent_rows("contact", []) == set()


def test_columns_without_their_details_take_one_call(changed: Sandbox) -> None:
    """Types and security are in the base collection; limits and options are what the other calls are for."""
    changed.dynamics.secure_column("contact", "jobtitle")
    with connect(changed) as client:
        whole = {one.name: one for one in client.columns("contact")}
        before = client.calls

        bare = {one.name: one for one in client.columns("contact", details=False)}

        assert client.calls - before == 1
        assert {name: (one.type, one.secured, one.readable) for name, one in bare.items()} == {
            name: (one.type, one.secured, one.readable) for name, one in whole.items()
        }
        assert (bare["jobtitle"].secured, bare["jobtitle"].max_length) == (True, None)


def test_rows_are_found_by_what_their_lookup_points_to(sandbox: Sandbox) -> None:
    """Those of the accounts asked for, page by page, whatever the number of accounts; nobody else's."""
    accounts = [sandbox.dynamics.create("account", {"name": f"A{number}"}) for number in range(60)]
    values = [{"lastname": "x", "parentcustomerid": ("account", one)} for one in [*accounts, accounts[0], accounts[0]]]
    mine = [sandbox.dynamics.create("contact", one) for one in values]
    sandbox.dynamics.create("contact", {"lastname": "x", "parentcustomerid": ("contact", mine[0])})

    with connect(sandbox, page_size=2) as client:
        pages = list(client.rows_by_lookup("contact", "_parentcustomerid_value", accounts, ["lastname"]))

    assert sorted(row["contactid"] for page in pages for row in page) == sorted(mine)
    assert max(len(page) for page in pages) == 2


def test_rows_are_found_by_the_time_of_their_change(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Only what changed inside the interval, page by page."""
    create(sandbox, 2)
    sandbox.clock.advance(3600)
    start = sandbox.clock.now().replace(microsecond=0)
    inside = create(sandbox, 5)
    sandbox.clock.advance(60)
    create(sandbox, 1)

    with connect(sandbox, page_size=2) as client_with_small_pages:
        pages = list(
            client_with_small_pages.rows_modified_between("contact", ["lastname"], start, start + timedelta(seconds=30))
        )

    assert sorted(row["contactid"] for page in pages for row in page) == sorted(inside)
    assert max(len(page) for page in pages) == 2


def test_a_first_pass_is_taken_up_where_it_was_broken_off(sandbox: Sandbox, client: DynamicsClient) -> None:
    """The next link of the last page seen gives the pages behind it, and the delta link of the whole pass."""
    ids = create(sandbox, 7)
    first = next(client.track_changes("contact", PERSON, page_size=3))
    assert first.next_link is not None

    rest = list(client.track_changes("contact", PERSON, delta_link=first.next_link, page_size=3))

    assert sorted(row["contactid"] for page in [first, *rest] for row in page.rows) == sorted(ids)
    assert rest[-1].delta_link is not None
    (quiet,) = client.track_changes("contact", PERSON, delta_link=rest[-1].delta_link)
    assert (quiet.rows, quiet.deleted) == ([], [])


def test_all_rows_are_read_page_by_page_without_change_tracking(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Reading a whole table gives each row once, in pages, also where change tracking is off."""
    ids = [sandbox.dynamics.create("lead", {"lastname": f"Person {number}"}) for number in range(5)]
    sandbox.dynamics.set_change_tracking("lead", on=False)

    with connect(sandbox, page_size=2) as client_with_small_pages:
        pages = list(client_with_small_pages.all_rows("lead", ["lastname"]))
    sandbox.dynamics.set_change_tracking("lead", on=True)

    read = [row["leadid"] for page in pages for row in page]
    assert len(read) == len(set(read))
    assert set(read) >= set(ids)
    assert max(len(page) for page in pages) == 2


def test_metadata_tells_what_values_fit(client: DynamicsClient) -> None:
    """Lengths, options, states, ranges, date behaviour and rights as the organisation defines them."""
    contact = {column.name: column for column in client.columns("contact")}
    lead = {column.name: column for column in client.columns("lead")}

    assert (contact["jobtitle"].type, contact["jobtitle"].max_length) == ("String", 100)
    assert (contact["mobilephone"].max_length, lead["mobilephone"].max_length) == (50, 20)
    assert {option.value: option.label for option in contact["gendercode"].options} == {1: "Male", 2: "Female"}
    assert {option.value: option.state for option in contact["statuscode"].options} == {1: 0, 2: 1}
    assert {option.value for option in contact["donotemail"].options} == {0, 1}
    assert contact["birthdate"].date_behavior == "DateOnly"
    assert contact["createdon"].date_behavior == "UserLocal"
    assert (lead["numberofemployees"].minimum, lead["numberofemployees"].maximum) == (0, 1_000_000)
    assert (contact["fullname"].readable, contact["fullname"].updatable) == (True, False)
    assert (contact["statecode"].creatable, contact["statecode"].updatable) == (False, True)
    assert contact["jobtitle"].metadata_id
    assert not contact["jobtitle"].secured


def test_tables_tell_how_they_are_addressed(client: DynamicsClient) -> None:
    """Set, key and the two features the sync stands on; an unknown table is a wrong setting."""
    table = client.table("contact")

    assert (table.entity_set, table.primary_key) == ("contacts", "contactid")
    assert table.change_tracking
    assert table.optimistic_concurrency
    with pytest.raises(ConfigError, match="new_nothing"):
        client.table("new_nothing")


def test_privileges_show_the_depth_that_tracking_needs(client: DynamicsClient) -> None:
    """Reading the whole table is what change tracking asks for."""
    privileges = client.privileges(client.who_am_i().user_id)

    assert privileges is not None
    assert privileges["prvReadContact"] == privileges["prvReadLead"] == "Global"


def test_an_idle_poll_of_two_tables_costs_two_calls(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Nothing is asked for that is known."""
    links = {table: delta_after_first_pass(client, table) for table in ("contact", "lead")}
    with connect(sandbox) as fresh:
        for table, link in links.items():
            list(fresh.track_changes(table, PERSON, delta_link=link))

        assert fresh.calls == 2


@pytest.fixture
def changed() -> Iterator[Sandbox]:
    """Return a sandbox of the test's own, whose organisation it may set up differently."""
    with Sandbox.start(seed=None) as sandbox:
        yield sandbox


def test_throttled_parts_of_a_batch_are_sent_again(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Two parts are throttled: they arrive with the second batch, the others with the first."""
    sandbox.faults.add("dynamics", "throttled", times=2, match="PATCH *")
    operations = [Operation("create", "contact", guid(n), {"lastname": "x"}) for n in range(5)]

    results = client.apply(operations)

    assert [result.outcome for result in results] == [Outcome.DONE] * 5
    assert client.calls == 2
    assert sandbox.dynamics.count("contact") == 5


def test_a_customers_rule_refuses_one_row_with_its_own_words(sandbox: Sandbox, client: DynamicsClient) -> None:
    """The text of the plug-in's author reaches whoever has to act on it."""
    rule = sandbox.dynamics.refuse("lead", lambda row: row.get("lastname") == "Barred", "No leads named so.")
    try:
        results = client.apply(
            [Operation("create", "lead", guid(n), {"lastname": name}) for n, name in enumerate(["Barred", "Fine"])]
        )
    finally:
        sandbox.dynamics.plugin_refusals.remove(rule)

    assert [result.outcome for result in results] == [Outcome.REFUSED, Outcome.DONE]
    assert (results[0].code, results[0].message) == ("0x80040265", "No leads named so.")


def test_older_codes_lead_to_the_same_outcomes(sandbox: Sandbox, client: DynamicsClient) -> None:
    """Builds that answer `0x0` for a bad body are understood by status and text."""
    sandbox.dynamics.settings.empty_payload_codes = True
    try:
        (result,) = client.apply([Operation("create", "contact", guid(1), {"no_such_column": 1})])
        with pytest.raises(SchemaChanged):
            client.rows_by_id("contact", [guid(1)], ["no_such_column"])
    finally:
        sandbox.dynamics.settings.empty_payload_codes = False

    assert (result.outcome, result.code) == (Outcome.REFUSED, "")


def test_the_new_version_is_told_where_the_server_tells_it(sandbox: Sandbox, client: DynamicsClient) -> None:
    """With an ETag on the answer no further read is needed; without one it is None, and nothing fails."""
    create_one = Operation("create", "contact", guid(1), {"lastname": "Ruiz"})
    update_one = Operation("update", "contact", guid(1), {"lastname": "Chen"})
    (without,) = client.apply([create_one])
    sandbox.dynamics.settings.etag_on_no_content = True
    try:
        (told,) = client.apply([update_one])
    finally:
        sandbox.dynamics.settings.etag_on_no_content = False
    (row,) = client.rows_by_id("contact", [guid(1)], [])

    assert without.etag is None
    assert told.etag == row["@odata.etag"]


def test_a_missing_privilege_is_named(changed: Sandbox) -> None:
    """For writing, and for tracking, which needs Read over the whole organisation."""
    changed.dynamics.revoke("Create", "lead")
    changed.dynamics.grant("Read", "contact", "Basic")
    with connect(changed) as client:
        with pytest.raises(ConfigError, match="prvCreateLead"):
            client.apply([Operation("create", "lead", guid(1), {"lastname": "Ruiz"})])
        with pytest.raises(ConfigError, match="prvReadContact"):
            list(client.track_changes("contact", PERSON))


def test_a_secured_column_is_shown_with_the_rights_on_it(changed: Sandbox) -> None:
    """It reads as null without a sign; metadata and rights tell that it is hidden, and writing it is refused."""
    row_id = changed.dynamics.create("contact", {"lastname": "Ruiz", "governmentid": "12"})
    changed.dynamics.secure_column("contact", "governmentid")
    changed.dynamics.secure_column("contact", "employeeid", read=True)
    with connect(changed) as client:
        columns = {column.name: column for column in client.columns("contact")}
        rights = client.column_privileges(client.who_am_i().user_id)
        (row,) = client.rows_by_id("contact", [row_id], ["governmentid"])
        (result,) = client.apply([Operation("update", "contact", row_id, {"governmentid": "13"})])

    assert columns["governmentid"].secured
    assert rights is not None
    hidden, shown = (rights.get(str(columns[name].metadata_id)) for name in ("governmentid", "employeeid"))
    assert hidden is None or not hidden.read
    assert shown is not None
    assert (shown.read, shown.update) == (True, False)
    assert row["governmentid"] is None
    assert (result.outcome, result.code) == (Outcome.REFUSED, "0x8004f507")


def test_a_table_that_does_not_track_changes_is_a_wrong_setting(changed: Sandbox) -> None:
    """The message says what the administrator has to turn on."""
    changed.dynamics.set_change_tracking("contact", on=False)
    with connect(changed) as client:
        assert not client.table("contact").change_tracking
        with pytest.raises(ConfigError, match="Track changes"):
            list(client.track_changes("contact", PERSON))


def test_an_organisation_without_sales_has_no_leads(changed: Sandbox) -> None:
    """Asking for the table, its rows or its changes each says so."""
    changed.dynamics.remove_table("lead")
    with connect(changed) as client:
        for ask in (
            lambda: client.table("lead"),
            lambda: list(client.track_changes("lead", PERSON)),
            lambda: client.apply([Operation("create", "lead", guid(1), {"lastname": "Ruiz"})]),
        ):
            with pytest.raises(ConfigError, match="lead"):
                ask()


def test_a_deleted_column_is_told_apart_from_other_errors(changed: Sandbox) -> None:
    """The field can be set aside and the rest go on, once the columns have been read again (T-23)."""
    changed.dynamics.remove_column("contact", "jobtitle")
    with connect(changed) as client:
        with pytest.raises(SchemaChanged, match="jobtitle"):
            list(client.track_changes("contact", PERSON))
        assert "jobtitle" not in {column.name for column in client.columns("contact")}


def test_an_application_that_is_no_user_is_told_how_to_become_one(changed: Sandbox) -> None:
    """The commonest omission when setting up."""
    changed.dynamics.application_users.clear()
    with connect(changed) as client, pytest.raises(ConfigError, match="application user"):
        client.test_connection()
