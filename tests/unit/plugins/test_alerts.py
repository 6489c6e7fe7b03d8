"""A failed task reaches people: through a real mail server and a real chat webhook, with what they need to act on."""

from __future__ import annotations

import html
import json
import logging
import socket
import threading
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Message

from include.errors import ConfigError, RetryableError
from person_sync_airflow.alerts import FailureAlert, describe_failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAG_FILE = """
from airflow.sdk import dag, task

from include.errors import ConfigError
from person_sync_airflow.alerts import FailureAlert
from tests.unit.plugins.test_alerts import Settings

ALERT = FailureAlert(Settings(**{settings!r}))

@dag(default_args={{"on_failure_callback": [ALERT]}})
def failing():
    @task
    def wrong_setting():
        raise ConfigError("The host <mkto> has {{{{ braces }}}}", remedy="Set host & try again.")

    @task
    def leaking():
        raise ValueError("jane@example.com")

    wrong_setting()
    leaking()

failing()
"""


@dataclass(frozen=True)
class Settings:
    """The settings of an alert, all off unless said otherwise."""

    email_to: tuple[str, ...] = ()
    email_from: str | None = None
    smtp_conn_id: str = "smtp_default"
    apprise_conn_id: str | None = None


@dataclass(frozen=True)
class Instance:
    """The part of a task instance that an alert reads."""

    dag_id: str = "person_sync"
    task_id: str = "apply_marketo"
    map_index: int | None = None
    log_url: str = "http://localhost:8080/dags/person_sync"


class Inbox(Message):
    """A mail server's handler that keeps what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[EmailMessage] = []

    def handle_message(self, message: Any) -> None:
        """Keep one message."""
        parsed = message_from_bytes(message.as_bytes(), policy=policy.default)
        assert isinstance(parsed, EmailMessage)
        self.messages.append(parsed)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    """Return the inbox of a mail server that the connection smtp_default points to."""
    handler = Inbox()
    port = _free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
    connection = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    yield handler
    controller.stop()


@pytest.fixture
def webhook(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """Return what a chat webhook receives that the connection apprise_default points to."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {"path": f"json://127.0.0.1:{server.server_port}", "tag": "alerts"}
    monkeypatch.setenv(
        "AIRFLOW_CONN_APPRISE_DEFAULT", json.dumps({"conn_type": "apprise", "extra": {"config": config}})
    )
    yield received
    server.shutdown()
    server.server_close()


@pytest.fixture
def failed_run(run_dag: Callable[..., Any], inbox: Inbox, tmp_path: Path) -> Any:
    """Return the run of a DAG whose two tasks fail and whose alerts go to the inbox."""
    (tmp_path / "failing.py").write_text(DAG_FILE.format(settings={"email_to": ("ops@example.com",)}))
    return run_dag(tmp_path, "failing")


def _body(message: EmailMessage) -> str:
    part = message.get_body(("html",))
    assert part is not None
    return str(part.get_content())


def test_mail_arrives_when_tasks_of_a_real_run_fail(failed_run: Any, inbox: Inbox):
    """
    Each task that fails for good sends one mail that names run, task, cause, next step and the log's address (O-020).
    """
    assert failed_run.state == "failed"
    by_subject = {str(message["Subject"]): message for message in inbox.messages}
    assert sorted(by_subject) == ["[Airflow] failing.leaking failed", "[Airflow] failing.wrong_setting failed"]
    message = by_subject["[Airflow] failing.wrong_setting failed"]
    assert (message["To"], message["From"]) == ("ops@example.com", "airflow@example.com")
    body = _body(message)
    assert html.escape(failed_run.run_id) in body
    assert "ConfigError: The host &lt;mkto&gt; has {{ braces }}" in body
    assert "Set host &amp; try again." in body
    assert "/dags/failing/runs/" in body


def test_mail_keeps_the_text_of_a_foreign_exception_to_itself(failed_run: Any, inbox: Inbox):
    """An exception that is not ours may carry values of people, so the mail names its type only (S-43)."""
    (message,) = (each for each in inbox.messages if "leaking" in str(each["Subject"]))
    assert "ValueError; its text is in the log" in _body(message)
    assert "jane" not in message.as_string()


def test_chat_message_arrives_through_apprise(webhook: list[dict[str, Any]]):
    """With an Apprise connection the same alert goes to the chat services it lists (O-020)."""
    context = {"ti": Instance(map_index=3), "run_id": "manual__1", "exception": RetryableError("busy", remedy="Wait.")}

    FailureAlert(Settings(apprise_conn_id="apprise_default"))(context)  # type: ignore[arg-type]

    (message,) = webhook
    assert message["title"] == "[Airflow] person_sync.apply_marketo failed"
    assert message["message"].splitlines() == [
        "Run: manual__1",
        "Task: person_sync.apply_marketo [3]",
        "Cause: RetryableError: busy",
        "Next step: Wait.",
        "Log: http://localhost:8080/dags/person_sync",
    ]


def test_second_channel_is_used_when_the_first_fails(
    webhook: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    """A mail server that is away is logged without its answer, and the chat message still goes out."""
    unreachable = {
        "conn_type": "smtp",
        "host": "127.0.0.1",
        "port": 9,
        "extra": {"disable_ssl": True, "retry_limit": 1},
    }
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(unreachable))
    settings = Settings(email_to=("ops@example.com",), email_from="a@example.com", apprise_conn_id="apprise_default")

    with caplog.at_level(logging.INFO, "person_sync_airflow"):
        FailureAlert(settings)({"ti": Instance(), "run_id": "r", "exception": ConfigError("x")})  # type: ignore[arg-type]

    assert len(webhook) == 1
    assert [record.message.split(" alert")[0] for record in caplog.records if "alert" in record.message] == [
        "The e-mail",
        "The chat",
    ]


def test_log_says_that_nobody_was_told_when_alerts_are_off(caplog: pytest.LogCaptureFixture):
    """With nothing configured there is exactly one log line, and it names the settings."""
    with caplog.at_level(logging.INFO, "person_sync_airflow"):
        FailureAlert(Settings())({"ti": Instance(), "run_id": "r"})  # type: ignore[arg-type]

    (record,) = (each for each in caplog.records if each.name.startswith("person_sync_airflow"))
    assert "alerts are off" in record.message
    assert "alerts.email_to" in record.message


def test_next_step_is_general_when_the_error_has_no_remedy():
    """Every message has a next step, also for errors that bring none."""
    message = describe_failure({"ti": Instance(), "run_id": "r", "exception": ConfigError("x", remedy="")})

    assert message.next_step.startswith("Open the log.")
    assert message.map_index == -1
