"""A process loads what it uses: every stage of every cycle is a process of its own, and pays for what it loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import include.dynamics
import include.http
import include.marketo
from include.late import late_module
from include.person_sync.state import Store

if TYPE_CHECKING:
    from types import ModuleType

PROJECT = Path(__file__).resolve().parents[3]
CONTEXT = """
from include.person_sync.run.context import context_from_environment
context = context_from_environment({
    "AIRFLOW_CONN_MARKETO_DEFAULT": '{"host": "https://517-QXZ-204.mktorest.com", "login": "id", "password": "x"}',
    "AIRFLOW_CONN_DYNAMICS_DEFAULT":
        '{"host": "https://org.crm.dynamics.com", "login": "id", "password": "x", "extra": {"tenant_id": "t.com"}}',
})
"""


def loaded(code: str) -> set[str]:
    """Return the packages a process has loaded after running `code`."""
    report = "\nimport sys; print('LOADED', *{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code + report], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split()[1:])


def test_context_loads_neither_network_nor_data() -> None:
    """Settings and connections are there without HTTP, sign-in, frames or a database, which come when they are used."""
    heavy = {"alembic", "cryptography", "msal", "numpy", "pandas", "psycopg", "pyarrow", "requests", "sqlalchemy"}

    assert loaded(CONTEXT) & heavy == set()


def test_store_loads_no_frames_until_it_moves_some(tmp_path: Path) -> None:
    """Opening a store whose schema is there, runs, leases and documents need neither frames nor migrations."""
    url = f"sqlite:///{tmp_path}/state.db"
    Store.open(url).close()
    code = f"""
from include.person_sync.state import Store
store = Store.open({url!r})
store.start_run("run", kind="cycle", mode="incremental", params={{}}, origin={{}})
store.acquire_lease("person_sync", "run", ttl_s=30, host="here", pid=None)
store.renew_lease("person_sync", "run", ttl_s=30)
store.save_document("schema", {{}})
assert store.document("schema") and store.current_lease("person_sync") and store.run("run")
store.release_lease("person_sync", "run")
store.finish_run("run", "failed")
"""

    assert loaded(code) & {"alembic", "numpy", "pandas", "psycopg", "pyarrow"} == set()
    assert "pandas" in loaded(code + "store.load_links()")


@pytest.mark.parametrize("stage", ["close_run"])
def test_stage_without_people_loads_no_frames(stage: str) -> None:
    """A stage that only looks at its run is ready without pandas."""
    assert loaded(f"import include.person_sync.stages.{stage}") & {"msal", "pandas", "requests"} == set()


@pytest.mark.parametrize("package", [include.marketo, include.dynamics, include.http])
def test_package_offers_all_its_names(package: ModuleType) -> None:
    """Every name in `__all__` is found when it is asked for, and stays the one that its module has."""
    for name in package.__all__:
        found = getattr(package, name)
        modules = [module for path, module in sys.modules.items() if path.startswith(f"{package.__name__}.")]
        assert any(vars(module).get(name) is found for module in modules), name
        assert vars(package)[name] is found


def test_unknown_name_of_a_package_loads_nothing() -> None:
    """A name that is mistyped is an AttributeError at once, and no reason to load the client."""
    code = """
import include.marketo
try:
    include.marketo.MarketoClint
except AttributeError as error:
    assert "MarketoClint" in str(error) and error.name == "MarketoClint"
else:
    raise SystemExit("found")
try:
    from include.marketo import MarketoClint
except ImportError:
    pass
"""

    assert "requests" not in loaded(code)


def test_late_module_is_the_module_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in loads once, gives what the module has now, and fails like it for what it has not."""
    (tmp_path / "loaded_late.py").write_text("import pathlib\nvalue = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    late = late_module("loaded_late")
    assert "loaded_late" not in sys.modules

    assert late.value == 1
    sys.modules["loaded_late"].value = 2
    assert late.value == 2
    with pytest.raises(AttributeError, match="missing"):
        _ = late.missing
    monkeypatch.delitem(sys.modules, "loaded_late")
