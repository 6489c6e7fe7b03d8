"""The names of the brakes, which is also what an override may name. Loads nothing heavy: commands begin with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.errors import ConfigError
from include.person_sync.core.vocabulary import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["API_BUDGET", "BRAKES", "PEOPLE_BRAKES", "WAYS", "check_overrides"]

WAYS = (Direction.TO_DYNAMICS, Direction.TO_MARKETO)
_KINDS = ("changed", "created", "emptied")
PEOPLE_BRAKES = (*((kind, way) for kind in _KINDS for way in WAYS), ("deleted", Direction.TO_DYNAMICS))
API_BUDGET = "api_budget"
"""The brake of a plan that needs more calls than are left today."""

BRAKES = (
    *(f"{kind}_{way}" for kind, way in PEOPLE_BRAKES),
    "dynamics_shrank",
    "marketo_shrank",
    "map_changed",
    API_BUDGET,
)
"""The names of all brakes; also what an override may name."""


def check_overrides(overrides: Iterable[str]) -> frozenset[str]:
    """Return the names given as overrides. Raises ConfigError for a name that no brake has, with the valid ones."""
    given = frozenset(overrides)
    unknown = sorted(given - set(BRAKES))
    if unknown:
        raise ConfigError(
            f"There is no brake called {', '.join(map(repr, unknown))}.", remedy=f"Valid names: {', '.join(BRAKES)}."
        )
    return given
