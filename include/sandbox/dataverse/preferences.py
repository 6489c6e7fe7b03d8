"""
The `Prefer` header.

Source: https://learn.microsoft.com/power-apps/developer/data-platform/webapi/compose-http-requests-handle-errors
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from include.sandbox.dataverse.errors import NotBuilt, query_error
from include.sandbox.dataverse.gaps import Gap

__all__ = ["Preferences", "parse_preferences"]

_PIECE: Final = re.compile(r'\s*((?:[^,"]|"[^"]*")+)\s*(?:,|\Z)')
_ANNOTATIONS: Final = "odata.include-annotations"
_MAX_PAGE_SIZE: Final = "odata.maxpagesize"


@dataclass(frozen=True, slots=True)
class Preferences:
    """Preferences that the service honours. `applied` says them again, for Preference-Applied."""

    max_page_size: int | None = None
    annotations: tuple[str, ...] = ()
    track_changes: bool = False
    continue_on_error: bool = False
    representation: bool = False
    applied: dict[str, str] = field(default_factory=dict)

    def wants(self, annotation: str) -> bool:
        """Whether an annotation was asked for."""
        return any(fnmatchcase(annotation, pattern) for pattern in self.annotations)

    def applied_header(self, *names: str) -> dict[str, str]:
        """Return the Preference-Applied header for those of the named preferences that were asked for."""
        said = [self.applied[name] for name in names if name in self.applied]
        return {"Preference-Applied": ", ".join(said)} if said else {}


@lru_cache(maxsize=256)
def parse_preferences(header: str | None) -> Preferences:
    """Return the preferences of a header. Raises NotBuilt for one that the sandbox does not know."""
    pieces = [piece.strip() for piece in _PIECE.findall(header or "")]
    values = {name.strip(): value.strip().strip('"') for name, _, value in (piece.partition("=") for piece in pieces)}
    applied = {piece.partition("=")[0].strip(): piece for piece in pieces}
    known = {
        _MAX_PAGE_SIZE,
        _ANNOTATIONS,
        "odata.track-changes",
        "odata.continue-on-error",
        "return",
        "odata.allow-entityreferences",
    }
    if unknown := sorted(values.keys() - known):
        raise NotBuilt(Gap.PREFERENCE, unknown[0])
    if "odata.allow-entityreferences" in values or values.get("return", "representation") not in {
        "representation",
        "minimal",
    }:
        raise NotBuilt(Gap.PREFERENCE, ", ".join(pieces))
    return Preferences(
        _page_size(values.get(_MAX_PAGE_SIZE)),
        tuple(pattern.strip() for pattern in values.get(_ANNOTATIONS, "").split(",") if pattern.strip()),
        "odata.track-changes" in values,
        "odata.continue-on-error" in values,
        values.get("return") == "representation",
        applied,
    )


def _page_size(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isdigit() or int(text) < 1:
        raise query_error(f"Invalid value '{text}' for the preference odata.maxpagesize.")
    return int(text)
