"""
The command line: every DAG's twin, without Airflow.

Logs go to standard error; with `--json` standard output is one JSON object. Exit codes: 0 done, 1 unexpected, 3 stopped
by a brake, 4 configuration, 5 quota, 6 another run holds the lease.

What a command needs is loaded when it runs: help, a usage error and the shell's completion come at once.
"""

# PYTHON_ARGCOMPLETE_OK: shells whose completion is switched on for all Python programs find it here

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from include.errors import ConfigError, SafetyStop, SyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from _typeshed import SupportsWrite

    from include.person_sync.present.answers import Answer
    from include.person_sync.run.context import SyncContext

EXIT_DONE, EXIT_UNEXPECTED, EXIT_CONFIGURATION, EXIT_QUOTA = 0, 1, 4, 5


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    given = sys.argv[1:] if arguments is None else arguments
    try:
        parser = build_parser()
        if "_ARGCOMPLETE" in os.environ:
            complete(parser)
        options = parser.parse_args(given)
    except ConfigError as error:
        as_json = "--json" in given
        write(json.dumps(failure(error)) if as_json else f"{error}", failed=not as_json)
        return error.exit_code
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.DEBUG if options.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )
    command: Callable[[argparse.Namespace], tuple[dict[str, Any], Answer, int]] = options.command
    answer: Answer | str
    try:
        result, answer, code = command(options)
    except SyncError as error:
        result, answer, code = failure(error), f"{type(error).__name__}: {error}", error.exit_code
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        log_unexpected(error)
        result = {"status": "failed", "error": {"type": type(error).__name__, "message": "unexpected; see the log"}}
        answer, code = "unexpected error; see the log", EXIT_UNEXPECTED
    if options.json:
        write(json.dumps(result, default=str), failed=False)
    elif isinstance(answer, str):
        write(answer, failed=True)
    else:
        answer.show()
    return code


def log_unexpected(error: Exception) -> None:
    """Log where an error came from; its text stays out, since that of a library may hold values of people."""
    places = "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger(__name__).error("unexpected %s\n%s", type(error).__name__, places)


class Parser(argparse.ArgumentParser):
    """A parser that treats what it can't read as any wrong setting: same exit code, same JSON."""

    def error(self, message: str) -> NoReturn:
        """Raise ConfigError saying what is wrong and how the command is used."""
        usage = " ".join(self.format_usage().split())
        raise ConfigError(f"{self.prog}: {message}.", remedy=f"{usage[:1].upper()}{usage[1:]}")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Write the help, with colours where a person reads it at a terminal."""
        if file is None and sys.stdout.isatty():
            from rich_argparse import RichHelpFormatter

            self.formatter_class = RichHelpFormatter
        super().print_help(file)


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks for completions and end the process; no option names a file."""
    import argcomplete
    from argcomplete.completers import SuppressCompleter

    argcomplete.autocomplete(parser, default_completer=SuppressCompleter())


def completed_by(option: argparse.Action, choices: Callable[[], Iterable[str]]) -> None:
    """Have an option's values completed by names that are only looked up when the shell asks."""
    option.completer = lambda **_: choices()  # type: ignore[attr-defined]  # argcomplete looks for it there


def brakes() -> Iterable[str]:
    """Return the names of the brakes."""
    from include.person_sync.core.brake_names import BRAKES

    return BRAKES


def optional_fields() -> Iterable[str]:
    """Return the mapped fields whose Marketo field setup may make, and the word for all of them."""
    from include.person_sync.config.settings import load_settings

    return ["all", *(field.name for field in load_settings().field_map.fields if field.provision is not None)]


def write(text: str, *, failed: bool) -> None:
    """Write a command's answer: to standard output, or as an error for a person."""
    stream = sys.stderr if failed else sys.stdout
    stream.write(text + "\n")


def failure(error: SyncError) -> dict[str, Any]:
    """Return an error as the JSON a program can act on."""
    result: dict[str, Any] = {
        "status": "stopped" if isinstance(error, SafetyStop) else "failed",
        "error": {
            "type": type(error).__name__,
            "message": error.message,
            "remedy": error.remedy,
            "request_id": error.request_id,
        },
    }
    if isinstance(error, SafetyStop):
        result["brake"] = error.brake
    return {**error.details, **result}


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one JSON object on standard output and nothing else")
    shared.add_argument("--verbose", action="store_true", help="log each request (ids only)")
    parser = Parser(
        prog="person-sync", description="Two-way sync of Marketo people and Dynamics 365 contacts and leads."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    add_setup(commands, shared)
    add_cycle(commands, shared)
    add_create(commands, shared)
    add_baseline(commands, shared)
    add_audit(commands, shared)
    add_history(commands, shared)
    return parser


def add_command(commands: Any, shared: argparse.ArgumentParser, name: str, about: str) -> argparse.ArgumentParser:
    """Add a command, told about in the list of all and in its own help, and return its parser."""
    added: argparse.ArgumentParser = commands.add_parser(
        name, parents=[shared], help=about, description=f"{about[:1].upper()}{about[1:]}."
    )
    return added


def add_setup(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `setup`."""
    setup = add_command(commands, shared, "setup", "provision the custom fields and check both systems; safe to repeat")
    setup.add_argument("--check", action="store_true", help="check only, change nothing")
    provision = setup.add_argument(
        "--provision", action="append", default=[], metavar="FIELD|all",
        help="also create the Marketo custom field of this mapped field; repeatable. Such fields can never be deleted",
    )  # fmt: skip
    completed_by(provision, optional_fields)
    setup.set_defaults(command=run_setup_command)


def add_cycle(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `cycle`."""
    cycle = add_command(commands, shared, "cycle", "run one cycle: extract both sides, reconcile, apply, commit")
    cycle.add_argument("--dry-run", action="store_true", help="show the whole plan and write nothing")
    cycle.add_argument(
        "--mode",
        choices=["incremental", "window", "people"],
        default=None,
        help="how people are chosen (default: incremental)",
    )
    cycle.add_argument(
        "--from", dest="start", type=moment, metavar="TIME", help="beginning of a window, ISO 8601 with zone"
    )
    cycle.add_argument("--to", dest="end", type=moment, metavar="TIME", help="end of a window, exclusive")
    cycle.add_argument(
        "--marketo-id",
        type=int,
        action="append",
        default=[],
        help="a Marketo person; repeatable; implies --mode people",
    )
    cycle.add_argument(
        "--dynamics-id", action="append", default=[], help="a contact or lead; repeatable; implies --mode people"
    )
    override = cycle.add_argument(
        "--override",
        action="append",
        default=[],
        metavar="BRAKE",
        help="lift a brake for this run; repeatable; recorded",
    )
    completed_by(override, brakes)
    cycle.set_defaults(command=run_cycle_command)


def add_create(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `create`."""
    create = add_command(
        commands, shared, "create", "create Marketo people in Dynamics now, unless they are there already"
    )
    create.add_argument("--marketo-id", type=int, action="append", required=True, help="a Marketo person; repeatable")
    create.add_argument(
        "--as", dest="table", choices=["lead", "contact"], default="lead", help="which table (default: lead)"
    )
    create.add_argument("--owner", metavar="EMAIL", help="e-mail of the Dynamics user who is to own the row")
    create.add_argument(
        "--wait", type=float, default=30, metavar="SECONDS",
        help="how long to wait for another run to give the lease back (default: 30)",
    )  # fmt: skip
    create.set_defaults(command=run_create_command)


def add_baseline(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `baseline`."""
    baseline = add_command(
        commands, shared, "baseline", "first load or new baseline: everybody on both sides, by partitions"
    )
    baseline.add_argument(
        "--partitions", type=int, metavar="N", help="cut everybody into N partitions (default: by their number)"
    )
    baseline.add_argument("--dry-run", action="store_true", help="read and plan everything, write nothing")
    baseline.add_argument(
        "--since", type=moment, metavar="TIME", help="nobody in Marketo was created before (default: Marketo is asked)"
    )
    baseline.add_argument("--resume", metavar="ID", help="resume a baseline after an interruption")
    override = baseline.add_argument(
        "--override", action="append", default=[], metavar="BRAKE", help="lift a brake; repeatable; recorded"
    )
    completed_by(override, brakes)
    baseline.set_defaults(command=run_baseline_command)


def add_audit(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `audit`."""
    audit = add_command(
        commands,
        shared,
        "audit",
        "compare everybody on both sides and write a report; ends with 0 also when there are differences",
    )
    audit.add_argument("--repair", action="store_true", help="send what differs through the ordinary plan and brakes")
    audit.add_argument(
        "--sample", type=int, default=20, help="most ids the page shows per field and kind of finding (default: 20)"
    )
    override = audit.add_argument(
        "--override", action="append", default=[], metavar="BRAKE", help="lift a brake of the repair; recorded"
    )
    completed_by(override, brakes)
    audit.set_defaults(command=run_audit_command)


def add_history(commands: Any, shared: argparse.ArgumentParser) -> None:
    """Add `history`."""
    history = add_command(
        commands, shared, "history", "every field change of one person: base, both sides, rule, winner, answer"
    )
    history.add_argument("--marketo-id", type=int, help="the Marketo person")
    history.add_argument("--dynamics-id", help="the contact or lead")
    history.set_defaults(command=run_history_command)


def moment(text: str) -> datetime:
    """Return an ISO time as aware UTC; a time without a zone is refused."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not an ISO 8601 time") from error
    if parsed.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no zone; write 2026-05-02T07:30:00Z")
    return parsed.astimezone(UTC)


def context() -> SyncContext:
    """Return the context of a run, from the environment."""
    from include.person_sync.run.context import context_from_environment

    return context_from_environment(process=os.getpid())


def run_setup_command(options: argparse.Namespace) -> tuple[dict[str, Any], Answer, int]:
    """Provision and check."""
    from include.person_sync.present.answers import setup_answer
    from include.person_sync.setup import parts_from_environment, run_setup

    provision: Any = "all" if "all" in options.provision else options.provision
    parts = parts_from_environment()
    report = run_setup(parts, provision=provision, check_only=options.check)
    failed = {check.name for check in report.failed}
    code = EXIT_QUOTA if failed == {"marketo_api_budget"} else EXIT_CONFIGURATION
    return report.as_json(), setup_answer(report), EXIT_DONE if report.ok else code


def run_cycle_command(options: argparse.Namespace) -> tuple[dict[str, Any], Answer, int]:
    """Run one cycle."""
    from include.person_sync.present.answers import run_answer
    from include.person_sync.run.cycle import run_cycle
    from include.person_sync.run.request import Mode, RunRequest

    implied = (
        Mode.PEOPLE
        if options.marketo_id or options.dynamics_id
        else Mode.WINDOW
        if options.start or options.end
        else Mode.INCREMENTAL
    )
    request = RunRequest(
        mode=Mode(options.mode) if options.mode else implied,
        dry_run=options.dry_run,
        start=options.start,
        end=options.end,
        marketo_ids=tuple(options.marketo_id),
        dynamics_ids=tuple(row_id.lower() for row_id in options.dynamics_id),
        overrides=tuple(options.override),
        origin=origin(),
    )
    summary = run_cycle(context(), request)
    return summary, run_answer(summary), EXIT_DONE


def run_create_command(options: argparse.Namespace) -> tuple[dict[str, Any], Answer, int]:
    """Create people in Dynamics now."""
    from include.person_sync.present.answers import run_answer
    from include.person_sync.run.create import create_people

    summary = create_people(
        context(),
        options.marketo_id,
        table=options.table,
        owner=options.owner,
        origin=origin(),
        wait_s=options.wait,
    )
    return summary, run_answer(summary), EXIT_DONE


def run_baseline_command(options: argparse.Namespace) -> tuple[dict[str, Any], Answer, int]:
    """Work through everybody."""
    from include.person_sync.baseline import BaselineRequest, run_baseline
    from include.person_sync.present.answers import run_answer
    from include.person_sync.present.progress_bars import progress_bars

    request = BaselineRequest(
        partitions=options.partitions,
        dry_run=options.dry_run,
        since=options.since,
        overrides=tuple(options.override),
        origin=origin(),
    )
    with progress_bars() as tell:
        summary = run_baseline(context(), request, resume=options.resume, tell=tell)
    return summary, run_answer(summary), EXIT_DONE


def run_audit_command(options: argparse.Namespace) -> tuple[dict[str, Any], Answer, int]:
    """Compare everybody, and repair when asked to."""
    from include.person_sync.audit import AuditRequest, run_audit
    from include.person_sync.present.answers import audit_answer

    request = AuditRequest(
        repair=options.repair, sample=options.sample, overrides=tuple(options.override), origin=origin()
    )
    summary = run_audit(context(), request)
    return summary, audit_answer(summary), EXIT_DONE


def run_history_command(options: argparse.Namespace) -> tuple[dict[str, Any], Answer, int]:
    """Show what happened to one person."""
    from include.person_sync.present.answers import history_answer
    from include.person_sync.present.history import history_entries

    if (options.marketo_id is None) == (options.dynamics_id is None):
        raise ConfigError("history needs one person.", remedy="give either --marketo-id or --dynamics-id.")
    dynamics_id = options.dynamics_id.lower() if options.dynamics_id else None
    frame = context().store.history(marketo_id=options.marketo_id, dynamics_id=dynamics_id)
    entries = history_entries(frame)
    return {"history": entries}, history_answer(entries), EXIT_DONE


def origin() -> dict[str, str]:
    """Return who started the run, as far as the operating system knows."""
    import getpass
    import socket

    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return {"by": user, "host": socket.gethostname(), "through": "command line"}
