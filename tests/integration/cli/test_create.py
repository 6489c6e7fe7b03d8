"""`person-sync create`: what a program and a person are told, and the exit codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.cli.test_commands import as_json, command  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.stages.conftest import Pairing

    Command = Callable[..., tuple[int, str]]


def test_create_tells_the_row_and_then_that_it_is_there(pairing: Pairing, command: Command) -> None:  # noqa: F811
    """The first call creates, the second finds the person synced already; both end well and are one JSON object."""
    person = str(pairing.marketo.create({"lastName": "Okonkwo", "email": "okonkwo@example.com"}))

    code, output = command("create", "--marketo-id", person, "--as", "contact", "--json")

    (row,) = pairing.dynamics.find("contact", emailaddress1="okonkwo@example.com")
    summary = as_json(output)
    assert (code, summary["status"], summary["counts"]["to_dynamics"]["created"]) == (0, "done", 1)
    assert summary["people"] == [
        {"marketo_id": int(person), "outcome": "created", "dynamics_table": "contact", "dynamics_id": row["contactid"]}
    ]
    assert "okonkwo" not in output.lower()

    code, output = command("create", "--marketo-id", person, "--json")
    summary = as_json(output)
    assert (code, summary["people"][0]["outcome"]) == (0, "already_synced")
    assert summary["counts"]["to_dynamics"]["skipped"] == 1
    code, output = command("create", "--marketo-id", person)
    assert (code, f"{person} already_synced contact {row['contactid']}" in output) == (0, True)


def test_create_with_an_unknown_owner_explains_itself(pairing: Pairing, command: Command) -> None:  # noqa: F811
    """A refusal is a result, not a failure: exit code 0, with the reason and without the address."""
    person = str(pairing.marketo.create({"lastName": "Okonkwo", "email": "okonkwo@example.com"}))

    code, output = command("create", "--marketo-id", person, "--owner", "nobody@example.com", "--json")

    summary = as_json(output)
    assert (code, summary["people"][0]["outcome"], summary["people"][0]["code"]) == (0, "refused", "UNKNOWN_OWNER")
    assert summary["counts"]["to_dynamics"]["rejected"] == 1
    assert "nobody@" not in output
    assert pairing.dynamics.rows("lead") == []


def test_create_with_an_owner_that_is_no_address_is_a_configuration_error(command: Command) -> None:  # noqa: F811
    """What can't be understood ends with exit code 4 before anything is done."""
    code, output = command("create", "--marketo-id", "1", "--owner", "Jane", "--json")

    assert (code, as_json(output)["error"]["type"]) == (4, "ConfigError")


def test_create_stops_when_the_lease_does_not_come_free(pairing: Pairing, command: Command) -> None:  # noqa: F811
    """While another run writes, exit code 6 after the wait that was asked for, naming the brake; nothing is written."""
    person = str(pairing.marketo.create({"lastName": "Okonkwo", "email": "okonkwo@example.com"}))
    pairing.context().store.acquire_lease("person_sync", "cycle__1", ttl_s=600, host="elsewhere", pid=None)

    code, output = command("create", "--marketo-id", person, "--wait", "0", "--json")

    assert (code, as_json(output)["status"], as_json(output)["brake"]) == (6, "stopped", "lease")
    assert pairing.dynamics.rows("lead") == []


@pytest.mark.parametrize("arguments", [[], ["--marketo-id", "one"], ["--marketo-id", "1", "--as", "account"]])
def test_create_needs_an_id_and_a_known_table(command: Command, arguments: list[str]) -> None:  # noqa: F811
    """A call that can't be understood is a wrong setting: exit code 4, and one JSON object all the same."""
    code, output = command("create", *arguments, "--json")

    assert code == 4
    assert as_json(output)["error"]["type"] == "ConfigError"
