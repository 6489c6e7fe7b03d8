"""Start programs in the background, each in a process group of its own, and end every one of them for sure."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from typing import IO, TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

__all__ = ["Processes", "ProgramFailed", "free_ports"]

_GRACE_S: Final = 20.0
_POLL_S: Final = 0.1


class ProgramFailed(RuntimeError):
    """A program ended when it should not have, or with an error. The message shows the end of its log."""


class Processes:
    """
    Programs running in the background; leaving the `with` block ends them, the last one started first.

    Each is the leader of a new process group, so that its children end with it. What a program prints goes to
    `<logs>/<name>.log`. An interrupt at the keyboard reaches this process alone, which then ends the others in order.
    """

    def __init__(self, logs: Path, *, directory: Path) -> None:
        self.logs = logs
        self.directory = directory
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a program that is to run until the end."""
        with self._log(name).open("ab") as log:
            self._running[name] = self._spawn(command, environment, log)

    def run(self, name: str, command: Sequence[str], environment: Mapping[str, str], *, timeout_s: float = 300) -> None:
        """Run a program to its end. Raises ProgramFailed when it reports an error or takes longer than allowed."""
        with self._log(name).open("ab") as log:
            process = self._spawn(command, environment, log)
        self._running[name] = process
        try:
            status = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ProgramFailed(f"{name} did not end within {timeout_s:.0f} s\n{self.tail(name)}") from None
        finally:
            self._end(name)
        if status:
            raise ProgramFailed(f"{name} ended with status {status}\n{self.tail(name)}")

    def check(self) -> None:
        """Raise ProgramFailed if a program that should run has ended."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise ProgramFailed(f"{name} ended with status {process.returncode}\n{self.tail(name)}")

    def tail(self, name: str, lines: int = 30) -> str:
        """Return the last lines that a program printed."""
        text = self._log(name).read_text(errors="replace") if self._log(name).exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def stop(self) -> None:
        """End every program: politely, then after a while by force. May be called twice."""
        for process in reversed(self._running.values()):
            _signal_group(process, signal.SIGTERM)
        for name in reversed(list(self._running)):
            self._end(name)

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _spawn(self, command: Sequence[str], environment: Mapping[str, str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(command),
            cwd=self.directory,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def _end(self, name: str) -> None:
        """Wait for a program and all of its group; what is left after the grace period is killed."""
        process = self._running.pop(name)
        _signal_group(process, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_S
        while _group_alive(process) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        _signal_group(process, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_S)


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _group_alive(process: subprocess.Popen[bytes]) -> bool:
    process.poll()
    try:
        os.killpg(process.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def free_ports(count: int) -> list[int]:
    """Return so many different TCP ports of 127.0.0.1 that nobody listens on."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
