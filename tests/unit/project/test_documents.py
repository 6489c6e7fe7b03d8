"""README and docs speak of what exists, and of all of it: commands, options, settings, brakes, checks, files."""

from __future__ import annotations

import argparse
import re
import shlex
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

import pytest
from pydantic import BaseModel

from include import errors
from include.person_sync.cli import build_parser
from include.person_sync.config.overrides import PREFIX
from include.person_sync.config.settings import DEFAULT_PATH, Settings, load_settings
from include.person_sync.core.brake_names import API_BUDGET, BRAKES
from include.person_sync.core.fields import Table
from include.person_sync.setup import checks_dynamics, checks_fields, checks_local, checks_marketo, run
from tools.field_table import DOCUMENT, document_with_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

PROJECT: Final = Path(__file__).resolve().parents[3]
DOCS: Final = PROJECT / "docs"
DOCUMENTS: Final = sorted([*PROJECT.glob("*.md"), *DOCS.rglob("*.md")])
HANDBOOK: Final = [one for one in DOCUMENTS if one.parent != DOCS / "adr"]
IDS: Final = [str(one.relative_to(PROJECT)) for one in DOCUMENTS]
SOURCES: Final = ("include", "dags", "plugins", "tools", "tests", "deploy")

FENCE: Final = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPAN: Final = re.compile(r"`([^`\n]+)`")
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
OPTION: Final = re.compile(r"(?<![\w-])--[a-z][a-z-]+")
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=IDS)


def spans(text: str) -> list[str]:
    """Return what stands in backquotes outside of code blocks."""
    return SPAN.findall(FENCE.sub("", text))


def shell_lines(text: str) -> Iterator[str]:
    """Yield the lines of shell blocks, continued ones joined."""
    for language, block in FENCE.findall(text):
        if language in {"bash", "sh", "console"}:
            yield from block.replace("\\\n", " ").splitlines()


def prose() -> str:
    """Return the text of everything but the decisions."""
    return "\n".join(one.read_text(encoding="utf-8") for one in HANDBOOK)


@cache
def vocabulary() -> frozenset[str]:
    """Return every word of the project's sources, and the names of its files."""
    files = [
        one for folder in SOURCES for one in (PROJECT / folder).rglob("*") if one.suffix in {".py", ".yaml", ".sql"}
    ]
    files += [PROJECT / one for one in ("Makefile", "docker-compose.yaml", "pyproject.toml", ".env.example")]
    files.remove(Path(__file__).resolve())
    words = (re.findall(r"\w+", one.read_text(encoding="utf-8")) for one in files)
    return frozenset(chain(*words, (one.stem for one in files), check_names()))


@cache
def settings_keys() -> frozenset[str]:
    """Return every key of the settings, dotted."""
    return frozenset(_keys(Settings, ""))


def _keys(section: type[BaseModel], before: str) -> Iterator[str]:
    for name, info in section.model_fields.items():
        key = before + (info.alias or name)
        yield key
        for inner in (info.annotation, *get_args(info.annotation)):
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                yield from _keys(inner, f"{key}.")


def commands() -> dict[str, argparse.ArgumentParser]:
    """Return the commands of the command line."""
    (action,) = (one for one in build_parser()._actions if isinstance(one, argparse._SubParsersAction))
    return dict(action.choices)


def options(parser: argparse.ArgumentParser) -> set[str]:
    """Return the options a parser takes."""
    return {name for action in parser._actions for name in action.option_strings}


def make_targets() -> set[str]:
    """Return the targets of the Makefile."""
    return set(re.findall(r"^([a-z0-9-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))


def dag_ids() -> set[str]:
    """Return the ids of the DAGs; each file is named after its DAG."""
    return {one.stem for one in (PROJECT / "dags").glob("*.py")}


def called(text: str, program: str) -> Iterator[list[str]]:
    """Yield the arguments with which a text calls a program, in code blocks and in prose; `<id>` stands for an id."""
    for line in [*shell_lines(text), *spans(text)]:
        plain = re.sub(r"<[^>]+>", "x", line).split(" #")[0].strip()
        if plain == program or plain.startswith(f"{program} "):
            yield from (shlex.split(part)[1:] for part in plain.split("&&") if part.strip().startswith(program))


@every_document
def test_commands_are_understood(document: Path) -> None:
    """Every `person-sync …` that a document shows in full is taken by the real parser; a fragment names a command."""
    text = document.read_text(encoding="utf-8")
    for arguments in called(text, "person-sync"):
        if not arguments:
            continue
        assert arguments[0] in commands(), f"{document.name}: person-sync {arguments[0]}"
        unknown = {one for one in arguments if one.startswith("--")} - options(commands()[arguments[0]])
        assert not unknown, f"{document.name}: person-sync {arguments[0]} does not take {sorted(unknown)}"
    for line in shell_lines(text):
        for arguments in called(f"```bash\n{line}\n```", "person-sync"):
            build_parser().parse_args(arguments)


@every_document
def test_options_exist(document: Path) -> None:
    """Options that stand alone in backquotes are taken by some command."""
    known = set().union(*(options(one) for one in commands().values()))
    known |= set(OPTION.findall((PROJECT / "tools" / "demo.py").read_text()))
    for span in spans(document.read_text(encoding="utf-8")):
        if span.startswith("--"):
            assert set(OPTION.findall(span)) <= known, f"{document.name}: {span}"


@every_document
def test_make_targets_exist(document: Path) -> None:
    """Every `make …` that a document shows is a target of the Makefile."""
    for arguments in called(document.read_text(encoding="utf-8"), "make"):
        named = [one for one in arguments if "=" not in one]
        assert set(named) <= make_targets(), f"{document.name}: make {' '.join(arguments)}"


@every_document
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link leads to a file, and its anchor to a heading of it."""
    for link in LINK.findall(FENCE.sub("", document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{document.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{document.name}: {link}"


def anchors(document: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


@every_document
def test_paths_exist(document: Path) -> None:
    """Every path into the repository that a document names is there."""
    for span in spans(document.read_text(encoding="utf-8")):
        if re.fullmatch(r"(?:\.\./)*(?:include|dags|plugins|tools|tests|docs|deploy|\.ci)/[\w./-]*", span):
            assert (PROJECT / span).exists(), f"{document.name}: {span}"


@every_document
def test_variables_name_settings(document: Path) -> None:
    """Every `PERSON_SYNC__…` that a document shows sets something, to a value that may stand there."""
    text = document.read_text(encoding="utf-8")

    for name, value in re.findall(PREFIX + r"(\w+)(?:=('[^']*'|[^\s`]+))?", text):
        load_settings(environ={PREFIX + name: value.strip("'")})


@every_document
def test_names_come_from_the_sources(document: Path) -> None:
    """A name with an underscore in backquotes is a word of the sources: nothing is invented or left behind."""
    for span in spans(document.read_text(encoding="utf-8")):
        if re.fullmatch(r"[A-Za-z]\w*_\w*", span) and span != "mkt_" and not span.startswith(PREFIX):
            assert span in vocabulary(), f"{document.name}: {span}"


@every_document
def test_settings_exist(document: Path) -> None:
    """A dotted name that begins with a section of the settings is a setting."""
    sections = {key.partition(".")[0] for key in settings_keys() if "." in key}
    for span in spans(document.read_text(encoding="utf-8")):
        name = span.partition(":")[0]
        if re.fullmatch(r"[a-z_]+(?:\.[a-z_]+)+", name) and name.partition(".")[0] in sections - {"fields"}:
            assert name in settings_keys() | feeds(), f"{document.name}: {span}"


def feeds() -> set[str]:
    """Return the names of the Dynamics feeds, which look like settings: one per table that is followed."""
    fields = load_settings(DEFAULT_PATH, environ={}).field_map.fields
    sources = [one.source(table) for one in fields for table in Table]
    return {f"dynamics.{one}" for one in [*Table, *(source.lookup_table for source in sources if source)] if one}


def test_defaults_are_those_of_the_settings() -> None:
    """Where docs/policies.md gives the default of a setting in a table, it is the real one."""
    settings = load_settings(DEFAULT_PATH, environ={})
    rows = re.findall(r"^\| `([a-z_.]+)` \| `([^`]+)` \|", (DOCS / "policies.md").read_text(), re.MULTILINE)
    assert len(rows) > 8
    for key, shown in rows:
        assert str(value_of(settings, key)).removesuffix(".0") == shown, key


def test_limits_of_brakes_are_those_of_the_settings() -> None:
    """The table of limits in docs/policies.md holds the defaults."""
    rows = re.findall(
        r"^\| `brakes\.(\w+)` \| ([\d.]+) \| (\d+) \| (\d+) \|", (DOCS / "policies.md").read_text(), re.MULTILINE
    )
    shown = {name: tuple(map(float, limits)) for name, *limits in rows}
    real = load_settings(DEFAULT_PATH, environ={}).brakes
    kinds = ("changed", "created", "emptied", "deleted")
    limits = {kind: getattr(real, kind) for kind in kinds}
    assert shown == {kind: (one.share, one.number, one.floor) for kind, one in limits.items()}


def value_of(settings: Any, key: str) -> object:
    """Return the value of a dotted setting."""
    for part in key.split("."):
        settings = getattr(settings, part)
    return settings


def test_the_field_table_is_current() -> None:
    """The table of fields is the one the default field map makes: run `python -m tools.field_table`."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert document_with_table(text) == text


def test_every_brake_has_an_entry() -> None:
    """The runbook explains each brake in a row of its own."""
    entries = set(re.findall(r"^\| `(\w+)` \|", (DOCS / "operations.md").read_text(), re.MULTILINE))
    assert {*BRAKES, API_BUDGET} <= entries


def test_every_exit_code_and_error_is_explained() -> None:
    """README and runbook list each exit code; the runbook names each kind of error."""
    kinds = [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.SyncError)]
    codes = {0, *(one.exit_code for one in kinds)}
    for document in (PROJECT / "README.md", DOCS / "operations.md"):
        listed = {int(one) for one in re.findall(r"^\| (\d+) \|", document.read_text(), re.MULTILINE)}
        assert codes <= listed, document.name
    runbook = (DOCS / "operations.md").read_text()
    missing = [one.__name__ for one in kinds if one is not errors.SyncError and f"`{one.__name__}`" not in runbook]
    assert not missing


def test_every_check_of_setup_is_explained() -> None:
    """The runbook names each check of setup."""
    explained = set(spans((DOCS / "operations.md").read_text()))
    assert check_names() <= explained


def check_names() -> set[str]:
    """Return the names of all checks: those written as constants, and those made per table."""
    modules: tuple[ModuleType, ...] = (checks_local, checks_marketo, checks_dynamics, checks_fields, run)
    constants = [value for one in modules for name, value in vars(one).items() if name.isupper() and name[0] != "_"]
    per_table = ("privileges", "table", "change_tracking", "version_checks")
    made = {checks_dynamics.table_check(table, what) for table in Table for what in per_table}
    return made | {one for one in constants if isinstance(one, str) and re.fullmatch(r"[a-z_]+", one)}


def test_every_command_and_dag_is_in_the_readme() -> None:
    """Whoever reads the README learns of each command and each DAG."""
    text = (PROJECT / "README.md").read_text()
    assert {one for one in commands() if f"`person-sync {one}`" not in text} == set()
    assert {one for one in dag_ids() if f"`{one}`" not in text} == set()


def test_every_option_is_in_the_handbook() -> None:
    """Each option of the command line is explained somewhere."""
    known = set().union(*(options(one) for one in commands().values())) - {"-h", "--help"}
    assert known <= set(OPTION.findall(prose()))


def test_every_field_of_a_dag_form_is_in_the_readme() -> None:
    """Each param of each DAG is in the README's table."""
    shown = set(spans((PROJECT / "README.md").read_text()))
    for file in (PROJECT / "dags").glob("*.py"):
        params = set(re.findall(r'^        "(\w+)": Param\(', file.read_text(), re.MULTILINE))
        assert params <= shown, file.name


@every_document
def test_the_project_speaks_of_itself_alone(document: Path) -> None:
    """No path of one machine, no number of a ticket, no trace of how the text came about."""
    text = document.read_text(encoding="utf-8")
    assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp|Users)/", text)
    assert not re.search(r"(?i)\b(?:issue|ticket) #?\d|\bTODO\b|\bas an ai\b", text)


def test_the_checks_can_fail(tmp_path: Path) -> None:
    """A document that names what is not there is refused by each check."""
    wrong = tmp_path / "wrong.md"
    wrong.write_text(
        "`make nothing` `--no-such-option` `person-sync cycle --nothing` `include/nowhere.py` `no_such_name` "
        "`brakes.nothing` [gone](gone.md)\n"
    )
    for check in (
        test_commands_are_understood,
        test_options_exist,
        test_make_targets_exist,
        test_links_lead_somewhere,
        test_paths_exist,
        test_names_come_from_the_sources,
        test_settings_exist,
    ):
        with pytest.raises(AssertionError, match=r"wrong\.md"):
            check(wrong)
