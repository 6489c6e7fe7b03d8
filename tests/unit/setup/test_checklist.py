"""The checklist: one fault shows as one failed check."""

from __future__ import annotations

import pytest

from include.errors import ConfigError, RetryableError
from include.person_sync.setup.checklist import Checklist, NotRunError


def _fail(error: Exception) -> str:
    raise error


def test_check_passes_with_the_sentence_it_returns() -> None:
    """A check that returns has passed, and its sentence is the detail."""
    checklist = Checklist()

    passed = checklist.run("host", lambda: "it answers.")

    assert passed
    assert [(one.name, one.passed, one.detail) for one in checklist.checks] == [("host", True, "it answers.")]


def test_error_fails_the_check_with_its_own_remedy_and_request() -> None:
    """The message, the vendor's request id and the remedy of an error become those of the check."""
    checklist = Checklist()

    checklist.run("host", lambda: _fail(ConfigError("is wrong", remedy="correct it", request_id="7#1")), remedy="other")

    [check] = checklist.checks
    assert (check.passed, check.detail, check.remedy) == (False, "is wrong (request 7#1)", "correct it")


def test_remedy_of_the_check_stands_in_when_the_error_has_none() -> None:
    """A failed check always says what to do, also when the error does not."""
    checklist = Checklist()

    checklist.run("host", lambda: _fail(RetryableError("no answer")), remedy="try later")

    assert checklist.checks[0].remedy == "try later"


def test_checks_that_need_a_failed_one_are_not_run_and_name_the_first_cause() -> None:
    """Along a chain of needs each check names the fault itself and not the nearest unmet need."""
    checklist = Checklist()

    checklist.run("the_host", lambda: _fail(ConfigError("unknown")))
    checklist.run("credentials", lambda: _fail(AssertionError("must not run")), needs=["the_host"])
    checklist.run("rights", lambda: _fail(AssertionError("must not run")), needs=["credentials"])

    assert [one.passed for one in checklist.checks] == [False, None, None]
    assert all("the host" in one.detail for one in checklist.checks[1:])


def test_check_that_cannot_tell_is_not_run() -> None:
    """A check that finds nothing to judge by is neither passed nor failed, and others may not stand on it."""
    checklist = Checklist()

    checklist.run("privileges", lambda: _fail(NotRunError("not told.")))
    checklist.run("next", lambda: "never", needs=["privileges"])

    assert [one.passed for one in checklist.checks] == [None, None]
    assert not checklist.has_passed("privileges")


def test_mistake_in_our_own_code_is_not_reported_as_a_fault_of_the_systems() -> None:
    """An exception that is not one of the project's goes through."""
    with pytest.raises(ZeroDivisionError):
        Checklist().run("host", lambda: str(1 / 0))
