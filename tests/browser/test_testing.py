"""readystate_server.testing: what it does when a test should fail, and what is in no guide."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from readystate_server.testing import Console, OpenPage, Runtime, in_browser, inpage

LIMIT = 3


async def add(*, a: int, b: int) -> int:
    return a + b


async def wrong(*, number: int) -> None:
    assert number < LIMIT


async def use_what_is_missing() -> None:
    pytest.fail("here there is no pytest")


async def return_no_literal() -> object:
    return object()


async def report() -> None:
    import asyncio

    asyncio.get_running_loop().call_exception_handler({"message": "of nobody's"})


async def never() -> None:
    import asyncio

    await asyncio.Event().wait()


async def complain() -> None:
    import js

    js.console.error("something is wrong")


async def use_the_users_package() -> str:
    from shop.prices import PRICE  # type: ignore[import-not-found]

    return f"{PRICE} €"


@pytest.fixture
def open_wrong_page(open_page: OpenPage, context: BrowserContext) -> OpenPage:
    """Opens a page without Python, and with an error."""
    body = "<title>wrong</title><script>console.error('oh no')</script>"
    context.route("**/wrong", lambda route: route.fulfill(body=body, content_type="text/html"))
    return functools.partial(open_page, "/wrong")


def test_a_function_has_arguments_and_a_result(runtime: Runtime) -> None:
    assert runtime.call(add, a=1, b=2) == 3
    wait = runtime.start(add, a=3, b=4)
    assert wait() == 7


def test_arguments_are_literals(runtime: Runtime) -> None:
    with pytest.raises(TypeError, match="must be Python literals"):
        runtime.call(add, a=object(), b=4)


def test_a_failure_there_is_one_here(runtime: Runtime) -> None:
    with pytest.raises(pytest.fail.Exception) as failed:
        runtime.call(wrong, number=5)
    text = str(failed.value)
    assert "assert number < LIMIT" in text
    assert "tests/browser/test_testing.py" in text
    assert "number = 5" in text


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (use_what_is_missing, "No module named 'pytest'"),
        (return_no_literal, "which is not a Python literal"),
        (report, "unexpected exceptions were reported"),
        (never, "TimeoutError"),
    ],
)
def test_what_else_fails(runtime: Runtime, function: object, text: str) -> None:
    with pytest.raises(pytest.fail.Exception, match=text):
        runtime.call(function, timeout=2)  # type: ignore[arg-type]


@in_browser
async def test_on_cpython_only() -> None:
    """What a page has is there all the same, though this file imports both in one statement."""
    with inpage.raises(ImportError, match="testing.open_pyodide is for tests on CPython"):
        from readystate_server.testing import open_pyodide  # noqa: F401


def test_what_the_console_says_fails_the_test(runtime: Runtime) -> None:
    runtime.call(complain)
    with pytest.raises(pytest.fail.Exception, match="something is wrong"):
        runtime.console.check()
    runtime.console.check()


def test_what_is_expected_does_not(open_wrong_page: OpenPage) -> None:
    app = open_wrong_page(ready=None)
    with app.page.expect_event("console"):
        app.page.reload()
    app.console.expected += ("oh",)
    app.console.check()


@pytest.mark.parametrize("pyodide_place", ["page"], indirect=True)
def test_pyodide_may_be_a_global_of_the_page(runtime: Runtime) -> None:
    runtime.page.evaluate("() => { globalThis.own = callPython; delete globalThis.callPython }")
    assert runtime.call(add, a=1, b=2) == 3
    assert runtime.page.evaluate("() => callPython !== own")
    runtime.page.evaluate("() => { globalThis.callPython = own }")


def test_packages_of_the_user(runtime: Runtime, tmp_path: Path) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "prices.py").write_text("PRICE = 5\n")
    runtime.install(package)
    assert runtime.call(use_the_users_package) == "5 €"


def test_a_page_that_is_never_ready(open_wrong_page: OpenPage) -> None:
    with pytest.raises(pytest.fail.Exception, match=r"not ready \(py:ready\) in 1 s.*oh no"):
        open_wrong_page(timeout=1)


def test_a_page_without_python(open_wrong_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("readystate_server.testing.runtime.BOOT", 1)
    app = open_wrong_page(ready=None)
    app.console.complaints.clear()
    with pytest.raises(pytest.fail.Exception, match="runs no Python that can be called"):
        app.call(add, a=1, b=2)


def test_any_event_may_say_that_a_page_is_ready(open_wrong_page: OpenPage) -> None:
    app = open_wrong_page(ready="DOMContentLoaded")
    assert app.page.title() == "wrong"
    with pytest.raises(pytest.fail.Exception, match="oh no"):
        app.console.check()


def test_uncaught_errors_are_complaints(page: Page) -> None:
    console = Console(page)
    with page.expect_event("pageerror"):
        page.evaluate("() => { setTimeout(() => { throw new Error('nobody catches it') }) }")
    with pytest.raises(pytest.fail.Exception, match="nobody catches it"):
        console.check()


def test_failed_attempts_to_connect_are_no_complaints(page: Page) -> None:
    """The package warns of them on the console: a test that kills a server has some."""
    console = Console(page)
    ours = "<QueuedWebSocket ws://127.0.0.1:1/orders CONNECTING>: "
    with page.expect_console_message(lambda message: "dropped" in message.text):
        page.evaluate(
            "ours => { console.error(ours + 'attempt 3 failed: could not connect');"
            "          console.error(ours + 'closed at once: 1 message dropped'); }",
            ours,
        )
    assert console.complaints == [f"{ours}closed at once: 1 message dropped"]


@pytest.mark.only_browser("chromium")
def test_chromium_has_the_features_of_playwright_and_no_heap_profiler(page: Page) -> None:
    page.goto("chrome://version")
    command = page.locator("#command_line").inner_text()
    playwrights, ours = re.findall(r"--enable-features=(\S+)", command)
    assert set(playwrights.split(",")) < set(ours.split(","))
    assert "HeapProfilerReporting:stable-probability/0/" in ours
