"""
Three ways to the same plan, each run in a process of its own: `python -m tests.benchmarks.contenders NAME DIRECTORY`.

`ours` is the merge of the core; `pandas` what one writes first; `duckdb` the same in SQL. `full` is ours followed by
numbering the changes per person, as the cycle does. Each reads `DIRECTORY`, writes `DIRECTORY/NAME.parquet`, and prints
its seconds and its peak memory as JSON. The comparison uses the default rule on contacts.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from include.person_sync.core.values import MISSING, UNREADABLE
from tests.benchmarks.people import FIELD_NAMES, INPUTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    from include.person_sync.core.alignment import ColumnReader
    from include.person_sync.core.schema import EffectiveField

FEW_BYTES_PER_ROW = 3.0
"""Columns stored in fewer bytes per row repeat few values: reading them dictionary-encoded pays."""


def parquet_columns(path: Path) -> ColumnReader:
    """Return a reader of one column at a time from a Parquet file; it opens the file once per thread."""
    import pyarrow.parquet as pq

    repeating = _repeating_columns(pq.ParquetFile(path).metadata)
    local = threading.local()

    def read(name: str) -> pa.ChunkedArray:
        if not hasattr(local, "file"):
            local.file = pq.ParquetFile(path, read_dictionary=repeating)
        return local.file.read([name], use_threads=False).column(0)

    return read


def _repeating_columns(metadata: pq.FileMetaData) -> list[str]:
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    sizes = {
        metadata.schema.column(number).name: sum(group.column(number).total_uncompressed_size for group in groups)
        for number in range(metadata.num_columns)
    }
    return [name for name, size in sizes.items() if size < FEW_BYTES_PER_ROW * metadata.num_rows]


def _fields() -> list[EffectiveField]:
    from tests.unit.core.build import effective

    return [effective(name) for name in FIELD_NAMES]


def _decide(directory: Path) -> pa.Table:
    from include.person_sync.core.fields import Table
    from include.person_sync.core.merge import merge_columns

    base, marketo, dynamics = (parquet_columns(directory / f"{name}.parquet") for name in INPUTS)
    return merge_columns(base, marketo, dynamics, fields=_fields(), table=Table.CONTACT)


def ours(directory: Path) -> None:
    """Write the decisions of the core's merge."""
    import pyarrow.parquet as pq

    pq.write_table(_decide(directory), directory / "ours.parquet")


def full(directory: Path) -> None:
    """Write the plan with its changes numbered: `full.parquet` holds the changes, `full_values.parquet` the values."""
    import pandas as pd

    from include.person_sync.core.changes import build_changes
    from include.person_sync.core.fields import Table
    from include.person_sync.core.merge import decisions_frame

    decisions = decisions_frame(_decide(directory))
    plan = build_changes(decisions, pd.read_parquet(directory / "links.parquet"), {Table.CONTACT: _fields()})
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
