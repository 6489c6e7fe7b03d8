"""What lies beside the code has to be in the distribution too."""

from __future__ import annotations

import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]


def shipped(package: Path, file: Path, patterns: list[str]) -> bool:
    """Return whether one of setuptools' patterns, which are relative to a file's package, takes it in."""
    return any(file in set(package.glob(pattern)) for pattern in patterns)


def package_of(file: Path) -> Path | None:
    """Return the innermost folder around a file that is a package, or None."""
    return next((folder for folder in file.parents if (folder / "__init__.py").exists()), None)


def test_every_file_beside_the_code_is_shipped():
    """Templates, styles, settings and migrations are installed with the modules that read them."""
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["*"]
    files = [path for folder in ("include", "plugins") for path in (PROJECT / folder).rglob("*") if path.is_file()]
    beside = {
        file: package
        for file in files
        if file.suffix not in {".py", ".pyc"} and (package := package_of(file)) is not None
    }

    assert any(file.name == "base.html" for file in beside)
    assert [str(file) for file, package in beside.items() if not shipped(package, file, settings)] == []
