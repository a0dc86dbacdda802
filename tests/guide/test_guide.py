"""The documentation's "Testing your app": its project, tested as its reader does that."""

from __future__ import annotations

import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

from readystate import __version__
from readystate_server.lab import vendor
from readystate_server.lab.places import WEB

from .. import processes
from ..processes import ROOT

PROJECT = Path(__file__).parent / "project"


@pytest.mark.parametrize("name", ["app/index.html", "conftest.py", "test_app.py"])
def test_the_documentation_has_each_of_its_files(name: str) -> None:
    text = (PROJECT / name).read_text(encoding="utf-8")
    kind = "html" if name.endswith(".html") else "python"
    assert f"```{kind}\n{text}```\n" in (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")


def test_its_page_loads_the_pinned_runtimes() -> None:
    """Where they are pinned anew, the example has to be."""
    versions = vendor.pinned(WEB)
    text = (PROJECT / "app" / "index.html").read_text(encoding="utf-8")
    assert f"/@pyscript/core@{versions['pyscript']}/dist/core.js" in text
    assert f"/pyodide/v{versions['pyodide']}/full/pyodide.mjs" in text


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
        code = {name for name in one.namelist() if "dist-info" not in name}
        code -= {name for name in code if name.startswith("readystate/_host/cpython/")}
        assert {name for name in other.namelist() if "dist-info" not in name} == code
        assert all(other.read(name) == one.read(name) for name in code)
