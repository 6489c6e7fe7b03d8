"""
What the stages leave for each other: one manifest each, a JSON file that vouches for the Parquet files it names.

A manifest is a frozen value with a version. A process of another version refuses it with a clear error rather than
misreading it; the run is then started again from its first stage.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Self

from include.errors import SyncError
from include.person_sync.core.field_lifecycle import FieldStates
from include.person_sync.core.plan import Plan
from include.person_sync.core.relations import BASE_UPDATES, CHANGES, HOLDS, PAIRS, PLAN_VALUES, PROBLEMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from include.person_sync.core.fields import Table
    from include.person_sync.core.relations import Relation
    from include.person_sync.run.staging import RunFolder

__all__ = ["DynamicsExtract", "MarketoExtract", "Reconciled", "TableExtract", "load_plan_files", "save_plan_files"]

VERSION = 2


@dataclass(frozen=True)
class _Manifest:
    """A value that is written as JSON and read back by later stages."""

    NAME: ClassVar[str]

    def write(self, folder: RunFolder) -> str:
        """Write the manifest and return its reference; written last, it vouches for the files it names."""
        return folder.write_manifest(self.NAME, {"version": VERSION, **asdict(self)})

    @classmethod
    def read(cls, folder: RunFolder, reference: str) -> Self:
        """Return the manifest behind a reference. Raises SyncError for one of another version."""
        content = folder.read_manifest(reference)
        if content.pop("version", None) != VERSION:
            raise SyncError(
                f"The file {reference} was written by another version of the sync.",
                remedy="start the run again from its first stage (in Airflow: clear open_run with what follows).",
            )
        return cls.from_json(content)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the manifest from its JSON."""
        return cls(**{one.name: content[one.name] for one in fields(cls) if one.name in content})


@dataclass(frozen=True)
class MarketoExtract(_Manifest):
    """
    What was read of Marketo.

    `parts`: staged people. `watermark`: the position the feeds were read to (None: none moves). `resumed`: how they
    were taken up. `gaps`: what they could no longer tell. `linked`, `unseen`: after everybody was asked for, how many
    linked people there were, and how many of them Marketo did not show. `schema_fields`, `digest`: the fields that took
    part, per table name, and the schemas' digest (None: as now). `backlog`, `taken_up`: source → records left to later
    runs, and taken from earlier ones. `deleted`, `merged` (loser → winner), `requests`: what the feeds told of people.
    `complete`, `known_links`: of a partition of everybody, see Snapshot and the brakes.
    """

    NAME: ClassVar[str] = "marketo"

    parts: list[str] = field(default_factory=list)
    watermark: dict[str, Any] | None = None
    resumed: str = ""
    gaps: list[dict[str, str]] = field(default_factory=list)
    linked: int | None = None
    unseen: int = 0
    schema_fields: dict[str, list[str]] | None = None
    digest: str | None = None
    backlog: dict[str, list[str]] = field(default_factory=dict)
    taken_up: dict[str, list[str]] = field(default_factory=dict)
    deleted: list[int] = field(default_factory=list)
    merged: dict[str, int] = field(default_factory=dict)
    requests: list[int] = field(default_factory=list)
    complete: bool = False
    known_links: int | None = None
    api_calls: int = 0


@dataclass(frozen=True)
class TableExtract:
    """
    What was read of one Dynamics table.

    `parts`: staged rows. `deleted`: row ids. `backlog`, `taken_up`: rows left to later runs, and taken from earlier
    ones. `added`: fields that take part since its rows were read in full. `resumed`, `watermark`, `gaps`, `linked` and
    `unseen` as for Marketo.
    """

    parts: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    rows: int = 0
    backlog: list[str] = field(default_factory=list)
    taken_up: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    gaps: list[dict[str, str]] = field(default_factory=list)
    linked: int | None = None
    unseen: int = 0
    resumed: str = ""
    watermark: dict[str, Any] | None = None


@dataclass(frozen=True)
class DynamicsExtract(_Manifest):
    """
    What was read of Dynamics, per table name, and the watermarks of the tables behind lookups.

    `schema_fields`, `digest`, `gaps` as for Marketo; the gaps of the person tables stand with them.
    """

    NAME: ClassVar[str] = "dynamics"

    tables: dict[str, TableExtract] = field(default_factory=dict)
    lookups: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    schema_fields: dict[str, list[str]] | None = None
    digest: str | None = None
    gaps: list[dict[str, str]] = field(default_factory=list)
    api_calls: int = 0

    def table(self, table: Table) -> TableExtract:
        """Return what was read of a table."""
        return self.tables[table.value]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the manifest from its JSON."""
        tables = {name: TableExtract(**of_table) for name, of_table in content["tables"].items()}
        return super().from_json({**content, "tables": tables})


@dataclass(frozen=True)
class Reconciled(_Manifest):
    """
    The plan of a run beside what the state database holds of it.

    `marketo`, `dynamics`: the extracts it was made from. `files`: frame → reference. `changes` and `values` are among
    them in a dry run only, whose plan is stored nowhere else. The rest as in Plan; `schema_digest` of the schemas it
    was made for; `first_run`, `known_links`: what the brakes measure it by.
    """

    NAME: ClassVar[str] = "reconciled"

    marketo: str = ""
    dynamics: str = ""
    files: dict[str, str] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    relinked: list[int] = field(default_factory=list)
    requeued: list[int] = field(default_factory=list)
    filtered: list[int] = field(default_factory=list)
    unfiltered: list[int] = field(default_factory=list)
    withheld: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    field_states: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    schema_digest: str = ""
    first_run: bool = False
    known_links: int = 0


_BESIDE = ("pairs", "problems", "holds", "base_updates")
_WRITES = ("changes", "values")


def save_plan_files(folder: RunFolder, plan: Plan, *, whole: bool) -> dict[str, str]:
    """Write the frames of a plan that later stages read, with `whole` also its changes; return their references."""
    names = (*_BESIDE, *(_WRITES if whole else ()))
    return {name: folder.write_frame(name, getattr(plan, name)) for name in names}


def load_plan_files(folder: RunFolder, manifest: Reconciled) -> Plan:
    """Return the plan as far as the manifest's files hold it: without changes where the state database has them."""

    def frame(name: str, relation: Relation) -> pd.DataFrame:
        reference = manifest.files.get(name)
        return relation.empty() if reference is None else relation.of(folder.read_frames([reference]))

    return Plan(
        changes=frame("changes", CHANGES),
        values=frame("values", PLAN_VALUES),
        pairs=frame("pairs", PAIRS),
        problems=frame("problems", PROBLEMS),
        holds=frame("holds", HOLDS),
        base_updates=frame("base_updates", BASE_UPDATES),
        closed={int(link_id): reason for link_id, reason in manifest.closed.items()},
        relinked=tuple(manifest.relinked),
        requeued=tuple(manifest.requeued),
        filtered=tuple(manifest.filtered),
        unfiltered=tuple(manifest.unfiltered),
        withheld=manifest.withheld,
        skipped=manifest.skipped,
        fields=FieldStates.from_json(manifest.field_states),
    )
