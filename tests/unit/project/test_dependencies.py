"""The locks and the ranges tell the same story, and what is installed is what was locked."""

from __future__ import annotations

import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = Path(__file__).resolve().parents[3]
MAIN_LOCK = PROJECT / "requirements.txt"
TEST_LOCK = PROJECT / "tests" / "requirements.txt"


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((PROJECT / "pyproject.toml").read_text())


def _pins(lock: Path) -> dict[str, Version]:
    """Return distribution → pinned version, of the lines that apply to this Python and platform."""
    requirements = [Requirement(line) for line in lock.read_text().splitlines() if line and not line.startswith("#")]
    return {
        canonicalize_name(requirement.name): Version(next(iter(requirement.specifier)).version)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate()
    }


def _runtime_ranges() -> list[Requirement]:
    project = _pyproject()["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    return [Requirement(line) for line in [*project["dependencies"], *extras]]


def _development_ranges(group: str = "dev") -> list[Requirement]:
    entries = _pyproject()["dependency-groups"][group]
    ranges = [Requirement(entry) for entry in entries if isinstance(entry, str)]
    included = [entry["include-group"] for entry in entries if not isinstance(entry, str)]
    return ranges + [requirement for name in included for requirement in _development_ranges(name)]


def _unsatisfied(ranges: list[Requirement], pins: dict[str, Version]) -> list[str]:
    applicable = [each for each in ranges if each.marker is None or each.marker.evaluate()]
    locked = [(each, pins.get(canonicalize_name(each.name))) for each in applicable]
    return [f"{each} but {pin}" for each, pin in locked if pin is None or not each.specifier.contains(pin)]


@pytest.mark.parametrize(
    ("lock", "ranges"),
    [(MAIN_LOCK, _runtime_ranges()), (TEST_LOCK, _development_ranges())],
    ids=["requirements.txt", "tests/requirements.txt"],
)
def test_lock_satisfies_the_ranges_of_pyproject(lock: Path, ranges: list[Requirement]):
    """Every direct dependency is pinned to a version that its range allows; if not, `make lock` is due."""
    assert _unsatisfied(ranges, _pins(lock)) == [], "run 'make lock' and commit the result"


def test_lock_check_notices_a_range_that_moved_on():
    """The check above can fail: a raised lower bound and a forgotten package are both named."""
    pins = {"pandas": Version("3.1.0")}

    unsatisfied = _unsatisfied([Requirement("pandas>=4"), Requirement("numpy"), Requirement("pandas>=3")], pins)

    assert [line.split(" but ")[0] for line in unsatisfied] == ["pandas>=4", "numpy"]


def test_both_locks_agree_on_shared_packages():
    """A test never runs against another version than production: packages in both locks have one version."""
    production, development = _pins(MAIN_LOCK), _pins(TEST_LOCK)

    assert {name for name in production.keys() & development.keys() if production[name] != development[name]} == set()


def test_locks_pin_the_airflow_of_the_documentation():
    """The lock holds the generation of Airflow, pandas and SQLAlchemy that the project is written for."""
    pins = _pins(MAIN_LOCK)

    assert str(pins["apache-airflow"]) == "3.3.2"
    assert (pins["pandas"].major, pins["sqlalchemy"].release[:2]) == (3, (2, 1))


def test_installed_packages_are_the_locked_ones():
    """The tests run on what the locks say; if not, `make install` is due."""
    direct = [each.name for each in [*_runtime_ranges(), *_development_ranges()]]
    pins = _pins(MAIN_LOCK) | _pins(TEST_LOCK)

    installed = {name: Version(version(name)) for name in map(canonicalize_name, direct) if name in pins}

    assert {name: str(pin) for name, pin in installed.items() if pins[name] != pin} == {}
