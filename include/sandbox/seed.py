"""
Filling both systems with invented people, the same ones for the same seed.

They know each other as systems do in life before their first synchronisation: most people exist on both sides under
one e-mail address, some equal, some filled in complementary ways, some different; some exist on one side alone; some
twice. Nothing carries a foreign key: custom fields come with the set-up of the synchronisation.
"""

from __future__ import annotations

import gc
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Final

from include.sandbox.seed_people import Kind, Person, dynamics_row, invent, marketo_record
from include.sandbox.seed_pools import ACCOUNTS, USERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.sandbox import Sandbox

__all__ = ["Planted", "Seed", "plant"]

# Share of each kind, in per cent. The first nine people take one kind each, so that small worlds have all of them.
_SHARES: Final = {
    Kind.EQUAL: 34,
    Kind.COMPLEMENTARY: 14,
    Kind.DIFFERENT: 8,
    Kind.MARKETO_ONLY: 20,
    Kind.DYNAMICS_ONLY: 18,
    Kind.TWICE_IN_MARKETO: 2,
    Kind.TWICE_IN_DYNAMICS: 1,
    Kind.CONTACT_AND_LEAD: 1,
    Kind.WITHOUT_EMAIL: 2,
}
_IN_MARKETO: Final = frozenset(Kind) - {Kind.DYNAMICS_ONLY}
_IN_DYNAMICS: Final = frozenset(Kind) - {Kind.MARKETO_ONLY}
_HISTORY_DAYS: Final = 700
_CROWD: Final = 50_000


@dataclass(frozen=True, slots=True)
class Seed:
    """
    How many people to invent, and the number that decides who they are.

    About four fifths of them are in Marketo and four fifths in Dynamics.
    """

    people: int = 2_000
    number: int = 7


@dataclass(frozen=True, slots=True)
class Planted:
    """What was made: people per kind, records in Marketo, rows per Dynamics table."""

    kinds: dict[str, int]
    marketo: int
    dynamics: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Owners:
    accounts: tuple[str, ...]
    principals: tuple[str, ...]


def plant(sandbox: Sandbox, seed: Seed) -> Planted:
    """Fill both worlds and return what was made. Writes through the hands of a human, so every check applies."""
    people = list(_people(seed))
    made_marketo = sandbox.marketo.create_many(_marketo_people(people, sandbox.clock.now()))
    tables: Counter[str] = Counter()
    if people:
        owners = _plant_owners(sandbox)
        for table, row in _dynamics_rows(people, seed, owners):
            sandbox.dynamics.create(table, row)
            tables[table] += 1
    kinds = Counter(str(person.kind) for person in people)
    if len(people) >= _CROWD:
        # A full garbage collection over a crowd takes the better part of a second and would strike single calls.
        gc.collect()
        gc.freeze()
    return Planted(dict(kinds), len(made_marketo), dict(tables))


def _people(seed: Seed) -> Iterator[Person]:
    draw = Random(f"people {seed.number}")  # noqa: S311 - repeatable on purpose
    kinds, shares = list(_SHARES), list(_SHARES.values())
    for number in range(seed.people):
        kind = kinds[number] if number < len(kinds) else draw.choices(kinds, shares)[0]
        yield invent(draw, number, kind)


def _marketo_people(people: list[Person], now: datetime) -> Iterator[tuple[dict[str, Any], datetime]]:
    start = now - timedelta(days=_HISTORY_DAYS)
    step = timedelta(days=_HISTORY_DAYS - 1) / max(len(people), 1)
    for person in people:
        at = start + step * person.number
        if person.kind in _IN_MARKETO:
            yield marketo_record(person), at
        if person.kind is Kind.TWICE_IN_MARKETO:
            yield marketo_record(person, copy=1), at


def _dynamics_rows(people: list[Person], seed: Seed, owners: _Owners) -> Iterator[tuple[str, dict[str, Any]]]:
    draw = Random(f"dynamics {seed.number}")  # noqa: S311 - repeatable on purpose

    def row(person: Person, table: str, copy: int = 0) -> tuple[str, dict[str, Any]]:
        columns = dynamics_row(person, table, copy=copy)
        columns["ownerid@odata.bind"] = draw.choice(owners.principals)
        if table == "contact":
            account = owners.accounts[ACCOUNTS.index(person.values["company"])]
            columns["parentcustomerid_account@odata.bind"] = account
        return table, columns

    for person in people:
        if person.kind in _IN_DYNAMICS:
            yield row(person, person.table)
        if person.kind is Kind.TWICE_IN_DYNAMICS:
            yield row(person, person.table, copy=1)
        if person.kind is Kind.CONTACT_AND_LEAD:
            yield row(person, "lead" if person.table == "contact" else "contact")


def _plant_owners(sandbox: Sandbox) -> _Owners:
    create: Callable[[str, dict[str, Any]], str] = sandbox.dynamics.create
    accounts = [create("account", {"name": name}) for name in ACCOUNTS]
    users = [
        create("systemuser", {"firstname": first, "lastname": last, "fullname": f"{first} {last}"})
        for first, last in USERS
    ]
    teams = [create("team", {"name": name}) for name in ("Inside Sales", "Key Accounts")]
    principals = [f"/systemusers({one})" for one in users] + [f"/teams({one})" for one in teams]
    return _Owners(tuple(f"/accounts({one})" for one in accounts), tuple(principals))
