"""A list of checks that are run in order, each only when those it stands on have passed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from include.errors import SyncError
from include.person_sync.setup.report import Check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Checklist", "NotRunError"]

_LAST_RESORT = "Run setup again; if it stays, give the code and the request id to the vendor's support."


class NotRunError(Exception):
    """Raised inside a check that finds it can't tell. The text says why."""


class Checklist:
    """
    Checks done so far, by name.

    A fault makes its own check fail and leaves those that need it not run, so that a reader sees one cause and not its
    ten consequences.
    """

    def __init__(self) -> None:
        self._done: dict[str, Check] = {}
        self._cause: dict[str, str] = {}

    @property
    def checks(self) -> tuple[Check, ...]:
        """All checks in the order in which they were run."""
        return tuple(self._done.values())

    def has_passed(self, name: str) -> bool:
        """Whether a check was run and passed."""
        return name in self._done and self._done[name].passed is True

    def run(self, name: str, look: Callable[[], str], *, needs: Sequence[str] = (), remedy: str = "") -> bool:
        """
        Run a check and return whether it passed.

        `look` returns a sentence about what it saw. It fails the check by raising an error of `include.errors`, whose
        own remedy goes before `remedy`; NotRunError says that nothing can be told. Other exceptions pass through.
        """
        unmet = next((need for need in needs if not self.has_passed(need)), None)
        self._done[name] = self._skip(name, unmet) if unmet is not None else self._look(name, look, remedy)
        return self.has_passed(name)

    def _look(self, name: str, look: Callable[[], str], remedy: str) -> Check:
        try:
            return Check(name, passed=True, detail=look())
        except NotRunError as reason:
            return Check(name, passed=None, detail=str(reason), remedy=remedy)
        except SyncError as error:
            request = f" (request {error.request_id})" if error.request_id else ""
            return Check(
                name, passed=False, detail=f"{error.message}{request}", remedy=error.remedy or remedy or _LAST_RESORT
            )

    def _skip(self, name: str, unmet: str) -> Check:
        """Return a check that was not run, naming the first cause rather than the nearest one."""
        cause = self._cause[name] = self._cause.get(unmet, unmet)
        return Check(
            name, None, f"needs '{cause.replace('_', ' ')}' to pass first.", "Mend that, then run setup again."
        )
