"""The audit: everything on both sides compared, reported, and repaired on request."""

from include.person_sync.audit.repair import repair
from include.person_sync.audit.run import run_audit
from include.person_sync.audit.steps import AuditRequest, compare_sides, open_audit, publish

__all__ = ["AuditRequest", "compare_sides", "open_audit", "publish", "repair", "run_audit"]
