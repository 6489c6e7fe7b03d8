"""The operator that sets up and checks the sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from include.errors import ConfigError
from person_sync_airflow.operators.base import SyncOperator

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

__all__ = ["SetupOperator"]


class SetupOperator(SyncOperator):
    """
    Provision what the sync needs in Marketo and check both systems; fails when a check fails. Safe to repeat.

    :param provision: mapped fields whose Marketo custom field is to be created too, or `["all"]` (templated)
    :param check_only: change nothing (templated)
    """

    template_fields: Sequence[str] = ("provision", "check_only")
    task_doc = """
    Creates what the sync keeps in Marketo (custom fields and an activity type), then checks both systems, the state
    database and the field map. Safe to repeat.

    - **Writes** custom fields and an activity type in Marketo; nothing with `check_only`.
    - **Returns** every check.
    - **When it fails** a check has failed: the log is a table of all checks with what to do about each.
    """

    def __init__(self, *, provision: Sequence[str] | str = (), check_only: bool | str = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.provision = provision
        self.check_only = check_only

    def execute(self, context: Context) -> Mapping[str, Any]:  # noqa: ARG002 - part of Airflow's interface
        """Run setup, log its table and return its report."""
        from include.person_sync.setup import run_setup

        names: Any = "all" if "all" in self.provision else list(self.provision)
        report = run_setup(self.parts(), provision=names, check_only=bool(self.check_only))
        self.log.info("setup:\n%s", report.as_text())
        if not report.ok:
            failed = [check.name for check in report.failed]
            raise ConfigError(f"setup: {', '.join(failed)} failed.", remedy="the log says what to do for each.")
        return report.as_json()
