"""$batch on the wire: exact forms, order, errors, change sets."""

from __future__ import annotations

import json
from email.parser import BytesParser
from email.policy import HTTP
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from tests.contract.dataverse_sandbox.conftest import API, error_of

if TYPE_CHECKING:
    import requests

    from tests.contract.dataverse_sandbox.conftest import Wire

ABSENT = "00000000-0000-4000-8000-000000000000"
HEAD = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n"


def operation(method: str, target: str, body: Any = None, content_id: str = "", **headers: str) -> str:
    """Return one operation as it stands between boundaries."""
    lines = [f"{method} {target} HTTP/1.1"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append("Content-Type: application/json; type=entry")
    identity = f"Content-ID: {content_id}\r\n" if content_id else ""
    content = "" if body is None else json.dumps(body) + "\r\n"
    return f"{HEAD}{identity}\r\n" + "\r\n".join(lines) + f"\r\n\r\n{content}"


def change_set(*operations: str) -> str:
    """Return a change set as it stands between boundaries."""
    inner = "".join(f"--cs\r\n{entry}" for entry in operations)
    return f'Content-Type: multipart/mixed; boundary="cs"\r\n\r\n{inner}--cs--\r\n'


def send(wire: Wire, *entries: str, goes_on: bool = False, **options: Any) -> requests.Response:
    """Send a batch."""
    body = "".join(f"--b\r\n{entry}" for entry in entries) + "--b--\r\n"
    prefer = "odata.continue-on-error" if goes_on else ""
    return wire.send(
        "POST", "$batch", data=body.encode(), prefer=prefer, Content_Type='multipart/mixed; boundary="b"', **options
    )


def parts(response: requests.Response) -> list[list[tuple[int, dict[str, str], Any]]]:
    """Return status, headers and body of each answer: a list of one for a single operation, of all for a change set."""
    content = f"Content-Type: {response.headers['Content-Type']}\r\n\r\n".encode() + response.content
    message = BytesParser(policy=HTTP).parsebytes(content)
    answers = []
    for section in message.iter_parts():
        inner = list(section.iter_parts()) if section.is_multipart() else [section]
        answers.append([_answer(entry.get_payload(decode=True)) for entry in inner])
    return answers


def _answer(content: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = content.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines if line)
    return int(status.split()[1]), headers, json.loads(body) if body.strip() else None


def statuses(response: requests.Response) -> list[int]:
    """Return the status of each answer."""
    return [status for group in parts(response) for status, _, _ in group]


def test_operations_are_answered_in_order(sandbox, wire):
    """Every operation has an answer of its own, in its place; all three forms of address work."""
    made = str(uuid4())
    response = send(
        wire,
        operation("PATCH", f"{API}contacts({made})", {"lastname": "Ruiz"}, If_None_Match="*"),
        operation("GET", f"{sandbox.dynamics_url}{API}contacts({made})?$select=lastname"),
        operation("PATCH", f"contacts({made})", {"jobtitle": "CEO"}, If_Match="*"),
        operation("DELETE", f"{API}contacts({made})"),
    )

    assert response.status_code == 200
    answers = [group[0] for group in parts(response)]
    assert [status for status, _, _ in answers] == [204, 200, 204, 204]
    assert answers[0][1]["Location"] == answers[0][1]["OData-EntityId"]
    assert answers[1][2]["lastname"] == "Ruiz"
    assert all("REQ_ID" in headers for _, headers, _ in answers)


def test_first_error_ends_the_batch_with_its_status(sandbox, wire):
    """Without continue-on-error later operations are not run, earlier ones stay done."""
    contact = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    response = send(
        wire,
        operation("PATCH", f"contacts({contact})", {"jobtitle": "first"}, If_Match="*"),
        operation("PATCH", f"contacts({ABSENT})", {"jobtitle": "x"}, If_Match="*"),
        operation("PATCH", f"contacts({contact})", {"department": "last"}, If_Match="*"),
    )

    assert response.status_code == 404
    assert statuses(response) == [204, 404]
    row = sandbox.dynamics.row("contact", contact)
    assert (row["jobtitle"], row["department"]) == ("first", None)


def test_continue_on_error_answers_everything(sandbox, wire):
    """With continue-on-error the whole is 200 and each operation has its own status."""
    contact = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    response = send(
        wire,
        operation("PATCH", f"contacts({ABSENT})", {"jobtitle": "x"}, If_Match="*"),
        operation("PATCH", f"contacts({contact})", {"nope": "x"}, If_Match="*"),
        operation("PATCH", f"contacts({contact})", {"department": "last"}, If_Match="*"),
        goes_on=True,
    )

    assert response.status_code == 200
    assert response.headers["Preference-Applied"] == "odata.continue-on-error"
    assert statuses(response) == [404, 400, 204]
    assert parts(response)[0][0][2]["error"]["code"] == "0x80040217"


def test_change_set_refers_to_its_own_results(sandbox, wire):
    """A Content-ID stands for an earlier result, in a binding and in an address."""
    response = send(
        wire,
        change_set(
            operation("POST", f"{API}accounts", {"name": "Contoso"}, content_id="1"),
            operation(
                "POST",
                f"{API}contacts",
                {"lastname": "Ruiz", "parentcustomerid_account@odata.bind": "$1"},
                content_id="2",
            ),
            operation("PATCH", "$2", {"jobtitle": "CEO"}, content_id="3", If_Match="*"),
        ),
    )

    assert response.status_code == 200
    assert [len(group) for group in parts(response)] == [3]
    (contact,) = sandbox.dynamics.find("contact", lastname="Ruiz")
    assert contact["jobtitle"] == "CEO"
    assert sandbox.dynamics.row("account", contact["_accountid_value"])["name"] == "Contoso"


def test_failed_change_set_leaves_nothing_behind(sandbox, wire):
    """One refusal undoes the whole change set, deletions and updates included, and is its only answer."""
    contact = sandbox.dynamics.create("contact", {"lastname": "Ruiz", "jobtitle": "before"})
    other = sandbox.dynamics.create("contact", {"lastname": "Alba"})
    link = wire.get("contacts?$select=lastname", prefer="odata.track-changes").json()["@odata.deltaLink"]
    before = sandbox.dynamics.row("contact", contact)

    response = send(
        wire,
        change_set(
            operation("PATCH", f"contacts({contact})", {"jobtitle": "after"}, content_id="1", If_Match="*"),
            operation("DELETE", f"contacts({other})", content_id="2"),
            operation("POST", "contacts", {"lastname": "New"}, content_id="3"),
            operation("PATCH", f"contacts({ABSENT})", {"jobtitle": "x"}, content_id="4", If_Match="*"),
        ),
        operation("GET", f"contacts({other})?$select=lastname"),
        goes_on=True,
    )

    assert statuses(response) == [404, 200]
    assert sandbox.dynamics.row("contact", contact) == before
    assert sandbox.dynamics.find("contact", lastname="New") == []
    assert sandbox.dynamics.find("contact", lastname="alba")[0]["contactid"] == other
    assert wire.get(link).json()["value"] == []


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        ([change_set(operation("GET", "contacts", content_id="1"))], "GET"),
        ([change_set(operation("POST", "contacts", {}))], "Content-ID"),
        (
            [change_set(operation("POST", "contacts", {}, "1"), operation("POST", "contacts", {}, "1"))],
            "more than once",
        ),
        ([operation("GET", "$batch")], "batch cannot be put into a batch"),
        ([operation("GET", "contacts").replace("application/http", "text/plain")], "application/http"),
        ([operation("GET", "contacts").replace("binary", "base64")], "binary"),
        ([operation("GET", "contacts").replace("HTTP/1.1", "")], "request line"),
    ],
)
def test_malformed_batch_is_refused_as_a_whole(sandbox, wire, entries, text):
    """A batch that cannot be read is a plain error, and nothing of it is run."""
    response = send(wire, operation("POST", "contacts", {"lastname": "Ruiz"}), *entries)

    assert error_of(response) == (400, "0x80048d19")
    assert text in response.json()["error"]["message"]
    assert sandbox.dynamics.count("contact") == 0


@pytest.mark.parametrize(
    "spoil", [lambda body: body.replace("\r\n", "\n"), lambda body: body.removesuffix("\r\n"), lambda body: body[:-8]]
)
def test_wrong_line_ends_are_refused(wire, spoil):
    """CRLF everywhere, the last line included."""
    body = spoil(f"--b\r\n{operation('GET', 'contacts')}--b--\r\n")

    response = wire.send("POST", "$batch", data=body.encode(), Content_Type="multipart/mixed; boundary=b")

    assert error_of(response) == (400, "0x80048d19")


def test_unknown_content_id_is_refused(wire):
    """A reference to nothing is an error of that operation."""
    response = send(wire, change_set(operation("POST", "contacts", {"parentcustomerid_account@odata.bind": "$9"}, "1")))

    assert response.status_code == 400
    assert "Content-ID Reference: '$9' does not exist" in response.text


def test_more_than_1000_operations_are_refused(wire):
    """The limit counts operations inside change sets too."""
    full = change_set(*(operation("DELETE", f"contacts({ABSENT})", content_id=str(number)) for number in range(1000)))

    assert statuses(send(wire, full, goes_on=True)) == [404]
    assert send(wire, full, operation("GET", "contacts"), goes_on=True).status_code == 400


def test_batch_counts_as_one_request(sandbox, wire):
    """The call log and the limits see a batch as one."""
    sandbox.reset_calls()
    before = int(wire.get("WhoAmI").headers["x-ms-ratelimit-burst-remaining-xrm-requests"])

    answer = send(wire, *(operation("GET", f"contacts({ABSENT})") for _ in range(10)), goes_on=True)

    assert int(answer.headers["x-ms-ratelimit-burst-remaining-xrm-requests"]) == before - 1
    assert [(call.method, call.path) for call in sandbox.calls("dynamics")][1:] == [("POST", f"{API}$batch")]


def test_single_part_can_be_throttled_or_fail(sandbox, wire):
    """Faults aim at one operation inside a batch."""
    first, second = (sandbox.dynamics.create("contact", {"lastname": name}) for name in "AB")
    sandbox.faults.add("dynamics", "throttled", match=f"PATCH *{first}", retry_after=7)
    sandbox.faults.add(
        "dynamics", "error", match=f"PATCH *{second}", status=500, code="0x80044151", message="Sql error"
    )
    entries = [
        operation("PATCH", f"contacts({row})", {"jobtitle": "x"}, If_Match="*") for row in (first, second, first)
    ]

    answers = [group[0] for group in parts(send(wire, *entries, goes_on=True))]

    assert [status for status, _, _ in answers] == [429, 500, 204]
    assert answers[0][1]["Retry-After"] == "7"
    assert answers[1][2]["error"]["code"] == "0x80044151"


def test_somebody_may_act_between_two_operations(sandbox, wire):
    """An interleaved edit makes a version stale that was current when the batch was sent."""
    contact = sandbox.dynamics.create("contact", {"lastname": "Ruiz"})
    tag = sandbox.dynamics.row("contact", contact)["@odata.etag"]
    edit = lambda: sandbox.dynamics.edit("contact", contact, {"jobtitle": "human"})  # noqa: E731 - a fault's action
    sandbox.faults.add("dynamics", "interleave", match=f"PATCH *{contact}", action=edit)

    response = send(wire, operation("PATCH", f"contacts({contact})", {"jobtitle": "sync"}, If_Match=tag))

    assert statuses(response) == [412]
    assert sandbox.dynamics.row("contact", contact)["jobtitle"] == "human"
