"""Two systems in step, for commands that work on them."""

from __future__ import annotations

from tests.integration.stages.conftest import pairing, sandbox

__all__ = ["pairing", "sandbox"]
