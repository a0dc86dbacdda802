"""The documentation's "Testing your app": its project, which is tested as its reader does that, and
its test without a browser.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from .. import processes
from ..docs.pages import DOCS, blocks

PAGE = DOCS / "testing.md"
PROJECT = Path(__file__).parent / "project"


@pytest.mark.parametrize("name", ["app/index.html", "conftest.py", "test_app.py"])
def test_the_documentation_has_each_file_of_the_project(name: str) -> None:
    kind = "html" if name.endswith(".html") else "python"
    text = (PROJECT / name).read_text(encoding="utf-8")
    assert text in [block.text for block in blocks(PAGE, kind)]


def test_the_one_without_a_browser_passes(tmp_path: Path) -> None:
    for block in blocks(PAGE, "python"):
        name = re.match(r"# (\w+\.py)\n", block.text)
        if name is not None:
            (tmp_path / name[1]).write_text(block.text, encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"prices.py", "test_prices.py"}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = processes.run([*command, "test_prices.py"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
