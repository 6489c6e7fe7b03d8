"""
Start the sandbox on its own and keep it running until it is interrupted.

`python -m include.sandbox [--people 2000] [--seed 7] [--directory DIR] [--port-marketo N] …` prints the connections as
lines for a shell, writes them to `DIR/sandbox.env` (and the CA to `DIR/ca.pem`), and stops on SIGINT or SIGTERM.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final

from include.sandbox import Sandbox
from include.sandbox.seed import Seed

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["environment_lines", "main"]

_SERVICES: Final = ("marketo", "dynamics", "entra", "control")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sandbox until a signal comes and return the exit code."""
    options = _parser().parse_args(arguments)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    ports = {name: getattr(options, f"port_{name}") for name in _SERVICES}
    seed = Seed(people=options.people, number=options.seed)
    place = {"directory": options.directory, "host": options.host, "name": options.name}
    with Sandbox.start(seed=seed, ports=ports, **place) as sandbox:
        lines = environment_lines(sandbox)
        _write_private(options.directory / "sandbox.env", "".join(f"{line}\n" for line in lines))
        sys.stdout.write("".join(f"{line}\n" for line in lines))
        sys.stdout.flush()
        sys.stderr.write(f"The sandbox is running with {options.people} people; see {options.directory}/sandbox.env\n")
        stop.wait()
    return 0


def environment_lines(sandbox: Sandbox) -> list[str]:
    """Return `export NAME=value` lines: both Airflow connections, and where and how to reach the control service."""
    control = {
        "PERSON_SYNC_SANDBOX_CONTROL_URL": sandbox.control_url,
        "PERSON_SYNC_SANDBOX_CONTROL_TOKEN": sandbox.credentials.control_token,
        "PERSON_SYNC_SANDBOX_CA": sandbox.ca_bundle,
    }
    return [f"export {name}={shlex.quote(value)}" for name, value in (sandbox.environment() | control).items()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m include.sandbox", description="Marketo, Dataverse and Entra ID on this machine."
    )
    parser.add_argument("--people", type=int, default=2_000, help="how many people to invent (default 2000)")
    parser.add_argument("--seed", type=int, default=7, help="which people: the same number gives the same ones")
    parser.add_argument("--directory", type=Path, default=Path(".sandbox"), help="where sandbox.env and ca.pem go")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: this machine only)")
    parser.add_argument("--name", default="localhost", help="host name under which clients reach it")
    for name in _SERVICES:
        parser.add_argument(
            f"--port-{name}", type=int, default=0, help="fixed port of this service (default: a free one)"
        )
    return parser


def _write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read: it holds secrets."""
    file.touch(mode=0o600)
    os.chmod(file, 0o600)  # noqa: PTH101 - touch leaves the mode of an existing file alone
    file.write_text(text)


if __name__ == "__main__":
    raise SystemExit(main())
