"""
Kill the sync's process again and again while people work on both sides, and see that nobody and nothing is lost.

Runs `python -m include.person_sync cycle` as processes, ends them with SIGKILL at random moments, lets marketers and
salespeople edit in between, and at the end compares both systems with what everybody did last. One field belongs to
marketers and one to salespeople, so that what must come out does not depend on which run died where.

    python -m tests.e2e.chaos --rounds 30 --seed 7
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from include.person_sync.run.context import context_from_environment
from include.person_sync.setup import run_setup
from include.sandbox import Sandbox

PROJECT = Path(__file__).parents[2]
PEOPLE = 40
CYCLE_TIMEOUT_S = 300


@dataclass
class Chaos:
    """One play: the systems, the dice, and what everybody did last."""

    sandbox: Sandbox
    home: Path
    dice: random.Random
    state: str
    title: dict[str, str] = field(default_factory=dict)
    mobile: dict[str, str] = field(default_factory=dict)
    expected_in_dynamics: set[str] = field(default_factory=set)
    killed: int = 0
    ended: int = 0
    longest_s: float = 1.0

    def __post_init__(self) -> None:
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            **self.sandbox.environment(),
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW_CONN_PERSON_SYNC_STATE": self.state,
        }
        self.sandbox.marketo.settings.rate_calls = 10_000

    def prepare(self) -> None:
        """Set the sync up and put people on both sides."""
        report = run_setup(context_from_environment(self.environment))
        if not report.ok:
            raise SystemExit(report.as_text())
        for number in range(PEOPLE):
            email = f"p{number}@example.com"
            self.sandbox.marketo.create({"lastName": "P", "email": email, "title": "0"})
            values = {"lastname": "P", "emailaddress1": email, "jobtitle": "0", "mobilephone": "0"}
            self.sandbox.dynamics.create(self.dice.choice(["contact", "lead"]), values)
            self.title[email], self.mobile[email] = "0", "0"
            self.expected_in_dynamics.add(email)

    def work(self, number: int) -> None:
        """Let people work: edits on both sides, a new row, a request."""
        for email in self.dice.sample(sorted(self.title), 8):
            self.title[email] = f"t{number}.{self.dice.randrange(1000)}"
            (person,) = self.sandbox.marketo.find(email=email)
            self.sandbox.marketo.edit(person["id"], {"title": self.title[email]})
        for email in self.dice.sample(sorted(self.expected_in_dynamics), 8):
            for table, row in self.rows(email):
                self.mobile[email] = str(self.dice.randrange(10**9))
                self.sandbox.dynamics.edit(table, row[f"{table}id"], {"mobilephone": self.mobile[email]})
        asked = f"asked{number}@example.com"
        wish = self.dice.choice(["lead", "contact"])
        self.sandbox.marketo.create({"lastName": "A", "email": asked, "title": "0", "syncToDynamics": wish})
        self.title[asked] = "0"
        self.expected_in_dynamics.add(asked)
        new = f"new{number}@example.com"
        self.sandbox.dynamics.create("contact", {"lastname": "N", "emailaddress1": new, "mobilephone": "0"})

    def rows(self, email: str) -> list[tuple[str, dict[str, Any]]]:
        """Return the rows of an address with their tables."""
        tables = ("contact", "lead")
        return [(table, row) for table in tables for row in self.sandbox.dynamics.find(table, emailaddress1=email)]

    def start(self) -> subprocess.Popen[str]:
        """Start a cycle as a process."""
        command = [sys.executable, "-m", "include.person_sync", "cycle", "--json"]
        return subprocess.Popen(
            command, cwd=PROJECT, env=self.environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def kill_one(self) -> None:
        """Start a cycle and end it with SIGKILL at a random moment; it may be quicker."""
        process = self.start()
        try:
            process.communicate(timeout=self.dice.uniform(0.2, self.longest_s))
            self.ended += 1
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.killed += 1

    def run_one(self) -> dict[str, Any]:
        """Run a cycle to its end and return its summary."""
        began = time.monotonic()
        process = self.start()
        output, log = process.communicate(timeout=CYCLE_TIMEOUT_S)
        self.longest_s = max(self.longest_s, time.monotonic() - began)
        if process.returncode:
            raise SystemExit(f"a cycle ended with {process.returncode}\n{output}\n{log}")
        summary: dict[str, Any] = json.loads(output)
        return summary

    def complaints(self) -> list[str]:
        """Return what is not as everybody left it; nothing when all is well."""
        found = []
        people = {one["email"]: one for one in self.sandbox.marketo.leads()}
        if len(people) != len(self.sandbox.marketo.leads()):
            found.append("somebody is in Marketo twice")
        for email, person in people.items():
            rows = self.rows(email)
            if len(rows) != 1:
                found.append(f"{email} is in Dynamics {len(rows)} times")
                continue
            (row,) = (one for _, one in rows)
            seen = (person.get("title"), row["jobtitle"], person.get("mobilePhone"), row["mobilephone"])
            title, mobile = self.title.get(email), self.mobile.get(email, row["mobilephone"])
            if seen != (title, title, mobile, mobile):
                found.append(f"{email} is {seen}, expected title {title} and mobile {mobile}")
        rows = [row["emailaddress1"] for table in ("contact", "lead") for row in self.sandbox.dynamics.rows(table)]
        found += [f"{email} never reached Marketo" for email in set(rows) - people.keys()]
        found += [f"{email} never reached Dynamics" for email in self.expected_in_dynamics - set(rows)]
        return found


def play(rounds: int, seed: int, state: str | None = None) -> Chaos:
    """Play and return the play. Raises SystemExit naming what was lost, and the seed to see it again."""
    with tempfile.TemporaryDirectory(prefix="person-sync-chaos-") as folder:
        home = Path(folder)
        with Sandbox.start(directory=home / "sandbox") as sandbox:
            chaos = Chaos(sandbox, home, random.Random(seed), state or f"sqlite:///{home}/state.db")  # noqa: S311
            chaos.prepare()
            chaos.run_one()
            for number in range(rounds):
                chaos.work(number)
                for _ in range(chaos.dice.randint(1, 3)):
                    chaos.kill_one()
                if chaos.dice.random() < 0.3:
                    chaos.run_one()
            chaos.run_one()
            complaints = chaos.complaints()
            last = chaos.run_one()["counts"]
            if any(numbers[name] for numbers in last.values() for name in ("created", "updated")):
                complaints.append(f"the cycle after the last still wrote: {last}")
            if complaints:
                raise SystemExit(f"seed {seed}:\n" + "\n".join(complaints))
            return chaos


def main() -> None:
    """Play as the command line says."""
    parser = argparse.ArgumentParser(description="kill the sync again and again, and see that nothing is lost")
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))  # noqa: S311
    parser.add_argument("--state", help="URL of an empty state database (default: an SQLite file)")
    options = parser.parse_args()
    chaos = play(options.rounds, options.seed, options.state)
    sys.stdout.write(
        f"seed {options.seed}: {chaos.killed} runs killed, {chaos.ended} were quicker; nobody and nothing was lost\n"
    )


if __name__ == "__main__":
    main()
