"""Tests that are written here and run in a browser."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from readystate.server import Server

ROOT = Path(__file__).parents[2]

# What browsers write to the console of what some tests do on purpose.
EXPECTED = (
    # A connection fails.
    "WebSocket connection to",
    "Firefox can\u2019t establish a connection",
    "The connection to",
    # A message is sent after close().
    "WebSocket is already in CLOSING or CLOSED state",
    # binaryType is set to something else.
    "The provided value",
)


class Runtime:
    """A page, or a worker of it, in which Python runs."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def call(
        self,
        function: Callable[..., Coroutine[Any, Any, Any]],
        *,
        timeout: float = 30,
        **arguments: Any,
    ) -> Any:
        """Runs ``function`` there and returns its result.

        The function finds there what its module imports, the module's constants (in capitals) and
        helper functions; ``arguments`` and the result have to be Python literals. A failure there
        fails the test here, with the traceback from there.
        """
        answer = self.page.evaluate(
            "values => callPython(...values)", _values(function, timeout, arguments)
        )
        return _result(answer)

    def start(
        self,
        function: Callable[..., Coroutine[Any, Any, Any]],
        *,
        timeout: float = 30,
        **arguments: Any,
    ) -> Callable[[], Any]:
        """Begins what :meth:`call` does; what is returned waits for it, and returns the result."""
        started = self.page.evaluate_handle(
            "values => ({ answer: callPython(...values) })", _values(function, timeout, arguments)
        )
        return lambda: _result(started.evaluate("started => started.answer"))


def _values(
    function: Callable[..., Coroutine[Any, Any, Any]], timeout: float, arguments: dict[str, Any]
) -> list[object]:
    path = Path(inspect.getfile(function))
    name = str(path.relative_to(ROOT))
    return [path.read_text(), name, function.__name__, repr(arguments), timeout]


def _result(answer: str) -> Any:
    ok, result = ast.literal_eval(answer)
    if not ok:
        pytest.fail(result, pytrace=False)
    return result


@contextmanager
def open_runtime(
    browser: Browser, server: Server, place: str
) -> Iterator[tuple[Runtime, list[str]]]:
    """A runtime in a new page, and what is written to its console as errors and warnings."""
    context = browser.new_context()
    page = context.new_page()
    complaints: list[str] = []

    def complain(text: str) -> None:
        if not text.startswith(EXPECTED):
            complaints.append(text)

    def on_console(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            complain(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: complain(str(error)))
    page.goto(f"{server.url}/tests/browser/runtime.html?place={place}")
    page.wait_for_selector(f"body[data-ready={place}]", state="attached", timeout=60_000)
    yield Runtime(page), complaints
    context.close()


def in_browser(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Makes an ``async def`` a test that runs in Pyodide, in each browser, in a page and a worker.

    Its parameters are fixtures and parametrizations, as those of any test; their values have to be
    Python literals.
    """

    def test(runtime: Runtime, **arguments: Any) -> None:
        runtime.call(function, **arguments)

    signature = inspect.signature(test)
    own = inspect.signature(function).parameters.values()
    parameters = [signature.parameters["runtime"], *own]
    test.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    test.__name__ = function.__name__
    test.__qualname__ = function.__qualname__
    test.__module__ = function.__module__
    test.__doc__ = function.__doc__
    return test
