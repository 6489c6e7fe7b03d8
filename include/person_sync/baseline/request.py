"""What a baseline was asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from include.errors import ConfigError


@dataclass(frozen=True)
class BaselineRequest:
    """
    One baseline's request; stored with it so that every step, in whichever process, reads the same.

    `partitions`: into how many the people are cut; None lets their number decide. `since` (aware UTC): nobody in
    Marketo was created before; None asks Marketo for its oldest person. `overrides` lifts brakes by name.
    """

    partitions: int | None = None
    dry_run: bool = False
    since: datetime | None = None
    overrides: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a number of partitions that makes no sense."""
        if self.partitions is not None and not 1 <= self.partitions <= 1_000:
            raise ConfigError(
                f"{self.partitions} partitions make no sense.", remedy="give between 1 and 1000, or none at all."
            )

    def as_json(self) -> dict[str, Any]:
        """Return the request as JSON."""
        return {
            "partitions": self.partitions,
            "dry_run": self.dry_run,
            "since": self.since.isoformat() if self.since else None,
            "overrides": list(self.overrides),
            "origin": dict(self.origin),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> BaselineRequest:
        """Return the request that `as_json` described."""
        return cls(
            partitions=value["partitions"],
            dry_run=bool(value["dry_run"]),
            since=datetime.fromisoformat(value["since"]) if value["since"] else None,
            overrides=tuple(value["overrides"]),
            origin=dict(value["origin"]),
        )
