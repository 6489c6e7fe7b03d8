"""An operator that reads people of Marketo in bulk."""

from __future__ import annotations

import tempfile
from contextlib import closing
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from airflow.sdk import ObjectStoragePath

from include.errors import ConfigError, RetryableError
from include.marketo import BulkFileGone, BulkQueueFull, BulkSettings, BulkStatus, MarketoClient
from include.marketo.bulk import created_between
from include.marketo.bulk_file import read_people
from marketo.hooks.marketo import marketo_connection
from marketo.operators.base import MarketoOperator
from marketo.operators.marketo import people_schema
from marketo.triggers.bulk import MarketoBulkTrigger
from person_sync_airflow.parquet import Manifest, write_manifest, write_rows
from person_sync_airflow.window import choose_window

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from airflow.sdk import Context

    from include.marketo import BulkJob

__all__ = ["MarketoBulkExtractOperator"]

_JOB: Final = "marketo_bulk_job"
_CHUNK: Final = 1 << 20


class MarketoBulkExtractOperator(MarketoOperator):
    """
    Read people of Marketo into a Parquet file by a bulk extract, without holding a worker while Marketo works.

    The people are those created in a window of at most 31 days (the one given, else the data interval of the DAG run),
    or those of another filter that the subscription has. Map the operator over windows for more. The id of the job
    survives retries of the task, so that a lost worker costs no second extract.

    Returns the address of a manifest (JSON) in `destination`; the rows never pass through XCom. Raises QuotaExhausted
    when the day's volume (500 MB) is used up.

    :param fields: REST names of the fields to read; `id` is always among them. Formulas can't be exported. (templated)
    :param destination: directory for the files, any address ObjectStoragePath understands. (templated)
    :param since: start of the window, ISO 8601 with a time zone when it is text. (templated)
    :param until: end of the window. Whether Marketo includes the ends is not documented. (templated)
    :param extract_filter: another filter than the window, as in `{"staticListId": 1234}`. (templated)
    :param poll_s: seconds between two looks; Marketo refreshes a status once a minute.
    :param timeout: how long to wait for Marketo.
    :param marketo_conn_id: id of the Airflow connection.
    """

    template_fields: Sequence[str] = ("fields", "destination", "since", "until", "extract_filter", "counted")

    def __init__(
        self,
        *,
        fields: Sequence[str],
        destination: str,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        extract_filter: Mapping[str, Any] | None = None,
        poll_s: float = 60.0,
        timeout: timedelta = timedelta(hours=12),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.fields = fields
        self.destination = destination
        self.since = since
        self.until = until
        self.extract_filter = extract_filter
        self.poll_s = poll_s
        self.timeout = timeout

    @cached_property
    def client(self) -> MarketoClient:
        """The client of the connection; nothing is sent before the task runs."""
        connection = marketo_connection(self.hook.get_connection(self.marketo_conn_id))
        return MarketoClient(connection, bulk=BulkSettings(poll_s=self.poll_s))

    def execute(self, context: Context) -> str:
        """Start the extract, or find the one a lost try has started, and wait for it."""
        with closing(self.client):
            job = self._known_job(context) or self._create(context)
            return self._proceed(context, job)

    def resume(self, context: Context, event: dict[str, Any] | None = None) -> str:  # noqa: ARG002 - Airflow's interface
        """Go on after the wait."""
        with closing(self.client):
            job = self._known_job(context)
            if job is None:
                raise RetryableError("marketo bulk extract: the job is gone.", remedy="a retry starts another.")
            return self._proceed(context, job)

    def _proceed(self, context: Context, job: BulkJob) -> str:
        if job.status is BulkStatus.CREATED:
            job = self._enqueued(job)
        if not job.status.is_final:
            self.defer(
                trigger=MarketoBulkTrigger(self.marketo_conn_id, [job.job_id], self.poll_s),
                method_name="resume",
                timeout=self.timeout,
            )
        if job.status is not BulkStatus.COMPLETED:
            self._forget(context)
            raise RetryableError(
                f"marketo bulk extract: job {job.job_id} ended as {job.status.value}: {job.error or 'no reason'}.",
                remedy="a retry starts another.",
            )
        return self._write(context, job)

    def _enqueued(self, job: BulkJob) -> BulkJob:
        """Put the job into the queue; a full one is waited for like the extract itself."""
        try:
            return self.client.bulk_leads.enqueue(job.job_id)
        except BulkQueueFull as full:
            self.log.info("%s", full.message)
            return job

    def _create(self, context: Context) -> BulkJob:
        names = ["id", *(name for name in self.fields if name != "id")]
        job = self.client.bulk_leads.create(names, self._filter(context))
        context["task_state_store"].set(_JOB, job.job_id)
        return job

    def _filter(self, context: Context) -> Mapping[str, Any]:
        if self.extract_filter:
            return self.extract_filter
        start, end = choose_window(context, self.since, self.until)
        if end - start > timedelta(days=31):
            raise ConfigError(
                f"A bulk extract covers at most 31 days, not {(end - start).days}",
                remedy="Map the operator over shorter windows.",
            )
        return created_between(start, end)

    def _known_job(self, context: Context) -> BulkJob | None:
        """Return the job that this task instance has started, if Marketo still knows it."""
        job_id = context["task_state_store"].get(_JOB)
        try:
            return self.client.bulk_leads.job(str(job_id)) if job_id else None
        except BulkFileGone:
            return None

    def _forget(self, context: Context) -> None:
        context["task_state_store"].delete(_JOB)

    def _write(self, context: Context, job: BulkJob) -> str:
        """Download, check and convert the file."""
        directory = ObjectStoragePath(self.destination)
        schema = people_schema(self.client.describe(), self.fields)
        with tempfile.TemporaryDirectory(prefix="marketo-bulk-") as folder:
            path = Path(folder) / "people.csv"
            try:
                with path.open("wb") as file:
                    self.client.bulk_leads.download(job, file)
            except BulkFileGone:
                self._forget(context)
                raise RetryableError(
                    f"marketo bulk extract: the file of job {job.job_id} is gone.", remedy="a retry starts another job."
                ) from None
            pages = ([_typed(row, schema) for row in page] for page in read_people(_chunks(path), schema.names))
            rows = write_rows(directory / "people.parquet", schema, pages)
        self.counted = {"people": rows, "bytes": job.size or 0}
        self.log.info("Read %d people in %d bytes, job %s", rows, job.size or 0, job.job_id)
        return write_manifest(directory, Manifest(("people.parquet",), rows, {"job": job.job_id}))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _typed(row: Mapping[str, str | None], schema: pa.Schema) -> dict[str, Any]:
    """Return a row's texts as the schema's types."""
    return {column.name: _value(row[column.name], column.type) for column in schema}


def _value(text: str | None, kind: pa.DataType) -> Any:
    if text is None or pa.types.is_string(kind):
        return text
    if pa.types.is_boolean(kind):
        return text.lower() == "true"
    return float(text) if pa.types.is_floating(kind) else int(float(text))
