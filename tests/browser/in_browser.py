"""Tests that are written here and run in a browser."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

ROOT = Path(__file__).parents[2]


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
        path = Path(inspect.getfile(function))
        answer = self.page.evaluate(
            "values => callPython(...values)",
            [
                path.read_text(),
                str(path.relative_to(ROOT)),
                function.__name__,
                repr(arguments),
                timeout,
            ],
        )
        ok, result = ast.literal_eval(answer)
        if not ok:
            pytest.fail(result, pytrace=False)
        return result


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
