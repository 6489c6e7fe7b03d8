"""Setup: provision what the sync needs in Marketo, and check everything it stands on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal

from include.person_sync.run.context import SyncContext
from include.person_sync.setup.checklist import Checklist
from include.person_sync.setup.checks_dynamics import DynamicsChecks
from include.person_sync.setup.checks_fields import FieldChecks
from include.person_sync.setup.checks_local import SETTINGS, check_local, check_settings
from include.person_sync.setup.checks_marketo import MarketoChecks
from include.person_sync.setup.parts import SetupParts
from include.person_sync.setup.provisioning import PERMANENT, optional_fields
from include.person_sync.setup.report import SetupReport
from include.person_sync.systems.schema import load_schema

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["run_setup"]

log = logging.getLogger(__name__)

SCHEMA_CACHE = "schema_knowledge"


def run_setup(
    context: SyncContext | SetupParts,
    *,
    provision: Sequence[str] | Literal["all"] = (),
    check_only: bool = False,
) -> SetupReport:
    """
    Return a report of every check, of what was provisioned, and of the fields that take part.

    Writes the state tables, the four custom fields and the activity type in Marketo, and, for the map entries named in
    `provision` (or all), their custom fields; those can never be deleted. Whatever exists is left alone, so it may be
    repeated, and a second run makes nothing. When all is well the schema cache in the state database is renewed.
    With `check_only` nothing is written anywhere.

    A fault is a failed check and not an exception; the checks that need it are not run. Raises ConfigError, before
    anything is written, for a name in `provision` that no custom field can be made for.
    """
    parts = SetupParts.of(context) if isinstance(context, SyncContext) else context
    checklist = Checklist()
    check_settings(checklist, parts)
    if checklist.has_passed(SETTINGS):
        optional_fields(parts.settings().field_map, provision)
    check_local(checklist, parts, check_only=check_only)
    marketo = MarketoChecks(checklist, parts, provision=provision, check_only=check_only)
    marketo.run()
    DynamicsChecks(checklist, parts).run()
    fields = FieldChecks(checklist, parts)
    fields.run()
    if not check_only:
        _renew_schema(checklist, parts)
    return _logged(
        SetupReport(
            checks=checklist.checks,
            provisioned=tuple(marketo.made),
            warnings=(PERMANENT,) if any(made.startswith("field ") for made in marketo.made) else (),
            fields=fields.fields,
        )
    )


def _renew_schema(checklist: Checklist, parts: SetupParts) -> None:
    """Store the schemas, so that the next cycle starts from what was checked here."""
    if any(check.passed is False for check in checklist.checks):
        return

    def renew() -> str:
        load_schema(parts.context(), refresh=True)
        return "both schemas are stored for the next cycles."

    checklist.run(SCHEMA_CACHE, renew)


def _logged(report: SetupReport) -> SetupReport:
    for check in report.checks:
        level = logging.WARNING if check.passed is False else logging.INFO
        log.log(level, "%s: %s: %s %s", check.title, check.word, check.detail, check.remedy)
    for made in report.provisioned:
        log.info("made in Marketo: %s", made)
    return report
