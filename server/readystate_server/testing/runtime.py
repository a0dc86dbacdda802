"""Pages that run Python, for tests."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from ..lab import Server, vendor
from ..lab.places import PINS, WEB
from . import inpage

CONNECTION_FAILS = (
    "WebSocket connection to",
    "Firefox can\u2019t establish a connection",
    "The connection to",
)
"""How browsers' messages about failed connections start, which tests provoke."""
_ATTEMPT_FAILS = re.compile(r"\S+ .*: attempt \d+ failed: ")
"""The package's own warning of that, from the third attempt in a row."""
CDN = "https://cdn.jsdelivr.net"
BOOT = 60.0
"""Seconds that Python may take to start."""
TIMEOUT = 90.0
"""Seconds that a test may take: Firefox delays connections by up to a minute after others failed.
"""

IN_PAGE = ("__init__.py", "inpage.py", "runner.py")
"""The files of this package that run in a page."""
# Adds callPython, see runner.py, to an app's page, as the empty page has it.
ATTACH = """\
(install) => {
  const offer = `${install}import readystate_server.testing.runner as _; _.offer(); del _`;
  if (globalThis.pyodide) {
    pyodide.runPython(offer);
    return;
  }
  const script = document.createElement("script");
  script.type = "py";
  script.textContent = offer;
  document.body.append(script);
}"""


class Console:
    """The errors on a page's console, and its uncaught exceptions.

    Attributes:
        complaints: Their texts.
        expected: How texts to ignore start; by default those of failed connections. The package's
            warnings of failed attempts to connect are ignored too.
    """

    def __init__(self, page: Page, *, warnings: bool = False) -> None:
        """With `warnings`, these count too."""
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = CONNECTION_FAILS
        self._types = ("error", "warning") if warnings else ("error",)
        page.on("console", self._on_console)
        page.on("pageerror", lambda error: self._complain(str(error)))

    def check(self) -> None:
        """Fail the test if there are unexpected complaints; then forget them."""
        complaints = [text for text in self.complaints if not self._is_expected(text)]
        self.complaints.clear()
        if complaints:
            pytest.fail(f"The console of the page says: {complaints}", pytrace=False)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in self._types:
            self._complain(message.text)

    def _complain(self, text: str) -> None:
        if not self._is_expected(text):
            self.complaints.append(text)

    def _is_expected(self, text: str) -> bool:
        return text.startswith(self.expected) or _ATTEMPT_FAILS.match(text) is not None


class Runtime:
    """A page or worker that runs Python.

    Attributes:
        page: Playwright's page.
        console: Its console.
    """

    def __init__(self, page: Page, console: Console) -> None:
        self.page = page
        self.console = console

    def call(
        self,
        function: Callable[..., Coroutine[Any, Any, Any]],
        *,
        timeout: float = 30,
        **arguments: Any,
    ) -> Any:
        """Run `function` there and return its result.

        The function can use its module's imports, constants (in capitals) and helper functions;
        `arguments` and the result must be Python literals. An exception there fails the test, with
        that traceback.
        """
        self._attach()
        answer = self.page.evaluate(
            "values => callPython(...values)", values_of(function, timeout, arguments)
        )
        return result_of(answer)

    def start(
        self,
        function: Callable[..., Coroutine[Any, Any, Any]],
        *,
        timeout: float = 30,
        **arguments: Any,
    ) -> Callable[[], Any]:
        """Start what `call` does; return a function that waits for it and returns the result."""
        self._attach()
        started = self.page.evaluate_handle(
            "values => ({ answer: callPython(...values) })", values_of(function, timeout, arguments)
        )
        return lambda: result_of(started.evaluate("started => started.answer"))

    def install(self, *paths: Path) -> None:
        """Copy your packages (folders) and modules (files) there, to be imported."""
        files = {
            file.relative_to(path.parent).as_posix(): file.read_bytes()
            for path in map(Path.resolve, paths)
            for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])
        }
        self.call(inpage.write, files=files)

    def _attach(self) -> None:
        if self.page.evaluate("() => 'callPython' in globalThis"):
            return
        self.page.evaluate(ATTACH, installation())
        try:
            self.page.wait_for_function("() => 'callPython' in globalThis", timeout=BOOT * 1000)
        except PlaywrightTimeoutError:
            pytest.fail(
                f"{self.page.url} runs no Python that can be called: it needs Pyodide, by PyScript "
                "or as globalThis.pyodide, with the readystate package. Its console says: "
                f"{self.console.complaints}",
                pytrace=False,
            )


class OpenPage(Protocol):
    """The fixture `open_page`."""

    def __call__(
        self,
        path: str = "/",
        *,
        ready: str | None = "py:ready",
        timeout: float = BOOT,
        **query: object,
    ) -> Runtime:
        """Open `path`, with a query, and wait for the event `ready`; None: until loaded.

        `path` is one on `ws_server`, or a whole URL: a page of a server of yours.
        """


def open_app(
    page: Page, url: str, *, ready: str | None = "py:ready", timeout: float = BOOT
) -> Runtime:
    """Open `url` in `page`, and wait for the event `ready`."""
    runtime = Runtime(page, Console(page))
    if ready is not None:
        name = json.dumps(ready)
        note = f"document.documentElement.dataset.readystateEvent = {name}"
        page.add_init_script(f"addEventListener({name}, () => {{ {note} }}, {{ capture: true }})")
    page.goto(url)
    if ready is not None:
        try:
            page.wait_for_selector(
                f"html[data-readystate-event={name}]", state="attached", timeout=timeout * 1000
            )
        except PlaywrightTimeoutError:
            pytest.fail(
                f"{url} was not ready ({ready}) in {timeout:g} s. Its console says: "
                f"{runtime.console.complaints}",
                pytrace=False,
            )
    return runtime


@contextmanager
def open_pyodide(
    browser: Browser,
    server: Server,
    place: str = "page",
    *,
    pyodide: str | None = None,
    **context_options: Any,
) -> Iterator[Runtime]:
    """Open an empty page that runs Python, or with `place` "worker" in a worker.

    `pyodide` is the URL of Pyodide's folder; by default the server's, or else the CDN's. Other
    options are for Playwright's ``Browser.new_context()``.
    """
    context = browser.new_context(**context_options)
    page = context.new_page()
    runtime = Runtime(page, Console(page, warnings=True))
    page.goto(server.url_for("/runtime/", place=place, pyodide=pyodide or pyodide_url()))
    either = "body[data-ready], body[data-failed]"
    body = page.wait_for_selector(either, state="attached", timeout=BOOT * 1000)
    why = body and body.get_attribute("data-failed")
    if why:
        raise RuntimeError(f"Python has not started in {page.url}: {why}")
    yield runtime
    context.close()


def pyodide_url() -> str:
    """Return the URL of Pyodide: on the server, if it has been fetched, or on the CDN."""
    version = vendor.pinned(PINS)["pyodide"]
    path = f"vendor/pyodide@{version}"
    return f"/{path}" if (WEB / path).is_dir() else f"{CDN}/pyodide/v{version}/full"


def in_browser(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make an `async def` a test that runs in Pyodide, in the fixture `pyodide_page`.

    Its parameters are fixtures and parametrizations, as usual; their values must be Python
    literals.
    """

    def test(pyodide_page: Runtime, **arguments: Any) -> None:
        pyodide_page.call(function, timeout=TIMEOUT, **arguments)

    signature = inspect.signature(test)
    own = inspect.signature(function).parameters.values()
    parameters = [signature.parameters["pyodide_page"], *own]
    test.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    test.__name__ = function.__name__
    test.__qualname__ = function.__qualname__
    test.__module__ = function.__module__
    test.__doc__ = function.__doc__
    return test


def installation() -> str:
    """Return a program that installs this package's part for pages."""
    package = Path(__file__).parent
    files = {name: (package / name).read_text(encoding="utf-8") for name in IN_PAGE}
    return f"""\
import importlib as _importlib, pathlib as _pathlib
_folder = _pathlib.Path("readystate_server/testing")
_folder.mkdir(parents=True, exist_ok=True)
for _name, _text in {files!r}.items(): (_folder / _name).write_text(_text, encoding="utf-8")
_importlib.invalidate_caches()
del _folder, _name, _text
"""


def values_of(
    function: Callable[..., Coroutine[Any, Any, Any]], timeout: float, arguments: dict[str, Any]
) -> list[object]:
    """Return the arguments for `call` in runner.py: strings and a number."""
    path = Path(inspect.getfile(function))
    here = Path.cwd()
    name = str(path.relative_to(here) if path.is_relative_to(here) else path)
    try:
        ast.literal_eval(repr(arguments))
    except (SyntaxError, ValueError):
        raise TypeError(f"Arguments must be Python literals: {arguments!r}") from None
    return [path.read_text(encoding="utf-8"), name, function.__name__, repr(arguments), timeout]


def result_of(answer: str) -> Any:
    """Return the result of `call` in runner.py, or fail the test."""
    ok, result = ast.literal_eval(answer)
    if not ok:
        pytest.fail(result, pytrace=False)
    return result
