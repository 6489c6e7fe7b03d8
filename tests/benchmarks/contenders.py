"""
Three ways to the same plan, each run in a process of its own: `python -m tests.benchmarks.contenders NAME DIRECTORY`.

`ours` is the merge of the core; `pandas` what one writes first; `duckdb` the same in SQL. `full` is ours followed by
numbering the changes per person, as the cycle does. Each reads `DIRECTORY`, writes `DIRECTORY/NAME.parquet`, and prints
its seconds and its peak memory as JSON. The comparison uses the default rule on contacts.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from include.person_sync.core.values import MISSING, UNREADABLE
from tests.benchmarks.people import FIELD_NAMES, INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from include.person_sync.core.schema import EffectiveField


def _fields() -> list[EffectiveField]:
    from tests.unit.core.build import effective

    return [effective(name) for name in FIELD_NAMES]


def _decide(directory: Path) -> pd.DataFrame:
    import pandas as pd

    from include.person_sync.core.fields import Table
    from include.person_sync.core.merge import merge

    base, marketo, dynamics = (pd.read_parquet(directory / f"{name}.parquet").set_index("link_id") for name in INPUTS)
    return merge(base, marketo, dynamics, _fields(), Table.CONTACT)


def ours(directory: Path) -> None:
    """Write the decisions of the core's merge."""
    _decide(directory).to_parquet(directory / "ours.parquet")


def full(directory: Path) -> None:
    """Write the plan with its changes numbered: `full.parquet` holds the changes, `full_values.parquet` the values."""
    import pandas as pd

    from include.person_sync.core.changes import build_changes
    from include.person_sync.core.fields import Table

    plan = build_changes(_decide(directory), pd.read_parquet(directory / "links.parquet"), {Table.CONTACT: _fields()})
    plan.changes.to_parquet(directory / "full.parquet")
    plan.values.to_parquet(directory / "full_values.parquet")


def naive_pandas(directory: Path) -> None:
    """Write the decisions of a merge by frames: align everything, compare everything, stack what changed."""
    import pandas as pd

    base, marketo, dynamics = (pd.read_parquet(directory / f"{name}.parquet").set_index("link_id") for name in INPUTS)
    marketo, dynamics = marketo.loc[base.index], dynamics.loc[base.index]
    parts = [_naive_field(name, base[name], marketo[name], dynamics[name]) for name in FIELD_NAMES]
    plan = pd.concat(parts).sort_values(["link_id", "field"], ignore_index=True)
    plan.to_parquet(directory / "pandas.parquet")


def _naive_field(name: str, base: pd.Series, marketo: pd.Series, dynamics: pd.Series) -> pd.DataFrame:
    import numpy as np
    import pandas as pd

    def differs(one: pd.Series, other: pd.Series) -> pd.Series:
        return (one != other) & ~(one.isna() & other.isna())

    first = base == MISSING
    ours, theirs = first | differs(marketo, base), first | differs(dynamics, base)
    fill = first & (marketo.isna() ^ dynamics.isna())
    both, unlike = ours & theirs, differs(marketo, dynamics)
    from_marketo = (ours & ~theirs) | (fill & dynamics.isna())
    collision = both & unlike & ~fill
    outcome = np.select(
        [both & ~unlike, collision, from_marketo], ["adopt", "collision", "to_dynamics"], default="to_marketo"
    )
    cells = {"base": base, "marketo": marketo, "dynamics": dynamics, "planned": marketo.where(from_marketo, dynamics)}
    frame = pd.DataFrame({"field": name, "outcome": outcome, **cells}, index=base.index)
    frame["winner"] = np.where(collision, "dynamics", None)
    return frame[(ours | theirs) & (marketo != UNREADABLE) & (dynamics != UNREADABLE)].reset_index()


def duckdb(directory: Path) -> None:
    """Write the decisions of a merge in SQL: one join, then one query per field over its result."""
    import duckdb as engine

    connection = engine.connect()
    values = ", ".join(f"{name[0]}.{field} AS {name[0]}_{field}" for name in INPUTS for field in FIELD_NAMES)
    files = {name[0]: f"'{directory / name}.parquet'" for name in INPUTS}
    connection.execute(
        f"CREATE TEMP TABLE joined AS SELECT b.link_id, {values} FROM {files['b']} b "  # noqa: S608 (our own names)
        f"JOIN {files['m']} m USING (link_id) JOIN {files['d']} d USING (link_id)"
    )
    union = " UNION ALL ".join(_FIELD_QUERY.replace("{f}", field) for field in FIELD_NAMES)
    connection.execute(f"COPY ({union} ORDER BY link_id, field) TO '{directory / 'duckdb.parquet'}' (FORMAT parquet)")


_FIELD_QUERY = f"""
SELECT link_id, '{{f}}' AS field,
  CASE WHEN m IS NOT DISTINCT FROM d THEN 'adopt'
       WHEN b = '{MISSING}' AND d IS NULL THEN 'to_dynamics'
       WHEN b = '{MISSING}' AND m IS NULL THEN 'to_marketo'
       WHEN d IS NOT DISTINCT FROM b THEN 'to_dynamics'
       WHEN m IS NOT DISTINCT FROM b THEN 'to_marketo'
       ELSE 'collision' END AS outcome,
  CASE WHEN outcome = 'collision' THEN 'dynamics' END AS winner,
  b AS base, m AS marketo, d AS dynamics,
  CASE WHEN outcome = 'to_dynamics' THEN m ELSE d END AS planned
FROM (SELECT link_id, b_{{f}} AS b, m_{{f}} AS m, d_{{f}} AS d FROM joined)
WHERE (m IS DISTINCT FROM b OR d IS DISTINCT FROM b)
  AND m IS DISTINCT FROM '{UNREADABLE}' AND d IS DISTINCT FROM '{UNREADABLE}'
"""  # noqa: S608 (our own names)

CONTENDERS: dict[str, Callable[[Path], None]] = {
    "ours": ours,
    "full": full,
    "pandas": naive_pandas,
    "duckdb": duckdb,
}


def _peak_bytes() -> int:
    """Return the peak resident memory of this process alone (`ru_maxrss` would remember the parent's)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def main(arguments: Sequence[str]) -> None:
    """Run the contender named first on the directory named second and print what it took."""
    run = partial(CONTENDERS[arguments[0]], Path(arguments[1]))
    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    sys.stdout.write(json.dumps({"seconds": seconds, "peak_bytes": _peak_bytes()}) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
