"""
Tell people about a failed task: by e-mail, and through Apprise by Slack, Teams and the other chat systems it knows.

The alert belongs on tasks (`default_args`), not on the DAG: Airflow runs a DAG's own callbacks in the DAG processor,
without the exception.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from airflow.providers.apprise.notifications.apprise import AppriseNotifier
from airflow.providers.smtp.notifications.smtp import SmtpNotifier

from include.errors import SyncError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import BaseNotifier, Context

__all__ = ["AlertSettings", "FailureAlert", "FailureMessage", "describe_failure"]

_log = logging.getLogger(__name__)

_NEXT_STEP: Final = (
    "Open the log. Clearing the failed task, or waiting for the next run, is safe: "
    "a run that did not finish is picked up from where it stood."
)

_OFF: Final = "Nobody was told of this failure: alerts are off. Set alerts.email_to or alerts.apprise_conn_id."

# Written as templates, because notifiers render their texts: a brace in an error message is then data, not a template.
_SUBJECT: Final = "[Airflow] {{ alert.dag_id }}.{{ alert.task_id }} failed"
_TEXT: Final = """\
Run: {{ alert.run_id }}
Task: {{ alert.dag_id }}.{{ alert.task_id }}{% if alert.map_index >= 0 %} [{{ alert.map_index }}]{% endif %}
Cause: {{ alert.cause }}
Next step: {{ alert.next_step }}
Log: {{ alert.link }}
"""
_HTML: Final = """\
<table>
<tr><th align="left">Run</th><td>{{ alert.run_id | e }}</td></tr>
<tr><th align="left">Task</th><td>{{ alert.dag_id | e }}.{{ alert.task_id | e }}\
{% if alert.map_index >= 0 %} [{{ alert.map_index }}]{% endif %}</td></tr>
<tr><th align="left">Cause</th><td>{{ alert.cause | e }}</td></tr>
<tr><th align="left">Next step</th><td>{{ alert.next_step | e }}</td></tr>
</table>
<p><a href="{{ alert.link | e }}">Open the log in Airflow</a></p>
"""


class AlertSettings(Protocol):
    """
    Where alerts go. Nothing set means that alerts are off.

    `email_to` needs an Airflow connection of type smtp (`smtp_conn_id`), `apprise_conn_id` names one of type apprise.
    """

    @property
    def email_to(self) -> Sequence[str]:
        """Recipients of the e-mail."""

    @property
    def email_from(self) -> str | None:
        """Sender; None takes the one of the SMTP connection."""

    @property
    def smtp_conn_id(self) -> str:
        """Airflow connection of the mail server."""

    @property
    def apprise_conn_id(self) -> str | None:
        """Airflow connection that lists chat services; None: no chat alerts."""


@dataclass(frozen=True, slots=True)
class FailureMessage:
    """What a person needs to know about a failed task. It carries ids, never a person's data."""

    dag_id: str
    task_id: str
    map_index: int
    run_id: str
    cause: str
    next_step: str
    link: str


def describe_failure(context: Mapping[str, object]) -> FailureMessage:
    """
    Return the message for the failed task of this Airflow context.

    Errors of this project are made to be read and carry no data, so their text is the cause. Of any other exception
    only the type is told: its text may hold values, such as the parameters of an SQL statement.
    """
    instance = context["ti"]
    exception = context.get("exception")
    return FailureMessage(
        dag_id=str(getattr(instance, "dag_id", "")),
        task_id=str(getattr(instance, "task_id", "")),
        map_index=_map_index(instance),
        run_id=str(context.get("run_id", "")),
        cause=_cause(exception),
        next_step=(exception.remedy if isinstance(exception, SyncError) else "") or _NEXT_STEP,
        link=str(getattr(instance, "log_url", "")),
    )


def _map_index(instance: object) -> int:
    index = getattr(instance, "map_index", None)
    return index if isinstance(index, int) else -1


def _cause(exception: object) -> str:
    if isinstance(exception, SyncError):
        request = f" (request {exception.request_id})" if exception.request_id else ""
        return f"{type(exception).__name__}: {exception.message}{request}"
    if isinstance(exception, BaseException):
        return f"{type(exception).__name__}; its text is in the log"
    return "unknown; see the log"


@dataclass(frozen=True, slots=True)
class FailureAlert:
    """
    Callback for `on_failure_callback`: called with the context of a task that failed for good, it sends the alert.

    A channel that cannot be reached is logged and does not keep the others from being used, and never changes the
    outcome of the task. With nothing configured it writes one log line saying so.
    """

    settings: AlertSettings

    def __call__(self, context: Context) -> None:
        """Send the alert to every configured channel."""
        channels = _channels(self.settings)
        if not channels:
            _log.warning(_OFF)
            return
        rendering = {**context, "alert": describe_failure(context)}
        for name, notifier in channels.items():
            try:
                notifier(rendering)
            except Exception as error:
                _log.error("The %s alert was not sent (%s); check its connection", name, type(error).__name__)
            else:
                _log.info("The %s alert was sent", name)


def _channels(settings: AlertSettings) -> dict[str, BaseNotifier]:
    """Return a new notifier per configured channel; rendering uses a notifier up."""
    channels: dict[str, BaseNotifier] = {}
    if settings.email_to:
        channels["e-mail"] = SmtpNotifier(
            to=list(settings.email_to),
            from_email=settings.email_from,
            smtp_conn_id=settings.smtp_conn_id,
            subject=_SUBJECT,
            html_content=_HTML,
        )
    if settings.apprise_conn_id:
        channels["chat"] = AppriseNotifier(title=_SUBJECT, body=_TEXT, apprise_conn_id=settings.apprise_conn_id)
    return channels
