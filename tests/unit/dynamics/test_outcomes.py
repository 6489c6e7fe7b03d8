"""Operations into requests, answers into outcomes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from include.dynamics.applying import split_waves
from include.dynamics.batching import PartOutcome
from include.dynamics.outcomes import UNSENDABLE, build_part, read_result, unsendable
from include.dynamics.values import Operation, OperationResult, Outcome, Table
from include.errors import ConfigError, RetryableError
from include.http import Response

CONTACT = Table("contact", "contacts", "contactid")
ID = "6b1c0000-0000-4000-8000-00000000ab01"
OTHER_ID = "77aa0000-0000-4000-8000-00000000ab01"


def _operation(kind: str = "update", **changes: Any) -> Operation:
    return Operation(**{"kind": kind, "table": "contact", "row_id": ID, "body": {"jobtitle": "CEO"}, **changes})


def _part_of(operation: Operation, *, duplicate_detection: bool = False) -> Any:
    return build_part(operation, CONTACT, path="/api/data/v9.2/", duplicate_detection=duplicate_detection)


def _result(operation: Operation, status: int, code: str = "", message: str = "", *, uncertain: bool = False) -> Any:
    body = json.dumps({"error": {"code": code, "message": message}}).encode() if status >= 300 else b""
    return read_result(operation, PartOutcome(Response(status, {}, body), uncertain), doing="testing")


@pytest.mark.parametrize(
    ("written", "method", "condition"),
    [
        (_operation("create"), "PATCH", {"If-None-Match": "*"}),
        (_operation("update"), "PATCH", {"If-Match": "*"}),
        (_operation("update", if_match='W/"7"'), "PATCH", {"If-Match": 'W/"7"'}),
        (_operation("delete", if_match='W/"7"'), "DELETE", {"If-Match": 'W/"7"'}),
        (_operation("delete"), "DELETE", {}),
    ],
)
def test_build_part_sends_exactly_one_condition(written: Operation, method: str, condition: dict[str, str]) -> None:
    """A PATCH never goes out without a condition: it would recreate a deleted row or overwrite a new one."""
    part = _part_of(written)

    assert part.method == method
    assert part.path == f"/api/data/v9.2/contacts({ID})"
    assert {name: value for name, value in part.headers.items() if name.startswith("If-")} == condition
    assert (part.body is None) == (method == "DELETE")


def test_build_part_turns_duplicate_detection_on_only_when_asked() -> None:
    """The header that says "do not suppress" is absent by default (T-34)."""
    assert "MSCRM.SuppressDuplicateDetection" not in _part_of(_operation()).headers
    assert _part_of(_operation(), duplicate_detection=True).headers["MSCRM.SuppressDuplicateDetection"] == "false"


def test_build_part_sends_ascii_only_and_keeps_null() -> None:
    """Text outside ASCII survives whatever charset the server assumes; None clears a column."""
    part = _part_of(_operation(body={"lastname": "Ñandú 🦙", "jobtitle": None}))

    assert part.body is not None
    assert part.body.isascii()
    assert json.loads(part.body) == {"lastname": "Ñandú 🦙", "jobtitle": None}


def test_unsendable_names_the_columns_without_a_json_form_and_no_value() -> None:
    """NaN is refused here, for its row alone, before anything is sent."""
    broken = _operation(body={"revenue": float("nan"), "jobtitle": "CEO"})

    with pytest.raises(ValueError, match="JSON"):
        _part_of(broken)
    assert unsendable(broken).code == UNSENDABLE
    assert "revenue" in unsendable(broken).message
    assert "jobtitle" not in unsendable(broken).message


@pytest.mark.parametrize(
    ("kind", "status", "code", "message", "outcome"),
    [
        ("create", 204, "", "", Outcome.DONE),
        ("update", 200, "", "", Outcome.DONE),
        ("create", 412, "0x80040237", "", Outcome.EXISTS),
        ("create", 412, "", "", Outcome.EXISTS),
        ("create", 412, "0x80040333", "", Outcome.REFUSED),
        ("create", 500, "0x80040333", "", Outcome.REFUSED),
        ("create", 404, "0x80040217", f"account With Id = {OTHER_ID} Does Not Exist", Outcome.REFUSED),
        ("update", 412, "0x80060882", "", Outcome.STALE),
        ("update", 412, "", "", Outcome.STALE),
        ("update", 412, "0x80060892", "", Outcome.REFUSED),
        ("update", 404, "0x80040217", f"contact With Id = {ID.upper()} Does Not Exist", Outcome.MISSING),
        ("update", 404, "", "", Outcome.MISSING),
        ("update", 404, "0x80040217", f"account With Id = {OTHER_ID} Does Not Exist", Outcome.REFUSED),
        ("delete", 404, "0x80040217", "", Outcome.MISSING),
        ("delete", 412, "0x80060882", "", Outcome.STALE),
        ("delete", 405, "", "restricted", Outcome.REFUSED),
        ("update", 400, "0x80044331", "too long", Outcome.REFUSED),
        ("update", 403, "0x8004f507", "", Outcome.REFUSED),
        ("update", 403, "0x80040220", "does not have WriteAccess right(s)", Outcome.REFUSED),
        ("update", 500, "0x80040216", "", Outcome.REFUSED),
        ("update", 503, "", "", Outcome.UNKNOWN),
        ("update", 500, "0x80044150", "", Outcome.UNKNOWN),
    ],
)
def test_read_result_gives_the_promised_outcome(
    kind: str, status: int, code: str, message: str, outcome: Outcome
) -> None:
    """Every documented answer to a write, with and without its code, has one outcome."""
    assert _result(_operation(kind), status, code, message).outcome is outcome


@pytest.mark.parametrize(
    ("status", "code", "message", "raises"),
    [
        (403, "0x80040220", "is missing prvWriteContact privilege", ConfigError),
        (403, "0x80072560", "", ConfigError),
        (404, "0x8006088a", "", ConfigError),
        (400, "0x8006088d", "", ConfigError),
        (429, "0x80072322", "", RetryableError),
    ],
)
def test_read_result_makes_common_obstacles_an_exception(
    status: int, code: str, message: str, raises: type[Exception]
) -> None:
    """What would meet every other row as well is no fault of this row, and makes no dead letter of it."""
    assert isinstance(_result(_operation(), status, code, message), raises)


@pytest.mark.parametrize(
    ("status", "code", "message", "about_values", "about_schema"),
    [
        (400, "0x80044331", "too long", True, False),
        (400, "0x80040265", "by a plug-in", True, False),
        (500, "0x80040224", "plug-in crashed", True, False),
        (404, "0x80040217", f"account With Id = {OTHER_ID} Does Not Exist", True, False),
        (400, "0x80060888", "", True, True),
        (400, "0x80048d19", "undeclared property", True, True),
        (403, "0x8004f502", "", True, True),
        (403, "0x8004f507", "", True, True),
        (403, "0x80040220", "does not have WriteAccess right(s)", False, False),
        (400, "0x80040233", "read-only", False, False),
        (412, "0x80040333", "", False, False),
        (500, "0x80040216", "", False, False),
        (404, "0x80040217", f"contact With Id = {ID} Does Not Exist", False, False),
        (412, "0x80060882", "", False, False),
    ],
)
def test_read_result_says_what_a_refusal_is_about(
    status: int, code: str, message: str, about_values: bool, about_schema: bool
) -> None:
    """Only where the columns are to blame is it worth sending the row again without some of them."""
    result = _result(_operation(), status, code, message)

    assert (result.about_values, result.about_schema) == (about_values, about_schema)


def test_unsendable_is_about_the_values() -> None:
    """The other columns of such a row can be sent."""
    assert unsendable(_operation(body={"revenue": float("nan")})).about_values


def test_read_result_says_when_an_earlier_attempt_may_have_arrived() -> None:
    """A version conflict after a lost answer may be our own write; the caller is told to look."""
    stale = _result(_operation(), 412, "0x80060882", uncertain=True)

    assert stale.outcome is Outcome.STALE
    assert stale.after_lost_answer


def test_read_result_without_any_answer_is_unknown() -> None:
    """Nothing is claimed about a write whose answer never came."""
    lost = read_result(_operation(), PartOutcome(uncertain=True), doing="testing")

    assert isinstance(lost, OperationResult)
    assert lost.outcome is Outcome.UNKNOWN


def test_split_waves_keeps_the_order_of_operations_on_one_row() -> None:
    """Two operations on a row never run at the same time, however its id is written."""
    operations = [_operation(), _operation(row_id=OTHER_ID), _operation(row_id=ID.upper()), _operation("delete")]

    assert split_waves(operations) == [[0, 1], [2], [3]]
