"""
Files between the stages: Parquet for people, JSON manifests for everything that points to them.

Text is the only cell type in staged frames of people (plus int64 ids), since a column of a vendor's JSON may mix types
that Parquet can't; an empty cell is null.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from include.late import late_module

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd
    import pyarrow.parquet as pq
else:  # a stage may well have no people to write or read
    pd, pq = late_module("pandas"), late_module("pyarrow.parquet")


@dataclass(frozen=True)
class RunFolder:
    """
    The files of one run below the staging root.

    References handed between tasks are relative to the root, so that each worker may mount the root where it likes.
    """

    root: Path
    run_id: str

    @property
    def name(self) -> str:
        """The folder's name: the run id in characters every file system takes."""
        return re.sub(r"[^A-Za-z0-9._=-]+", "_", self.run_id)

    def write_frame(self, name: str, frame: pd.DataFrame) -> str:
        """Write a frame as Parquet and return its reference. The file appears whole: a repeat replaces it."""
        reference = f"{self.name}/{name}.parquet"
        with self._path(reference).open("wb") as file:
            frame.to_parquet(file, index=False)
        return reference

    def read_frames(self, references: Iterable[str]) -> pd.DataFrame:
        """Return the parts as one frame, in order; no part at all gives an empty frame without columns."""
        frames = []
        for reference in references:
            with self._path(reference).open("rb") as file:
                frames.append(pd.read_parquet(file))
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

    def read_column(self, reference: str, column: str) -> list[Any]:
        """Return one column of a part."""
        with self._path(reference).open("rb") as file:
            return list(pd.read_parquet(file, columns=[column])[column])

    def count_rows(self, references: Iterable[str]) -> int:
        """Return how many rows the parts hold, read from their footers."""
        total = 0
        for reference in references:
            with self._path(reference).open("rb") as file:
                total += pq.read_metadata(file).num_rows
        return total

    def discard(self, references: Iterable[str]) -> None:
        """Remove parts that are not needed any more; those that are gone already are no matter."""
        for reference in references:
            (self.root / reference).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the run's files; a folder that is gone already is no matter."""
        remove_folder(self.root / self.name)

    def write_manifest(self, name: str, content: Mapping[str, Any]) -> str:
        """Write a JSON manifest and return its reference; written last, it vouches for the files it names."""
        reference = f"{self.name}/{name}.json"
        with self._path(reference).open("w") as file:
            json.dump(content, file)
        return reference

    def read_manifest(self, reference: str) -> dict[str, Any]:
        """Return the manifest behind a reference."""
        with self._path(reference).open("r") as file:
            manifest: dict[str, Any] = json.load(file)
        return manifest

    def _path(self, reference: str) -> Path:
        path = self.root / reference
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def remove_folder(folder: Path) -> None:
    """Remove a folder of files, on whatever store it is; one that is gone already is no matter."""
    if not folder.exists():
        return
    for file in folder.iterdir():
        file.unlink(missing_ok=True)
    folder.rmdir()
