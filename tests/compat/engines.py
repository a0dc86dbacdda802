"""Where the libraries run: CPython, Node.js and the browsers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Playwright

from readystate_server.lab import Server
from readystate_server.lab.places import WEB
from readystate_server.testing import open_pyodide
from readystate_server.testing.runtime import Runtime, pyodide_url, result_of, values_of
from tests.browsers import ROOT, launch_options
from tests.engines.runner import node
from tests.processes import LASTS, started

from . import packages

PROCESSES = ("cpython", "node")

Scenario = Callable[..., Coroutine[Any, Any, Any]]


class ProcessEngine:
    """What a page's :class:`Runtime` is, in a process: it gets a call a line, and answers each with
    a line.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._await_answer()

    def call(self, function: Scenario, *, timeout: float = 30, **arguments: Any) -> Any:
        return self.start(function, timeout=timeout, **arguments)()

    def start(
        self, function: Scenario, *, timeout: float = 30, **arguments: Any
    ) -> Callable[[], Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(values_of(function, timeout, arguments)) + "\n")
        self._process.stdin.flush()
        return lambda: result_of(self._await_answer())

    def _await_answer(self) -> str:
        assert self._process.stdout is not None
        others = []
        for line in self._process.stdout:
            mark, _, answer = line.partition(": ")
            if mark == "answer":
                return str(json.loads(answer))
            others.append(line)
        raise RuntimeError(f"it has ended (status {self._process.wait(10)}): {''.join(others)}")


Engine = ProcessEngine | Runtime
Opened = tuple[Engine, list[str]]
"""An engine, and what is written to its console as errors and warnings, if it has one."""


@contextmanager
def in_process(
    command: Sequence[str], environment: Mapping[str, str] | None = None
) -> Iterator[Opened]:
    """An engine that ``command`` starts."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    variables = {**os.environ, **(environment or {})}
    with started(command, timeout=LASTS, cwd=ROOT, env=variables, **pipes) as process:
        yield ProcessEngine(process), []


def in_cpython(authority: Path) -> AbstractContextManager[Opened]:
    """The CPython that runs the tests, with the libraries; it trusts an authority."""
    environment = {**cpython_environment(), "SSL_CERT_FILE": str(authority)}
    return in_process([sys.executable, "-m", "tests.compat.cpython"], environment)


def cpython_environment() -> dict[str, str]:
    """In which CPython finds the libraries, and this repository."""
    folders = (packages.INSTALLED, ROOT / "py", ROOT)
    return {"PYTHONPATH": os.pathsep.join(map(str, folders))}


def in_node(
    server: Server, authority: Path, pyodide: Path | None = None
) -> AbstractContextManager[Opened]:
    """Node.js, with Pyodide and the wheels; it trusts an authority.

    Args:
        pyodide: The folder of another version, which gets the wheels for every Python only.
    """
    driver = str(Path(__file__).with_name("node.mjs"))
    wheels = packages.wheels()
    if pyodide is not None:
        wheels = [name for name in wheels if name.endswith("-none-any.whl")]
    folder = str(pyodide or WEB / pyodide_url()[1:])
    command = [*node(), driver, server.url, folder, json.dumps(wheels)]
    return in_process(command, {"NODE_EXTRA_CA_CERTS": str(authority)})


@contextmanager
def in_page(playwright: Playwright, name: str, server: Server) -> Iterator[Opened]:
    """A page of the browser ``name``, with Pyodide and the wheels; it trusts any certificate."""
    with (
        getattr(playwright, name).launch(**launch_options(name)) as browser,
        open_pyodide(browser, server, ignore_https_errors=True) as runtime,
    ):
        install = "import('/tests/compat/wheels.mjs').then(it => it.install(pyodide, '', names))"
        runtime.page.evaluate(f"names => {install}", packages.wheels())
        yield runtime, runtime.console.complaints


@contextmanager
def serving(origin: str) -> Iterator[str]:
    """The servers of :mod:`tests.compat.servers` for pages of an origin, as the URL of all."""
    command = [sys.executable, "-m", "tests.compat.servers", origin]
    environment = {**os.environ, **cpython_environment()}
    options = {"cwd": ROOT, "env": environment, "stdout": subprocess.PIPE}
    with started(command, timeout=LASTS, **options) as process:
        port = process.stdout.readline().strip() if process.stdout is not None else ""
        if not port:
            raise OSError(f"the servers have ended with status {process.wait(10)}")
        yield f"http://127.0.0.1:{port}"
