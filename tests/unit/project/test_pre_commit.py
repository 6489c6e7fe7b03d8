"""The hooks before a commit check what CI checks, with what is installed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[3]
CONFIG = PROJECT / ".pre-commit-config.yaml"


def hooks() -> list[dict[str, Any]]:
    """Return all hooks."""
    return [hook for repository in yaml.safe_load(CONFIG.read_text())["repos"] for hook in repository["hooks"]]


def test_hooks_check_what_make_lint_checks() -> None:
    """Whoever commits with the hooks on is not surprised by `make lint`: each of its commands is a hook."""
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (PROJECT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    commands = [line.strip().removesuffix(" .") for line in recipe.group(1).splitlines()]
    commands = [line.replace("$(RUN)", ".venv/bin/python").replace("$(BIN)", ".venv/bin") for line in commands]

    checked = {hook["entry"].replace(" --force-exclude", "") for hook in hooks()}

    assert commands != []
    assert set(commands) <= checked


def test_hooks_need_no_network() -> None:
    """Every hook is part of this repository, and its program comes with `make install`."""
    repositories = yaml.safe_load(CONFIG.read_text())["repos"]
    programs = {hook["entry"].split()[0] for hook in hooks() if hook["language"] != "pygrep"}

    assert {repository["repo"] for repository in repositories} == {"local"}
    assert {Path(program).parent for program in programs} == {Path(".venv/bin")}
    assert [program for program in programs if not (Path(sys.executable).parent / Path(program).name).exists()] == []
