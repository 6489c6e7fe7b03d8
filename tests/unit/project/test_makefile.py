"""The Makefile explains itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def test_help_lists_every_public_target():
    """`make help` names each target that people may call, with a line of explanation."""
    text = (PROJECT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", text, re.MULTILINE)
    assert phony

    shown = subprocess.run(
        ["make", "help"],  # noqa: S607 - whichever make there is
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    listed = {line.split()[0] for line in shown.splitlines() if len(line.split()) > 2}
    assert listed == set(phony.group(1).replace("\\", " ").split())
