"""
A whole decision about many people: `python -m tests.benchmarks.decide [PEOPLE]`.

Half contacts, half leads, 30 fields each; one cell in a hundred edited on each side, one row in twenty new, one person
in fifty asking. What is measured is the pure function alone, twice over: what is still needed, and the decision.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from include.person_sync.config.settings import CustomFields
from include.person_sync.core.decide import decide, needs
from include.person_sync.core.fields import FieldMap, Table
from include.person_sync.core.policy import MatchingPolicy, Policy
from include.person_sync.core.relations import LINKS
from include.person_sync.core.schema import ResolvedSchema
from include.person_sync.core.snapshot import Snapshot
from tests.unit.core.build import effective

if TYPE_CHECKING:
    from collections.abc import Sequence

PEOPLE = 20_000
GOAL_SECONDS = 6.0
"""For 20,000 people, the most that a cycle takes up of one source; of processor time, on one core."""

FIELD_NAMES = tuple(f"field_{number:02d}" for number in range(30))
CONTROL = CustomFields()
SEED = 20_260_101


def policy() -> Policy:
    """Return rules without look-ups by address: everybody new is made, so that nothing has to be read."""
    fields = {table: tuple(effective(name, table=table) for name in FIELD_NAMES) for table in Table}
    schema = ResolvedSchema(
        effective=fields,
        dropped=dict.fromkeys(Table, ()),
        columns=dict.fromkeys(Table, FIELD_NAMES),
        marketo_names=FIELD_NAMES,
        scores=(),
        provisioned=frozenset(),
        digest="digest",
    )
    return Policy(
        schema=schema,
        field_map=FieldMap(tuple(field.field for field in fields[Table.CONTACT])),
        control=CONTROL,
        to_marketo=MatchingPolicy.CREATE,
        to_dynamics=MatchingPolicy.CREATE,
        munchkin_id="517-QXZ-204",
    )


def snapshot(people: int) -> Snapshot:
    """Return everybody in hand, most of them linked."""
    generator = np.random.default_rng(SEED)
    ids = pd.Index(np.arange(1, people + 1), name="marketo_id")
    linked = people - people // 20
    row_ids = pd.Index([f"{number:08x}-0000-4000-8000-000000000000" for number in ids], name="dynamics_id")
    base = pd.DataFrame({name: _values(generator, people) for name in FIELD_NAMES}, dtype="str")
    tables = np.where(np.arange(people) % 2, Table.LEAD.value, Table.CONTACT.value)
    links = pd.DataFrame({"link_id": ids, "marketo_id": ids, "dynamics_table": tables, "dynamics_id": row_ids})
    links = LINKS.of(links.iloc[:linked].assign(needs_recheck=False, is_filtered=False, generation=1), state="open")
    ours = _edited(generator, base).set_index(ids).assign(email=[f"person{number}@example.com" for number in ids])
    asks = pd.Series(np.where(np.arange(people) % 50 == 49, "contact", None), index=ids, dtype="str")
    control = {CONTROL.dynamics_id: row_ids, CONTROL.dynamics_type: tables, CONTROL.sync_to_dynamics: asks}
    ours = ours.assign(**control, **{CONTROL.dynamics_is_deleted: None}).astype("str")
    ours.loc[ids[linked:], [CONTROL.dynamics_id, CONTROL.dynamics_type]] = None
    theirs = _edited(generator, base).set_index(row_ids).assign(version="W/1", statecode="0")
    theirs = theirs.assign(emailaddress1=[f"row{number}@example.com" for number in ids]).astype("str")
    rows = {table: theirs[tables == table.value] for table in Table}
    known = base.iloc[:linked].set_axis(pd.Index(links["link_id"], name="link_id"))
    return Snapshot(people=ours, rows=rows, links=links, base=known, touched=frozenset(ids.tolist()), complete=True)


def _values(generator: np.random.Generator, people: int) -> np.ndarray:
    numbers = generator.integers(0, people, people).astype(str).astype(object)
    return np.where(generator.random(people) < 0.15, None, numbers)


def _edited(generator: np.random.Generator, base: pd.DataFrame) -> pd.DataFrame:
    edits = generator.random(base.shape) < 0.01
    return base.mask(edits, "edited")


def measure(people: int = PEOPLE) -> dict[str, float]:
    """Return processor seconds of both halves, the changes planned, and the peak memory of the process in bytes."""
    seen, rules = snapshot(people), policy()
    started = time.process_time()
    wanted = needs(seen, rules)
    looked = time.process_time()
    plan = decide(seen, rules)
    decided = time.process_time()
    assert not wanted, "the benchmark's world is to be complete"
    assert len(plan.changes) > people / 10
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    return {
        "people": people,
        "needs_s": looked - started,
        "decide_s": decided - looked,
        "changes": len(plan.changes),
        "values": len(plan.values),
        "peak_bytes": peak,
    }


def main(arguments: Sequence[str]) -> int:
    """Print the figures; return 1 when the goal for the usual number of people is missed."""
    figures = measure(int(arguments[0]) if arguments else PEOPLE)
    sys.stdout.write(json.dumps(figures) + "\n")
    return int(figures["people"] == PEOPLE and figures["decide_s"] > GOAL_SECONDS)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
