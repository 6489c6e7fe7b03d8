"""
What every test shares: an Airflow home of its own, fixed before anything imports Airflow, and hypothesis profiles.

Sockets are open to this machine alone (pytest-socket, set in pyproject.toml).
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.database import DirectoryBasedExampleDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

PROJECT = Path(__file__).resolve().parents[1]


def _own_airflow_home() -> Path:
    """Return a new empty Airflow home that goes away with this process; no test sees the one of the developer."""
    home = Path(tempfile.mkdtemp(prefix="person-sync-airflow-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    return home


AIRFLOW_HOME = _own_airflow_home()


def _airflow_environment() -> dict[str, str]:
    return {
        "AIRFLOW_HOME": str(AIRFLOW_HOME),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(PROJECT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{AIRFLOW_HOME}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(AIRFLOW_HOME / "logs"),
    }


def _forget_the_developers_settings() -> None:
    """Take out of the environment what would make a test depend on the machine it runs on."""
    prefixes = ("AIRFLOW_", "PERSON_SYNC_")
    for name in [name for name in os.environ if name.startswith(prefixes) and not name.startswith("PERSON_SYNC_TEST_")]:
        del os.environ[name]


def _keep_compiled_sources() -> None:
    """Let this process and those it starts keep bytecode, or each of them compiles Airflow anew, for some seconds."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


_forget_the_developers_settings()
_keep_compiled_sources()
os.environ.update(_airflow_environment())

_EXAMPLES = DirectoryBasedExampleDatabase(PROJECT / ".hypothesis" / "examples")
_SLOW_MACHINE = [HealthCheck.too_slow]
settings.register_profile(
    "dev", max_examples=50, deadline=None, database=_EXAMPLES, suppress_health_check=_SLOW_MACHINE
)
settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True, suppress_health_check=_SLOW_MACHINE)
settings.register_profile("nightly", max_examples=5000, deadline=None, database=_EXAMPLES)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--golden`."""
    parser.addoption("--golden", action="store_true", help="rewrite golden files instead of comparing with them")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what is loaded by now, Airflow above all; it would look through it time and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """
    Return a function that fails when a text differs from a golden file: `golden(path, text)`.

    With `--golden` (`make golden`) it writes the file instead; the difference is then read in git.
    """
    rewrite = request.config.getoption("--golden")

    def check(path: Path, text: str) -> None:
        if rewrite:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.exists(), f"{path.name} is missing; make it with 'make golden'"
        assert text == path.read_text(), f"{path.name} differs; if the change is meant, run 'make golden'"

    return check


@pytest.fixture(scope="session")
def airflow_home() -> Path:
    """Return the home that Airflow uses in this test process."""
    return AIRFLOW_HOME


@pytest.fixture(scope="session")
def airflow_db(airflow_home: Path) -> Path:
    """Return the home after its metadata database was made; only tests that run a DAG need it."""
    from airflow.utils.db import initdb

    initdb()
    return airflow_home


@pytest.fixture
def run_dag(airflow_db: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """
    Return a function that runs a DAG of a folder to its end in this process and gives back the DAG run.

    Called as `run_dag(folder, dag_id, **arguments of DAG.test)`. There is no scheduler: pools, deadlines and
    time-outs of the run are not tested by it.
    """
    from airflow.dag_processing.dagbag import DagBag

    def run(folder: Path, dag_id: str, **arguments: Any) -> Any:
        bundle = {
            "name": "under-test",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder)},
        }
        monkeypatch.setenv("AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST", json.dumps([bundle]))
        bag = DagBag(dag_folder=str(folder))
        assert bag.import_errors == {}
        return bag.dags[dag_id].test(**arguments)

    return run
