"""Other versions than ``web/package.json`` pins, from npm: of Pyodide, PyScript and MicroPython;
and of Node.js besides the one on the ``PATH``.

``package.json`` names them, ``pyodide-0.26.4`` and the like: as dependencies those of the default
suite, which ``python -m tests.setup`` fetches; all others are for tests/long, which fetch them
themselves.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

from readystate_server.lab import vendor
from tests.compat.packages import run_pip

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
NODE = ("25.9.0", "26.10.0")
"""The versions of Node.js that all cases run in: from 25 on it suspends Python (JSPI)."""
WITH_SSL = "0.27.7"
"""The one before 314 whose package ``ssl`` can be had."""
SSL = ("ssl", "openssl")
NOT_LONG = (*vendor.NPM_RUNTIMES, "--omit=optional")


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
            npm = () if long else NOT_LONG
            vendor.run_npm(HERE, Path(name), npm, lambda: None)
            for new in Path(name, "node_modules").iterdir():
                if not new.name.startswith("."):
                    shutil.rmtree(MODULES / new.name, ignore_errors=True)
                    new.rename(MODULES / new.name)
        STAMP.write_text(json.dumps(wanted))
    return True


def fetch_ssl() -> None:
    """Puts Pyodide's package ``ssl`` beside that Pyodide, as ``loadPackage()`` wants it.

    npm has Pyodide without its packages, and PyPI only this one, within another distribution. The
    files are Pyodide's own: their hashes are those of its lock file.

    Raises:
        PackagesError: pip cannot.
    """
    folder = pyodide(WITH_SSL)
    lock = json.loads((folder / "pyodide-lock.json").read_text())["packages"]
    hashes = {lock[name]["file_name"]: lock[name]["sha256"] for name in SSL}
    with vendor.locked(MODULES), tempfile.TemporaryDirectory(dir=MODULES) as name:
        if all((folder / file).is_file() for file in hashes):
            return
        run_pip("download", "--no-deps", "-r", str(HERE / "ssl.txt"), "--dest", name)
        (carrier,) = Path(name).glob("*.whl")
        with zipfile.ZipFile(carrier) as archive:
            members = {member.rpartition("/")[2]: member for member in archive.namelist()}
            for file, expected in hashes.items():
                data = archive.read(members[file])
                assert hashlib.sha256(data).hexdigest() == expected, file
                (folder / file).write_bytes(data)


def pyodide(version: str) -> Path:
    """The folder of this version."""
    return MODULES / f"pyodide-{version}"


def url(runtime: str, version: str) -> str:
    """Where a server with ``FOLDERS`` has this version of "pyodide" or "micropython"."""
    return f"/versions/{runtime}-{version}"


def node(version: str) -> Path:
    """The binary of this version of Node.js: npm has one for Linux on x86-64."""
    return MODULES / f"node-{version}" / "bin" / "node"
