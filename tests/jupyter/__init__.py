"""A site of JupyterLite, from PyPI alone: its kernel is the pinned Pyodide.

``site.txt`` pins JupyterLite, and ``kernel.txt`` what its kernel imports, in the versions that
Pyodide's lock file names: Pyodide's package of npm has the names, but not the wheels.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

from readystate_server.lab import vendor, wheel
from readystate_server.lab.places import WEB
from tests import processes
from tests.compat.packages import fetch_notebook

HERE = Path(__file__).parent
KERNEL = "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension"
SETTINGS = {
    "jupyter-lite-schema-version": 0,
    "jupyter-config-data": {
        "exposeAppInBrowser": True,  # as window.jupyterapp, for its commands
        "litePluginSettings": {
            "@jupyterlite/pyodide-kernel-extension:kernel": {
                "pyodideUrl": "./pyodide/pyodide.mjs",
                "disablePyPIFallback": True,
            }
        },
    },
}
MAIN = "from jupyterlite_core.app import main; main()"


def build(folder: Path) -> Path:
    """Builds the site in ``folder``, with the REPL as its only app, and returns where it is.

    Raises:
        PackagesError: pip cannot fetch what is pinned.
    """
    tools, wheels = fetch_notebook(HERE)
    source, site = folder / "source", folder / "site"
    (source / "pypi").mkdir(parents=True)
    (source / "jupyter-lite.json").write_text(json.dumps(SETTINGS))
    shutil.copy(wheel.build()[wheel.PLAIN], source / "pypi")
    config = {"LiteBuildConfig": {"federated_extensions": [str(tools / KERNEL)]}}
    (source / "jupyter_lite_config.json").write_text(json.dumps(config))
    for path in wheels.glob("comm-*.whl"):  # which Pyodide does not know
        shutil.copy(path, source / "pypi")
    command = [sys.executable, "-c", MAIN, "build", "--apps", "repl", "--output-dir", str(site)]
    environment = {**os.environ, "PYTHONPATH": str(tools), "PYTHONWARNINGS": "ignore"}
    processes.run(command, cwd=source, env=environment, timeout=120).check_returncode()
    add_pyodide(site / "pyodide", wheels)
    return site


def add_pyodide(folder: Path, wheels: Path) -> None:
    """Copies the pinned Pyodide, and the wheels for its kernel, to ``folder``."""
    shutil.copytree(WEB / "vendor" / f"pyodide@{vendor.pinned(WEB)['pyodide']}", folder)
    lock_path = folder / "pyodide-lock.json"
    lock = json.loads(lock_path.read_text())
    for path in wheels.glob("*.whl"):
        name = path.name.partition("-")[0].lower().replace("_", "-")
        if name in lock["packages"]:
            shutil.copy(path, folder)
            lock["packages"][name].update(file_name=path.name, sha256=vendor.digest(path))
    lock_path.write_text(json.dumps(lock))
