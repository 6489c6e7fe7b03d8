"""Numbers and a bounded sample of an audit, gathered look by look."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from include.person_sync.audit.compare import CELL_COLUMNS
from include.person_sync.audit.findings import SET_APART, Explanation, Kind
from include.person_sync.core.records import records

if TYPE_CHECKING:
    from include.person_sync.audit.examine import Examined

FIELD_KEY = ["dynamics_table", "field", "rule"]
SHOWN_DIFFERENCE = ["link_id", "marketo_id", "dynamics_table", "dynamics_id", "field", "direction", "explanation"]


@dataclass
class Tally:
    """
    What an audit has seen so far; its size depends on the number of fields, never on the number of people.

    `cells`: numbers per table, field and rule. `reasons`: differing cells per table, field, direction and explanation.
    """

    sample: int
    rows: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    cells: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=CELL_COLUMNS))
    reasons: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    shown: list[pd.DataFrame] = field(default_factory=list)
    noted: list[pd.DataFrame] = field(default_factory=list)

    def add(self, examined: Examined) -> None:
        """Take in what one look showed."""
        differences = examined.differences
        meant = differences["explanation"].isin(SET_APART)
        self.rows.update(examined.rows)
        differing = int(differences.loc[~meant, "link_id"].nunique())
        self.pairs.update(linked=len(examined.linked), compared=examined.pairs, differing=differing)
        self.pairs.update(in_agreement=examined.pairs - differing)
        cells = pd.concat([self.cells, examined.cells]) if len(self.cells) else examined.cells
        self.cells = cells.groupby(FIELD_KEY, sort=False, as_index=False).sum()
        keys = differences[["dynamics_table", "field", "direction", "explanation"]]
        self.reasons.update(keys.itertuples(index=False, name=None))
        self.add_findings(examined.findings)
        self.shown = self._bounded(self.shown, differences[~meant][SHOWN_DIFFERENCE])

    def add_findings(self, findings: pd.DataFrame) -> None:
        """Take in findings alone."""
        self.findings.update(findings[["kind", "explanation"]].itertuples(index=False, name=None))
        self.noted = self._bounded(self.noted, findings)

    def _bounded(self, kept: list[pd.DataFrame], new: pd.DataFrame) -> list[pd.DataFrame]:
        """Return a sample with new entries, the unexplained first, cut to size per kind."""
        both = pd.concat([*kept, new], ignore_index=True)
        order = (both["explanation"] != Explanation.UNEXPLAINED).sort_values(kind="stable").index
        both = both.loc[order]
        group = "kind" if "kind" in both else "field"
        return [both[both.groupby(group).cumcount() < self.sample]]

    def summary(self) -> dict[str, Any]:
        """Return everything as JSON: counts, shares, numbers by field, and the sample."""
        fields = self.by_field()
        return {
            "counts": self.counts(fields),
            "by_field": fields,
            "findings": [
                {"kind": kind, "explanation": explanation, "count": count}
                for (kind, explanation), count in sorted(self.findings.items())
            ],
            "sample": {"differences": rows_of(self.shown), "findings": rows_of(self.noted)},
        }

    def by_field(self) -> list[dict[str, Any]]:
        """Return numbers of cells per table and field, the most differing first."""
        rows = []
        for cell in records(self.cells):
            reasons: Counter[str] = Counter()
            directions: Counter[str] = Counter()
            for (table, name, direction, explanation), count in self.reasons.items():
                if (table, name) == (cell["dynamics_table"], cell["field"]):
                    reasons[explanation] += count
                    directions[direction] += count if explanation not in SET_APART else 0
            apart = sum(reasons[explanation] for explanation in SET_APART)
            compared = cell["comparable"] - apart
            row = {**cell, "compared": compared, "set_apart": apart, "differing": compared - cell["equal"]}
            row |= {"unexplained": reasons[Explanation.UNEXPLAINED.value], "reasons": dict(reasons)}
            rows.append(row | {name: directions[name] for name in ("to_dynamics", "to_marketo")})
        return sorted(rows, key=lambda field: (-field["unexplained"], -field["differing"], field["dynamics_table"]))

    def counts(self, fields: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Return the counts stored with the run."""
        names = ("compared", "equal", "differing", "unexplained", "set_apart", "unreadable", "behind")
        cells = {name: sum(field[name] for field in fields) for name in names}
        found = {kind.value: self._found(kind) for kind in Kind}
        open_findings = {kind.value: self.findings[kind.value, Explanation.UNEXPLAINED.value] for kind in Kind}
        return {
            "rows": dict(self.rows),
            "pairs": dict(self.pairs),
            "fields": cells,
            "findings": found,
            "unexplained": {"fields": cells["unexplained"], **{name: n for name, n in open_findings.items() if n}},
            "shares": {
                "pairs_in_agreement": share(self.pairs["in_agreement"], self.pairs["compared"]),
                "fields_in_agreement": share(cells["equal"], cells["compared"]),
            },
        }

    def _found(self, kind: Kind) -> int:
        return sum(count for (seen, _), count in self.findings.items() if seen == kind)


def share(part: int, whole: int) -> float:
    """Return a share between 0 and 1, rounded down: only full agreement is 1; of nothing, everything agrees."""
    return 1.0 if part == whole else int(part * 1_000_000 / whole) / 1_000_000


def rows_of(frames: list[pd.DataFrame]) -> list[dict[str, Any]]:
    """Return the rows of frames as JSON values."""
    return [row for frame in frames for row in records(frame)]
