"""The wheels of peers from PyPI, as pinned in ``niquests.txt``, in ``wheels/``."""

from __future__ import annotations

import json
from pathlib import Path

from ..compat.packages import run_pip

PINS = Path(__file__).with_name("niquests.txt")
FOLDER = Path(__file__).with_name("wheels")
NAMES = FOLDER / "names.json"
"""What there is, for pages. It is written last."""
# Pages import from the wheels as they are, so these have no compiled modules.
PURE = ("--platform", "any", "--python-version", "3.14", "--implementation", "py", "--abi", "none")


def fetch() -> None:
    """Fetches what is not here yet.

    Raises:
        PackagesError: pip cannot.
    """
    if NAMES.is_file() and NAMES.stat().st_mtime > PINS.stat().st_mtime:
        return
    for path in FOLDER.glob("*.whl"):
        path.unlink()
    run_pip("download", "--no-deps", *PURE, "-r", str(PINS), "--dest", str(FOLDER))
    NAMES.write_text(json.dumps(sorted(path.name for path in FOLDER.glob("*.whl"))))
