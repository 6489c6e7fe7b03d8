"""The names under which the state database keeps how far each feed has been consumed."""

from __future__ import annotations

__all__ = ["MARKETO_FEEDS", "dynamics_watermark"]

MARKETO_FEEDS = "marketo"
"""Marketo's three activity feeds, which are read and moved together; also the source of its backlog."""


def dynamics_watermark(table: str) -> str:
    """Return the name of the change tracking of a table of Dynamics, be it of people or one behind a lookup."""
    return f"dynamics.{table}"
