"""The libraries, as pinned in ``libraries.txt``: their wheels for Pyodide, with what they need only
there (``pyodide.txt``), and an installation for CPython, with the servers of ``servers.txt``. And
the wheels of some other versions (``versions.txt``), which are imported from as they are.
``python -m tests.setup`` fetches them.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from .. import processes

HERE = Path(__file__).parent
LIBRARIES, ONLY_PYODIDE, SERVERS, VERSIONS = PINS = [
    HERE / f"{name}.txt" for name in ("libraries", "pyodide", "servers", "versions")
]
WHEELS = HERE / "wheels"
INSTALLED = HERE / ".cpython"
STAMP = "pins.sha256"
"""Beside what was fetched: a hash of what decides on it. It is written last."""
PIP = ("--quiet", "--disable-pip-version-check", "--no-input", "--only-binary=:all:")
PYODIDE = (
    *("--platform", "pyemscripten_2026_0_wasm32", "--python-version", "3.14"),
    *("--implementation", "cp", "--abi", "cp314", "--abi", "abi3", "--abi", "none"),
)
TIMEOUT = 600.0


class PackagesError(Exception):
    """The libraries are not here; the message says what to do."""


def fetch() -> bool:
    """Fetches what is not here yet; returns whether that was anything.

    Raises:
        PackagesError: pip cannot.
    """
    if are_here():
        return False
    for folder in (WHEELS, INSTALLED):
        shutil.rmtree(folder, ignore_errors=True)
    # What pip finds to be needed too is so on its own platform.
    what = ("--no-deps", *PYODIDE, "-r", str(LIBRARIES), "-r", str(ONLY_PYODIDE))
    run_pip("download", *what, "--dest", str(WHEELS))
    for line in VERSIONS.read_text().split():
        # One at a time, as pip does not have two versions in one set.
        run_pip("download", "--no-deps", *PYODIDE, line, "--dest", str(WHEELS / "versions"))
    run_pip("install", "-r", str(LIBRARIES), "-r", str(SERVERS), "--target", str(INSTALLED))
    for folder in (WHEELS, INSTALLED):
        (folder / STAMP).write_text(stamp())
    return True


def require() -> None:
    """Raises a :exc:`PackagesError` if not all is here."""
    if not are_here():
        python = Path(sys.executable).name
        raise PackagesError(f"the libraries are not here as pinned: run '{python} -m tests.setup'")


def are_here() -> bool:
    """Whether all that the pins say is here, for this Python."""
    stamps = [folder / STAMP for folder in (WHEELS, INSTALLED)]
    return all(path.is_file() and path.read_text() == stamp() for path in stamps)


def stamp() -> str:
    pins = b"".join(path.read_bytes() for path in PINS)
    return hashlib.sha256(pins + sys.version.encode()).hexdigest()


def wheels() -> list[str]:
    """The wheels for Pyodide, as paths within their folder; those of other versions have one."""
    return sorted(path.relative_to(WHEELS).as_posix() for path in WHEELS.rglob("*.whl"))


def fetch_notebook(folder: Path) -> tuple[Path, Path]:
    """Fetches into ``folder/.cache`` what makes a notebook a page, unless it is here.

    ``site.txt`` pins the tools that build the page, ``kernel.txt`` what its Pyodide imports.

    Returns:
        Where the tools are installed, and where the wheels for Pyodide are.
    """
    site, kernel = folder / "site.txt", folder / "kernel.txt"
    cache = folder / ".cache"
    tools, wheels, stamp = cache / "tools", cache / "wheels", cache / STAMP
    pins = hashlib.sha256(site.read_bytes() + kernel.read_bytes()).hexdigest()
    if not (stamp.is_file() and stamp.read_text() == pins):
        shutil.rmtree(cache, ignore_errors=True)
        run_pip("install", "-r", str(site), "--target", str(tools))
        run_pip("download", "--no-deps", *PYODIDE, "-r", str(kernel), "--dest", str(wheels))
        stamp.write_text(pins)
    return tools, wheels


def run_pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments[:1], *PIP, *arguments[1:]]
    try:
        done = processes.run(command, timeout=TIMEOUT, cwd=HERE)
    except subprocess.TimeoutExpired as error:
        raise PackagesError(f"pip {arguments[0]} took more than {TIMEOUT:g} s") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PackagesError(f"pip {arguments[0]}: {lines[-1] if lines else done.stderr[-500:]}")
