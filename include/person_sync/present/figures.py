"""Numbers, shares and times as people read them, the same on pages and at a terminal."""

from __future__ import annotations

from math import ceil


def number(value: int) -> str:
    """Return a number with thousands set apart."""
    return f"{value:,}".replace(",", " ")


def percent(value: float) -> str:
    """Return a share, rounded down: 100 % means all."""
    return "100 %" if value == 1 else f"{int(value * 1_000_000) / 10_000:.4f} %"


def moment(text: str) -> str:
    """Return an ISO time in UTC without fractions."""
    return text[:19].replace("T", " ") + " UTC"


def span(seconds: float) -> str:
    """Return a length of time in the two largest units that matter: `2 h 5 min`; rounded up to whole minutes."""
    minutes = ceil(seconds / 60)
    if minutes <= 1:
        return "less than a minute"
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [(days, "d"), (hours, "h"), (rest, "min")]
    first = next(place for place, (count, _) in enumerate(parts) if count)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count)
