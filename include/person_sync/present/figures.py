"""Numbers, shares and times as people read them, the same on pages and at a terminal."""

from __future__ import annotations


def number(value: int) -> str:
    """Return a number with thousands set apart."""
    return f"{value:,}".replace(",", " ")


def percent(value: float) -> str:
    """Return a share, rounded down: 100 % means all."""
    return "100 %" if value == 1 else f"{int(value * 1_000_000) / 10_000:.4f} %"


def moment(text: str) -> str:
    """Return an ISO time in UTC without fractions."""
    return text[:19].replace("T", " ") + " UTC"
