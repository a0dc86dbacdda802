"""A notebook of marimo's as a page, from npm and PyPI alone.

``site.txt`` pins marimo, with ``uv``, which its export asks for; ``kernel.txt`` what marimo imports
in the page. The page asks for one version of Pyodide, and takes it, its lock file and a package
index from wherever ``<marimo-wasm>`` says.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from readystate_server.lab import vendor, wheel
from tests import versions
from tests.compat.packages import PYODIDE, run_pip

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
TOOLS, WHEELS = CACHE / "tools", CACHE / "wheels"
STAMP = CACHE / "pins.sha256"
PINS = [HERE / "site.txt", HERE / "kernel.txt"]
VERSION = "314.0.0"
"""Of Pyodide, without which marimo's page refuses to run."""
NEEDS = {"jedi": ["parso"], "marimo-base": ["jedi", "msgspec", "pyyaml", "tomlkit"]}
"""What marimo does not ask for itself."""
ELEMENT = "<marimo-wasm hidden"
SOURCES = (
    ' data-pyodide-index-url="./pyodide/"'
    ' data-pyodide-lockfile-url="./pyodide/pyodide-lock.json"'
    ' data-pypi-index-url="./index/{package_name}.html"'
)


def fetch() -> None:
    """Fetches what is pinned, unless it is here.

    Raises:
        PackagesError: pip cannot.
        VendorError: npm cannot.
    """
    versions.fetch(long=True)
    pins = hashlib.sha256(b"".join(path.read_bytes() for path in PINS)).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == pins:
        return
    shutil.rmtree(CACHE, ignore_errors=True)
    run_pip("install", "-r", str(PINS[0]), "--target", str(TOOLS))
    run_pip("download", "--no-deps", *PYODIDE, "-r", str(PINS[1]), "--dest", str(WHEELS))
    # PyPI has no wheel of it for Pyodide; it does without its extension module.
    with zipfile.ZipFile(WHEELS / "pyyaml-0-py3-none-any.whl", "w") as archive:
        for path in (TOOLS / "yaml").glob("*.py"):
            archive.write(path, f"yaml/{path.name}")
    STAMP.write_text(pins)


def build(folder: Path) -> Path:
    """Exports the notebook into ``folder``, and returns it."""
    fetch()
    pyodide = folder / "pyodide"
    shutil.copytree(versions.pyodide(VERSION), pyodide)
    lock_path = pyodide / "pyodide-lock.json"
    environment = {
        **os.environ,
        "MARIMO_PYODIDE_LOCK_FILE": str(lock_path),
        "PATH": os.pathsep.join([str(TOOLS / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": str(TOOLS),
    }
    page = folder / "index.html"
    what = ["export", "html-wasm", str(HERE / "notebook.py"), "--no-execute"]
    command = [sys.executable, "-m", "marimo", *what, "--mode", "run", "-o", str(page)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    text = page.read_text(encoding="utf-8")
    assert ELEMENT in text
    page.write_text(text.replace(ELEMENT, ELEMENT + SOURCES), encoding="utf-8")
    lock = json.loads(lock_path.read_text())
    lock["packages"].update(_entry(path, pyodide) for path in WHEELS.glob("*.whl"))
    lock_path.write_text(json.dumps(lock))
    index = folder / "index"
    index.mkdir()
    own = wheel.build()[wheel.PLAIN]
    shutil.copy(own, index)
    (index / "readystate.html").write_text(f'<!doctype html><a href="{own.name}">{own.name}</a>')
    return folder


def _entry(path: Path, pyodide: Path) -> tuple[str, dict[str, object]]:
    """Puts a wheel beside Pyodide; returns its name, and what the lock file is to say of it."""
    shutil.copy(path, pyodide)
    name, version, *_ = path.name.split("-")
    name = name.lower().replace("_", "-")
    with zipfile.ZipFile(path) as archive:
        tops = {member.partition("/")[0].removesuffix(".py") for member in archive.namelist()}
    return name, {
        "name": name,
        "version": version,
        "file_name": path.name,
        "install_dir": "site",
        "sha256": vendor.digest(path),
        "package_type": "package",
        "imports": sorted(top for top in tops if top.isidentifier()),
        "depends": NEEDS.get(name, []),
        "unvendored_tests": False,
    }
