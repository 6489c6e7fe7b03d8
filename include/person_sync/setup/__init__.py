"""
Stage setup: make what the sync needs, and check, one by one, everything it stands on.

`run_setup` takes a context. When one can't be built, `parts_from_environment` gives what can, and the reasons for the
rest become failed checks.
"""

from include.person_sync.setup.parts import SetupParts, parts_from_environment
from include.person_sync.setup.report import Check, SetupReport, TableFields
from include.person_sync.setup.run import run_setup

__all__ = ["Check", "SetupParts", "SetupReport", "TableFields", "parts_from_environment", "run_setup"]
