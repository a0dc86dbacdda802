"""The documentation's "Testing your app", from wheels in a project of its own."""

from __future__ import annotations

import marshal
import os
import shutil
import sys
import zipfile
from pathlib import Path

from readystate import __version__
from readystate_server.lab.bundle import INIT, MODULES
from readystate_server.lab.lean import lean
from readystate_server.lab.places import WEB
from readystate_server.lab.wheel import NOT_FOR_PAGES
from tests import processes
from tests.guide.test_guide import PROJECT
from tests.processes import ROOT


def test_it_passes_from_an_installed_wheel(tmp_path: Path, browser_name: str) -> None:
    """Outside of the checkout, and without a network: the runtimes are in the user's cache."""
    dist, site = tmp_path / "dist", tmp_path / "site"
    for folder in (ROOT, ROOT / "server"):
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(dist)]
        assert processes.run(build, cwd=folder).returncode == 0
    built, server = sorted(dist.iterdir())
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    processes.run([*install, "--no-deps", "--no-index", "--target", site, built, server])
    cache = tmp_path / "cache" / "readystate" / __version__
    cache.mkdir(parents=True)
    (cache / "vendor").symlink_to(WEB / "vendor")
    project = shutil.copytree(PROJECT, tmp_path / "project")
    done = processes.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--browser={browser_name}"],
        cwd=project,
        env={
            **os.environ,
            "PYTEST_ADDOPTS": "",  # which are for this run
            "PYTHONPATH": str(site),
            "XDG_CACHE_HOME": str(cache.parents[1]),
        },
        timeout=150,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
    # What the app got is the package as it is installed.
    with (
        zipfile.ZipFile(built) as one,
        zipfile.ZipFile(cache / "wheel" / "readystate.whl") as other,
    ):
        code = {
            name: lean(one.read(name))
            for name in one.namelist()
            if name.endswith(".py") and not any(part in name for part in NOT_FOR_PAGES)
        }
        modules = marshal.loads(other.read(MODULES))  # noqa: S302 - made here
        assert other.read(INIT).startswith(code.pop(INIT))
        assert {f"readystate/{name}": data for name, data in modules.items()} == code
