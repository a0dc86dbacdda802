"""A notebook of marimo's as a page, from npm and PyPI alone.

``site.txt`` pins marimo, with ``uv``, which its export asks for; ``kernel.txt`` what marimo imports
in the page. The page asks for one version of Pyodide, and takes it, its lock file and a package
index from wherever ``<marimo-wasm>`` says.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from readystate_server.lab import vendor, wheel
from tests import versions
from tests.compat.packages import fetch_notebook

HERE = Path(__file__).parent
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


def build(folder: Path) -> Path:
    """Exports the notebook into ``folder``, and returns it.

    Raises:
        PackagesError: pip cannot fetch what is pinned.
        VendorError: npm cannot.
    """
    versions.fetch(long=True)
    tools, wheels = fetch_notebook(HERE)
    pyodide = folder / "pyodide"
    shutil.copytree(versions.pyodide(VERSION), pyodide)
    lock_path = pyodide / "pyodide-lock.json"
    environment = {
        **os.environ,
        "MARIMO_PYODIDE_LOCK_FILE": str(lock_path),
        "PATH": os.pathsep.join([str(tools / "bin"), os.environ["PATH"]]),
        "PYTHONPATH": str(tools),
    }
    page = folder / "index.html"
    what = ["export", "html-wasm", str(HERE / "notebook.py"), "--no-execute"]
    command = [sys.executable, "-m", "marimo", *what, "--mode", "run", "-o", str(page)]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=120)
    text = page.read_text(encoding="utf-8")
    assert ELEMENT in text
    page.write_text(text.replace(ELEMENT, ELEMENT + SOURCES), encoding="utf-8")
    lock = json.loads(lock_path.read_text())
    # PyPI has no wheel of PyYAML for Pyodide; it does without its extension module.
    yaml = folder / "pyyaml-0-py3-none-any.whl"
    with zipfile.ZipFile(yaml, "w") as archive:
        for path in (tools / "yaml").glob("*.py"):
            archive.write(path, f"yaml/{path.name}")
    for path in (yaml, *wheels.glob("*.whl")):
        lock["packages"].update([_entry(path, pyodide)])
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
