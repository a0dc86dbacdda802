"""Starts each engine, and has it run the cases."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import sync_playwright
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from readystate_server.lab import Server, vendor
from readystate_server.lab.places import WEB
from readystate_server.testing.runtime import pyodide_url
from tests.browsers import launch_options

from .. import processes, versions
from . import webkit
from .cases import ALL

TESTS = Path(__file__).parents[1]
STAND_INS = TESTS / "engines" / "mpy" / "stand_ins"
AT_A_TIME = 2
"""How many engines run in parallel."""
TIMEOUT = 240.0
"""Seconds that an engine may take."""
MODULES = tuple(
    path.relative_to(TESTS.parent).as_posix()
    for pattern in ("__init__.py", "faults.py", "engines/__init__.py", "engines/cases/*.py")
    for path in sorted(TESTS.glob(pattern))
)
"""What runs in an engine."""
SETUP = "run 'python -m tests.setup'"

Told = tuple[str, str, str | None]
"""The engine's version, a line for each result, and what has gone wrong, if anything has."""


class Missing(Exception):  # noqa: N818
    """There is no such engine here; the text says what to do."""


@dataclass
class Run:
    """What an engine has done.

    Attributes:
        engine: Its name.
        version: Its version, "" if it could not be started.
        results: What became of each case, by its name.
        failure: Why there are fewer than there should be.
    """

    engine: str
    version: str = ""
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    failure: str | None = None

    @property
    def holds(self) -> bool:
        """Whether every case does, and the engine has come to its end."""
        return self.failure is None and all(self.failure_of(case) is None for case in ALL)

    def failure_of(self, case: str) -> str | None:
        """Why the case does not hold, ``None`` if it does."""
        if case in self.results:
            failure: str | None = self.results[case]["failure"]
            return failure
        return self.failure or "it was not run"


def run_all(engines: Sequence[str]) -> Iterator[Run]:
    """Runs the cases in the engines, some at a time; yields them in their order."""
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        yield from pool.map(run, engines)


def run(engine: str) -> Run:
    """Runs the cases in an engine. The wheel and the runtimes have to be there.

    Args:
        engine: Its name, or with another Pyodide or MicroPython than the pinned one as
            ``node@0.26.4``.
    """
    done = Run(engine)
    name, _, version = engine.partition("@")
    pyodide = pyodide_url()
    micropython = f"/vendor/micropython@{vendor.pinned(WEB)['micropython']}"
    if version and name.startswith("mpy-"):
        micropython = versions.url("micropython", version)
    elif version:
        pyodide = versions.url("pyodide", version)
    with (
        Server(folders={"/tests": TESTS, **versions.FOLDERS}) as server,
        Server(allow_origins=[server.url]) as failing,
    ):
        stand_ins = sorted(STAND_INS.rglob("*.py"))
        request = json.dumps(
            {
                "engine": name,
                "pyodide": pyodide,
                "failing": failing.ws_url(""),
                "modules": MODULES,
                "micropython": micropython,
                "standIns": [path.relative_to(STAND_INS).as_posix() for path in stand_ins],
                "testing": ["readystate_server/testing/inpage.py"],
            }
        )
        try:
            done.version, lines, done.failure = {**ENGINES, **MORE}[name](server, request)
        except Missing as reason:
            done.failure = str(reason)
            return done
    results = [json.loads(line) for line in lines.splitlines() if line.strip()]
    done.results = {result["case"]: result for result in results}
    if len(results) < len(ALL) and done.failure is None:
        done.failure = "it ended before its time"
    if done.failure is not None:
        begun = [case for case in ALL if case not in done.results]
        done.failure = f"{f'in {begun[0]!r}' if begun else 'after all cases'}: {done.failure}"
    return done


def in_playwright(name: str, place: str = "page") -> Callable[[Server, str], Told]:
    """Runs the cases in a page of a browser that Playwright drives, or in a worker of the page."""

    def told(server: Server, request: str) -> Told:
        # In a thread of its own it disturbs no other Playwright.
        with sync_playwright() as playwright:
            try:
                browser = getattr(playwright, name).launch(**launch_options(name))
            except (RuntimeError, PlaywrightError) as error:
                raise Missing(str(error)) from error
            try:
                page = browser.new_page()
                page.goto(page_url(server, request, place))
                failure = None
                try:
                    page.wait_for_selector(
                        "body[data-end]", state="attached", timeout=TIMEOUT * 1000
                    )
                    failure = page.get_attribute("body", "data-end") or None
                except PlaywrightError as error:
                    failure = str(error)
                return browser.version, page.text_content("body") or "", failure
            finally:
                browser.close()

    return told


def in_webkit(server: Server, request: str) -> Told:
    """Runs the cases in a page of WebKitGTK."""
    if missing := webkit.missing():
        raise Missing(f"{' and '.join(missing)} not found: {SETUP}")
    try:
        with webkit.launched() as driver:
            driver.get(page_url(server, request))
            body = driver.find_element(By.TAG_NAME, "body")
            failure = None
            try:
                waiting = WebDriverWait(driver, TIMEOUT)
                waiting.until(lambda _: body.get_attribute("data-end") is not None)
                failure = body.get_attribute("data-end") or None
            except TimeoutException:
                failure = f"no end after {TIMEOUT:g} s"
            return webkit.version(driver), body.get_attribute("textContent") or "", failure
    except (OSError, WebDriverException) as error:
        raise Missing(f"{str(error).splitlines()[0]}: {SETUP}") from error


def page_url(server: Server, request: str, place: str = "page") -> str:
    """The page that runs the cases of the request."""
    return server.url_for("/tests/engines/page.html", request=request, place=place)


def in_process(
    command: Callable[[], list[str]], driver: str = "process.mjs"
) -> Callable[[Server, str], Told]:
    """Runs the cases in a process."""

    def told(server: Server, request: str) -> Told:
        start = command()
        program = str(TESTS / "engines" / driver)
        arguments = [program, server.url, str(folder_of(json.loads(request)["pyodide"])), request]
        failure = None
        try:
            done = processes.run([*start, *arguments], timeout=TIMEOUT)
            output = done.stdout
            if done.returncode:
                failure = f"exit status {done.returncode}: {done.stderr[-3000:]}"
        except subprocess.TimeoutExpired as expired:
            output = (expired.stdout or b"").decode()
            output = output[: output.rfind("\n") + 1]
            failure = f"no end after {TIMEOUT:g} s"
        return version_of(start[0]), output, failure

    return told


def folder_of(url: str) -> Path:
    """Where the server has what it serves under ``url``, a Pyodide."""
    is_other = url.startswith("/versions/")
    return versions.MODULES / url.removeprefix("/versions/") if is_other else WEB / url[1:]


def version_of(binary: str) -> str:
    """The version that a runtime says it has."""
    text = processes.run([binary, "--version"]).stdout
    found = re.search(r"\d+(\.\d+)+", text)
    return found[0] if found else text.strip()


def node() -> list[str]:
    """Node.js, with its ``WebSocket``."""
    binary = shutil.which("node")
    if binary is None:
        raise Missing("node is not on the PATH: install Node.js, 20 or newer")
    has_it = processes.run([binary, "--print", "typeof WebSocket"])
    return [binary] if "function" in has_it.stdout else [binary, "--experimental-websocket"]


def node_of(version: str) -> list[str]:
    """Node.js of another version."""
    binary = versions.node(version)
    if not binary.is_file():
        raise Missing(f"npm has no Node.js {version} for this system, or it was not fetched")
    return [str(binary)]


def bun() -> list[str]:
    """Bun, of the version that is pinned."""
    return [vendored("bun")]


def deno() -> list[str]:
    """Deno, of the version that is pinned."""
    return [vendored("deno"), "run", "--allow-all", "--no-prompt"]


def vendored(name: str) -> str:
    """A runtime in ``web/vendor/``."""
    binary = vendor.binary(name)
    if not binary.is_file():
        raise Missing(f"{name} is not in web/vendor: {SETUP}")
    return str(binary)


ENGINES: dict[str, Callable[[Server, str], Told]] = {
    "cpython": in_process(lambda: [sys.executable], "process.py"),
    "chromium": in_playwright("chromium"),
    "firefox": in_playwright("firefox"),
    "webkitgtk": in_webkit,
    "node": in_process(node),
    "bun": in_process(bun),
    "deno": in_process(deno),
    # MicroPython: "page" and "worker" are places in the browser that is named last.
    "mpy-page-chromium": in_playwright("chromium"),
}
MORE: dict[str, Callable[[Server, str], Told]] = {
    **{f"node-{version}": in_process(partial(node_of, version)) for version in versions.NODE},
    "mpy-page-firefox": in_playwright("firefox"),
    "mpy-worker-chromium": in_playwright("chromium", "worker"),
    "mpy-worker-firefox": in_playwright("firefox", "worker"),
}
"""Engines that the default suite does not run."""
OLDEST = f"node@{versions.OLDEST}"
"""What the default suite runs besides: the oldest Pyodide."""
OTHERS = (
    *(f"node@{version}" for version in versions.SUPPORTED),
    *(f"chromium@{version}" for version in (versions.OLDEST, versions.NEWEST)),
    *MORE,
    *(f"mpy-page-chromium@{version}" for version in versions.MICROPYTHON),
)
"""Engines with another Python than the pinned one, and those of MORE."""
