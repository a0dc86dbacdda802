"""The programs that measure and soak, each for longer than the smoke tests beside them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.benchmarks.__main__ import CASES
from tests.benchmarks.hidden import WAYS, measure
from tests.browsers import NAMES
from tests.processes import run


def test_every_benchmark_measures_every_peer(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--output", str(tmp_path)]
    done = run(command, timeout=850)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "benchmarks.json").read_text())
    assert [case["name"] for case in numbers["cases"]] == [case.name for case in CASES]
    for case in numbers["cases"]:
        for peer, measured in case["peers"].items():
            assert measured["failure"] is None, peer


# Not "browser": that is a fixture, which would run the test once more for each.
@pytest.mark.parametrize("name", NAMES)
def test_a_soak_with_every_fault(name: str) -> None:
    command = [sys.executable, "-m", "tests.soak", "--minutes", "3", "--browser", name]
    done = run(command, timeout=850)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All is well" in done.stdout


@pytest.mark.timeout(3000)  # It runs the tests of one break after the other.
def test_the_tests_notice_what_breaks() -> None:
    done = run([sys.executable, "-m", "tests.mutations"], timeout=2900)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(200)
def test_a_hidden_tab_does_not_wait_for_its_timers() -> None:
    """They come once a second, and each way waits twenty times: it would take twenty seconds."""
    taken = {way: hidden for way, (_, hidden) in measure().items()}
    assert [*taken] == [*WAYS]
    assert max(taken.values()) < 2, taken
