"""Two systems with the people of a scenario in them, who are spoken of by name and by the field map's field names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from include.person_sync.config.settings import DEFAULT_PATH
from include.person_sync.core.fields import FieldType, Table
from include.person_sync.setup import run_setup
from include.sandbox.dataverse.schema.columns import Column, ColumnType, Option, Required
from tests.integration.stages.conftest import Pairing
from tests.scenarios.reading import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from include.person_sync.core.fields import Field
    from include.sandbox import Sandbox
    from tests.scenarios.reading import Person, Scenario

ACTIVITIES_FROM = 100_000
"""Custom activity types begin here; the refusals' is the only one."""


@dataclass
class Known:
    """What is known of a person on the stage: the address, and the ids as far as there are any."""

    email: str
    marketo_id: int | None = None
    table: str | None = None
    row_id: str | None = None


class Stage:
    """The systems of one scenario, set up and peopled."""

    def __init__(self, scenario: Scenario, sandbox: Sandbox, home: Path) -> None:
        self.pairing = Pairing(sandbox, home, f"sqlite:///{home}/state.db")
        self.people: dict[str, Known] = {}
        self.known_complaints: set[str] = set()
        self._write_settings(scenario.settings, home)
        self._set_up(scenario)
        self.settings = self.pairing.context().settings
        self.fields: dict[str, Field] = {one.name: one for one in self.settings.field_map.fields}
        self._enter(scenario)

    def _set_up(self, scenario: Scenario) -> None:
        """Prepare the systems and run setup; where nobody prepared anything its outcome is known."""
        if not scenario.preparations and "fields" not in scenario.settings:
            self.pairing.install()
            return
        for verb, content in scenario.preparations:
            self._preparation(verb)(self, content)
        report = run_setup(self.pairing.context(), provision=provisioned(scenario.settings))
        complaints = {one.name for one in report.failed} - self.known_complaints
        assert not complaints, report.as_text()

    def _write_settings(self, overrides: dict[str, Any], home: Path) -> None:
        if overrides:
            path = home / "person_sync.yaml"
            path.write_text(yaml.safe_dump(laid_over(yaml.safe_load(DEFAULT_PATH.read_text()), overrides)))
            self.pairing.environment["PERSON_SYNC_CONFIG"] = str(path)

    def _preparation(self, verb: str) -> Callable[[Stage, Any], None]:
        if verb not in PREPARATIONS:
            raise ScenarioError(f"prepare: {verb!r} is nothing to prepare; there are: {', '.join(PREPARATIONS)}")
        return PREPARATIONS[verb]

    def _enter(self, scenario: Scenario) -> None:
        """Let those enter who are in step and link them, then the others."""
        for person in (one for one in scenario.people if one.place == "in step"):
            self.enter(person)
        if self.people:
            self.pairing.cycle()
        for person in (one for one in scenario.people if one.place != "in step"):
            self.enter(person)

    def enter(self, person: Person) -> None:
        """Put somebody where they are given."""
        known = self.people.setdefault(person.name, Known(email=f"{person.name.lower()}@example.com"))
        defaults = {"last_name": person.name, "email": known.email}
        if person.place != "only in Dynamics":
            values = {**defaults, **person.marketo}
            known.email = str(values["email"] or "")
            known.marketo_id = self.pairing.marketo.create(self.for_marketo(values))
        if person.place != "only in Marketo" and person.table:
            values = {**defaults, **person.dynamics}
            owner = values.pop("owner", None)
            known.email = str(values["email"] or "")
            body = self.for_dynamics(person.table, values) | self._owner(owner)
            known.table, known.row_id = person.table, self.pairing.dynamics.create(person.table, body)

    def _owner(self, name: str | None) -> dict[str, Any]:
        for table, key in (("systemuser", "fullname"), ("team", "name")):
            found = self.pairing.dynamics.find(table, **{key: name}) if name else []
            if found:
                return {"ownerid": (table, found[0][f"{table}id"])}
        return {}

    # finding people

    def person(self, name: str) -> dict[str, Any] | None:
        """Return somebody as Marketo has them, found by address once the sync has made them."""
        known = self.people[name]
        if known.marketo_id is None:
            found = self.pairing.marketo.find(email=known.email)
            known.marketo_id = found[0]["id"] if len(found) == 1 else None
        return None if known.marketo_id is None else self.pairing.marketo.lead(known.marketo_id)

    def row(self, name: str) -> tuple[str, dict[str, Any]] | None:
        """Return somebody's table and row, found by address once the sync has made it."""
        known = self.people[name]
        if known.row_id is None:
            rows = self.rows_with(known.email)
            if len(rows) == 1:
                known.table, known.row_id = rows[0]
        if known.table is None or known.row_id is None:
            return None
        row = self.pairing.dynamics.row(known.table, known.row_id)
        return None if row is None else (known.table, row)

    def rows_with(self, email: str) -> list[tuple[str, str]]:
        """Return table and id of the rows with an address."""
        dynamics = self.pairing.dynamics
        tables = ("contact", "lead")
        return [(table, row[f"{table}id"]) for table in tables for row in dynamics.find(table, emailaddress1=email)]

    def refusals(self, name: str) -> list[Any]:
        """Return the refusals somebody's activity log tells of."""
        known = self.people[name]
        log = [] if known.marketo_id is None else self.pairing.marketo.activities(known.marketo_id)
        return [one for one in log if one.type_id >= ACTIVITIES_FROM]

    # values

    def for_marketo(self, values: dict[str, Any]) -> dict[str, Any]:
        """Return values under Marketo's names."""
        return {self.marketo_name(name): marketo_value(value) for name, value in values.items()}

    def for_dynamics(self, table: str, values: dict[str, Any]) -> dict[str, Any]:
        """Return values under the column names of a table, choices by their number."""
        columns = {name: self.column(table, name) for name in values}
        return {columns[name]: self._number(table, columns[name], value) for name, value in values.items()}

    def marketo_name(self, name: str) -> str:
        """Return the REST name of a field of the field map."""
        if name not in self.fields:
            raise ScenarioError(f"{name!r} is no field of the field map; there are: {', '.join(sorted(self.fields))}")
        return self.fields[name].marketo

    def column(self, table: str, name: str) -> str:
        """Return the column of a field in a table."""
        self.marketo_name(name)
        source = self.fields[name].source(Table(table))
        if source is None:
            raise ScenarioError(f"{name!r} is no field of a {table}")
        return source.column

    def _options(self, table: str, column: str) -> dict[str, int]:
        definition = self.pairing.dynamics.organization.table(table).columns.get(column)
        named = definition is not None and definition.type in {
            ColumnType.PICKLIST,
            ColumnType.MULTI_SELECT,
            ColumnType.STATE,
            ColumnType.STATUS,
        }
        return {one.label: one.value for one in definition.options} if definition is not None and named else {}

    def _number(self, table: str, column: str, value: Any) -> Any:
        options = self._options(table, column)
        if isinstance(value, list):
            return ",".join(str(options[one]) for one in value)
        return options.get(value, value) if isinstance(value, str) else value

    def marketo_shows(self, name: str, field: str) -> Any:
        """Return a value as the scenario writes it: nothing is None, several choices are a sorted list."""
        value = (self.person(name) or {}).get(self.marketo_name(field))
        if self.fields[field].type is FieldType.MULTI_CHOICE:
            return sorted(one.strip() for one in str(value or "").split(";") if one.strip())
        return None if value == "" else value

    def dynamics_shows(self, name: str, field: str) -> Any:
        """Return a row's value as the scenario writes it, choices by label."""
        found = self.row(name)
        if found is None:
            return None
        table, row = found
        column = self.column(table, field)
        value = row.get(column)
        labels = {str(number): label for label, number in self._options(table, column).items()}
        if self.fields[field].type is FieldType.MULTI_CHOICE:
            return sorted(labels[one] for one in str(value or "").split(",") if one)
        return None if value == "" else labels.get(str(value), value)


def marketo_value(value: Any) -> Any:
    """Return a value as Marketo takes it."""
    return "; ".join(value) if isinstance(value, list) else value


def provisioned(settings: dict[str, Any]) -> list[str]:
    """Return the fields of a scenario's own settings that setup is to make in Marketo."""
    return [name for name, one in settings.get("fields", {}).items() if "provision" in one]


def laid_over(base: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Return settings with others laid over them, section by section and field by field."""
    merged = dict(base)
    for key, value in overrides.items():
        below = merged.get(key)
        merged[key] = laid_over(below, value) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def has_user(stage: Stage, content: dict[str, str]) -> None:
    """Let Dynamics have a user."""
    first, _, last = content["name"].partition(" ")
    values = {"firstname": first, "lastname": last or first, "internalemailaddress": content.get("email")}
    stage.pairing.dynamics.create("systemuser", {"fullname": content["name"], **values})


def has_team(stage: Stage, content: str) -> None:
    """Let Dynamics have a team."""
    stage.pairing.dynamics.create("team", {"name": content})


def has_column(stage: Stage, content: dict[str, Any]) -> None:
    """Let both person tables have a choice of several values."""
    options = tuple(Option(number, label) for number, label in enumerate(content["choices"], start=100_000))
    for table in ("contact", "lead"):
        stage.pairing.dynamics.add_column(table, Column(content["name"], ColumnType.MULTI_SELECT, options=options))


def has_field(stage: Stage, content: str) -> None:
    """Let Marketo have a text field."""
    stage.pairing.marketo.add_field(content)


def has_filter(stage: Stage, content: list[str]) -> None:
    """Let tables have the Yes/No column by which rows are kept out."""
    options = (Option(0, "No"), Option(1, "Yes"))
    for table in content:
        column = Column("new_synctomkto", ColumnType.BOOLEAN, options=options, custom=True)
        stage.pairing.dynamics.add_column(table, column)


def hides(stage: Stage, content: dict[str, Any]) -> None:
    """Secure a column of both tables: the sync's user may not read it."""
    for table in ("contact", "lead"):
        stage.pairing.dynamics.secure_column(table, content["column"], read=False)
    stage.known_complaints.add("column_security")


def requires(stage: Stage, content: dict[str, str]) -> None:
    """Make a column one that can't be empty."""
    stage.pairing.dynamics.change_column(content["table"], content["column"], required=Required.SYSTEM)


def refuses(stage: Stage, content: dict[str, str]) -> None:
    """Let a customer's plug-in refuse rows by the value of a column."""
    column, value = content["column"], content["value"]
    stage.pairing.dynamics.refuse(content["table"], lambda row: row.get(column) == value, content["message"])


PREPARATIONS: dict[str, Callable[[Stage, Any], None]] = {
    "dynamics has user": has_user,
    "dynamics has team": has_team,
    "dynamics has several choices": has_column,
    "dynamics hides": hides,
    "dynamics requires": requires,
    "a plug-in refuses": refuses,
    "marketo has field": has_field,
    "dynamics has sync filter": has_filter,
}
