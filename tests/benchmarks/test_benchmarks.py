"""The benchmarks run, and measure every peer. What they measure is not asserted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from ..processes import run


@pytest.mark.timeout(180)  # It opens a page with Python for each peer.
def test_a_quick_run_measures_every_peer(tmp_path: Path) -> None:
    cases = ["receive-text-64"]
    # A process of its own: Playwright cannot be started twice in one.
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--output", str(tmp_path)]
    done = run([*command, *cases], timeout=150)
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "benchmarks.json").read_text())
    assert [case["name"] for case in numbers["cases"]] == cases
    for case in numbers["cases"]:
        for peer, measured in case["peers"].items():
            assert measured["failure"] is None, peer
            values = measured["median"].values()
            assert all(value is not None for value in values), (peer, measured)
            assert all(value > 0 for value in values), peer
        assert all(target["reached"] is not None for target in case["targets"])
    assert (tmp_path / "chart.svg").read_text().startswith("<svg ")
