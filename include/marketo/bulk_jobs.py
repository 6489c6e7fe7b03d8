"""What a bulk extract job looks like, and what can become of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from include.errors import ConfigError, ContractViolation, RetryableError, SyncError
from include.marketo.dates import parse_datetime
from include.marketo.reading import as_int, as_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from include.marketo.operations import Operation

_SPELLINGS: Final = {"cancelled": "canceled", "complete": "completed"}


class BulkStatus(StrEnum):
    """The states of a job. Answers spell them with capitals, and the fourth both `Canceled` and `Cancelled`."""

    CREATED = "created"
    QUEUED = "queued"
    PROCESSING = "processing"
    CANCELED = "canceled"
    COMPLETED = "completed"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True when the job will not move any more."""
        return self in {BulkStatus.CANCELED, BulkStatus.COMPLETED, BulkStatus.FAILED}


@dataclass(frozen=True, slots=True)
class BulkSettings:
    """
    How bulk extract is used.

    `poll_s`: seconds between two looks at a job; the server refreshes a status once a minute, so less is of no use.
    `daily_bytes`: the day's volume, shared by all bulk exports of the instance; the API does not tell it.
    `piece_bytes`: how much of a file is fetched by one call and held in memory. Source: "Bulk Extract", limits.
    """

    poll_s: float = 60.0
    daily_bytes: int = 500_000_000
    piece_bytes: int = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BulkJob:
    """One job as last seen. `size` (bytes), `records` and `checksum` are known once it is completed."""

    job_id: str
    status: BulkStatus
    created_at: datetime | None = None
    finished_at: datetime | None = None
    records: int | None = None
    size: int | None = None
    checksum: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class FilePiece:
    """Some consecutive bytes of a file; `total` is the size of the whole, None when the server did not say."""

    content: bytes
    start: int
    total: int | None


class BulkUnavailable(ConfigError):
    """The subscription or the API user's role has no bulk extract; people have to be read another way."""


class BulkQueueFull(RetryableError):
    """Ten jobs wait already, of whichever integration. `retry_after_s` is when to look again."""


class BulkFileGone(SyncError):
    """There is no file (any more): the job is unknown, not done, or its week is over. It has to be created again."""


class SpoiledDownload(RetryableError):
    """What was downloaded is not the file: its length or SHA-256 is another. Download it again from the start."""


class FieldsNotExported(SyncError):
    """Some fields can't be exported in bulk, formula fields above all. `names` are their REST names."""

    def __init__(self, message: str, names: Sequence[str], *, request_id: str | None = None) -> None:
        super().__init__(message, remedy="Leave them out and read them by id.", request_id=request_id)
        self.names = tuple(names)


def parse_job(item: Mapping[str, Any], operation: Operation, request_id: str) -> BulkJob:
    """Return a job from an answer's item. Raises ContractViolation when id or status are missing or unknown."""
    text = as_text(item.get("status")).strip().lower()
    text = _SPELLINGS.get(text, text)
    job_id = as_text(item.get("exportId"))
    if not job_id or text not in set(BulkStatus):
        raise ContractViolation(
            f"{operation.label}: a job without id or with an unknown status.", request_id=request_id
        )
    return BulkJob(
        job_id=job_id,
        status=BulkStatus(text),
        created_at=_moment(item.get("createdAt")),
        finished_at=_moment(item.get("finishedAt")),
        records=as_int(item.get("numberOfRecords")),
        size=as_int(item.get("fileSize")),
        checksum=as_text(item.get("fileChecksum")),
        error=as_text(item.get("errorMsg")),
    )


def _moment(value: Any) -> datetime | None:
    return parse_datetime(value) if isinstance(value, str) and value else None
