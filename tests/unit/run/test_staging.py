"""Vendor rows as text cells, and files that later stages find again."""

from __future__ import annotations

import pandas as pd

from include.person_sync.core.values import UNREADABLE
from include.person_sync.run.staging import RunFolder
from include.person_sync.systems.frames import text_frame


def test_text_frame_keeps_null_apart_from_text_whatever_the_json_type():
    """Numbers and booleans become text, null stays null, and the words for nothing are text like any other."""
    rows = [{"a": 42, "b": None}, {"a": True, "b": "None"}, {"a": 1.5, "b": "nan"}, {}]

    frame = text_frame(rows, {"a": "x", "b": "y"})

    assert frame["x"].fillna("-").tolist() == ["42", "True", "1.5", "-"]
    assert frame["y"].fillna("-").tolist() == ["-", "None", "nan", "-"]


def test_text_frame_marks_a_text_that_cannot_be_encoded_as_unreadable():
    """Half of a surrogate pair spoils its own cell and nothing else."""
    frame = text_frame([{"a": "\ud83d", "b": "whole"}, {"a": "👋", "b": None}], {"a": "a", "b": "b"})

    assert frame["a"].tolist() == [UNREADABLE, "👋"]
    assert frame["b"].fillna("-").tolist() == ["whole", "-"]


def test_run_folder_gives_back_what_was_written(tmp_path):
    """Parts come back in order as one frame, manifests as they were, and any run id makes a folder."""
    folder = RunFolder(tmp_path, "person_sync__manual__2026-05-02T07:30:00+00:00")
    parts = [folder.write_frame(f"part-{number}", pd.DataFrame({"n": [number]})) for number in range(3)]
    reference = folder.write_manifest("manifest", {"parts": parts})

    again = RunFolder(tmp_path, folder.run_id)
    assert again.read_frames(again.read_manifest(reference)["parts"])["n"].tolist() == [0, 1, 2]
    assert again.read_frames([]).empty
