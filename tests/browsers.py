"""Which browsers the tests drive on this machine, and with which options Playwright starts them.

``python -m tests.setup`` tries what it finds and writes down what works.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from readystate_server.testing.browsers import steadied

NAMES = ("chromium", "firefox")
ROOT = Path(__file__).parents[1]
FOUND = ROOT / "tests" / ".browsers.json"


def launch_options(name: str) -> dict[str, Any]:
    """The launch options that ``python -m tests.setup`` has found to work for ``name``.

    Raises:
        RuntimeError: There are none.
    """
    try:
        found: dict[str, dict[str, Any]] = json.loads(FOUND.read_text())
    except FileNotFoundError:
        found = {}
    if name not in found:
        python = Path(sys.executable).name
        raise RuntimeError(f"no {name} is set up for the tests: run '{python} -m tests.setup'")
    return steadied(name, found[name])
