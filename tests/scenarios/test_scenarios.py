"""Every scenario file, played against two systems of its own. `make golden` rewrites what their dry runs plan."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from include.sandbox import Sandbox
from tests.scenarios.playing import play
from tests.scenarios.reading import read_scenario
from tests.scenarios.staging import Stage

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_scenario(path: Path, tmp_path: Path, golden: Callable[[Path, str], None]) -> None:
    """
    What the file tells happens: the plan, the values on both sides, what is refused and held, and then quiet (S-16,
    T-35).
    """
    scenario = read_scenario(path)
    with Sandbox.start(directory=tmp_path / "sandbox") as sandbox:
        plans = play(scenario, Stage(scenario, sandbox, tmp_path))
    golden(HERE / "plans" / f"{path.stem}.txt", f"{scenario.title}\n\n{plans}\n")


def test_the_promised_behaviours_are_all_told() -> None:
    """Each behaviour of the first delivery has a scenario that covers it."""
    promised = {f"T-{number:02}" for number in (*range(1, 12), 21, 24, 30, 31, 32, 34)}

    covered = {one for path in FILES for one in read_scenario(path).covers}

    assert promised <= covered, sorted(promised - covered)
