"""The endpoints of the REST API: functions from a world and a call to the members of the answer's envelope."""

from __future__ import annotations

from typing import Any

__all__ = ["Answer"]

Answer = dict[str, Any]
