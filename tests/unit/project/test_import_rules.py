"""Who may import whom. The table below is the architecture; a violation names the file, the import and the way out."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[3]
FOLDERS = ("dags", "plugins", "include", "tools")
PLUGIN_PACKAGES = ("marketo", "dynamics", "person_sync_airflow", "person_sync_console")
EVERYTHING = ("include", *PLUGIN_PACKAGES, "dags", "tools")
FRONTS = ("cli", "console")
PROGRAMS = ("baseline", "audit", "setup", "present")


@dataclass(frozen=True)
class Rule:
    """Modules below `where` (but not below `spared`) may not import `forbidden`, except what is in `allowed`."""

    name: str
    where: tuple[str, ...]
    forbidden: tuple[str, ...]
    way_out: str
    example: tuple[str, str]
    spared: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    only_standard_library_besides: tuple[str, ...] | None = field(default=None)

    def violates(self, module: str, imported: str) -> bool:
        """Return whether this import breaks the rule."""
        if not _below(module, self.where) or _below(module, self.spared) or _below(imported, self.allowed):
            return False
        if self.only_standard_library_besides is not None:
            return not (_is_standard(imported) or _below(imported, self.only_standard_library_besides))
        return _below(imported, self.forbidden)


RULES = [
    Rule(
        "include runs without Airflow",
        where=("include",),
        forbidden=("airflow", "dags", "tools", "tests", *PLUGIN_PACKAGES),
        way_out="hand the value in as an argument; hooks, operators and plugins are the only ones that know Airflow",
        example=("include.person_sync.stages.apply", "airflow.sdk"),
    ),
    Rule(
        "plugins know nothing of DAG files",
        where=PLUGIN_PACKAGES,
        forbidden=("dags", "tools", "tests"),
        way_out="move what both need into include",
        example=("marketo.hooks.marketo", "dags.person_sync"),
    ),
    Rule(
        "only include.http sends HTTP requests",
        where=EVERYTHING,
        spared=("include.http", "include.sandbox"),
        forbidden=("requests", "urllib3", "httpx", "aiohttp"),
        way_out="describe the request as include.http.Request and send it through Transport",
        example=("include.marketo.client", "requests"),
    ),
    Rule(
        "only include.dynamics knows MSAL",
        where=EVERYTHING,
        spared=("include.dynamics", "include.http.msal_session"),
        forbidden=("msal",),
        way_out="ask include.dynamics for a client; it renews its tokens itself",
        example=("include.person_sync.stages.extract", "msal"),
    ),
    Rule(
        "SQL lives in the state package",
        where=("include", *PLUGIN_PACKAGES, "dags"),
        spared=("include.person_sync.state",),
        forbidden=("sqlalchemy", "alembic", "psycopg", "psycopg2", "sqlite3"),
        way_out="add a method to include.person_sync.state.Store",
        example=("include.person_sync.stages.commit", "sqlalchemy"),
    ),
    Rule(
        "Marketo code stands on HTTP and errors alone",
        where=("include.marketo",),
        forbidden=("include",),
        allowed=("include.marketo", "include.http", "include.errors", "include.late"),
        way_out="Marketo and Dynamics meet as values in include.person_sync.stages",
        example=("include.marketo.client", "include.dynamics.client"),
    ),
    Rule(
        "Dynamics code stands on HTTP and errors alone",
        where=("include.dynamics",),
        forbidden=("include",),
        allowed=("include.dynamics", "include.http", "include.errors", "include.late"),
        way_out="Marketo and Dynamics meet as values in include.person_sync.stages",
        example=("include.dynamics.client", "include.marketo.client"),
    ),
    Rule(
        "the Marketo plugin does not know Dynamics",
        where=("marketo",),
        forbidden=("dynamics", "include.dynamics"),
        way_out="combine the two in a stage",
        example=("marketo.operators.marketo", "dynamics.hooks.dynamics"),
    ),
    Rule(
        "the Dynamics plugin does not know Marketo",
        where=("dynamics",),
        forbidden=("marketo", "include.marketo"),
        way_out="combine the two in a stage",
        example=("dynamics.operators.dynamics", "marketo.hooks.marketo"),
    ),
    Rule(
        "HTTP knows no vendor",
        where=("include.http",),
        forbidden=("include",),
        allowed=("include.http", "include.errors", "include.late"),
        way_out="what is particular to a vendor goes into the judge function its client passes",
        example=("include.http.transport", "include.marketo.errors"),
    ),
    Rule(
        "the core is pure",
        where=("include.person_sync.core",),
        forbidden=(),
        only_standard_library_besides=(
            "pandas",
            "numpy",
            "pyarrow",
            "include.errors",
            "include.late",
            "include.person_sync.core",
        ),
        way_out="take the value as an argument; clients, store and settings belong to the stages",
        example=("include.person_sync.core.merge", "include.person_sync.state"),
    ),
    Rule(
        "the core reads no clock, file, socket or environment",
        where=("include.person_sync.core",),
        forbidden=("os", "time", "socket", "random", "pathlib", "subprocess", "urllib", "http", "secrets", "tempfile"),
        way_out="take the value as an argument with no default",
        example=("include.person_sync.core.plan", "time"),
    ),
    Rule(
        "the state package knows the core, not the systems",
        where=("include.person_sync.state",),
        forbidden=("include",),
        allowed=("include.person_sync.state", "include.person_sync.core", "include.errors", "include.late"),
        way_out="stages carry values between clients and store",
        example=("include.person_sync.state.store", "include.marketo"),
    ),
    Rule(
        "stages do not know who calls them",
        where=("include.person_sync.stages",),
        forbidden=tuple(f"include.person_sync.{name}" for name in (*FRONTS, *PROGRAMS, "run.cycle", "run.create")),
        way_out="return a value; whoever calls presents it, or calls the next stage",
        example=("include.person_sync.stages.report", "include.person_sync.present.plan"),
    ),
    Rule(
        "what reads the two systems knows no stage",
        where=("include.person_sync.systems",),
        forbidden=tuple(f"include.person_sync.{name}" for name in (*FRONTS, *PROGRAMS, "stages", "run.cycle")),
        way_out="return frames; a stage decides what becomes of them",
        example=("include.person_sync.systems.lookups", "include.person_sync.stages.reconcile"),
    ),
    Rule(
        "a run's own parts know no stage",
        where=("include.person_sync.run",),
        spared=("include.person_sync.run.cycle", "include.person_sync.run.create"),
        forbidden=tuple(f"include.person_sync.{name}" for name in (*FRONTS, *PROGRAMS, "stages", "systems")),
        way_out="take the value as an argument; only run.cycle and run.create stand above the stages",
        example=("include.person_sync.run.context", "include.person_sync.stages.open_run"),
    ),
    Rule(
        "whole programs do not know who calls them",
        where=(*(f"include.person_sync.{name}" for name in PROGRAMS), "include.person_sync.run"),
        forbidden=tuple(f"include.person_sync.{name}" for name in FRONTS),
        way_out="return a value; the command line and the console show it",
        example=("include.person_sync.baseline.run", "include.person_sync.cli"),
    ),
    Rule(
        "the sandbox shares no code with what it tests",
        where=("include.sandbox",),
        forbidden=("include", "requests", "msal"),
        allowed=("include.sandbox", "include.errors"),
        way_out="write it again from the vendor's documentation, so that a mistake shows as a difference",
        example=("include.sandbox.marketo.service", "include.marketo.envelope"),
    ),
    Rule(
        "nothing in production imports the sandbox",
        where=("include", *PLUGIN_PACKAGES, "dags"),
        spared=("include.sandbox",),
        forbidden=("include.sandbox",),
        way_out="only tests, the demo and the benchmarks start a sandbox",
        example=("include.person_sync.cli", "include.sandbox"),
    ),
    Rule(
        "DAG files take everything of Airflow from the Task SDK and the providers",
        where=("dags",),
        forbidden=("airflow", "dags", "pandas", "pyarrow"),
        allowed=("airflow.sdk", "airflow.providers"),
        way_out="import from airflow.sdk; work on data belongs to a stage",
        example=("dags.person_sync", "airflow.models"),
    ),
]


def _below(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def _is_standard(imported: str) -> bool:
    return imported.split(".")[0] in sys.stdlib_module_names


def _module(path: Path) -> str:
    parts = path.relative_to(PROJECT).with_suffix("").parts
    parts = parts[1:] if parts[0] == "plugins" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(source: str) -> list[tuple[int, str]]:
    """Return (line, imported name): `from a import b` comes back as `a.b`, a relative import begins with a dot."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found += [(node.lineno, f"{base}.{alias.name}") for alias in node.names]
    return found


def _sources() -> dict[Path, str]:
    paths = sorted(path for folder in FOLDERS for path in (PROJECT / folder).rglob("*.py"))
    return {path: path.read_text() for path in paths}


def _violations(rule: Rule, module: str, source: str) -> list[tuple[int, str]]:
    return [(line, imported) for line, imported in _imports(source) if rule.violates(module, imported)]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_import_rule_holds(rule: Rule):
    """No module imports what this rule forbids."""
    found = [
        f"{path.relative_to(PROJECT)}:{line} imports {imported}"
        for path, source in _sources().items()
        for line, imported in _violations(rule, _module(path), source)
    ]

    assert found == [], f"{rule.name}: {rule.way_out}"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_import_rule_catches_its_example(rule: Rule):
    """The rule can fail: it reports the example it was made for, in each way of writing the import."""
    module, imported = rule.example
    package, _, name = imported.rpartition(".")
    spellings = [f"import {imported}", f"from {imported} import anything", f"def late():\n    import {imported}"]
    spellings += [f"from {package} import {name}"] if package else []

    assert [bool(_violations(rule, module, spelling)) for spelling in spellings] == [True] * len(spellings)


def test_imports_are_absolute():
    """No module uses a relative import: below plugins they fail at Airflow's start, elsewhere they hide the rule."""
    found = [
        f"{path.relative_to(PROJECT)}:{line}"
        for path, source in _sources().items()
        for line, imported in _imports(source)
        if imported.startswith(".")
    ]

    assert found == []
