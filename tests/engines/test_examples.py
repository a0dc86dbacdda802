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
    source = FILES[f"hello.{name}.mjs"]
    assert len(source.splitlines()) == 3
    done = processes.run([*runtime(), f"hello.{name}.mjs"], cwd=project)
    assert (done.returncode, done.stdout) == (0, "hello\n"), done.stderr


def test_no_timer_keeps_the_process_alive(project: Path) -> None:
    """What was to wait for the server, at most so long, is gone when the script ends."""
    script = project / "hello.node.mjs"
    timers = 'process.getActiveResourcesInfo().filter((name) => name === "Timeout").length'
    with script.open("a", encoding="utf-8") as file:
        file.write(f"console.log({timers});\n")
    done = processes.run([*node(), script.name], cwd=project)
    assert (done.returncode, done.stdout) == (0, "hello\n0\n"), done.stderr
