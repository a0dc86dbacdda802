"""What the tests of browsers have, and how each page is looked at."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from readystate_server.lab import Server
from readystate_server.testing import AppServer, Console
from tests.browser.conftest import EXPECTED
from tests.browsers import ROOT

WEB = ROOT / "web"
BOOT = 60_000
"""Milliseconds that Python may take to start on a busy machine."""
PATIENCE = 75_000
"""Firefox may wait for a minute before it connects to a server again where connections failed."""
STATIC = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}"]
"""A plain web server for a folder, which knows nothing of WebSockets."""
BOTH_WIDTHS = pytest.mark.parametrize("width", [360, 1280])
BOTH_SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


def listen(page: Page) -> Console:
    """Returns what the page complains of, from now on."""
    console = Console(page, warnings=True)
    console.expected += EXPECTED
    return console


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "complains: The page may complain, on it or on its console.")


@pytest.fixture(scope="module")
def server(browser: Browser, server: Server) -> Iterator[Server]:
    """A server for each file, to which no connection has failed yet."""
    with Server() as own:
        yield own


@pytest.fixture
def page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page in a context of its own; at the end nothing has complained."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        console = listen(page)
        yield page
        if request.node.get_closest_marker("complains") is None:
            expect(page.locator(".trouble:visible")).to_have_count(0)
            console.check()


PageAs: TypeAlias = Callable[..., Page]


@pytest.fixture
def page_as(launch_browser: Callable[..., Browser], browser_name: str) -> Iterator[PageAs]:
    """A function that opens a page of a browser of its own, for a visitor with preferences."""
    browsers: list[Browser] = []

    def page_as(scheme: Any, *, width: int = 1280, motion: Any = "no-preference") -> Page:
        # A stock Firefox takes the preferences from its own only.
        own = {
            "ui.systemUsesDarkTheme": int(scheme == "dark"),
            "ui.prefersReducedMotion": int(motion == "reduce"),
        }
        options = {"firefox_user_prefs": own} if browser_name == "firefox" else {}
        browsers.append(launch_browser(**options))
        return browsers[-1].new_page(
            viewport={"width": width, "height": 800}, color_scheme=scheme, reduced_motion=motion
        )

    yield page_as
    for browser in browsers:
        browser.close()


Look: TypeAlias = Callable[..., None]


@pytest.fixture
def look(browser_name: str) -> Look:
    """A function that sees that a page fits into its window, and keeps a picture of the place.

    The pictures are in ``artifacts``.
    """

    def look(place: Page | Locator, name: str, scheme: str = "light") -> None:
        page = place if isinstance(place, Page) else place.page
        assert page.viewport_size is not None
        width = page.viewport_size["width"]
        page.wait_for_function("width => innerWidth === width", arg=width)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        is_dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
        assert is_dark == (scheme == "dark")
        path = ROOT / "artifacts" / f"{name}-{browser_name}-{width}-{scheme}.png"
        if isinstance(place, Page):
            place.screenshot(path=path, full_page=True)
        else:
            place.screenshot(path=path)

    return look


def reaches(field: Locator, least: int, timeout: float = PATIENCE) -> None:
    """Waits until the first number in the field is so large."""
    field.page.wait_for_function(
        "([field, least]) => parseInt(field.textContent) >= least",
        arg=[field.element_handle(), least],
        timeout=timeout,
    )


def hold_python(page: Page) -> Callable[[], None]:
    """Has pages not get Python until the function that this returns is called."""
    held: list[Route] = []
    page.route("**/pyodide.asm.wasm", lambda route: held.append(route))

    def release() -> None:
        # The page may say that it loads it a little before it asks for it.
        while not held:
            page.wait_for_timeout(50)
        held[0].continue_()

    return release


@pytest.fixture
def static_host(server: Server, tmp_path: Path) -> Iterator[AppServer]:
    """web/ below a path of a host that has none of the server's endpoints."""
    (tmp_path / "some" / "path").mkdir(parents=True)
    (tmp_path / "some" / "path" / "web").symlink_to(WEB)
    with AppServer(STATIC, cwd=tmp_path) as host:
        yield host
