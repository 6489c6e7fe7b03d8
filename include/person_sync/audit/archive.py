"""Where reports are kept, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from include.person_sync.run.context import storage_path
from include.person_sync.run.staging import RunFolder

if TYPE_CHECKING:
    from pathlib import Path

    from include.person_sync.run.context import SyncContext


@dataclass(frozen=True)
class ReportFolder(RunFolder):
    """One report's files: frames and manifest as in any run's folder, and pages for people."""

    def write_text(self, name: str, text: str) -> str:
        """Write a page and return its reference."""
        reference = f"{self.name}/{name}"
        with self._path(reference).open("w", encoding="utf-8") as file:
            file.write(text)
        return reference

    def locate(self, reference: str) -> str:
        """Return where a reference really is: a path or the URL of an object."""
        return str(self.root / reference)

    def remove(self) -> None:
        """Remove the report, if it is there."""
        remove_tree(self.root / self.name)


def report_folder(ctx: SyncContext, run_id: str) -> ReportFolder:
    """Return the folder of one audit's report: below `audit.reports`, else `reports` below the staging place."""
    place = ctx.settings.audit.reports
    return ReportFolder(storage_path(place) if place else ctx.staging / "reports", run_id)


def expire_reports(ctx: SyncContext, kind: str) -> None:
    """Remove the reports of all but the newest audits."""
    keep = ctx.settings.audit.keep_reports
    for run in ctx.store.latest_runs(keep + 100, kind=kind)[keep:]:
        report_folder(ctx, run.run_id).remove()


def remove_tree(path: Path) -> None:
    """Remove a folder with everything in it, on a disk or an object store; does nothing when there is none."""
    if not path.exists():
        return
    for entry in path.iterdir():
        if entry.is_dir():
            remove_tree(entry)
        else:
            entry.unlink()
    if path.exists():  # an object store has no empty folders
        path.rmdir()
