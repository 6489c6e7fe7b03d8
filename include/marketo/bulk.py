"""
Bulk lead extract: jobs that write people into a file, polled with patience, downloaded in pieces, checked by SHA-256.

Unfit for every five minutes (a job takes a minute at least and shares a queue of ten with other integrations); meant
for reading a whole database. Source: Marketo developer guide, "Bulk Extract", "Bulk Lead Extract".
"""

from __future__ import annotations

import hashlib
import logging
import re
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from include.errors import ContractViolation, QuotaExhausted, SyncError
from include.marketo import operations
from include.marketo.api import encode_json
from include.marketo.bulk_jobs import (
    BulkFileGone,
    BulkJob,
    BulkQueueFull,
    BulkSettings,
    BulkStatus,
    BulkUnavailable,
    FieldsNotExported,
    FilePiece,
    SpoiledDownload,
    parse_job,
)
from include.marketo.dates import format_datetime, next_quota_reset, quota_day
from include.marketo.envelope import INVALID_DATA, CallRefused
from include.marketo.paging import iterate_records
from include.marketo.reading import as_int, require_objects

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import timedelta
    from typing import BinaryIO

    from include.marketo.api import MarketoApi
    from include.marketo.envelope import Envelope
    from include.marketo.operations import Operation

__all__ = ["BulkLeads", "check_file", "created_between", "windows"]

_log = logging.getLogger(__name__)

BULK_REFUSED: Final = "1029"
FILTER_NOT_SUPPORTED: Final = "1035"
DENIED: Final = "603"
_UNKNOWN_JOB: Final = frozenset({"610", "702", INVALID_DATA, "1013", "404"})
_INVALID_FIELDS: Final = re.compile(r"invalid fields?\s*\[(?P<names>[^\]]*)\]", re.IGNORECASE)
_MISSING: Final = frozenset({DENIED, FILTER_NOT_SUPPORTED})
"""Codes that say that there is no bulk extract here; everywhere else 603 is a wrong setting."""


class BulkLeads:
    """
    The bulk lead extracts of one instance, as the API user sees them: only its own jobs.

    Every method raises what `MarketoClient` raises. `sleep`, `clock` and `now` are replaced in tests.
    """

    def __init__(
        self,
        api: MarketoApi,
        settings: BulkSettings,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self._api = api
        self._sleep, self._clock, self._now = sleep, clock, now
        self._seen: dict[str, tuple[float, BulkJob]] = {}

    # ------------------------------------------------------------------ jobs

    def create(self, fields: Sequence[str], filter_: Mapping[str, Any]) -> BulkJob:
        """
        Return a new job for the people that `filter_` names, one member of: createdAt, updatedAt, staticListId,
        staticListName, smartListId, smartListName (as JSON; see `created_between`).

        It does nothing before it is enqueued. Raises FieldsNotExported, BulkUnavailable, QuotaExhausted.
        """
        body = encode_json({"fields": list(fields), "format": "CSV", "filter": dict(filter_)})
        try:
            envelope = self._api.write(operations.CREATE_EXPORT, body, repeatable=True, handed_back=_MISSING)
        except CallRefused as refusal:
            raise self._explained(refusal) from refusal
        return self._note(_one_job(envelope, operations.CREATE_EXPORT))

    def enqueue(self, job_id: str) -> BulkJob:
        """
        Put a job into the queue and return it; one that is in it already is fine.

        Raises BulkQueueFull, QuotaExhausted (the day's volume), BulkFileGone for an unknown job.
        """
        operation = operations.ENQUEUE_EXPORT.at(job=job_id)
        try:
            envelope = self._api.write(operation, None, handed_back=_MISSING)
        except CallRefused as refusal:
            if refusal.code == BULK_REFUSED and _is_already_queued(refusal):
                self._seen.pop(job_id, None)  # what was last seen is from before
                return self.job(job_id)
            raise self._explained(refusal) from refusal
        return self._note(_one_job(envelope, operation))

    def job(self, job_id: str) -> BulkJob:
        """
        Return a job as it is shown; within `poll_s` of the last look nothing is sent and that look is returned.

        Raises BulkFileGone when the job is unknown.
        """
        known = self._seen.get(job_id)
        if known is not None and (known[1].status.is_final or self._clock() - known[0] < self.settings.poll_s):
            return known[1]
        operation = operations.EXPORT_STATUS.at(job=job_id)
        try:
            return self._note(_one_job(self._api.read(operation, handed_back=_MISSING), operation))
        except CallRefused as refusal:
            raise self._explained(refusal) from refusal

    def wait(self, job_id: str) -> BulkJob:
        """Return the job once it is completed, failed or canceled; looks every `poll_s`."""
        while not (job := self.job(job_id)).status.is_final:
            self._sleep(self.settings.poll_s)
        return job

    def cancel(self, job_id: str) -> BulkJob:
        """Cancel a job that is not done and return it."""
        operation = operations.CANCEL_EXPORT.at(job=job_id)
        try:
            return self._note(_one_job(self._api.write(operation, None), operation))
        except CallRefused as refusal:
            raise self._explained(refusal) from refusal

    def jobs(self, statuses: Sequence[BulkStatus] = ()) -> Iterator[BulkJob]:
        """Yield the API user's jobs of the last seven days, or those in some states."""
        asked = [("status", ",".join(one.capitalize() for one in statuses))] if statuses else []

        def fetch(token: str | None) -> Envelope:
            page = [("nextPageToken", token)] if token else []
            params = [("batchSize", "300"), *asked, *page]
            try:
                return self._api.read(operations.LIST_EXPORTS, params, handed_back=_MISSING)
            except CallRefused as refusal:
                raise self._explained(refusal) from refusal

        for envelope in iterate_records(fetch, operations.LIST_EXPORTS):
            for item in require_objects(envelope.result, operations.LIST_EXPORTS.label, envelope.request_id):
                yield parse_job(item, operations.LIST_EXPORTS, envelope.request_id)

    def overview(self) -> list[BulkJob]:
        """Return the API user's jobs of the last seven days; one call looks at all of them at once."""
        return [self._note(job) for job in self.jobs()]

    def used_today(self, jobs: Sequence[BulkJob] | None = None) -> int:
        """
        Return the bytes that our own lead extracts have used of today's volume; asks for `jobs` unless they are given.

        A lower bound: other users' jobs and other kinds of export can't be seen. The day ends at midnight Central.
        """
        today = quota_day(self._now())
        completed = self.jobs([BulkStatus.COMPLETED]) if jobs is None else jobs
        finished = [one for one in completed if one.finished_at and one.status is BulkStatus.COMPLETED]
        return sum(one.size or 0 for one in finished if one.finished_at and quota_day(one.finished_at) == today)

    def require_volume(self, jobs: Sequence[BulkJob] | None = None) -> None:
        """Raise QuotaExhausted when our own extracts alone have used up the day's volume; `jobs` as in `used_today`."""
        used = self.used_today(jobs)
        if used >= self.settings.daily_bytes:
            raise self._volume_used_up(f"{used:,} bytes were extracted today", None)

    # ------------------------------------------------------------------ files

    def piece(self, job_id: str, start: int, size: int) -> FilePiece:
        """
        Return up to `size` bytes of a completed job's file from `start` on.

        Raises BulkFileGone when there is no file, and SpoiledDownload when `start` lies behind its end.
        """
        operation = operations.EXPORT_FILE.at(job=job_id)
        response = self._api.fetch_file(operation, {"Range": f"bytes={start}-{start + size - 1}"})
        if response.status == 404:
            raise BulkFileGone(
                f"{operation.label}: there is no file for job {job_id}: it is not done, or its seven days are over.",
                remedy="The job is created again.",
            )
        if response.status == 416:
            raise SpoiledDownload(f"{operation.label}: the file of job {job_id} is shorter than it was said to be.")
        if response.status == 206:
            return FilePiece(response.body, start, _total(response.headers.get("Content-Range")))
        if response.status != 200:
            raise ContractViolation(f"{operation.label}: HTTP {response.status} instead of a file.")
        return FilePiece(response.body[start:], start, len(response.body))  # the server took no notice of the range

    def pieces(self, job: BulkJob, start: int = 0) -> Iterator[FilePiece]:
        """
        Yield the file of a completed job from `start` on, piece by piece, each asked for where the last one ended.

        Raises SpoiledDownload when the file ends before its size.
        """
        total = job.size
        while total is None or start < total:
            piece = self.piece(job.job_id, start, self.settings.piece_bytes)
            total = total if total is not None else piece.total
            if not piece.content:
                raise SpoiledDownload(f"marketo bulk file of job {job.job_id}: ends at byte {start} of {total}.")
            yield piece
            start += len(piece.content)
            if total is None:
                return

    def download(self, job: BulkJob, file: BinaryIO) -> int:
        """Write the whole file of a completed job to `file`, check it, and return its size in bytes."""
        digest, size = hashlib.sha256(), 0
        for piece in self.pieces(job):
            file.write(piece.content)
            digest.update(piece.content)
            size += len(piece.content)
        check_file(job, size, digest.hexdigest())
        return size

    # ------------------------------------------------------------------ refusals

    def _explained(self, refusal: CallRefused) -> SyncError:
        """Return a refusal as what it means for a bulk extract."""
        if refusal.code in {DENIED, FILTER_NOT_SUPPORTED}:
            return BulkUnavailable(
                f"{refusal.message}: this subscription or API user cannot extract people in bulk that way.",
                remedy="Ask Adobe for bulk extract, or set baseline.bulk: off to read people by id.",
                request_id=refusal.request_id,
            )
        if refusal.code == BULK_REFUSED:
            return self._no_room(refusal)
        refused = _INVALID_FIELDS.search(refusal.detail)
        if refusal.code == INVALID_DATA and refused:
            names = [name.strip() for name in refused["names"].split(",") if name.strip()]
            return FieldsNotExported(refusal.message, names, request_id=refusal.request_id)
        if refusal.code in _UNKNOWN_JOB and refusal.code != INVALID_DATA:
            return BulkFileGone(refusal.message, remedy="The job is created again.", request_id=refusal.request_id)
        return refusal

    def _no_room(self, refusal: CallRefused) -> SyncError:
        """Return what 1029 means, which only its text tells. Source: "Error codes", "Bulk Extract"."""
        if "quota" in refusal.detail.lower():
            return self._volume_used_up(refusal.detail, refusal.request_id)
        return BulkQueueFull(
            f"{refusal.message}: ten jobs wait already, of this or other integrations.",
            retry_after_s=self.settings.poll_s,
            remedy="Nothing to correct; it is tried again when the queue has moved.",
            request_id=refusal.request_id,
        )

    def _volume_used_up(self, seen: str, request_id: str | None) -> QuotaExhausted:
        resets_at = next_quota_reset(self._now())
        return QuotaExhausted(
            "marketo bulk extract: the day's volume is used up "
            f"({seen}; {self.settings.daily_bytes // 1_000_000} MB a day); "
            f"it is renewed at {resets_at:%Y-%m-%d %H:%M} UTC.",
            resets_at=resets_at,
            remedy="Resume then: what was extracted so far is kept. Other integrations share the volume.",
            request_id=request_id,
        )

    def _note(self, job: BulkJob) -> BulkJob:
        self._seen[job.job_id] = (self._clock(), job)
        return job


def created_between(start: datetime, end: datetime) -> dict[str, Any]:
    """
    Return the filter for people created in a range of at most 31 days.

    Whether the bounds belong to it is not documented: let ranges overlap by a second and drop who comes twice.
    """
    return {"createdAt": {"startAt": format_datetime(start), "endAt": format_datetime(end)}}


def windows(start: datetime, end: datetime, length: timedelta, overlap: timedelta) -> list[tuple[datetime, datetime]]:
    """Return ranges of at most `length` that cover [start, end], each beginning `overlap` before the last one ended."""
    found = [(start, min(start + length, end))]
    while found[-1][1] < end:
        begin = found[-1][1] - overlap
        found.append((begin, min(begin + length, end)))
    return found


def check_file(job: BulkJob, size: int, sha256: str) -> None:
    """Raise SpoiledDownload unless the bytes downloaded are the job's file, as far as its status tells."""
    if job.size is not None and size != job.size:
        raise SpoiledDownload(f"marketo bulk file of job {job.job_id}: {size} bytes instead of {job.size}.")
    expected = job.checksum.lower().removeprefix("sha256:").strip()
    if expected and expected != sha256.lower():
        raise SpoiledDownload(f"marketo bulk file of job {job.job_id}: its SHA-256 is not the one announced.")


def _one_job(envelope: Envelope, operation: Operation) -> BulkJob:
    items = require_objects(envelope.result, operation.label, envelope.request_id)
    if len(items) != 1:
        raise BulkFileGone(f"{operation.label}: the answer names no job.", request_id=envelope.request_id)
    return parse_job(items[0], operation, envelope.request_id)


def _is_already_queued(refusal: CallRefused) -> bool:
    return "already" in refusal.detail.lower()


def _total(content_range: str | None) -> int | None:
    return as_int((content_range or "").rpartition("/")[2])
