"""What a run was asked to do: mode, window, ids, dry run, overrides."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from include.errors import ConfigError


class Mode(StrEnum):
    """How people are chosen: from the change feeds, from a past window, by id, or as a partition of everybody."""

    INCREMENTAL = "incremental"
    WINDOW = "window"
    PEOPLE = "people"
    BASELINE = "baseline"


@dataclass(frozen=True)
class RunRequest:
    """
    What a run was asked to do; stored with the run so that every stage, in whichever process, reads the same.

    `start` and `end` (aware UTC) bound a `window`. `marketo_ids` and `dynamics_ids` name people. `create_as` asks for
    the named Marketo people to be created in Dynamics (`lead` or `contact`, optionally ` owner=<e-mail>`), as if a
    campaign had asked. `overrides` lifts brakes by name.
    """

    mode: Mode = Mode.INCREMENTAL
    dry_run: bool = False
    start: datetime | None = None
    end: datetime | None = None
    marketo_ids: tuple[int, ...] = ()
    dynamics_ids: tuple[str, ...] = ()
    create_as: str | None = None
    overrides: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse requests that contradict each other, naming the option."""
        if self.mode is Mode.WINDOW and (self.start is None or self.end is None or self.start >= self.end):
            raise ConfigError(
                "mode window needs a beginning before its end.",
                remedy="give --from and --to (in Airflow: window_start and window_end) as ISO times with a zone.",
            )
        if self.mode is Mode.PEOPLE and not (self.marketo_ids or self.dynamics_ids):
            raise ConfigError(
                "mode people needs ids.",
                remedy="give --marketo-id or --dynamics-id, repeatedly if need be (in Airflow: marketo_ids and "
                "dynamics_ids).",
            )
        if self.mode is not Mode.PEOPLE and (self.marketo_ids or self.dynamics_ids):
            raise ConfigError(f"mode {self.mode} takes no ids.", remedy="set the mode to people, or leave the ids out.")

    @property
    def create_requests(self) -> dict[int, str]:
        """What the run was asked to create: Marketo id → request text, as a campaign would have written it."""
        return dict.fromkeys(self.marketo_ids, self.create_as) if self.create_as else {}

    def as_json(self) -> dict[str, Any]:
        """Return the request as JSON, to be stored with the run."""
        value = asdict(self)
        value["start"] = self.start.isoformat() if self.start else None
        value["end"] = self.end.isoformat() if self.end else None
        return value

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> RunRequest:
        """Return the request a stored run carries."""
        return cls(
            mode=Mode(value.get("mode", Mode.INCREMENTAL)),
            dry_run=bool(value.get("dry_run")),
            start=datetime.fromisoformat(value["start"]) if value.get("start") else None,
            end=datetime.fromisoformat(value["end"]) if value.get("end") else None,
            marketo_ids=tuple(value.get("marketo_ids", ())),
            dynamics_ids=tuple(value.get("dynamics_ids", ())),
            create_as=value.get("create_as"),
            overrides=tuple(value.get("overrides", ())),
            origin=dict(value.get("origin", {})),
        )
