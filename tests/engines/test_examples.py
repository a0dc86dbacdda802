"""The documentation's examples for Node.js, Bun and Deno, as a reader copies them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from readystate_server.lab import Server, vendor
from readystate_server.lab.places import WEB

from .. import processes
from ..processes import ROOT
from .runner import bun, deno, node

GUIDE = (ROOT / "docs" / "guides" / "outside-a-browser.md").read_text(encoding="utf-8")
FILES = dict(
    re.findall(r"```(?:python|js)\n(?:#|//) (hello\.[\w.]+).*?\n(.*?)```", GUIDE, re.DOTALL)
)
TIMERS = 'process.getActiveResourcesInfo().filter((name) => name === "Timeout").length'


@pytest.fixture
def project(tmp_path: Path, server: Server) -> Path:
    """The files, beside Pyodide as npm installs it, and the wheel."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(
            text.replace("wss://example.org/feed", server.ws_url("/ws/echo")), encoding="utf-8"
        )
    version = vendor.pinned(WEB)["pyodide"]
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "pyodide").symlink_to(WEB / "vendor" / f"pyodide@{version}")
    (tmp_path / "package.json").write_text(f'{{"dependencies": {{"pyodide": "{version}"}}}}')
    for path in (WEB / "wheel").glob("readystate-*.whl"):
        shutil.copy(path, tmp_path)
    return tmp_path


@pytest.mark.parametrize("runtime", [node, bun, deno])
def test_an_example(project: Path, runtime: Callable[[], list[str]]) -> None:
    name = runtime.__name__
    script = project / f"hello.{name}.mjs"
    assert len(script.read_text(encoding="utf-8").splitlines()) == 3
    printed = "hello\n"
    if runtime is node:
        # What was to wait for the server, at most so long, does not keep the process alive.
        with script.open("a", encoding="utf-8") as file:
            file.write(f"console.log({TIMERS});\n")
        printed += "0\n"
    done = processes.run([*runtime(), script.name], cwd=project)
    assert (done.returncode, done.stdout) == (0, printed), done.stderr
