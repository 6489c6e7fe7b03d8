"""What a task's log must never show: the secrets of connections, and the tokens fetched with them."""

from __future__ import annotations

import dataclasses
import io
import json
from typing import TYPE_CHECKING, Any

import structlog
from airflow.sdk import BaseHook
from airflow.sdk.log import logging_processors

from dynamics.hooks.dynamics import dynamics_connection
from include.dynamics import DynamicsClient
from marketo.hooks.marketo import MarketoHook
from person_sync_airflow.operators.base import SyncOperator

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from include.sandbox import Sandbox

PLAIN = "which is no secret"


def task_log(*words: str) -> str:
    """Return what ends in the file of a task that logs the words, written as Airflow's supervisor writes it."""
    written = io.BytesIO()
    processors = logging_processors(json_output=True)
    logger: Any = structlog.wrap_logger(structlog.BytesLogger(written), processors=processors, logger_name="task")
    for word in words:
        logger.info(f"sent as Bearer header: {word}", header={"value": word})
    return written.getvalue().decode()


def is_told(log: str, *secrets: str) -> bool:
    """Return whether a log shows one of the secrets; fails when it shows nothing at all."""
    assert PLAIN in log
    assert all(secrets)
    return any(one in log for one in secrets)


def marketo_token(sandbox: Sandbox) -> str:
    """Return the token Marketo gives until it ends, to whoever asks."""
    issued = sandbox.marketo.tokens.issue(
        sandbox.credentials.marketo_client_id, sandbox.credentials.marketo_client_secret
    )
    return str(issued[0].text)


def test_marketo_secret_and_token_are_masked(sandbox: Sandbox):
    """A log record with the client secret or the access token that the hook's client fetched shows neither."""
    token, secret = marketo_token(sandbox), sandbox.credentials.marketo_client_secret
    MarketoHook().get_conn().describe()

    assert not is_told(task_log(PLAIN, token, secret), token, secret)


def test_marketo_token_is_masked_anew_after_it_has_expired(sandbox: Sandbox):
    """Every token is masked, not only the first one."""
    client = MarketoHook().get_conn()
    client.describe()
    sandbox.marketo.tokens.expire_all()
    client.describe()
    token = marketo_token(sandbox)

    assert not is_told(task_log(PLAIN, token), token)


def test_marketo_secret_pasted_with_blanks_is_masked_as_it_is_sent(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch):
    """What is sent lacks the blanks around a pasted secret, and is masked all the same."""
    connection = json.loads(sandbox.environment()["AIRFLOW_CONN_MARKETO_DEFAULT"]) | {
        "password": " with-blanks-around "
    }
    monkeypatch.setenv("AIRFLOW_CONN_MARKETO_DEFAULT", json.dumps(connection))
    MarketoHook().get_conn()

    assert not is_told(task_log(PLAIN, "with-blanks-around"), "with-blanks-around")


def test_dynamics_secret_and_token_are_masked(sandbox: Sandbox):
    """A log record with the client secret or an access token from Entra ID shows neither."""
    usable = dynamics_connection(BaseHook.get_connection("dynamics_default"))
    tokens: list[str] = []
    with DynamicsClient(dataclasses.replace(usable, on_token=both(tokens.append, usable.on_token))) as client:
        client.who_am_i()
        client.who_am_i()
    secret = sandbox.credentials.dynamics_client_secret

    assert len(tokens) == 1, "the token was told once, when it was new"
    assert not is_told(task_log(PLAIN, *tokens, secret), *tokens, secret)


def both(*told: Callable[[str], None] | None) -> Callable[[str], None]:
    """Return a function that calls each of the functions."""

    def tell(token: str) -> None:
        for one in told:
            assert one is not None, "nobody is told"
            one(token)

    return tell


def test_every_way_to_a_client_masks_its_tokens(sandbox: Sandbox, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """The clients of the sync's own tasks, and those of setup, tell their tokens to Airflow's masker too."""
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    operator = SyncOperator(task_id="t")
    context, parts = operator.sync_context(), operator.parts()

    connections = [context.marketo_connection, context.dynamics_connection]
    connections += [parts.marketo_connection(), parts.dynamics_connection()]
    for number, connection in enumerate(connections):
        connection.on_token(f"token-number-{number}-of-four")
    assert not is_told(task_log(PLAIN, *(f"token-number-{n}-of-four" for n in range(4))), "of-four")
