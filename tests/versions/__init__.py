"""Other versions of Pyodide, PyScript and MicroPython than ``web/package.json`` pins, from npm.

``package.json`` names them, ``pyodide-0.26.4`` and the like: as dependencies those of the default
suite, which ``python -m tests.setup`` fetches, and as development dependencies those of tests/long,
which fetch them themselves.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

from readystate_server.lab import vendor

HERE = Path(__file__).parent
MODULES = HERE / "node_modules"
FOLDERS = {"/versions": MODULES}
"""What a server is to serve for them."""
STAMP = MODULES / "fetched.json"
"""What was fetched. It is written last."""
SUPPORTED = ("0.26.4", "0.27.7", "0.28.3", "0.29.5", "314.0.0", "315.0.0-alpha.2")
"""The versions of Pyodide that all cases run in, besides the pinned one; others are PyScript's."""
OLDEST, NEWEST = SUPPORTED[0], SUPPORTED[-1]
MICROPYTHON = ("1.26.0", "1.27.0", "1.29.0-6")
"""The versions of MicroPython that all cases run in, besides the pinned one."""


def fetch(*, long: bool = False) -> bool:
    """Fetches what is not here, with ``long`` all; returns whether that was anything.

    Raises:
        VendorError: npm cannot.
    """
    wanted = {"pins": (HERE / "package-lock.json").read_text(), "long": long}
    MODULES.mkdir(exist_ok=True)
    with vendor.locked(MODULES):
        here = json.loads(STAMP.read_text()) if STAMP.is_file() else {}
        if here.get("pins") == wanted["pins"] and here["long"] >= long:
            return False
        with tempfile.TemporaryDirectory(prefix=".staging-", dir=MODULES) as name:
            npm = () if long else vendor.NPM_RUNTIMES
            vendor.run_npm(HERE, Path(name), npm, lambda: None)
            for new in Path(name, "node_modules").iterdir():
                if not new.name.startswith("."):
                    shutil.rmtree(MODULES / new.name, ignore_errors=True)
                    new.rename(MODULES / new.name)
        STAMP.write_text(json.dumps(wanted))
    return True


def url(runtime: str, version: str) -> str:
    """Where a server with ``FOLDERS`` has this version of "pyodide" or "micropython"."""
    return f"/versions/{runtime}-{version}"
