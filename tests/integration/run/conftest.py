"""Two systems in step, for what stands on the whole run."""

from __future__ import annotations

from tests.integration.stages.conftest import pairing, sandbox

__all__ = ["pairing", "sandbox"]
