"""
Bulk extract jobs: their way through the queue, their files, and the day's volume.

A job is really done some seconds after it got one of the two places; what a client is *shown* moves at most once per
`bulk_status_s` of the sandbox's clock, as with the vendor. Source: bulk-extract.md.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo

from include.sandbox.marketo.errors import ApiError
from include.sandbox.marketo.values import moment_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from include.sandbox.clock import Clock
    from include.sandbox.marketo.settings import MarketoSettings

__all__ = ["BulkJob", "BulkJobs", "BulkStatus", "delimited"]

_RUNNING_MAX: Final = 2
_QUEUE_MAX: Final = 10
_FILE_KEPT_S: Final = 7 * 86_400
_STATUS_KEPT_S: Final = 30 * 86_400
_LISTED_S: Final = 7 * 86_400
_CENTRAL: Final = ZoneInfo("America/Chicago")


class BulkStatus(StrEnum):
    """The states of a job as answers spell them."""

    CREATED = "Created"
    QUEUED = "Queued"
    PROCESSING = "Processing"
    CANCELED = "Canceled"
    COMPLETED = "Completed"
    FAILED = "Failed"


_WAITING: Final = frozenset({BulkStatus.QUEUED, BulkStatus.PROCESSING})


@dataclass(slots=True)
class BulkJob:
    """One job. Moments are seconds since the epoch; `build` makes the file's bytes and its number of records."""

    number: str
    user: str
    format: str
    build: Callable[[], tuple[bytes, int]]
    created_at: float
    queued_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    canceled: bool = False
    error: str = ""
    content: bytes = b""
    records: int = 0
    checksum: str = ""
    done: bool = False
    shown: BulkStatus = BulkStatus.CREATED
    shown_at: float = field(default=0.0)

    def status(self, now: float) -> BulkStatus:
        """Return the state the job is really in."""
        if self.canceled:
            return BulkStatus.CANCELED
        if self.queued_at is None:
            return BulkStatus.CREATED
        if self.started_at is None or self.started_at > now:
            return BulkStatus.QUEUED
        if self.finished_at is None or self.finished_at > now:
            return BulkStatus.PROCESSING
        return BulkStatus.FAILED if self.error else BulkStatus.COMPLETED

    def json(self) -> dict[str, Any]:
        """Return the members that the state shown has. Source: bulk-lead-extract.md."""
        shown: dict[str, Any] = {"exportId": self.number, "format": self.format, "status": str(self.shown)}
        shown["createdAt"] = moment_text(self.created_at)
        if self.queued_at is not None:
            shown["queuedAt"] = moment_text(self.queued_at)
        if self.shown in {BulkStatus.PROCESSING, BulkStatus.COMPLETED, BulkStatus.FAILED}:
            shown["startedAt"] = moment_text(self.started_at or 0)
        if self.shown in {BulkStatus.COMPLETED, BulkStatus.FAILED}:
            shown["finishedAt"] = moment_text(self.finished_at or 0)
        if self.shown is BulkStatus.COMPLETED:
            shown |= {"numberOfRecords": self.records, "fileSize": len(self.content), "fileChecksum": self.checksum}
        if self.shown is BulkStatus.FAILED:
            shown["errorMsg"] = self.error
        return shown


class BulkJobs:
    """The jobs of an instance, of all its API users together. The caller holds the world's lock."""

    def __init__(self, clock: Clock, settings: MarketoSettings) -> None:
        self._clock = clock
        self._settings = settings
        self._jobs: dict[str, BulkJob] = {}
        self._places: list[float] = [0.0] * _RUNNING_MAX
        self._others: dict[date, int] = {}

    def add(self, number: str, user: str, file_format: str, build: Callable[[], tuple[bytes, int]]) -> BulkJob:
        """Take in a job and return it; it waits to be enqueued."""
        now = self._clock.timestamp()
        job = BulkJob(number, user, file_format, build, created_at=now, shown_at=now)
        self._jobs[number] = job
        return job

    def find(self, number: str, user: str) -> BulkJob | None:
        """Return the user's job as it is shown now; None when there is none, it is another user's, or forgotten."""
        now = self._advance()
        job = self._jobs.get(number)
        if job is None or job.user != user or now - job.created_at > _STATUS_KEPT_S:
            return None
        return self._refreshed(job, now)

    def listed(self, user: str) -> list[BulkJob]:
        """Return the user's jobs of the last seven days, oldest first."""
        now = self._advance()
        mine = [job for job in self._jobs.values() if job.user == user and now - job.created_at <= _LISTED_S]
        return [self._refreshed(job, now) for job in mine]

    def enqueue(self, job: BulkJob, error: str = "") -> None:
        """Put a job into the queue; `error` makes it fail in the end. Raises ApiError 1029, in its three meanings."""
        self._advance()
        now = self._clock.timestamp()
        if job.queued_at is not None:
            raise ApiError("1029", "Job already queued")
        if sum(one.status(now) in _WAITING for one in self._jobs.values()) >= _QUEUE_MAX:
            raise ApiError("1029", "Too many jobs in queue")
        self.require_volume()
        job.queued_at, job.error = now, error
        self._show(job, BulkStatus.QUEUED)
        self._advance()

    def require_volume(self) -> None:
        """Raise ApiError 1029 when the day's volume is used up. Source: bulk-extract.md; the text is recorded data."""
        self._advance()
        limit = self._settings.bulk_daily_bytes
        if self.volume_today() >= limit:
            raise ApiError("1029", f"Export daily quota {limit // 1_000_000}MB exceeded")

    def cancel(self, job: BulkJob) -> None:
        """Cancel a job that is not done. Raises ApiError 1003 when it is."""
        if job.status(self._clock.timestamp()) in {BulkStatus.COMPLETED, BulkStatus.FAILED}:
            raise ApiError("1003", "Job is already finished")
        job.canceled = True
        self._show(job, BulkStatus.CANCELED)

    def file(self, job: BulkJob) -> bytes | None:
        """Return the job's file; None before it is shown as completed and after its seven days."""
        expired = self._clock.timestamp() - (job.finished_at or 0) > _FILE_KEPT_S
        return None if job.shown is not BulkStatus.COMPLETED or expired else job.content

    def volume_today(self) -> int:
        """Return the bytes of the files completed today (Central Time), all users' together."""
        today = self._day(self._clock.timestamp())
        ours = sum(len(job.content) for job in self._jobs.values() if job.done and self._day(job.finished_at) == today)
        return ours + self._others.get(today, 0)

    def use_up(self, size: int) -> None:
        """Count bytes that somebody else has extracted today."""
        today = self._day(self._clock.timestamp())
        self._others[today] = self._others.get(today, 0) + size

    @staticmethod
    def _day(moment: float | None) -> date:
        return datetime.fromtimestamp(moment or 0.0, tz=UTC).astimezone(_CENTRAL).date()

    def _advance(self) -> float:
        """Let everything happen that should have happened by now (places taken in order, files made); return now."""
        now = self._clock.timestamp()
        waiting = [
            job for job in self._jobs.values() if job.status(now) is BulkStatus.QUEUED and job.started_at is None
        ]
        for job in sorted(waiting, key=lambda one: one.queued_at or 0.0):
            place = self._places.index(min(self._places))
            start = max(job.queued_at or 0.0, self._places[place])
            if start > now:
                break
            job.started_at, job.finished_at = start, start + self._settings.bulk_work_s
            self._places[place] = job.finished_at
        for job in self._jobs.values():
            if not job.done and job.status(now) is BulkStatus.COMPLETED:
                self._complete(job)
        return now

    @staticmethod
    def _complete(job: BulkJob) -> None:
        job.content, job.records = job.build()
        job.checksum = f"sha256:{hashlib.sha256(job.content).hexdigest()}"
        job.done = True

    def _refreshed(self, job: BulkJob, now: float) -> BulkJob:
        """Return the job, shown as it was at the moment up to which everything has happened."""
        if now - job.shown_at >= self._settings.bulk_status_s:
            self._show(job, job.status(now))
        return job

    def _show(self, job: BulkJob, status: BulkStatus) -> None:
        job.shown, job.shown_at = status, self._clock.timestamp()


def delimited(rows: Sequence[Mapping[str, Any]], names: Sequence[str], headers: Sequence[str], delimiter: str) -> bytes:
    """
    Return people as a bulk file: a header row, then a row each; an empty field is the bare word `null`.

    Source: bulk-lead-extract.md; booleans are lower case, texts are quoted where they need it, as recorded data shows.
    """
    lines = [delimiter.join(_cell(header, delimiter) for header in headers)]
    lines += [delimiter.join(_cell(row.get(name), delimiter) for name in names) for row in rows]
    return ("\n".join(lines) + "\n").encode()


def _cell(value: Any, delimiter: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if any(mark in text for mark in (delimiter, '"', "\n", "\r")):
        return '"' + text.replace('"', '""') + '"'
    return text
