"""
How far a baseline has come: documents in the state database, so that a killed one resumes.

Each reader writes its own document, since they run side by side. That a partition is done is told by its run.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.errors import ConfigError
from include.person_sync.baseline.advance import Advance, AdvanceLog, reading_marketo, reading_table
from include.person_sync.baseline.request import BaselineRequest
from include.person_sync.run.staging import RunFolder
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from include.person_sync.core.schema import ResolvedSchema
    from include.person_sync.run.context import SyncContext

KIND = "baseline"
MARKETO, DYNAMICS, PARTITIONS = "marketo", "dynamics", "partitions"


@dataclass(frozen=True)
class Opened:
    """What was true when the baseline began. `links_before`: open links then; 0 makes it the first load."""

    request: BaselineRequest
    started_at: datetime
    links_before: int
    map_digest: str
    schema_digest: str
    watermark: dict[str, Any]


class Progress:
    """
    The documents of one baseline.

    Whoever stores how far a reading has come also tells it: to `tell`, or into the log.
    """

    def __init__(self, ctx: SyncContext, baseline_id: str, tell: Callable[[Advance], None] | None = None) -> None:
        self._store = ctx.store
        self.now = ctx.now
        self.tell = tell or AdvanceLog()
        self.baseline_id = baseline_id
        self.folder = RunFolder(ctx.staging, baseline_id)

    def load(self, part: str = "") -> dict[str, Any] | None:
        """Return a part's document, or None when that part has not begun."""
        stored = self._store.document(self._name(part))
        return None if stored is None else dict(stored[0])

    def save(self, value: dict[str, Any], part: str = "") -> None:
        """Store a part's document."""
        self._store.save_document(self._name(part), value)
        advance = self._advance(value, part)
        if advance is not None:
            self.tell(advance)

    def _advance(self, value: dict[str, Any], part: str) -> Advance | None:
        """Return how far a part has come, None when it is none that goes on step by step."""
        if part == MARKETO:
            return reading_marketo(value, self.now())
        system, _, table = part.partition(".")
        return reading_table(table, value, self.now()) if system == DYNAMICS else None

    def _name(self, part: str) -> str:
        return f"{KIND}/{self.baseline_id}" + (f"/{part}" if part else "")

    @contextmanager
    def counting_calls(self, ctx: SyncContext, system: str) -> Iterator[None]:
        """Add the calls sent meanwhile to what reading a system has cost so far."""
        part = f"calls.{system}"
        before = ctx.api_calls()[system]
        try:
            yield
        finally:
            sent = ctx.api_calls()[system] - before
            self.save({"calls": self.calls(system) + sent}, part)

    def calls(self, system: str) -> int:
        """Return the calls that reading a system has cost."""
        return int((self.load(f"calls.{system}") or {"calls": 0})["calls"])

    def opened(self) -> Opened:
        """Return how the baseline began. Raises ConfigError when there is none of this id."""
        value = self.load()
        if value is None:
            raise ConfigError(
                f"There is no baseline {self.baseline_id}.", remedy="take the id that the unfinished baseline printed."
            )
        return Opened(
            request=BaselineRequest.from_json(value["request"]),
            started_at=datetime.fromisoformat(value["started_at"]),
            links_before=int(value["links_before"]),
            map_digest=value["map_digest"],
            schema_digest=value["schema_digest"],
            watermark=value["watermark"],
        )


def unchanged_schema(ctx: SyncContext, opened: Opened) -> ResolvedSchema:
    """Return what is known of the schemas. Raises ConfigError when it is no longer what the people were read with."""
    schema = load_schema(ctx)
    if schema.digest != opened.schema_digest:
        raise ConfigError(
            "The field map or a schema has changed since this baseline read the two systems.",
            remedy="start a new baseline; what this one has done so far stays valid.",
        )
    return schema


def run_id_of(baseline_id: str, number: int) -> str:
    """Return the id of the run that works through one partition."""
    return f"{baseline_id}__p{number:04d}"


def closing_run_id(baseline_id: str) -> str:
    """Return the id of the run that ends the baseline."""
    return f"{baseline_id}__close"
