"""Airflow loads from plugins/ what is a plugin, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"

# What Airflow does at the start of each of its processes, in a process of its own.
LOAD = """
import json, sys
from airflow import plugins_manager
before = set(sys.modules)
plugins_manager._get_plugins()
loose = sorted(set(sys.argv[1].split(",")) & (set(sys.modules) - before))
print(json.dumps({"errors": plugins_manager.get_import_errors(), "loose": loose}))
"""


def _packages() -> list[str]:
    return sorted(path.name for path in PLUGINS.iterdir() if (path / "__init__.py").exists())


def _stems() -> set[str]:
    """Return the bare names of all modules inside packages: what Airflow would load them as."""
    return {path.stem for package in _packages() for path in (PLUGINS / package).rglob("*.py")}


def _load(folder: Path) -> dict[str, object]:
    environment = os.environ | {"AIRFLOW__CORE__PLUGINS_FOLDER": str(folder)}
    shown = subprocess.run(
        [sys.executable, "-c", LOAD, ",".join(sorted(_stems()))],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, object] = json.loads(shown.stdout.splitlines()[-1])
    return result


def test_airflow_loads_the_folder_without_errors_or_loose_modules():
    """At start no file of a package is run as a module of its own, and no plugin is broken."""
    assert _load(PLUGINS) == {"errors": {}, "loose": []}


def test_loose_modules_appear_without_the_ignore_file(tmp_path: Path):
    """The check above can fail: without .airflowignore the files of the packages are loaded by their bare names."""
    for package in _packages():
        (tmp_path / package).symlink_to(PLUGINS / package, target_is_directory=True)

    assert _load(tmp_path)["loose"] != []


def test_ignore_file_names_every_package():
    """Each package below plugins/ is in .airflowignore; a new one must be added there."""
    lines = (PLUGINS / ".airflowignore").read_text().splitlines()

    assert {line for line in lines if line and not line.startswith("#")} == {f"{name}/" for name in _packages()}
