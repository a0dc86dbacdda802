"""The test without a browser that docs/testing.md shows, as its reader runs it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from .. import processes
from .pages import DOCS, blocks


def test_it_passes(tmp_path: Path) -> None:
    for block in blocks(DOCS / "testing.md", "python"):
        name = re.match(r"# (\w+\.py)\n", block.text)
        if name is not None:
            (tmp_path / name[1]).write_text(block.text, encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"prices.py", "test_prices.py"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = processes.run([*command, "test_prices.py"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
