"""
Stage setup: make what the sync needs, and check, one by one, everything it stands on.

`run_setup` takes a context, or the parts of one: where a part is configured wrongly its reason becomes a failed check,
and the others are checked all the same.
"""

from include.person_sync.setup.parts import SetupParts, parts_from_environment
from include.person_sync.setup.report import Check, SetupReport, TableFields
from include.person_sync.setup.run import run_setup

__all__ = ["Check", "SetupParts", "SetupReport", "TableFields", "parts_from_environment", "run_setup"]
