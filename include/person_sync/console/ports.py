"""What the app needs from outside: the server's users, the shared secrets, the runs it may start, and the links."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Access:
    """
    FastAPI dependencies of the server around the app.

    `user` gives the signed-in user and answers 401 when there is none.
    """

    user: Callable[..., Any]


@dataclass(frozen=True)
class CreateRun:
    """One run of the DAG that creates a person: its id, its state (`queued`, `running`, or an end), and its params."""

    run_id: str
    state: str
    params: Mapping[str, Any]

    @property
    def active(self) -> bool:
        """True while the run has not ended."""
        return self.state in {"queued", "running"}


@dataclass(frozen=True)
class Row:
    """The Dynamics row a person is linked to."""

    table: str
    row_id: str


class RunLauncher(Protocol):
    """Where requests to create a person go, and what is known of the person. All may raise RetryableError."""

    def secrets(self) -> Sequence[str]:
        """Return the secrets a caller may show; several while they are being changed, none when none is set."""

    def runs(self, prefix: str) -> Sequence[CreateRun]:
        """Return the runs whose id begins with `prefix`."""

    def start(self, run_id: str, params: Mapping[str, Any]) -> bool:
        """Start a run and return True, or return False when there is a run of that id already."""

    def row_of(self, marketo_id: int) -> Row | None:
        """Return the row a person is linked to, or None."""
