"""
Reading everybody in Marketo by bulk extract: one job per 31 days of creation, a few at a time.

Each state is stored before the step that follows it, so that a killed reading resumes with the very same jobs. A job
that failed, was canceled or whose file is gone is made again, a few times at most.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from include.errors import ContractViolation, QuotaExhausted, RetryableError
from include.marketo import (
    BulkFileGone,
    BulkQueueFull,
    BulkStatus,
    FieldsNotExported,
    SpoiledDownload,
    parse_datetime,
)
from include.marketo.bulk import created_between, windows
from include.marketo.bulk_file import read_people
from include.person_sync.baseline.downloads import Download
from include.person_sync.baseline.people import CREATED_AT, columns_to_read, staged_people
from include.person_sync.baseline.progress import MARKETO

if TYPE_CHECKING:
    from include.marketo import BulkJob
    from include.person_sync.baseline.progress import Progress
    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

log = logging.getLogger(__name__)

LONGEST = timedelta(days=31)
OVERLAP = timedelta(seconds=1)
MOST_ATTEMPTS = 3
BEGINNING = datetime(2006, 1, 1, tzinfo=UTC)
"""The year Marketo was founded: nobody in it is older."""
PROBED_IDS = 6_000
PART_PEOPLE = 10_000


@dataclass(frozen=True)
class Waiting:
    """Nothing can be done for `poll_s` seconds. `jobs`: the extracts that are under way."""

    jobs: tuple[str, ...]
    poll_s: float


def first_window(ctx: SyncContext, since: datetime | None) -> datetime:
    """
    Return a moment before which nobody was created: the one given, else a window before the people with lowest ids.

    Ids are given in the order of creation; the margin is for instances that were moved or merged.
    """
    if since is not None:
        return since
    for start in range(1, PROBED_IDS, 300):
        for page in ctx.marketo.leads_by("id", range(start, start + 300), [CREATED_AT]):
            moments = [parse_datetime(str(row[CREATED_AT])) for row in page if row[CREATED_AT]]
            if moments:
                return min(moments) - LONGEST
    return BEGINNING


def plan_windows(ctx: SyncContext, since: datetime | None) -> list[dict[str, Any]]:
    """Return the ranges of creation that cover everybody until now, as they are stored."""
    now = ctx.now() + timedelta(minutes=5)
    cut = windows(first_window(ctx, since), now, LONGEST, OVERLAP)
    return [
        {"start": start.isoformat(), "end": end.isoformat(), "job": None, "attempts": 0, "parts": None}
        for start, end in cut
    ]


class BulkReading:
    """One baseline's extracts; `document` is its progress and is stored after every step."""

    def __init__(self, ctx: SyncContext, schema: ResolvedSchema, progress: Progress, document: dict[str, Any]) -> None:
        self._ctx = ctx
        self._progress = progress
        self._document = document
        self._columns = columns_to_read(ctx, schema)
        self._bulk = ctx.marketo.bulk_leads

    def advance(self) -> Waiting | None:
        """
        Do what can be done now: download what is completed, start what fits. None when everybody is staged.

        Raises BulkUnavailable, and QuotaExhausted once nothing is under way any more.
        """
        jobs_seen = (
            self._bulk.overview() if any(window["parts"] is None for window in self._document["windows"]) else []
        )
        for number, window in enumerate(self._document["windows"]):
            if window["job"] is not None and window["parts"] is None:
                self._look(number, window)
        stopped = self._start_more(jobs_seen)
        if all(window["parts"] is not None for window in self._document["windows"]):
            return None
        jobs = tuple(window["job"] for window in self._under_way())
        if stopped is not None and not jobs:
            raise stopped
        return Waiting(jobs, self._bulk.settings.poll_s)

    def _under_way(self) -> list[dict[str, Any]]:
        return [window for window in self._document["windows"] if window["job"] is not None and window["parts"] is None]

    def _save(self) -> None:
        self._progress.save(self._document, MARKETO)

    # one job

    def _look(self, number: int, window: dict[str, Any]) -> None:
        """See how a job is doing, and take its file when it is done."""
        try:
            job = self._bulk.job(window["job"])
            if job.status is BulkStatus.COMPLETED:
                self._take(number, window, job)
            elif job.status.is_final:
                self._give_up(window, f"ended as {job.status.value}: {job.error or 'no reason given'}")
        except BulkFileGone as error:
            self._give_up(window, error.message)

    def _take(self, number: int, window: dict[str, Any], job: BulkJob) -> None:
        """Download a file, check it and stage its people; spoiled twice, the job is made again."""
        for attempt in (1, 2):
            download = Download(self._progress.folder, job)
            try:
                download.complete(self._bulk)
                window["parts"] = self._stage(number, job, download)
            except (SpoiledDownload, ContractViolation) as error:
                download.discard()
                log.warning("extract %s: %s", job.job_id, error.message)
                if attempt == 2:
                    self._give_up(window, error.message)
            else:
                self._save()
                download.discard()
                return

    def _stage(self, number: int, job: BulkJob, download: Download) -> list[str]:
        fields = [name for name in self._columns if name not in self._document["left_out"]]
        parts, people = [], 0
        for page, rows in enumerate(read_people(download.chunks(), fields, page=PART_PEOPLE)):
            frame = staged_people(rows, self._columns, self._document["left_out"])
            parts.append(self._progress.folder.write_frame(f"marketo-{number:04d}-{page:04d}", frame))
            people += len(frame)
        if job.records is not None and people != job.records:
            raise ContractViolation(f"extract {job.job_id}: {people} people instead of {job.records}.")
        log.info("extract %s: %d people", job.job_id, people)
        return parts

    def _give_up(self, window: dict[str, Any], why: str) -> None:
        """Forget a job, so that it is made again; raises RetryableError when that has been done often enough."""
        log.warning("extract %s %s", window["job"], why)
        window["attempts"] += 1
        window["job"] = None
        if window["attempts"] >= MOST_ATTEMPTS:
            for window in self._document["windows"]:  # whoever resumes later tries as often again
                window["attempts"] = 0
            self._save()
            raise RetryableError(
                f"marketo bulk extract: {MOST_ATTEMPTS} jobs for people created from {window['start']} came to "
                f"nothing; the last one {why}.",
                remedy="resume the baseline later; what was extracted so far is kept.",
            )
        self._save()

    # new jobs

    def _start_more(self, jobs_seen: list[BulkJob]) -> QuotaExhausted | None:
        """Start jobs while there is room; return why none may be started today."""
        todo = [window for window in self._document["windows"] if window["job"] is None]
        room = self._ctx.settings.baseline.jobs - len(self._under_way())
        try:
            if todo and room > 0:
                self._bulk.require_volume(jobs_seen)
            for window in self._under_way():
                self._ensure_queued(window)
            for window in todo[: max(room, 0)]:
                window["job"] = self._create(window).job_id
                self._save()
                self._ensure_queued(window)
        except BulkQueueFull as full:
            log.info("%s", full.message)
        except QuotaExhausted as exhausted:
            log.warning("%s", exhausted.message)
            self._forget_unqueued()
            return exhausted
        return None

    def _ensure_queued(self, window: dict[str, Any]) -> None:
        if self._bulk.job(window["job"]).status is BulkStatus.CREATED:
            self._bulk.enqueue(window["job"])

    def _forget_unqueued(self) -> None:
        """Leave jobs that could not be enqueued: they cost nothing and are made again."""
        for window in self._under_way():
            if self._bulk.job(window["job"]).status is BulkStatus.CREATED:
                window["job"] = None
        self._save()

    def _create(self, window: dict[str, Any]) -> BulkJob:
        """Return a new job; fields that can't be exported are left out from then on."""
        start, end = (datetime.fromisoformat(window[name]) for name in ("start", "end"))
        fields = [name for name in self._columns if name not in self._document["left_out"]]
        try:
            return self._bulk.create(fields, created_between(start, end))
        except FieldsNotExported as refused:
            known = set(fields) & set(refused.names)
            if not known or "id" in known:
                raise
            log.warning("not exported in bulk, hence left to later runs: %s", ", ".join(sorted(known)))
            self._document["left_out"] = sorted({*self._document["left_out"], *known})
            return self._create(window)
