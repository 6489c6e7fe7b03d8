"""
Extract files on the staging store, piece by piece.

An object store can't append, so each piece is a file of its own; an interrupted download resumes behind the last piece.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from include.marketo.bulk import check_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from include.marketo import BulkJob, BulkLeads
    from include.person_sync.run.staging import RunFolder


class Download:
    """The file of one job below a baseline's folder."""

    def __init__(self, folder: RunFolder, job: BulkJob) -> None:
        self._place: Path = folder.root / folder.name / "downloads" / job.job_id
        self._job = job

    def complete(self, bulk: BulkLeads) -> None:
        """
        Fetch what is missing and check the whole.

        Raises SpoiledDownload, having thrown everything away, when it is not the file that was announced.
        """
        self._place.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        for content in self.chunks():
            digest.update(content)
            size += len(content)
        number = len(self._pieces())
        for piece in bulk.pieces(self._job, size):
            with (self._place / f"{number:06d}").open("wb") as file:
                file.write(piece.content)
            digest.update(piece.content)
            size, number = size + len(piece.content), number + 1
        try:
            check_file(self._job, size, digest.hexdigest())
        except Exception:
            self.discard()
            raise

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes in order."""
        for path in self._pieces():
            with path.open("rb") as file:
                yield file.read()

    def discard(self) -> None:
        """Remove the pieces."""
        for path in self._pieces():
            path.unlink(missing_ok=True)

    def _pieces(self) -> list[Path]:
        return sorted(self._place.iterdir(), key=lambda path: path.name) if self._place.exists() else []
