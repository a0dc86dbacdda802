"""The benchmarks run, and measure every peer. What they measure is not asserted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_quick_run_measures_every_peer(tmp_path: Path) -> None:
    cases = ["receive-text", "import"]
    # A process of its own: Playwright cannot be started twice in one.
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--output", str(tmp_path)]
    done = subprocess.run(
        [*command, *cases], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    numbers = json.loads((tmp_path / "benchmarks.json").read_text())
    assert [case["name"] for case in numbers["cases"]] == cases
    for case in numbers["cases"]:
        for peer, measured in case["peers"].items():
            assert measured["failure"] is None, peer
            assert all(value > 0 for value in measured["median"].values()), (peer, measured)
        assert all(target["reached"] is not None for target in case["targets"])
    assert (tmp_path / "benchmarks.svg").read_text().startswith("<svg ")
