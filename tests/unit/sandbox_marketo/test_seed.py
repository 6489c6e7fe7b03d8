"""The invented people."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from include.sandbox.seed import Seed, plant
from include.sandbox.seed_people import DYNAMICS_COLUMNS, Kind

if TYPE_CHECKING:
    from .conftest import Instance


class _Rows:
    """Takes rows in place of a Dynamics organisation: what is planted is looked at, not how it is kept."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {}

    def create(self, table: str, row: dict[str, Any]) -> str:
        self.rows.setdefault(table, []).append(row)
        return f"00000000-0000-4000-8000-{len(self.rows[table]):012d}"


def _plant(instance: Instance, seed: Seed) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]], Any]:
    dynamics = _Rows()
    sandbox: Any = SimpleNamespace(marketo=instance.world, dynamics=dynamics, clock=instance.clock)
    planted = plant(sandbox, seed)
    return instance.world.leads(), dynamics.rows, planted


def test_small_seed_already_has_every_kind(instance: Instance) -> None:
    """Twenty people are enough to meet each kind."""
    _, rows, planted = _plant(instance, Seed(people=20))

    assert set(planted.kinds) == set(Kind)
    assert set(rows) == {"account", "systemuser", "team", "contact", "lead"}
    assert planted.marketo == len(instance.world.leads())


def test_same_number_gives_the_same_people(instance: Instance) -> None:
    """A seed can be planted again elsewhere; another number gives others."""
    first = _plant(instance, Seed(people=60, number=3))[1]["contact"]
    again = _plant(type(instance)(), Seed(people=60, number=3))[1]["contact"]
    other = _plant(type(instance)(), Seed(people=60, number=4))[1]["contact"]

    assert first == again != other


def test_pairs_share_their_address_and_differ_where_they_should(instance: Instance) -> None:
    """Equal pairs agree in every shared field; different ones do not; addresses match without case."""
    leads, rows, _ = _plant(instance, Seed(people=400))
    by_email = {lead["email"].lower(): lead for lead in leads if "email" in lead}
    verdicts: Counter[str] = Counter()
    for table in ("contact", "lead"):
        for row in rows[table]:
            lead = by_email.get(row.get("emailaddress1", ""))
            if lead is not None:
                shared = [(lead.get(name), row.get(column)) for name, column in DYNAMICS_COLUMNS[table].items()]
                both = [a == b for a, b in shared if a not in {None, False} and b not in {None, False}]
                filled = all((a in {None, False}) == (b in {None, False}) for a, b in shared)
                verdicts["equal" if all(both) and filled else "complementary" if all(both) else "different"] += 1

    assert verdicts["equal"] > 80
    assert verdicts["complementary"] > 25
    assert verdicts["different"] > 15


def test_people_are_awkward(instance: Instance) -> None:
    """Apostrophes, other scripts, emoji, surnames like missing values, long and blank values, duplicates."""
    leads, rows, _ = _plant(instance, Seed(people=800))
    last_names = {lead["lastName"] for lead in leads}
    emails = Counter(lead["email"] for lead in leads if "email" in lead)
    contacts = Counter(row["emailaddress1"] for row in rows["contact"] if "emailaddress1" in row)
    addresses = set(contacts) & {row.get("emailaddress1") for row in rows["lead"]}

    assert {"O'Brien", "D\u2019Angelo", "Null", "None", "NaN", "岡田"} <= last_names
    assert any("🚀" in lead.get("title", "") for lead in leads)
    assert max(len(lead.get("title", "")) for lead in leads) > 100
    assert any("title" not in lead for lead in leads)
    assert max(emails.values()) == max(contacts.values()) == 2
    assert addresses
    assert all(email.isascii() for email in emails)


def test_seed_has_no_foreign_keys(instance: Instance) -> None:
    """Custom fields come with the set-up of the synchronisation, not with the people."""
    _plant(instance, Seed(people=20))

    assert [field.name for field in instance.world.database.fields if field.is_custom] == []
