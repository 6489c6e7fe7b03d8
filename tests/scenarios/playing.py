"""Playing a scenario: each line of the story in turn, a dry run before each cycle, and what is expected at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.scenarios.reading import Person, Scenario, Step

if TYPE_CHECKING:
    from tests.scenarios.staging import Stage

SIDES = ("base", "marketo", "dynamics", "planned")
MARKS = {"\ufdd0missing": "nothing agreed yet", "\ufdd0unreadable": "unreadable"}


def play(scenario: Scenario, stage: Stage) -> str:
    """Play the whole story, require what it expects and the quiet after it; return what the dry runs planned."""
    player = _Player(stage)
    for step in scenario.steps:
        player.take(step)
    player.require(scenario.expect)
    stage.pairing.quiet()
    return "\n".join(player.told)


class _Player:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._summary: dict[str, Any] = {}
        self.told: list[str] = []

    def take(self, step: Step) -> None:
        if step.verb == "cycle":
            self._cycle()
        elif step.verb == "expect":
            self.require(step.content)
        else:
            self._act(step, step.name or "")

    def _act(self, step: Step, name: str) -> None:
        stage, pairing, values = self._stage, self._stage.pairing, step.content
        known = stage.people.get(name)
        if step.verb.endswith("creates"):
            place = "only in Marketo" if step.verb.startswith("marketo") else "only in Dynamics"
            values = dict(values)
            table = values.pop("as", None)
            stage.enter(Person(name, place, table, values, values))
        elif step.verb == "dynamics edits":
            table, row = stage.row(name) or ("lead", {})
            pairing.dynamics.edit(table, row[f"{table}id"], stage.for_dynamics(table, values))
        elif step.verb == "marketo edits":
            pairing.marketo.edit((stage.person(name) or {})["id"], stage.for_marketo(values))
        elif step.verb == "campaign edits":
            pairing.marketo.edit_by_campaign((stage.person(name) or {})["id"], stage.for_marketo(values))
        elif step.verb == "campaign asks for":
            pairing.marketo.edit_by_campaign((stage.person(name) or {})["id"], {"syncToDynamics": values})
        elif step.verb.endswith(("deletes", "merges", "qualifies", "filters")):
            self._change_identity(step.verb, name, values)
        if known is not None and isinstance(values, dict) and "email" in values:
            known.email = str(values["email"])

    def _change_identity(self, verb: str, name: str, values: Any) -> None:
        """Delete, merge, qualify or filter somebody, as a person at work would."""
        stage, pairing, known = self._stage, self._stage.pairing, self._stage.people[name]
        person, (table, row) = stage.person(name), stage.row(name) or ("lead", {})
        row_id = row.get(f"{table}id")
        if verb == "marketo deletes":
            pairing.marketo.delete((person or {})["id"])
        elif verb == "dynamics deletes":
            pairing.dynamics.delete(table, row_id)
        elif verb == "marketo merges":
            pairing.marketo.merge((stage.person(values["into"]) or {})["id"], [(person or {})["id"]])
        elif verb == "dynamics merges":
            _, master = stage.row(values["into"]) or ("", {})
            pairing.dynamics.merge(table, master[f"{table}id"], row_id)
        elif verb == "dynamics filters":
            pairing.dynamics.edit(table, row_id, {"new_synctomkto": bool(values)})
        else:
            known.table, known.row_id = "contact", pairing.dynamics.qualify(row_id, account=False)["contact"]

    def _cycle(self) -> None:
        """Look at the plan, which writes nothing, then carry it out."""
        pairing = self._stage.pairing
        pairing.mark()
        planned = pairing.cycle(dry_run=True)
        assert pairing.writes() == [], "a dry run wrote"
        self.told.append(told(self._stage, planned, len(self.told) + 1))
        self._summary = pairing.cycle()

    def require(self, expected: dict[str, Any]) -> None:
        for key, content in expected.items():
            if key == "counts":
                self._require_counts(content)
            elif key in {"refused", "held"}:
                self._require_letters(key, content)
            elif key == "activities":
                seen = {name: len(self._stage.refusals(name)) for name in content}
                assert seen == content, f"activities: {seen}"
            elif key == "left out":
                self._require_left_out(content)
            else:
                self._require_person(key, content)

    def _require_person(self, name: str, content: dict[str, Any]) -> None:
        stage = self._stage
        both = content.get("both") or {}
        for field, value in {**both, **(content.get("marketo") or {})}.items():
            seen = stage.marketo_shows(name, field)
            assert seen == wanted(value), f"{name} in Marketo: {field} is {seen!r}, expected {value!r}"
        for field, value in {**both, **(content.get("dynamics") or {})}.items():
            seen = stage.dynamics_shows(name, field)
            assert seen == wanted(value), f"{name} in Dynamics: {field} is {seen!r}, expected {value!r}"
        if "linked as" in content:
            self._require_link(name, content["linked as"])
        if "flagged as deleted" in content:
            seen = (stage.person(name) or {}).get("dynamicsIsDeleted")
            assert bool(seen) is content["flagged as deleted"], f"{name} is flagged as deleted: {seen}"
        if "owner" in content:
            _, row = stage.row(name) or ("", {})
            owner = stage.pairing.dynamics.row("systemuser", row["_ownerid_value"])
            assert (owner or {}).get("fullname") == content["owner"], f"{name} belongs to {owner}"
        if "times" in content:
            email = stage.people[name].email
            seen = {"marketo": len(stage.pairing.marketo.find(email=email)), "dynamics": len(stage.rows_with(email))}
            assert seen == content["times"], f"{name} is there {seen} times"

    def _require_link(self, name: str, table: str | None) -> None:
        """Require that Marketo names the row, or no row when nothing is to be linked."""
        stage = self._stage
        found, person = stage.row(name), stage.person(name) or {}
        seen = (person.get("dynamicsType") or None, person.get("dynamicsId") or None)
        row_id = None if found is None or table is None else found[1][f"{found[0]}id"]
        assert seen == (table, row_id), f"{name} is linked as {seen}, expected {(table, row_id)}"

    def _require_counts(self, content: dict[str, dict[str, int]]) -> None:
        counts = self._summary["counts"]
        seen = {way: {name: counts[way][name] for name in numbers} for way, numbers in content.items()}
        assert seen == content, f"counts: {counts}"

    def _require_letters(self, key: str, content: list[dict[str, Any]]) -> None:
        """Require exactly these open dead letters: who, code, and optionally direction and words of the message."""
        kinds = {"ambiguous"} if key == "held" else {"rejected", "invalid"}
        letters = self._stage.pairing.context().store.dead_letters()
        seen = [one for one in letters.to_dict("records") if one["kind"] in kinds]
        lines = sorted((self._name_of(one), str(one["code"])) for one in seen)
        assert lines == sorted((one["who"], str(one["code"])) for one in content), f"{key}: {lines}"
        for one in content:
            letter = next(two for two in seen if self._name_of(two) == one["who"] and str(two["code"]) == one["code"])
            assert letter["direction"] == one.get("direction", letter["direction"]), letter["direction"]
            assert one.get("says", "") in letter["message"], letter["message"]

    def _name_of(self, letter: dict[str, Any]) -> str:
        for name, known in self._stage.people.items():
            if letter["dynamics_id"] is not None and letter["dynamics_id"] == known.row_id:
                return name
            if known.marketo_id is not None and letter["marketo_id"] == known.marketo_id:
                return name
        return f"{letter['marketo_id']} / {letter['dynamics_id']}"

    def _require_left_out(self, content: list[str]) -> None:
        from include.person_sync.systems.schema import load_schema

        dropped = load_schema(self._stage.pairing.context()).dropped
        seen = {one.name for fields in dropped.values() for one in fields}
        assert set(content) <= seen, f"left out: {sorted(seen)}"


def wanted(value: Any) -> Any:
    """Return an expected value as the stage shows values."""
    return sorted(value) if isinstance(value, list) else None if value == "" else value


def told(stage: Stage, summary: dict[str, Any], number: int) -> str:
    """Return the plan of a dry run as a marketer would tell it, people by name."""
    entries = []
    for entry in summary["plan"]:
        way = {"to_dynamics": "in Dynamics", "to_marketo": "in Marketo"}.get(entry["direction"], "on both sides")
        lines = [f"  {name_of(stage, entry)} ({entry['dynamics_table']}): {entry['action']} {way}"]
        lines += [line for field, cell in sorted(entry["fields"].items()) if (line := told_field(field, cell))]
        entries.append("\n".join(lines))
    entries += [f"  {one['field']}: refused {one['direction']} ({one['code']})" for one in summary["problems"]]
    entries += [f"  held {one['direction']} ({one['code']})" for one in summary["held"]]
    return "\n".join([f"cycle {number}", *(sorted(entries) or ["  nothing to do"])])


def told_field(field: str, cell: dict[str, Any]) -> str:
    """Return a field of a plan as a line; none for fields that are empty on both sides, and none for ids."""
    shown = {side: MARKS.get(cell.get(side), cell.get(side)) for side in SIDES}
    nothing = cell["outcome"] == "adopt" and cell.get("planned") is None and cell.get("base") in MARKS
    if nothing or field == "dynamics_id":
        return ""
    values = ", ".join(f"{side} {text!r}" for side, text in shown.items() if side != "planned" and text is not None)
    winner = f", {cell['winner']} wins" if cell.get("winner") else ""
    return f"    {field} becomes {shown['planned']!r} ({values or 'empty so far'}; {cell['outcome']}{winner})"


def name_of(stage: Stage, entry: dict[str, Any]) -> str:
    """Return the name of the person an entry of a plan is about."""
    for name, known in stage.people.items():
        if known.marketo_id is not None and known.marketo_id == entry["marketo_id"]:
            return name
        if known.row_id is not None and known.row_id == entry["dynamics_id"]:
            return name
    return "somebody"
